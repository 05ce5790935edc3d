package restore_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/backup"
	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/restore"
	"github.com/casshook/casshook/pkg/ring/ringtest"
)

const (
	viewA = "CREATE MATERIALIZED VIEW shop.a AS SELECT * FROM shop.users WHERE k IS NOT NULL PRIMARY KEY (k)"
	viewB = "CREATE MATERIALIZED VIEW shop.b AS SELECT * FROM shop.users WHERE k IS NOT NULL PRIMARY KEY (k)"
)

// viewed is a ring with a backup of two views, made while the given ones were built.
func viewed(t *testing.T, building ...string) *ringtest.Ring {
	r := ringtest.New(t, 2)
	r.Write("shop", "users", "ann")
	r.Execute(viewA)
	r.Execute(viewB)
	r.Building(building...)
	result, err := backup.Before(t.Context(), r.Target(), backup.Options{}, &ringtest.Steps{})
	require.NoError(t, err)
	require.Equal(t, len(building) > 0, strings.Contains(strings.Join(result.Warnings, ""), "still being built"), result.Warnings)
	r.Building()
	return r
}

func viewOptions() restore.Options {
	o := options
	o.InPlace, o.ViewTimeout = true, time.Second
	return o
}

func restoreViews(t *testing.T, r *ringtest.Ring, o restore.Options) (*restore.Report, error) {
	return restore.Online(t.Context(), r.Target(), o, &ringtest.Steps{})
}

func verdictsOf(r *restore.Report) map[string]string {
	verdicts := map[string]string{}
	for _, o := range r.Objects {
		verdicts[o.Name] = o.Verdict
	}
	return verdicts
}

// A view that was being built is built from its table: half of it would be taken for
// all of it.
func TestViewThatWasBeingBuilt(t *testing.T) {
	t.Parallel()
	r := viewed(t, "a")
	report, err := restoreViews(t, r, viewOptions())
	require.NoError(t, err)
	verdicts := verdictsOf(report)
	require.Equal(t, "recreate", verdicts["shop.a"])
	require.Equal(t, "keep", verdicts["shop.b"])
}

// A view is awaited and counted in every run until the restore is done, whoever made it.
func TestUnfinishedViewIsAwaitedAgain(t *testing.T) {
	t.Parallel()
	r := viewed(t)
	r.Execute("DROP MATERIALIZED VIEW shop.a")
	r.Building("a")
	for range 2 {
		_, err := restoreViews(t, r, viewOptions())
		require.Equal(t, flow.Differences, flow.CodeOf(err), "%v", err)
		require.ErrorContains(t, err, "view shop.a is not complete: not every node has built it")
		require.NotEmpty(t, r.Backups(), "what is not verified keeps its backup")
		accepting := viewOptions()
		accepting.AcceptDifferences = true
		_, err = restoreViews(t, r, accepting)
		require.Equal(t, flow.Differences, flow.CodeOf(err), "data that is missing is never accepted")
	}
	r.Building()
	r.Counts(map[string]int64{"FROM shop.a": 0})
	_, err := restoreViews(t, r, viewOptions())
	require.ErrorContains(t, err, "it has 0 rows, but its base table should give 1")
	r.Counts(nil)
	_, err = restoreViews(t, r, viewOptions())
	require.NoError(t, err)
}

// What comes after a view that is not complete is done: later views, permissions.
func TestViewThatDiffersHoldsNothingUp(t *testing.T) {
	t.Parallel()
	r := viewed(t)
	want := r.Content()
	r.Execute("DROP MATERIALIZED VIEW shop.a")
	r.Execute("DROP MATERIALIZED VIEW shop.b")
	r.Execute("GRANT MODIFY ON TABLE shop.users TO app")
	r.Counts(map[string]int64{"FROM shop.a": 7})
	_, err := restoreViews(t, r, viewOptions())
	require.Equal(t, flow.Differences, flow.CodeOf(err))
	require.ErrorContains(t, err, "view shop.a is not complete")
	require.NotContains(t, err.Error(), "shop.b")
	require.ElementsMatch(t, want, r.Content())
	accepting := viewOptions()
	accepting.AcceptDifferences = true
	report, err := restoreViews(t, r, accepting)
	require.NoError(t, err)
	require.Contains(t, strings.Join(report.Differences, ""), "view shop.a is not complete")
}

// A view whose snapshot was cut at another moment than that of its table is rebuilt.
func TestViewThatDiffersFromItsTableIsRebuilt(t *testing.T) {
	t.Parallel()
	r := viewed(t)
	before := r.Statements("DROP MATERIALIZED VIEW")
	r.Counts(map[string]int64{"FROM shop.b": 2})
	report, err := restoreViews(t, r, viewOptions())
	require.Equal(t, flow.Differences, flow.CodeOf(err), "this Cassandra counts wrong for ever")
	require.Equal(t, before+1, r.Statements("DROP MATERIALIZED VIEW IF EXISTS shop.b"))
	require.Contains(t, strings.Join(report.Warnings, ""), "view shop.b is rebuilt")
}

func TestBackupWaitsForViews(t *testing.T) {
	t.Parallel()
	r := ringtest.New(t, 2)
	r.Execute(viewA)
	r.Building("a")
	opts := backup.Options{WaitViews: time.Second}
	_, err := backup.Before(t.Context(), r.Target(), opts, &ringtest.Steps{})
	require.ErrorContains(t, err, "shop.a")
	require.Empty(t, r.Backups())
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		if flow.Sleep(ctx, time.Second) == nil {
			r.Building()
		}
	}()
	opts.WaitViews = time.Minute
	result, err := backup.Before(t.Context(), r.Target(), opts, &ringtest.Steps{})
	require.NoError(t, err)
	require.Empty(t, result.Warnings)
}
