package kube

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/casshook/casshook/pkg/kube/internal/kubetest"
	"github.com/casshook/casshook/pkg/ring"
	"github.com/casshook/casshook/pkg/ring/ringtest"
)

// stoppedWorld is a stopped ring of two nodes whose Jobs run, and whose nodes the operator
// brings up once it is told to.
func stoppedWorld(t *testing.T) (*kubetest.World, *kubetest.Jobs) {
	t.Helper()
	w := kubetest.NewWorld(t)
	w.PutStoppedDatacenter("prod", "dc1", 2, []string{"r1"})
	kubetest.ClockOf(w.Client).OnWait = func() {
		o := map[string]any{}
		require.True(t, w.Read(kubetest.CassandraGroup, "cassandradatacenters", "dc1", &o))
		if kubetest.In(o, "spec")["stopped"] == false {
			comeUp(w)
		}
	}
	return w, kubetest.RunJobs(w)
}

// comeUp has the pods of the rack r1 of dc1 run.
func comeUp(w *kubetest.World) {
	const set = "dc1-r1-sts"
	for i := range 2 {
		p := kubetest.Pod("prod", "dc1", i)
		p.Name = fmt.Sprintf("%s-%d", set, i)
		p.UID = types.UID("uid-" + p.Name)
		p.OwnerReferences[0].Name, p.OwnerReferences[0].UID = set, "uid-"+set
		p.Spec.Volumes[0].PersistentVolumeClaim.ClaimName = "server-data-" + p.Name
		w.Put("", "pods", p)
	}
	w.Edit("apps", "statefulsets", set, func(o map[string]any) { kubetest.In(o, "spec")["replicas"] = 2 })
	kubetest.EditDatacenter(w, func(o map[string]any) {
		kubetest.In(o, "status")["conditions"] = []any{map[string]any{"type": "Ready", "status": "True"}, map[string]any{"type": "Stopped", "status": "False"}}
	})
}

// The seams that flows are given are those of the whole target, put together.
func TestStoppedRingContract(t *testing.T) {
	t.Parallel()
	ringtest.StoppedRingContract(t, func(t *testing.T) ring.StoppedRing {
		w, _ := stoppedWorld(t)
		return onlyRing(t, w).Stopped
	})
}

func TestCleanerContract(t *testing.T) {
	t.Parallel()
	ringtest.CleanerContract(t, func(t *testing.T) (ring.Cleaner, string) {
		w, f := stoppedWorld(t)
		broken := func(pod string) bool { return strings.HasSuffix(pod, "-1-x") }
		whole := f.Log
		f.Log = func(pod string, n int) kubetest.PodLog {
			if broken(pod) {
				return kubetest.PodLog{Text: "casshook-agent: not whole"}
			}
			return whole(pod, n)
		}
		f.Pod = func(p *corev1.Pod) {
			if broken(p.Name) {
				kubetest.Ends(4, "Error", "")(p)
			}
		}
		return onlyRing(t, w).Stopped, "dc1-r1-sts-1"
	})
}

// What a stopped ring is called is what its nodes are called when they run.
func TestNamesOfNodes(t *testing.T) {
	t.Parallel()
	w, _ := stoppedWorld(t)
	target := onlyRing(t, w)
	off, err := target.Stopped.StoppedNodes(t.Context())
	require.NoError(t, err)
	require.NoError(t, target.Stopped.Start(t.Context(), func(string) {}))
	up, err := target.Nodes.Nodes(t.Context())
	require.NoError(t, err)
	require.Len(t, up, len(off))
	for i, n := range up {
		require.Equal(t, off[i].Name, n.Name)
		require.Equal(t, off[i].Identity, n.VolumeID, "a restore that is verified must find the volume that was cleaned")
	}
}
