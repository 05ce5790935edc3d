// Package kubetest is an API server in memory for the tests of pkg/kube: objects, exec,
// port-forward, logs, Jobs that run, and a clock that passes without waiting. It fails a
// test in which something was asked that the list of permissions lacks.
package kubetest

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/casshook/casshook/pkg/kube/api"
	"github.com/casshook/casshook/pkg/kube/objects"
)

// CassandraGroup is the API group of CassandraDatacenters.
const CassandraGroup = "cassandra.datastax.com"

// Clock passes time without waiting; but for renewals, which wait until they
// are told to.
type Clock struct {
	mu  sync.Mutex
	now time.Time
	// OnWait is called after each wait.
	OnWait func()
	Renew  chan struct{}
	// RenewEvery is the wait of a renewal.
	RenewEvery time.Duration
}

// NewClock begins on 21 November 2026 at 10:00 UTC.
func NewClock() *Clock {
	return &Clock{now: time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC), Renew: make(chan struct{})}
}

// Now implements flow.Clock.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Pass lets time pass.
func (c *Clock) Pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// Wait implements flow.Clock.
func (c *Clock) Wait(ctx context.Context, d time.Duration) error {
	if d == c.RenewEvery {
		select {
		case <-c.Renew:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	c.Pass(d)
	c.mu.Lock()
	onWait := c.OnWait
	c.mu.Unlock()
	if onWait != nil {
		onWait()
	}
	return nil
}

// ClockOf is the clock of a client of a Server.
func ClockOf(c *api.Client) *Clock { return c.Clock.(*Clock) }

// World is a namespace "db" of a server.
type World struct {
	*Server
	Client  *api.Client
	mu      sync.Mutex
	notices []string
}

// NewWorld makes an empty one.
func NewWorld(t *testing.T) *World {
	t.Helper()
	w := &World{Server: newServer(t)}
	notify := func(m string) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.notices = append(w.notices, m)
	}
	w.Client = w.Server.Connect(api.Options{Notify: notify})
	w.Put("", "namespaces", corev1.Namespace{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Namespace"}, ObjectMeta: metav1.ObjectMeta{Name: w.Client.Namespace}})
	return w
}

// Noticed is what the client told that no error says.
func (w *World) Noticed() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string{}, w.notices...)
}

// Datacenter is a CassandraDatacenter that is Ready.
func Datacenter(cluster, name string, size int) map[string]any {
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

// PutDatacenter adds a datacenter of one rack that is all up, and its secret.
func (w *World) PutDatacenter(cluster, name string, size int, edit ...func(o map[string]any)) {
	w.T.Helper()
	o := Datacenter(cluster, name, size)
	for _, e := range edit {
		e(o)
	}
	w.Put(CassandraGroup, "cassandradatacenters", o)
	replicas := int32(size)
	set := &appsv1.StatefulSet{ObjectMeta: Meta(cluster, name, "set-"+name), Spec: appsv1.StatefulSetSpec{Replicas: &replicas}}
	yes := true
	set.UID = types.UID("set-uid-" + name)
	set.OwnerReferences = []metav1.OwnerReference{{Kind: "CassandraDatacenter", Name: name, UID: types.UID("uid-" + name), Controller: &yes}}
	w.Put("apps", "statefulsets", set)
	for i := range size {
		w.Put("", "pods", Pod(cluster, name, i))
		claim := &corev1.PersistentVolumeClaim{ObjectMeta: Meta(cluster, name, fmt.Sprintf("server-data-set-%s-%d", name, i))}
		claim.UID, claim.Spec.VolumeName = types.UID("claim-uid-"+claim.Name), "pv-"+claim.Name
		w.Put("", "persistentvolumeclaims", claim)
	}
	w.Put("", "secrets", Secret(objects.CleanupForKubernetes(cluster)+"-superuser", "username", "admin", "password", "s3cret"))
}

// Secret of keys and values.
func Secret(name string, pairs ...string) *corev1.Secret {
	s := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "db", Name: name}, Data: map[string][]byte{}}
	for i := 0; i < len(pairs); i += 2 {
		s.Data[pairs[i]] = []byte(pairs[i+1])
	}
	return s
}

// Meta has the labels of what belongs to a datacenter.
func Meta(cluster, datacenter, name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: "db", Name: name, Labels: map[string]string{
		"cassandra.datastax.com/cluster": objects.CleanLabel(cluster), "cassandra.datastax.com/datacenter": datacenter,
		"app.kubernetes.io/managed-by": "cass-operator", "cassandra.datastax.com/node-state": "Started",
	}}
}

// Pod is the i-th of a datacenter, and up.
func Pod(cluster, datacenter string, i int) *corev1.Pod {
	yes := true
	name := fmt.Sprintf("set-%s-%d", datacenter, i)
	p := &corev1.Pod{ObjectMeta: Meta(cluster, datacenter, name)}
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

// In is the object at a path, which is made where it is missing.
func In(o map[string]any, path ...string) map[string]any {
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

// First is the first object of a list.
func First(list any) map[string]any { return list.([]any)[0].(map[string]any) }

// EditPod changes the first pod.
func EditPod(edit func(o map[string]any)) func(*World) {
	return func(w *World) { w.Edit("", "pods", "set-dc1-0", edit) }
}

// Object is an object of any kind; an empty namespace is the cluster's scope.
func Object(apiVersion, kind, namespace, name string, fields map[string]any) map[string]any {
	meta := map[string]any{"name": name}
	if namespace != "" {
		meta["namespace"] = namespace
	}
	o := map[string]any{"apiVersion": apiVersion, "kind": kind, "metadata": meta}
	for k, v := range fields {
		o[k] = v
	}
	return o
}

// List is one of JSON.
func List(items ...any) []any { return items }
