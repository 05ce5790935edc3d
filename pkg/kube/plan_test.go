package kube

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/kube/internal/kubetest"
	"github.com/casshook/casshook/pkg/restore"
	"github.com/casshook/casshook/pkg/ring"
	"github.com/casshook/casshook/pkg/ring/ringtest"
)

// planned are the problems of the nodes that a plan names.
func planned(nodes []restore.VisibleNode) map[string]string {
	problems := map[string]string{}
	for _, n := range nodes {
		problems[n.Name] = n.Problem
	}
	return problems
}

func onlyRing(t *testing.T, w *kubetest.World) ring.Target {
	t.Helper()
	targets, err := (&Client{api: w.Client, opts: Options{Image: "i", AgentPath: "/opt/agent"}}).Rings(t.Context(), Selection{})
	require.NoError(t, err)
	return targets[0].Ring()
}

// A plan of pods that crash has a row for each, and why.
func TestPlanOfPodsThatCrash(t *testing.T) {
	t.Parallel()
	w := kubetest.NewWorld(t)
	w.PutDatacenter("prod", "dc1", 2)
	for _, pod := range []string{"set-dc1-0", "set-dc1-1"} {
		w.Edit("", "pods", pod, func(o map[string]any) {
			status := o["status"].(map[string]any)["containerStatuses"].([]any)[1].(map[string]any)
			status["state"] = map[string]any{"waiting": map[string]any{"reason": "CrashLoopBackOff"}}
		})
	}
	plan, err := restore.MakePlan(t.Context(), onlyRing(t, w), restore.Options{}, &ringtest.Steps{})
	require.Equal(t, flow.Precondition, flow.CodeOf(err))
	require.ErrorContains(t, err, "CrashLoopBackOff")
	crashing := "has no running container cassandra (waiting: CrashLoopBackOff): check its events and log"
	require.Equal(t, map[string]string{"set-dc1-0": crashing, "set-dc1-1": crashing}, planned(plan.Visible))
}

// Of a stopped ring one volume that cannot be looked at does not hide the others.
func TestPlanOfAStoppedRing(t *testing.T) {
	t.Parallel()
	w := kubetest.NewWorld(t)
	w.PutStoppedDatacenter("prod", "dc1", 2, []string{"r1"})
	f := kubetest.RunJobs(w)
	pod := f.Log
	f.Log = func(name string, n int) kubetest.PodLog {
		if name == kubetest.FirstPod {
			return kubetest.PodLog{Text: "casshook-agent: not whole"}
		}
		return pod(name, n)
	}
	f.Pod = kubetest.EndsFor(kubetest.FirstPod, 4)
	plan, err := restore.MakeOfflinePlan(t.Context(), onlyRing(t, w), restore.Options{}, &ringtest.Steps{})
	require.Equal(t, flow.Corrupt, flow.CodeOf(err))
	problems := planned(plan.Visible)
	require.Len(t, problems, 2)
	require.Contains(t, problems[kubetest.FirstNode], "not whole")
	require.Empty(t, problems["dc1-r1-sts-1"])

	w.Remove("", "persistentvolumeclaims", kubetest.FirstClaim)
	plan, err = restore.MakeOfflinePlan(t.Context(), onlyRing(t, w), restore.Options{}, &ringtest.Steps{})
	require.Equal(t, flow.Precondition, flow.CodeOf(err))
	require.Equal(t, map[string]string{kubetest.FirstNode: "stopped: no pod", "dc1-r1-sts-1": "stopped: no pod"}, planned(plan.Visible))
}
