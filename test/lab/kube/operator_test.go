package kube

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// Later commands know by a file that no stand-in is to run.
func TestWithoutOperator(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := &Lab{Root: dir, WithoutOperator: true, Log: t.Logf}
	require.Contains(t, l.names(), "operator-standin")
	before := len(l.names())
	require.NoError(t, l.startOperator(t.Context()))
	for range 2 {
		later := &Lab{Root: dir}
		require.NotContains(t, later.names(), "operator-standin")
		require.Len(t, later.names(), before-1)
		require.NoError(t, l.startOperator(t.Context()), "once more")
	}
	require.NoError(t, os.Remove(l.withoutOperatorFile()))
	require.Contains(t, l.names(), "operator-standin")
}
