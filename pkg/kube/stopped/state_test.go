package stopped

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/kube/datacenter"
	"github.com/casshook/casshook/pkg/kube/internal/kubetest"
	"github.com/casshook/casshook/pkg/kube/objects"
	"github.com/casshook/casshook/pkg/ring"
	"github.com/casshook/casshook/pkg/startconfig"
)

func TestStoppedNodes(t *testing.T) {
	t.Parallel()
	w := kubetest.NewWorld(t)
	w.PutStoppedDatacenter("My Prod", "dc1", 3, []string{"s", "Rack 2"})
	w.PutStoppedDatacenter("My Prod", "dc2", 1, []string{"default"})
	w.PutStoppedDatacenter("other", "dc3", 1, []string{"default"})
	kubetest.EditDatacenter(w, func(o map[string]any) { kubetest.In(o, "spec")["datacenterName"] = "East Side" })
	w.PutClaim("server-data-dc1-s-sts-1", kubetest.Unbound)
	w.Put("", "pods", kubetest.UserOf("server-data-dc1-s-sts-0", corev1.PodSucceeded, nil))
	w.Put("", "pods", kubetest.UserOf("server-data-dc1-s-sts-1", corev1.PodRunning, map[string]string{"app.kubernetes.io/managed-by": "casshook", "job-name": "casshook-clean-x"}))
	w.Put("", "pods", kubetest.UserOf("server-data-dc1-rack-sts-0", corev1.PodFailed, nil))
	w.Put("", "pods", kubetest.UserOf("another", corev1.PodRunning, nil))
	targets, err := datacenter.Find(t.Context(), w.Client, datacenter.Selection{})
	require.NoError(t, err)
	nodes, err := New(w.Client, targets[0], Options{}).StoppedNodes(t.Context())
	require.NoError(t, err)
	node := func(name, datacenter, rack string) ring.StoppedNode {
		claim := "server-data-" + name
		return ring.StoppedNode{Name: name, Datacenter: datacenter, Rack: rack, Volume: claim, Identity: "pvc/uid-" + claim + "/pv-" + claim, Config: startconfig.Config{Known: true}}
	}
	second := node("dc1-s-sts-1", "East Side", "s")
	second.Identity = ""
	require.Equal(t, []ring.StoppedNode{
		node("dc1-rack-sts-0", "East Side", "Rack2"), node("dc1-s-sts-0", "East Side", "s"), second, node("dc2-default-sts-0", "dc2", "default"),
	}, nodes)
	require.Empty(t, w.Noticed())
}

// What is stopped has the condition first, then loses its replicas and pods.
func TestStoppedNodesWaits(t *testing.T) {
	t.Parallel()
	w := kubetest.NewWorld(t)
	w.PutStoppedDatacenter("prod", "dc1", 1, []string{"r1"})
	set := func(spec, status int) func() {
		return func() {
			w.Edit("apps", "statefulsets", "dc1-r1-sts", func(o map[string]any) {
				kubetest.In(o, "spec")["replicas"], kubetest.In(o, "status")["replicas"] = spec, status
			})
		}
	}
	w.Remove("apps", "statefulsets", "dc1-r1-sts")
	kubetest.EditDatacenter(w, func(o map[string]any) { kubetest.In(o, "status")["conditions"] = []any{} })
	kubetest.OnWait(w, map[int]func(){
		1: func() {
			s := kubetest.StoppedSet("prod", "dc1", "r1")
			one := int32(1)
			s.Spec.Replicas, s.Status.Replicas = &one, 1
			w.Put("apps", "statefulsets", s)
			p := kubetest.Pod("prod", "gone", 0)
			p.Labels[objects.DatacenterLabel], p.OwnerReferences[0].UID = "x", "uid-dc1-r1-sts"
			w.Put("", "pods", p)
			p = kubetest.Pod("prod", "dc1", 1) // of a StatefulSet that is gone
			w.Put("", "pods", p)
		},
		2: func() {
			kubetest.EditDatacenter(w, func(o map[string]any) {
				kubetest.In(o, "status")["conditions"] = []any{map[string]any{"type": "Stopped", "status": "True"}}
			})
		},
		3: set(0, 1),
		4: func() {
			require.Len(t, w.Noticed(), 3, "the last pod of it is still there")
			set(1, 0)()
		},
		5: func() {
			require.Len(t, w.Noticed(), 3, "it is to make one")
			set(0, 0)()
		},
		6: func() { w.Remove("", "pods", "set-gone-0") },
		7: func() { w.Remove("", "pods", "set-dc1-1") },
	})
	nodes, err := stoppedOf(w, Options{}).StoppedNodes(t.Context())
	require.NoError(t, err)
	require.Len(t, nodes, 1)
	require.Equal(t, []string{
		"waiting for the ring to be stopped: datacenter db/dc1 is not stopped yet: check that cass-operator is running; datacenter db/dc1 has no StatefulSet of the rack r1 yet",
		"waiting for the ring to be stopped: datacenter db/dc1 is not stopped yet: check that cass-operator is running; StatefulSet dc1-r1-sts is not at 0 replicas; pod set-dc1-1 is still there; pod set-gone-0 is still there",
		"waiting for the ring to be stopped: StatefulSet dc1-r1-sts is not at 0 replicas; pod set-dc1-1 is still there; pod set-gone-0 is still there",
		"waiting for the ring to be stopped: pod set-dc1-1 is still there; pod set-gone-0 is still there",
		"waiting for the ring to be stopped: pod set-dc1-1 is still there",
	}, w.Noticed())
}

