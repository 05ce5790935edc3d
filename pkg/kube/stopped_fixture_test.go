package kube

import (
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// stoppedSet is the StatefulSet of a rack of a stopped datacenter, as cass-operator makes it.
func stoppedSet(cluster, datacenter, rack string) *appsv1.StatefulSet {
	zero, yes, user := int32(0), true, int64(1000)
	set := &appsv1.StatefulSet{TypeMeta: metav1.TypeMeta{APIVersion: "apps/v1", Kind: "StatefulSet"}, ObjectMeta: meta(cluster, datacenter, datacenter+"-"+CleanupForKubernetes(rack)+"-sts")}
	set.Labels[rackLabel] = cleanLabel(rack)
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

// stoppedDatacenter adds a datacenter that is stopped, with all its claims.
func (w *world) stoppedDatacenter(cluster, name string, size int, racks []string, edit ...func(*appsv1.StatefulSet)) {
	w.t.Helper()
	o := object(cluster, name, size)
	spec := in(o, "spec")
	spec["stopped"] = true
	var named []any
	for _, rack := range racks {
		named = append(named, map[string]any{"name": rack})
	}
	spec["racks"] = named
	in(o, "status")["conditions"] = []any{map[string]any{"type": "Stopped", "status": "True"}, map[string]any{"type": "Initialized", "status": "True"}}
	w.put(cassandraGroup, "cassandradatacenters", o)
	for i, rack := range racks {
		set := stoppedSet(cluster, name, rack)
		for _, e := range edit {
			e(set)
		}
		w.put("apps", "statefulsets", set)
		share := size / len(racks)
		if i < size%len(racks) {
			share++
		}
		for ordinal := range share {
			for _, template := range set.Spec.VolumeClaimTemplates {
				w.claim(fmt.Sprintf("%s-%s-%d", template.Name, set.Name, ordinal))
			}
		}
	}
}

// claim adds a volume claim that is bound and has no labels, as restored ones may be.
func (w *world) claim(name string, edit ...func(*corev1.PersistentVolumeClaim)) {
	w.t.Helper()
	c := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: "db", Name: name, UID: types.UID("uid-" + name)}}
	c.Spec.VolumeName = "pv-" + name
	for _, e := range edit {
		e(c)
	}
	w.put("", "persistentvolumeclaims", c)
}

func unbound(c *corev1.PersistentVolumeClaim) {
	c.Spec.VolumeName, c.Status.Phase = "", corev1.ClaimPending
}

// userOf is a pod that mounts a claim.
func userOf(claim string, phase corev1.PodPhase, labels map[string]string) *corev1.Pod {
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "db", Name: "user-of-" + claim, Labels: labels}}
	p.Spec.Volumes = []corev1.Volume{{Name: "v", VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claim}}}}
	p.Status.Phase = phase
	return p
}

// editDatacenter changes the datacenter dc1.
func editDatacenter(w *world, edit func(o map[string]any)) {
	w.edit(cassandraGroup, "cassandradatacenters", "dc1", edit)
}

func onWait(w *world, do map[int]func()) {
	waits := 0
	clockOf(w.client).onWait = func() {
		waits++
		if f := do[waits]; f != nil {
			f()
		}
	}
}

// forget drops what the client asked until now.
func (s *server) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen = nil
}

// askedOf are the requests since forget with a verb, as "resource/name".
func (s *server) askedOf(verb string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []string
	for _, a := range s.seen {
		if a.verb == verb {
			found = append(found, a.resource+"/"+a.name)
		}
	}
	return found
}

// Names of the first node of the rack r1 of dc1, and of what belongs to it.
const (
	firstNode  = "dc1-r1-sts-0"
	firstClaim = "server-data-dc1-r1-sts-0"
	firstJob   = "casshook-clean-server-data-dc1-r1-sts-0"
	firstPod   = firstJob + "-x"
)
