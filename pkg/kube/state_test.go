package kube

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/ring"
)

func TestStoppedNodes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.stoppedDatacenter("My Prod", "dc1", 3, []string{"s", "Rack 2"})
	w.stoppedDatacenter("My Prod", "dc2", 1, []string{"default"})
	w.stoppedDatacenter("other", "dc3", 1, []string{"default"})
	editDatacenter(w, func(o map[string]any) { in(o, "spec")["datacenterName"] = "East Side" })
	w.claim("server-data-dc1-s-sts-1", unbound)
	w.put("", "pods", userOf("server-data-dc1-s-sts-0", corev1.PodSucceeded, nil))
	w.put("", "pods", userOf("server-data-dc1-s-sts-1", corev1.PodRunning, map[string]string{"app.kubernetes.io/managed-by": "casshook", "job-name": "casshook-clean-x"}))
	w.put("", "pods", userOf("server-data-dc1-rack-sts-0", corev1.PodFailed, nil))
	w.put("", "pods", userOf("another", corev1.PodRunning, nil))
	targets, err := findRings(t.Context(), w.client, Selection{})
	require.NoError(t, err)
	nodes, err := newStoppedRing(w.client, targets[0], jobOptions{}).StoppedNodes(t.Context())
	require.NoError(t, err)
	node := func(name, datacenter, rack string) ring.StoppedNode {
		claim := "server-data-" + name
		return ring.StoppedNode{Name: name, Datacenter: datacenter, Rack: rack, Volume: claim, Identity: "pvc/uid-" + claim + "/pv-" + claim}
	}
	second := node("dc1-s-sts-1", "East Side", "s")
	second.Identity = ""
	require.Equal(t, []ring.StoppedNode{
		node("dc1-rack-sts-0", "East Side", "Rack2"), node("dc1-s-sts-0", "East Side", "s"), second, node("dc2-default-sts-0", "dc2", "default"),
	}, nodes)
	require.Empty(t, w.noticed())
}

// What is stopped has the condition first, then loses its replicas and pods.
func TestStoppedNodesWaits(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.stoppedDatacenter("prod", "dc1", 1, []string{"r1"})
	set := func(spec, status int) func() {
		return func() {
			w.edit("apps", "statefulsets", "dc1-r1-sts", func(o map[string]any) { in(o, "spec")["replicas"], in(o, "status")["replicas"] = spec, status })
		}
	}
	w.remove("apps", "statefulsets", "dc1-r1-sts")
	editDatacenter(w, func(o map[string]any) { in(o, "status")["conditions"] = []any{} })
	onWait(w, map[int]func(){
		1: func() {
			s := stoppedSet("prod", "dc1", "r1")
			one := int32(1)
			s.Spec.Replicas, s.Status.Replicas = &one, 1
			w.put("apps", "statefulsets", s)
			p := pod("prod", "gone", 0)
			p.Labels[datacenterLabel], p.OwnerReferences[0].UID = "x", "uid-dc1-r1-sts"
			w.put("", "pods", p)
			p = pod("prod", "dc1", 1) // of a StatefulSet that is gone
			w.put("", "pods", p)
		},
		2: func() {
			editDatacenter(w, func(o map[string]any) {
				in(o, "status")["conditions"] = []any{map[string]any{"type": "Stopped", "status": "True"}}
			})
		},
		3: set(0, 1),
		4: func() {
			require.Len(t, w.noticed(), 3, "the last pod of it is still there")
			set(1, 0)()
		},
		5: func() {
			require.Len(t, w.noticed(), 3, "it is to make one")
			set(0, 0)()
		},
		6: func() { w.remove("", "pods", "set-gone-0") },
		7: func() { w.remove("", "pods", "set-dc1-1") },
	})
	nodes, err := stoppedOf(w, jobOptions{}).StoppedNodes(t.Context())
	require.NoError(t, err)
	require.Len(t, nodes, 1)
	require.Equal(t, []string{
		"waiting until the ring is stopped: datacenter db/dc1 is not stopped yet: see that cass-operator runs; datacenter db/dc1 has no StatefulSet of the rack r1 yet",
		"waiting until the ring is stopped: datacenter db/dc1 is not stopped yet: see that cass-operator runs; StatefulSet dc1-r1-sts is not at 0 replicas; pod set-dc1-1 is still there; pod set-gone-0 is still there",
		"waiting until the ring is stopped: StatefulSet dc1-r1-sts is not at 0 replicas; pod set-dc1-1 is still there; pod set-gone-0 is still there",
		"waiting until the ring is stopped: pod set-dc1-1 is still there; pod set-gone-0 is still there",
		"waiting until the ring is stopped: pod set-dc1-1 is still there",
	}, w.noticed())
}

// Old versions of cass-operator labelled pods by Cassandra's name of the datacenter.
func TestPodsOfADatacenter(t *testing.T) {
	t.Parallel()
	d := &Datacenter{Name: "dc1", CassandraName: "East Side"}
	for label, want := range map[string]bool{"dc1": true, "EastSide": true, "East Side": false, "": false, "dc2": false} {
		require.Equal(t, want, has(d, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{datacenterLabel: label}}}, nil), label)
	}
}

func TestStoppedNodesEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.stoppedDatacenter("prod", "dc1", 1, []string{"r1"})
	w.put("", "pods", pod("prod", "dc1", 0))
	started := w.client.Now()
	_, err := stoppedOf(w, jobOptions{StopLimit: 10 * time.Second}).StoppedNodes(t.Context())
	require.EqualError(t, err, "waited 10s until the ring is stopped: pod set-dc1-0 is still there")
	require.Equal(t, flow.Precondition, flow.CodeOf(err))
	require.Equal(t, 10*time.Second, w.client.Now().Sub(started))
	require.Equal(t, 10*time.Minute, jobOptions{}.filled().StopLimit)
}

func TestStoppedNodesRefuses(t *testing.T) {
	t.Parallel()
	const claim = "server-data-dc1-r1-sts-0"
	editSet := func(edit func(s *appsv1.StatefulSet)) func(*world) {
		return func(w *world) {
			s := stoppedSet("prod", "dc1", "r1")
			edit(s)
			w.put("apps", "statefulsets", s)
		}
	}
	for _, c := range []struct {
		name string
		edit func(*world)
		want string
	}{
		{"not stopped", func(w *world) { editDatacenter(w, func(o map[string]any) { in(o, "spec")["stopped"] = false }) },
			"datacenter db/dc1 is not stopped: set spec.stopped to true"},
		{"deleted", func(w *world) {
			editDatacenter(w, func(o map[string]any) { in(o, "metadata")["deletionTimestamp"] = "2026-11-21T10:00:00Z" })
		}, "datacenter db/dc1 is being deleted"},
		{"claims missing", func(w *world) {
			w.remove("", "persistentvolumeclaims", claim)
			w.remove("", "persistentvolumeclaims", "server-data-dc1-r2-sts-0")
		}, "restore the volumes first, these claims are missing: server-data-dc1-r1-sts-0, server-data-dc1-r2-sts-0"},
		{"claim deleted", func(w *world) {
			w.claim(claim, func(c *corev1.PersistentVolumeClaim) { now := metav1.Now(); c.DeletionTimestamp = &now })
		}, "the volume claim " + claim + " is being deleted"},
		{"claim lost", func(w *world) {
			w.claim(claim, func(c *corev1.PersistentVolumeClaim) { c.Status.Phase = corev1.ClaimLost })
		}, "the volume claim " + claim + " has lost its volume"},
		{"claim in use", func(w *world) { w.put("", "pods", userOf(claim, corev1.PodPending, nil)) },
			"the volume claim " + claim + " is in use by the pod user-of-" + claim},
		{"a Job that is not the cleaner's", func(w *world) {
			w.put("", "pods", userOf(claim, corev1.PodRunning, map[string]string{"app.kubernetes.io/managed-by": "casshook", "job-name": "casshook-hook"}))
		}, "is in use by the pod user-of-" + claim},
		{"somebody's Job of that name", func(w *world) {
			w.put("", "pods", userOf(claim, corev1.PodRunning, map[string]string{"job-name": "casshook-clean-x"}))
		}, "is in use by the pod user-of-" + claim},
		{"no container", editSet(func(s *appsv1.StatefulSet) { s.Spec.Template.Spec.Containers[1].Name = "x" }), "StatefulSet dc1-r1-sts has no container cassandra"},
		{"not mounted", editSet(func(s *appsv1.StatefulSet) { s.Spec.Template.Spec.Containers[1].VolumeMounts = nil }), "does not mount the volume server-data"},
		{"no claim", editSet(func(s *appsv1.StatefulSet) {
			s.Spec.VolumeClaimTemplates = nil
			s.Spec.Template.Spec.Volumes = append(s.Spec.Template.Spec.Volumes, corev1.Volume{Name: "server-data"})
		}), "the volume server-data is no volume claim"},
		{"commit log that does not last", func(w *world) {
			editDatacenter(w, func(o map[string]any) { in(o, "spec", "config", "cassandra-yaml")["commitlog_directory"] = "/tmp/log" })
		}, "the commit log /tmp/log is on no volume claim"},
		{"forbidden", func(w *world) { w.refuse = forbid("list /pods") }, "may not list pods"},
		{"datacenter gone", func(w *world) { w.remove(cassandraGroup, "cassandradatacenters", "dc1") }, "are gone from namespace db"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.stoppedDatacenter("prod", "dc1", 2, []string{"r1", "r2"})
			target := stoppedOf(w, jobOptions{})
			c.edit(w)
			started := w.client.Now()
			_, err := target.StoppedNodes(t.Context())
			require.ErrorContains(t, err, c.want)
			require.Equal(t, flow.Precondition, flow.CodeOf(err))
			require.Equal(t, started, w.client.Now(), "nothing is waited for")
		})
	}
}