// Old versions of cass-operator labelled pods by Cassandra's name of the datacenter.
func TestPodsOfADatacenter(t *testing.T) {
	t.Parallel()
	d := &datacenter.Datacenter{Name: "dc1", CassandraName: "East Side"}
	for label, want := range map[string]bool{"dc1": true, "EastSide": true, "East Side": false, "": false, "dc2": false} {
		require.Equal(t, want, has(d, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{objects.DatacenterLabel: label}}}, nil), label)
	}
}

func TestStoppedNodesEnds(t *testing.T) {
	t.Parallel()
	w := kubetest.NewWorld(t)
	w.PutStoppedDatacenter("prod", "dc1", 1, []string{"r1"})
	w.Put("", "pods", kubetest.Pod("prod", "dc1", 0))
	started := w.Client.Now()
	_, err := stoppedOf(w, Options{StopLimit: 10 * time.Second}).StoppedNodes(t.Context())
	require.EqualError(t, err, "waited 10s for the ring to be stopped: pod set-dc1-0 is still there")
	require.Equal(t, flow.Precondition, flow.CodeOf(err))
	require.Equal(t, 10*time.Second, w.Client.Now().Sub(started))
	require.Equal(t, 10*time.Minute, Options{}.filled().StopLimit)
}

func TestStoppedNodesRefuses(t *testing.T) {
	t.Parallel()
	const claim = "server-data-dc1-r1-sts-0"
	editSet := func(edit func(s *appsv1.StatefulSet)) func(*kubetest.World) {
		return func(w *kubetest.World) {
			s := kubetest.StoppedSet("prod", "dc1", "r1")
			edit(s)
			w.Put("apps", "statefulsets", s)
		}
	}
	for _, c := range []struct {
		name string
		edit func(*kubetest.World)
		want string
	}{
		{"not stopped", func(w *kubetest.World) {
			kubetest.EditDatacenter(w, func(o map[string]any) { kubetest.In(o, "spec")["stopped"] = false })
		},
			"datacenter db/dc1 is not stopped: set spec.stopped to true"},
		{"deleted", func(w *kubetest.World) {
			kubetest.EditDatacenter(w, func(o map[string]any) { kubetest.In(o, "metadata")["deletionTimestamp"] = "2026-11-21T10:00:00Z" })
		}, "datacenter db/dc1 is being deleted"},
		{"claims missing", func(w *kubetest.World) {
			w.Remove("", "persistentvolumeclaims", claim)
			w.Remove("", "persistentvolumeclaims", "server-data-dc1-r2-sts-0")
		}, "restore the volumes first, these claims are missing: server-data-dc1-r1-sts-0, server-data-dc1-r2-sts-0"},
		{"claim deleted", func(w *kubetest.World) {
			w.PutClaim(claim, func(c *corev1.PersistentVolumeClaim) { now := metav1.Now(); c.DeletionTimestamp = &now })
		}, "the volume claim " + claim + " is being deleted"},
		{"claim lost", func(w *kubetest.World) {
			w.PutClaim(claim, func(c *corev1.PersistentVolumeClaim) { c.Status.Phase = corev1.ClaimLost })
		}, "the volume claim " + claim + " has lost its volume"},
		{"claim in use", func(w *kubetest.World) { w.Put("", "pods", kubetest.UserOf(claim, corev1.PodPending, nil)) },
			"the volume claim " + claim + " is in use by the pod user-of-" + claim},
		{"a Job that is not the cleaner's", func(w *kubetest.World) {
			w.Put("", "pods", kubetest.UserOf(claim, corev1.PodRunning, map[string]string{"app.kubernetes.io/managed-by": "casshook", "job-name": "casshook-hook"}))
		}, "is in use by the pod user-of-" + claim},
		{"somebody's Job of that name", func(w *kubetest.World) {
			w.Put("", "pods", kubetest.UserOf(claim, corev1.PodRunning, map[string]string{"job-name": "casshook-clean-x"}))
		}, "is in use by the pod user-of-" + claim},
		{"no container", editSet(func(s *appsv1.StatefulSet) { s.Spec.Template.Spec.Containers[1].Name = "x" }), "StatefulSet dc1-r1-sts has no container cassandra"},
		{"not mounted", editSet(func(s *appsv1.StatefulSet) { s.Spec.Template.Spec.Containers[1].VolumeMounts = nil }), "does not mount the volume server-data"},
		{"no claim", editSet(func(s *appsv1.StatefulSet) {
			s.Spec.VolumeClaimTemplates = nil
			s.Spec.Template.Spec.Volumes = append(s.Spec.Template.Spec.Volumes, corev1.Volume{Name: "server-data"})
		}), "the volume server-data has no volume claim"},
		{"commit log that does not last", func(w *kubetest.World) {
			kubetest.EditDatacenter(w, func(o map[string]any) {
				kubetest.In(o, "spec", "config", "cassandra-yaml")["commitlog_directory"] = "/tmp/log"
			})
		}, "the commit log /tmp/log is not on a volume claim"},
		{"forbidden", func(w *kubetest.World) { w.Refuse = kubetest.Forbid("list /pods") }, "may not list pods"},
		{"datacenter gone", func(w *kubetest.World) { w.Remove(kubetest.CassandraGroup, "cassandradatacenters", "dc1") }, "are gone from namespace db"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := kubetest.NewWorld(t)
			w.PutStoppedDatacenter("prod", "dc1", 2, []string{"r1", "r2"})
			target := stoppedOf(w, Options{})
			c.edit(w)
			started := w.Client.Now()
			_, err := target.StoppedNodes(t.Context())
			require.ErrorContains(t, err, c.want)
			require.Equal(t, flow.Precondition, flow.CodeOf(err))
			require.Equal(t, started, w.Client.Now(), "nothing is waited for")
		})
	}
}
