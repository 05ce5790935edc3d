package operator

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/kube/datacenter"
	"github.com/casshook/casshook/pkg/kube/internal/kubetest"
	"github.com/casshook/casshook/pkg/kube/objects"
	"github.com/casshook/casshook/pkg/kube/stopped"
)

func deleteWorld(t *testing.T) *kubetest.World {
	t.Helper()
	w := kubetest.NewWorld(t)
	w.PutStoppedDatacenter("prod", "d", 2, []string{"r"})
	w.PutClaim("more", func(c *corev1.PersistentVolumeClaim) {
		c.Labels = map[string]string{objects.ClusterLabel: "prod", objects.DatacenterLabel: "d", objects.RackLabel: "r"}
	})
	w.PutClaim("foreign")
	w.PutClaim("server-data-other-sts-0")
	return w
}

func TestDelete(t *testing.T) {
	t.Parallel()
	for _, keep := range []bool{false, true} {
		w := deleteWorld(t)
		w.Put("", "pods", kubetest.Pod("prod", "d", 0))
		w.PutStoppedDatacenter("other", "dc3", 1, []string{"r"})
		targets, err := datacenter.Find(t.Context(), w.Client, datacenter.Selection{Cluster: "prod"})
		require.NoError(t, err)
		var annotations any
		after := func(a kubetest.Asked) {
			if a.Verb == "patch" {
				o := map[string]any{}
				require.True(t, w.Read(kubetest.CassandraGroup, "cassandradatacenters", "d", &o))
				annotations = kubetest.In(o, "metadata")["annotations"]
			}
		}
		w.After = after
		kubetest.OnWait(w, map[int]func(){
			1: func() { w.Remove("", "pods", "set-d-0") },
			2: func() {
				for _, name := range []string{"server-data-d-r-sts-0", "more"} {
					w.Remove("", "persistentvolumeclaims", name)
				}
			},
			3: func() { w.Remove("", "persistentvolumeclaims", "server-data-d-r-sts-1") },
		})
		w.Forget()
		var told []string
		require.NoError(t, New(w.Client, targets[0], stopped.New(w.Client, targets[0], stopped.Options{}), Limits{}).Delete(t.Context(), keep, func(m string) { told = append(told, m) }))
		require.Equal(t, []string{"cassandradatacenters/d"}, w.AskedOf("delete"))
		if keep {
			require.Equal(t, map[string]any{"cassandra.datastax.com/delete-pvc": "false"}, annotations)
			require.Equal(t, []string{"waiting for the ring to be gone: pod set-d-0 is still there"}, told)
			require.Equal(t, []string{"cassandradatacenters/d"}, w.AskedOf("patch"))
			continue
		}
		require.Empty(t, w.AskedOf("patch"))
		require.Equal(t, []string{
			"waiting for the ring to be gone: pod set-d-0 is still there; the volume claim more is still there; the volume claim server-data-d-r-sts-0 is still there; the volume claim server-data-d-r-sts-1 is still there",
			"waiting for the ring to be gone: the volume claim more is still there; the volume claim server-data-d-r-sts-0 is still there; the volume claim server-data-d-r-sts-1 is still there",
			"waiting for the ring to be gone: the volume claim server-data-d-r-sts-1 is still there",
		}, told)
	}
}

func TestDeleteRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		edit func(w *kubetest.World)
		code flow.Code
		want string
		// deleted tells whether the deletion was asked for.
		deleted bool
	}{
		{"owned", func(w *kubetest.World) { k8ssandra(w, memberOf("dc1", "db", false)) }, flow.Precondition,
			"datacenter db/dc1 would be recreated immediately: delete or change the K8ssandraCluster ops/kc, or use --stop", false},
		{"may not keep the volumes", func(w *kubetest.World) {
			w.Refuse = kubetest.Forbid("patch cassandra.datastax.com/cassandradatacenters")
		}, flow.Failed,
			"datacenter db/dc1: keep its volumes: the service account may not patch", false},
		{"may not delete", func(w *kubetest.World) {
			w.Refuse = kubetest.Forbid("delete cassandra.datastax.com/cassandradatacenters")
		}, flow.Failed, "may not delete cassandradatacenters", true},
		{"does not go", func(w *kubetest.World) { w.Put("", "pods", kubetest.Pod("prod", "dc1", 0)) }, flow.HalfWay, "waited 10s for the ring to be gone: pod set-dc1-0 is still there", true},
		{"made again", func(w *kubetest.World) {
			w.After = func(a kubetest.Asked) {
				if a.Verb == "delete" {
					o := kubetest.Datacenter("prod", "dc1", 1)
					kubetest.In(o, "metadata")["uid"] = "new"
					w.Put(kubetest.CassandraGroup, "cassandradatacenters", o)
				}
			}
		}, flow.HalfWay, "datacenter db/dc1 was recreated: find out what does that", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := kubetest.NewWorld(t)
			w.PutStoppedDatacenter("prod", "dc1", 1, []string{"r1"})
			target := operatorOf(w, Limits{Stop: 10 * time.Second})
			c.edit(w)
			err := target.Delete(t.Context(), true, func(string) {})
			require.ErrorContains(t, err, c.want)
			require.Equal(t, c.code, flow.CodeOf(err))
			require.Equal(t, c.deleted, len(w.AskedOf("delete")) > 0)
		})
	}
}

// What took the place of the datacenter is not deleted.
func TestDeleteOfAnother(t *testing.T) {
	t.Parallel()
	w := kubetest.NewWorld(t)
	w.PutStoppedDatacenter("prod", "dc1", 1, []string{"r1"})
	target := operatorOf(w, Limits{})
	w.After = func(a kubetest.Asked) {
		if a.Verb == "list" && a.Resource == "persistentvolumeclaims" {
			kubetest.EditDatacenter(w, func(o map[string]any) { kubetest.In(o, "metadata")["uid"] = "new" })
		}
	}
	err := target.Delete(t.Context(), false, func(string) {})
	require.ErrorContains(t, err, "datacenter db/dc1 was recreated")
	require.Len(t, w.List(kubetest.CassandraGroup, "cassandradatacenters"), 1)
}

// Somebody else was faster.
func TestDeleteOfWhatIsGone(t *testing.T) {
	t.Parallel()
	w := kubetest.NewWorld(t)
	w.PutStoppedDatacenter("prod", "dc1", 1, []string{"r1"})
	target := operatorOf(w, Limits{})
	w.After = func(a kubetest.Asked) {
		if a.Verb == "list" && a.Resource == "persistentvolumeclaims" {
			w.Remove(kubetest.CassandraGroup, "cassandradatacenters", "dc1")
		}
	}
	require.NoError(t, target.Delete(t.Context(), false, func(string) { w.Remove("", "persistentvolumeclaims", kubetest.FirstClaim) }))
}
