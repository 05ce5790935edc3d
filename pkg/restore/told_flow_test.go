package restore_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/backup"
	"github.com/casshook/casshook/pkg/restore"
	"github.com/casshook/casshook/pkg/ring/ringtest"
)

// What components own is named wherever somebody could miss it, and so is how long the
// snapshots took.
func TestBackupPlanAndReportTell(t *testing.T) {
	t.Parallel()
	r := ringtest.New(t, 2)
	r.Write("shop", "users", "ann")
	r.Execute("CREATE KEYSPACE reaper_db WITH replication = {'class': 'NetworkTopologyStrategy', 'dc1': '2'}")
	result, err := backup.Before(t.Context(), r.Target(), backup.Options{}, &ringtest.Steps{})
	require.NoError(t, err)
	require.Contains(t, strings.Join(result.Warnings, "\n"), "components of the platform own the keyspaces reaper_db")
	seen, err := backup.Status(t.Context(), r.Target())
	require.NoError(t, err)
	require.InDelta(t, result.Skew.TotalMS, backup.List(seen)[0].WindowMS, 0.0001)
	plan, err := restore.MakePlan(t.Context(), r.Target(), viewOptions(), &ringtest.Steps{})
	require.NoError(t, err)
	report, err := restoreViews(t, r, viewOptions())
	require.NoError(t, err)
	for _, warnings := range [][]string{plan.Warnings, report.Warnings} {
		require.Contains(t, strings.Join(warnings, "\n"), "not restored, since components of the platform own them (--include reaper_db restores one of them): keyspaces reaper_db")
	}
	require.Positive(t, result.Skew.TotalMS)
	require.Equal(t, result.Skew, plan.Skew)
	require.Equal(t, result.Skew, report.Skew)
}
