package kube

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

func TestMain(m *testing.M) {
	Quiet()
	os.Exit(m.Run())
}

const cassandraGroup = "cassandra.datastax.com"

// fakeClock passes time without waiting; but for renewals, which wait until they
// are told to.
type fakeClock struct {
	mu  sync.Mutex
	now time.Time
	// onWait is called after each wait.
	onWait func()
	renew  chan struct{}
	// renewEvery is the wait of a renewal.
	renewEvery time.Duration
}

func newFakeClock() *fakeClock {
	return &fakeClock{now: time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC), renew: make(chan struct{})}
}

// Now implements clock.
func (c *fakeClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *fakeClock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// Wait implements clock.
func (c *fakeClock) Wait(ctx context.Context, d time.Duration) error {
	if d == c.renewEvery {
		select {
		case <-c.renew:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	c.pass(d)
	c.mu.Lock()
	onWait := c.onWait
	c.mu.Unlock()
	if onWait != nil {
		onWait()
	}
	return nil
}

func clockOf(c *apiClient) *fakeClock { return c.clock.(*fakeClock) }

// world is a namespace "db" of a server.
type world struct {
	*server
	client  *apiClient
	mu      sync.Mutex
	notices []string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{server: newServer(t)}
	notify := func(m string) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.notices = append(w.notices, m)
	}
	w.client = w.server.client(connectOptions{Notify: notify})
	return w
}

func (w *world) noticed() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string{}, w.notices...)
}

// object is a CassandraDatacenter that is Ready.
func object(cluster, name string, size int) map[string]any {
	return map[string]any{
		"apiVersion": "cassandra.datastax.com/v1beta1", "kind": "CassandraDatacenter",
		"metadata": map[string]any{"namespace": "db", "name": name, "uid": "uid-" + name, "generation": 2},
		"spec":     map[string]any{"clusterName": cluster, "size": size},
		"status": map[string]any{
			"cassandraOperatorProgress": "Ready", "observedGeneration": 2,
			"conditions": []any{map[string]any{"type": "Ready", "status": "True"}, map[string]any{"type": "Stopped", "status": "False"}},
		},
	}
}

// datacenter adds a datacenter of one rack that is all up, and its secret.
func (w *world) datacenter(cluster, name string, size int, edit ...func(o map[string]any)) {
	w.t.Helper()
	o := object(cluster, name, size)
	for _, e := range edit {
		e(o)
	}
	w.put(cassandraGroup, "cassandradatacenters", o)
	replicas := int32(size)
	set := &appsv1.StatefulSet{ObjectMeta: meta(cluster, name, "set-"+name), Spec: appsv1.StatefulSetSpec{Replicas: &replicas}}
	yes := true
	set.UID = types.UID("set-uid-" + name)
	set.OwnerReferences = []metav1.OwnerReference{{Kind: "CassandraDatacenter", Name: name, UID: types.UID("uid-" + name), Controller: &yes}}
	w.put("apps", "statefulsets", set)
	for i := range size {
		w.put("", "pods", pod(cluster, name, i))
		claim := &corev1.PersistentVolumeClaim{ObjectMeta: meta(cluster, name, fmt.Sprintf("server-data-set-%s-%d", name, i))}
		claim.UID, claim.Spec.VolumeName = types.UID("claim-uid-"+claim.Name), "pv-"+claim.Name
		w.put("", "persistentvolumeclaims", claim)
	}
	w.put("", "secrets", secret(CleanupForKubernetes(cluster)+"-superuser", "username", "admin", "password", "s3cret"))
}

func secret(name string, pairs ...string) *corev1.Secret {
	s := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "db", Name: name}, Data: map[string][]byte{}}
	for i := 0; i < len(pairs); i += 2 {
		s.Data[pairs[i]] = []byte(pairs[i+1])
	}
	return s
}

func meta(cluster, datacenter, name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: "db", Name: name, Labels: map[string]string{
		"cassandra.datastax.com/cluster": cleanLabel(cluster), "cassandra.datastax.com/datacenter": datacenter,
		"app.kubernetes.io/managed-by": "cass-operator", "cassandra.datastax.com/node-state": "Started",
	}}
}

func pod(cluster, datacenter string, i int) *corev1.Pod {
	yes := true
	name := fmt.Sprintf("set-%s-%d", datacenter, i)
	p := &corev1.Pod{ObjectMeta: meta(cluster, datacenter, name)}
	p.UID = types.UID("pod-uid-" + name)
	p.OwnerReferences = []metav1.OwnerReference{{Kind: "StatefulSet", Name: "set-" + datacenter, UID: types.UID("set-uid-" + datacenter), Controller: &yes}}
	p.Spec.Volumes = []corev1.Volume{{Name: "server-data", VolumeSource: corev1.VolumeSource{
		PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "server-data-" + name}}}}
	p.Spec.Containers = []corev1.Container{{Name: "logger"}, {Name: "cassandra", VolumeMounts: []corev1.VolumeMount{
		{Name: "server-data", MountPath: "/var/lib/cassandra"}, {Name: "tmp", MountPath: "/tmp"}}}}
	p.Status = corev1.PodStatus{Phase: corev1.PodRunning, PodIP: fmt.Sprintf("10.0.0.%d", i+1), ContainerStatuses: []corev1.ContainerStatus{
		{Name: "logger"}, {Name: "cassandra", Ready: true, ContainerID: "containerd://1",
			State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}}}
	return p
}

// in is the object at a path, which is made where it is missing.
func in(o map[string]any, path ...string) map[string]any {
	for _, p := range path {
		next, ok := o[p].(map[string]any)
		if !ok {
			next = map[string]any{}
			o[p] = next
		}
		o = next
	}
	return o
}

// first is the first object of a list.
func first(list any) map[string]any { return list.([]any)[0].(map[string]any) }

// editPod changes the first pod.
func editPod(edit func(o map[string]any)) func(*world) {
	return func(w *world) { w.edit("", "pods", "set-dc1-0", edit) }
}
