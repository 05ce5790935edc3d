package kube

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"github.com/casshook/casshook/pkg/flow"
)

func deleteWorld(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	w.stoppedDatacenter("prod", "d", 2, []string{"r"})
	w.claim("more", func(c *corev1.PersistentVolumeClaim) {
		c.Labels = map[string]string{clusterLabel: "prod", datacenterLabel: "d", rackLabel: "r"}
	})
	w.claim("foreign")
	w.claim("server-data-other-sts-0")
	return w
}

func TestDelete(t *testing.T) {
	t.Parallel()
	for _, keep := range []bool{false, true} {
		w := deleteWorld(t)
		w.put("", "pods", pod("prod", "d", 0))
		w.stoppedDatacenter("other", "dc3", 1, []string{"r"})
		targets, err := findRings(t.Context(), w.client, Selection{Cluster: "prod"})
		require.NoError(t, err)
		var annotations any
		after := func(a asked) {
			if a.verb == "patch" {
				o := map[string]any{}
				require.True(t, w.read(cassandraGroup, "cassandradatacenters", "d", &o))
				annotations = in(o, "metadata")["annotations"]
			}
		}
		w.after = after
		onWait(w, map[int]func(){
			1: func() { w.remove("", "pods", "set-d-0") },
			2: func() {
				for _, name := range []string{"server-data-d-r-sts-0", "more"} {
					w.remove("", "persistentvolumeclaims", name)
				}
			},
			3: func() { w.remove("", "persistentvolumeclaims", "server-data-d-r-sts-1") },
		})
		w.forget()
		var told []string
		require.NoError(t, newOperatorRing(w.client, newStoppedRing(w.client, targets[0], jobOptions{}), limits{}).Delete(t.Context(), keep, func(m string) { told = append(told, m) }))
		require.Equal(t, []string{"cassandradatacenters/d"}, w.askedOf("delete"))
		if keep {
			require.Equal(t, map[string]any{"cassandra.datastax.com/delete-pvc": "false"}, annotations)
			require.Equal(t, []string{"waiting until the ring is gone: pod set-d-0 is still there"}, told)
			require.Equal(t, []string{"cassandradatacenters/d"}, w.askedOf("patch"))
			continue
		}
		require.Empty(t, w.askedOf("patch"))
		require.Equal(t, []string{
			"waiting until the ring is gone: pod set-d-0 is still there; the volume claim more is still there; the volume claim server-data-d-r-sts-0 is still there; the volume claim server-data-d-r-sts-1 is still there",
			"waiting until the ring is gone: the volume claim more is still there; the volume claim server-data-d-r-sts-0 is still there; the volume claim server-data-d-r-sts-1 is still there",
			"waiting until the ring is gone: the volume claim server-data-d-r-sts-1 is still there",
		}, told)
	}
}

func TestDeleteRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		edit func(w *world)
		code flow.Code
		want string
		// deleted tells whether the deletion was asked for.
		deleted bool
	}{
		{"owned", func(w *world) { k8ssandra(w, memberOf("dc1", "db", false)) }, flow.Precondition,
			"datacenter db/dc1 would be made again at once: delete or change the K8ssandraCluster ops/kc, or use --stop", false},
		{"may not keep the volumes", func(w *world) { w.refuse = forbid("patch cassandra.datastax.com/cassandradatacenters") }, flow.Failed,
			"datacenter db/dc1: have its volumes kept: the service account may not patch", false},
		{"may not delete", func(w *world) { w.refuse = forbid("delete cassandra.datastax.com/cassandradatacenters") }, flow.Failed, "may not delete cassandradatacenters", true},
		{"does not go", func(w *world) { w.put("", "pods", pod("prod", "dc1", 0)) }, flow.HalfWay, "waited 10s until the ring is gone: pod set-dc1-0 is still there", true},
		{"made again", func(w *world) {
			w.after = func(a asked) {
				if a.verb == "delete" {
					o := object("prod", "dc1", 1)
					in(o, "metadata")["uid"] = "new"
					w.put(cassandraGroup, "cassandradatacenters", o)
				}
			}
		}, flow.HalfWay, "datacenter db/dc1 was made again: see who does that", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.stoppedDatacenter("prod", "dc1", 1, []string{"r1"})
			target := operatorOf(w, limits{Stop: 10 * time.Second})
			c.edit(w)
			err := target.Delete(t.Context(), true, func(string) {})
			require.ErrorContains(t, err, c.want)
			require.Equal(t, c.code, flow.CodeOf(err))
			require.Equal(t, c.deleted, len(w.askedOf("delete")) > 0)
		})
	}
}

// What took the place of the datacenter is not deleted.
func TestDeleteOfAnother(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.stoppedDatacenter("prod", "dc1", 1, []string{"r1"})
	target := operatorOf(w, limits{})
	w.after = func(a asked) {
		if a.verb == "list" && a.resource == "persistentvolumeclaims" {
			editDatacenter(w, func(o map[string]any) { in(o, "metadata")["uid"] = "new" })
		}
	}
	err := target.Delete(t.Context(), false, func(string) {})
	require.ErrorContains(t, err, "datacenter db/dc1 was made again")
	require.Len(t, w.list(cassandraGroup, "cassandradatacenters"), 1)
}

// Somebody else was faster.
func TestDeleteOfWhatIsGone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.stoppedDatacenter("prod", "dc1", 1, []string{"r1"})
	target := operatorOf(w, limits{})
	w.after = func(a asked) {
		if a.verb == "list" && a.resource == "persistentvolumeclaims" {
			w.remove(cassandraGroup, "cassandradatacenters", "dc1")
		}
	}
	require.NoError(t, target.Delete(t.Context(), false, func(string) { w.remove("", "persistentvolumeclaims", firstClaim) }))
}
