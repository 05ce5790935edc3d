package datacenter

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/casshook/casshook/pkg/kube/internal/kubetest"
)

// visible are the problems of the ring's nodes, by name.
func visible(t *testing.T, r *Ring) map[string]string {
	t.Helper()
	nodes, err := r.Visible(t.Context())
	require.NoError(t, err)
	found := map[string]string{}
	for _, n := range nodes {
		found[n.Name] = n.Problem
	}
	return found
}

// What status, list and verify ask first.
func TestVisibleOfAStoppedRing(t *testing.T) {
	t.Parallel()
	w := kubetest.NewWorld(t)
	w.PutStoppedDatacenter("prod", "dc1", 3, []string{"r1", "r2"})
	require.Equal(t, map[string]string{
		"dc1-r1-sts-0": "stopped: no pod", "dc1-r1-sts-1": "stopped: no pod", "dc1-r2-sts-0": "stopped: no pod",
	}, visible(t, ringOf(w)))
	w.Remove("apps", "statefulsets", "dc1-r1-sts")
	require.Equal(t, map[string]string{
		"datacenter db/dc1, node 2 of 3": "no pod, and no StatefulSet that would make it", "datacenter db/dc1, node 3 of 3": "no pod, and no StatefulSet that would make it",
		"dc1-r2-sts-0": "stopped: no pod",
	}, visible(t, ringOf(w)), "every node has a row")
}

func TestVisible(t *testing.T) {
	t.Parallel()
	crashing := kubetest.EditPod(func(o map[string]any) {
		status := o["status"].(map[string]any)["containerStatuses"].([]any)[1].(map[string]any)
		status["state"] = map[string]any{"waiting": map[string]any{"reason": "CrashLoopBackOff"}}
	})
	for _, c := range []struct {
		name   string
		happen func(*kubetest.World)
		node   string
		want   string
	}{
		{"up", func(*kubetest.World) {}, "set-dc1-0", ""},
		{"the datacenter is not ready", func(w *kubetest.World) {
			kubetest.EditDatacenter(w, func(o map[string]any) { kubetest.In(o, "status")["conditions"] = []any{} })
		}, "set-dc1-0", ""},
		{"Cassandra is not up", kubetest.EditPod(func(o map[string]any) {
			kubetest.In(o, "metadata", "labels")["cassandra.datastax.com/node-state"] = "Starting"
		}), "set-dc1-0", ""},
		{"crashing", crashing, "set-dc1-0", "has no running container cassandra (waiting: CrashLoopBackOff): check its events and log"},
		{"no pod", func(w *kubetest.World) { w.Remove("", "pods", "set-dc1-0") }, "set-dc1-0", "no pod: see the events of its StatefulSet"},
		{"no claim", func(w *kubetest.World) { w.Remove("", "persistentvolumeclaims", "server-data-set-dc1-0") }, "set-dc1-0",
			"its volume claim server-data-set-dc1-0 is missing or not bound"},
		{"data elsewhere", func(w *kubetest.World) {
			kubetest.EditDatacenter(w, func(o map[string]any) {
				kubetest.In(o, "spec", "config", "cassandra-yaml")["data_file_directories"] = []any{"/elsewhere"}
			})
		}, "set-dc1-0", "the data directory /elsewhere is not on the volume server-data (/var/lib/cassandra): data on volumes of its own is not supported yet; " +
			"move it there, or remove data_file_directories or local_system_data_file_directory"},
		{"of nobody", kubetest.EditPod(func(o map[string]any) { kubetest.First(kubetest.In(o, "metadata")["ownerReferences"])["uid"] = "x" }), "set-dc1-0",
			"is not of the operator's StatefulSets: delete the pod, or take its labels away"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := kubetest.NewWorld(t)
			w.PutDatacenter("prod", "dc1", 2)
			r := ringOf(w)
			c.happen(w)
			found := visible(t, r)
			require.Contains(t, found, c.node)
			require.Equal(t, c.want, found[c.node], fmt.Sprint(found))
			if c.name != "data elsewhere" {
				require.Contains(t, found, "set-dc1-1")
				require.Empty(t, found["set-dc1-1"], "the other node is looked at")
			}
		})
	}
}

func TestVisibleNothing(t *testing.T) {
	t.Parallel()
	w := kubetest.NewWorld(t)
	w.PutDatacenter("prod", "dc1", 1)
	r := ringOf(w)
	w.Refuse = func(a kubetest.Asked) *metav1.Status {
		if a.Resource == "pods" {
			return kubetest.Status(http.StatusForbidden, metav1.StatusReasonForbidden, "no")
		}
		return nil
	}
	_, err := r.Visible(t.Context())
	require.ErrorContains(t, err, "the service account may not list pods in namespace db")
}
