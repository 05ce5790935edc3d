package kubetest

import (
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/casshook/casshook/pkg/kube/objects"
)

// StoppedSet is the StatefulSet of a rack of a stopped datacenter, as cass-operator makes it.
func StoppedSet(cluster, datacenter, rack string) *appsv1.StatefulSet {
	zero, yes, user := int32(0), true, int64(1000)
	set := &appsv1.StatefulSet{TypeMeta: metav1.TypeMeta{APIVersion: "apps/v1", Kind: "StatefulSet"}, ObjectMeta: Meta(cluster, datacenter, datacenter+"-"+objects.CleanupForKubernetes(rack)+"-sts")}
	set.Labels[objects.RackLabel] = objects.CleanLabel(rack)
	set.UID = types.UID("uid-" + set.Name)
	set.OwnerReferences = []metav1.OwnerReference{{Kind: "CassandraDatacenter", Name: datacenter, UID: types.UID("uid-" + datacenter), Controller: &yes}}
	set.Spec.Replicas = &zero
	set.Spec.VolumeClaimTemplates = []corev1.PersistentVolumeClaim{{ObjectMeta: metav1.ObjectMeta{Name: "server-data"}}}
	empty := corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}
	set.Spec.Template.Labels = set.Labels
	set.Spec.Template.Spec = corev1.PodSpec{
		SecurityContext: &corev1.PodSecurityContext{RunAsUser: &user, RunAsGroup: &user, FSGroup: &user},
		Volumes:         []corev1.Volume{{Name: "tmp", VolumeSource: empty}},
		Containers: []corev1.Container{{Name: "logger"}, {Name: "cassandra", VolumeMounts: []corev1.VolumeMount{
			{Name: "tmp", MountPath: "/tmp"}, {Name: "server-data", MountPath: "/var/lib/cassandra"}}}},
	}
	return set
}

// PutStoppedDatacenter adds a datacenter that is stopped, with all its claims.
func (w *World) PutStoppedDatacenter(cluster, name string, size int, racks []string, edit ...func(*appsv1.StatefulSet)) {
	w.T.Helper()
	o := Datacenter(cluster, name, size)
	spec := In(o, "spec")
	spec["stopped"] = true
	var named []any
	for _, rack := range racks {
		named = append(named, map[string]any{"name": rack})
	}
	spec["racks"] = named
	In(o, "status")["conditions"] = []any{map[string]any{"type": "Stopped", "status": "True"}, map[string]any{"type": "Initialized", "status": "True"}}
	w.Put(CassandraGroup, "cassandradatacenters", o)
	for i, rack := range racks {
		set := StoppedSet(cluster, name, rack)
		for _, e := range edit {
			e(set)
		}
		w.Put("apps", "statefulsets", set)
		share := size / len(racks)
		if i < size%len(racks) {
			share++
		}
		for ordinal := range share {
			for _, template := range set.Spec.VolumeClaimTemplates {
				w.PutClaim(fmt.Sprintf("%s-%s-%d", template.Name, set.Name, ordinal))
			}
		}
	}
}

// PutClaim adds a volume claim that is bound and has no labels, as restored ones may be.
func (w *World) PutClaim(name string, edit ...func(*corev1.PersistentVolumeClaim)) {
	w.T.Helper()
	c := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: "db", Name: name, UID: types.UID("uid-" + name)}}
	c.Spec.VolumeName = "pv-" + name
	for _, e := range edit {
		e(c)
	}
	w.Put("", "persistentvolumeclaims", c)
}

// Unbound has a claim without a volume.
func Unbound(c *corev1.PersistentVolumeClaim) {
	c.Spec.VolumeName, c.Status.Phase = "", corev1.ClaimPending
}

// UserOf is a pod that mounts a claim.
func UserOf(claim string, phase corev1.PodPhase, labels map[string]string) *corev1.Pod {
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "db", Name: "user-of-" + claim, Labels: labels}}
	p.Spec.Volumes = []corev1.Volume{{Name: "v", VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claim}}}}
	p.Status.Phase = phase
	return p
}

// EditDatacenter changes the datacenter dc1.
func EditDatacenter(w *World, edit func(o map[string]any)) {
	w.Edit(CassandraGroup, "cassandradatacenters", "dc1", edit)
}

// OnWait runs functions after the n-th wait of the client.
func OnWait(w *World, do map[int]func()) {
	waits := 0
	ClockOf(w.Client).OnWait = func() {
		waits++
		if f := do[waits]; f != nil {
			f()
		}
	}
}

// Forget drops what the client asked until now.
func (s *Server) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Seen = nil
}

// AskedOf are the requests since forget with a verb, as "resource/name".
func (s *Server) AskedOf(verb string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []string
	for _, a := range s.Seen {
		if a.Verb == verb {
			found = append(found, a.Resource+"/"+a.Name)
		}
	}
	return found
}

// Names of the first node of the rack r1 of dc1, and of what belongs to it.
const (
	FirstNode  = "dc1-r1-sts-0"
	FirstClaim = "server-data-dc1-r1-sts-0"
	FirstJob   = "casshook-clean-server-data-dc1-r1-sts-0"
	FirstPod   = FirstJob + "-x"
)
