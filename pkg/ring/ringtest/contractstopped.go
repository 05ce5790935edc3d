package ringtest

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/ring"
)

// CleanerContract is what every ring.Cleaner must do, at nodes that do not run, at least
// two. Every node's volume has a backup but for the one named broken.
func CleanerContract(t *testing.T, open func(t *testing.T) (cleaner ring.Cleaner, broken string)) {
	t.Helper()
	t.Run("lists the nodes by name", func(t *testing.T) {
		t.Parallel()
		cleaner, _ := open(t)
		nodes := stoppedNodes(t, cleaner)
		require.True(t, slices.IsSortedFunc(nodes, func(a, b ring.StoppedNode) int { return strings.Compare(a.Name, b.Name) }))
		for _, n := range nodes {
			require.NotEmpty(t, n.Volume)
			require.NotEmpty(t, n.Identity)
		}
		require.Equal(t, nodes, stoppedNodes(t, cleaner), "to look changes nothing")
	})
	t.Run("gives outcomes in the order of the tasks, of all of them", func(t *testing.T) {
		t.Parallel()
		cleaner, broken := open(t)
		nodes := stoppedNodes(t, cleaner)
		slices.Reverse(nodes)
		var tasks []ring.CleanTask
		for _, n := range nodes {
			tasks = append(tasks, ring.CleanTask{Node: n, DryRun: true})
		}
		outcomes, err := cleaner.Clean(t.Context(), tasks, func(string, string) {})
		require.NoError(t, err, "that a volume is broken is an outcome")
		require.Len(t, outcomes, len(tasks))
		for i, o := range outcomes {
			if tasks[i].Node.Name == broken {
				require.Error(t, o.Err)
				require.Nil(t, o.Result)
				continue
			}
			require.NoError(t, o.Err)
			require.Contains(t, o.Result.Node, tasks[i].Node.Name)
		}
	})
}

func stoppedNodes(t *testing.T, cleaner ring.Cleaner) []ring.StoppedNode {
	t.Helper()
	nodes, err := cleaner.StoppedNodes(t.Context())
	require.NoError(t, err)
	require.Greater(t, len(nodes), 1)
	return nodes
}

// StoppedRingContract is what every ring.StoppedRing must do, at one that is stopped and
// whose nodes come up when they are started.
func StoppedRingContract(t *testing.T, open func(t *testing.T) ring.StoppedRing) {
	t.Helper()
	r := open(t)
	stopped, err := r.Stopped(t.Context())
	require.NoError(t, err)
	require.True(t, stopped)
	nodes := stoppedNodes(t, r)
	require.NoError(t, r.Start(t.Context(), func(string) {}))
	stopped, err = r.Stopped(t.Context())
	require.NoError(t, err)
	require.False(t, stopped)
	_, err = r.StoppedNodes(t.Context())
	require.Error(t, err, "volumes in use are not listed")
	outcomes, err := r.Clean(t.Context(), []ring.CleanTask{{Node: nodes[0]}}, func(string, string) {})
	if err == nil {
		err = outcomes[0].Err
	}
	require.Error(t, err, "nor cleaned")
}
