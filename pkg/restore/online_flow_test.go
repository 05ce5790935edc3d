package restore_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/backup"
	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/restore"
	"github.com/casshook/casshook/pkg/ring/ringtest"
	"github.com/casshook/casshook/pkg/sstable"
)

const view = "CREATE MATERIALIZED VIEW shop.by_v AS\n    SELECT k, v\n    FROM shop.orders\n    WHERE v IS NOT NULL AND k IS NOT NULL\n    PRIMARY KEY (v, k)\n WITH gc_grace_seconds = 864000"

// pointOf is a restore point of a ring that statements and writes made.
func pointOf(t testing.TB, statements ...string) restorePoint {
	t.Helper()
	r := ringtest.New(t, 2)
	for _, s := range statements {
		r.Execute(s)
	}
	r.Write("shop", "orders", "monday")
	r.Write("shop", "users", "ann")
	_, err := backup.Before(t.Context(), r.Target(), backup.Options{}, &ringtest.Steps{})
	require.NoError(t, err)
	return restorePoint{r.Snapshot(), r.Content()}
}

// back is a ring on the volumes of a restore point, which runs.
func (p restorePoint) back(t testing.TB) *ringtest.Ring {
	r := ringtest.New(t, 2)
	r.Return(p.image, false)
	return r
}

// verdicts are those of a report or a plan that are not to keep.
func verdicts(objects []restore.Object) map[string]string {
	found := map[string]string{}
	for _, o := range objects {
		if o.Verdict != "keep" {
			found[o.Kind+" "+o.Name] = o.Verdict
		}
	}
	return found
}

// disasters are what may happen between a restore point and its restore.
func disasters() map[string]struct {
	do   func(r *ringtest.Ring)
	want map[string]string
} {
	type disaster = struct {
		do   func(r *ringtest.Ring)
		want map[string]string
	}
	statements := func(list ...string) func(*ringtest.Ring) {
		return func(r *ringtest.Ring) {
			for _, s := range list {
				r.Execute(s)
			}
		}
	}
	return map[string]disaster{
		"none":              {statements(), map[string]string{}},
		"rows that came":    {func(r *ringtest.Ring) { r.Write("shop", "orders", "later") }, map[string]string{}},
		"rows that went":    {statements("TRUNCATE TABLE shop.orders"), map[string]string{}},
		"a table that went": {statements("DROP TABLE shop.users"), map[string]string{"table shop.users": "create"}},
		"a table that came": {statements("CREATE TABLE shop.later (k int PRIMARY KEY)"), map[string]string{"table shop.later": "drop"}},
		"other columns": {statements("DROP TABLE shop.users", "CREATE TABLE shop.users (k int PRIMARY KEY, w text)"),
			map[string]string{"table shop.users": "recreate"}},
		"other options":        {statements("ALTER TABLE shop.users WITH gc_grace_seconds = 5"), map[string]string{"table shop.users": "alter"}},
		"a keyspace that came": {statements("CREATE KEYSPACE bad WITH replication = {'class': 'NetworkTopologyStrategy', 'dc1': '3'}"), map[string]string{"keyspace bad": "drop"}},
		"a keyspace that went": {statements("DROP KEYSPACE shop"), map[string]string{
			"keyspace shop": "create", "table shop.orders": "create", "table shop.users": "create", "materialized_view shop.by_v": "create"}},
		"a view that went":      {statements("DROP MATERIALIZED VIEW shop.by_v"), map[string]string{"materialized_view shop.by_v": "create"}},
		"permissions that went": {statements("REVOKE SELECT ON TABLE shop.orders FROM app"), map[string]string{}},
		"permissions that came": {statements("GRANT MODIFY ON TABLE shop.users TO app"), map[string]string{}},
	}
}

// TestOnlineBringsBack: whatever happened, the ring holds what it held at the backup.
func TestOnlineBringsBack(t *testing.T) {
	t.Parallel()
	p := pointOf(t, view)
	for name, tt := range disasters() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := p.back(t)
			tt.do(r)
			before := r.Content()
			plan, err := restore.MakePlan(t.Context(), r.Target(), options, &ringtest.Steps{})
			require.NoError(t, err)
			require.Equal(t, tt.want, kinds(verdicts(plan.Objects)))
			require.Equal(t, before, r.Content(), "a plan changes nothing")
			require.Contains(t, strings.Join(plan.Warnings, "\n"), "keep clients away until an online restore is done")
			report, err := restore.Online(t.Context(), r.Target(), options, &ringtest.Steps{})
			require.NoError(t, err)
			require.Equal(t, p.wanted, r.Content())
			require.Equal(t, tt.want, kinds(verdicts(report.Objects)), "as planned")
			require.Equal(t, plan.BackupID, report.BackupID)
			require.Contains(t, strings.Join(report.Warnings, "\n"), "keep clients away until an online restore is done")
			require.Empty(t, report.Differences)
			for _, proof := range report.Tables {
				require.Equal(t, proof.Expected, proof.Taken, proof.Name)
			}
			require.Empty(t, r.Locks())
		})
	}
}

// kinds calls views what Cassandra's DESCRIBE calls them.
func kinds(found map[string]string) map[string]string {
	for key, verdict := range found {
		if name, ok := strings.CutPrefix(key, "view "); ok {
			delete(found, key)
			found["materialized_view "+name] = verdict
		}
	}
	return found
}

// TestOnlineOfAPart: what is out of scope stays as it is, and so does the backup.
func TestOnlineOfAPart(t *testing.T) {
	t.Parallel()
	p := pointOf(t)
	for name, edit := range map[string]func(*restore.Options){
		"included": func(o *restore.Options) { o.Include = []string{"shop.orders"} },
		"excluded": func(o *restore.Options) { o.Exclude = []string{"shop.users"} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := p.back(t)
			r.Write("shop", "orders", "later")
			r.Write("shop", "users", "bob")
			opts := options
			edit(&opts)
			_, err := restore.Online(t.Context(), r.Target(), opts, &ringtest.Steps{})
			require.NoError(t, err)
			got := r.Content()
			require.NotContains(t, got, "shop.orders: n1 has later")
			require.Contains(t, got, "shop.users: n2 has bob")
			require.Len(t, r.Backups(), 1)
			require.Contains(t, r.Tags(), r.Backups()[0], "every other table still needs it")
		})
	}
}

// TestOnlineKeepsWhatClientsWroteSince: a retry of a restore that ended loads nothing.
func TestOnlineKeepsWhatClientsWroteSince(t *testing.T) {
	t.Parallel()
	for name, keep := range map[string]bool{"with the backup": true, "without the backup": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := pointOf(t).back(t)
			opts := options
			opts.KeepBackup = keep
			_, err := restore.Online(t.Context(), r.Target(), opts, &ringtest.Steps{})
			require.NoError(t, err)
			require.Equal(t, keep, len(r.Backups()) == 1)
			r.Write("shop", "orders", "tuesday")
			_, _ = restore.Online(t.Context(), r.Target(), opts, &ringtest.Steps{}) // how it says so is the command's affair
			require.Contains(t, r.Content(), "shop.orders: n1 has tuesday")
			require.Empty(t, r.Locks())
		})
	}
}

// TestOnlineRefuses before anything is touched.
func TestOnlineRefuses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		make func(t *testing.T, p restorePoint) *ringtest.Ring
		edit func(*restore.Options)
		code flow.Code
		want string
	}{
		{"the volumes that were backed up", func(t *testing.T, _ restorePoint) *ringtest.Ring {
			r := ringtest.New(t, 2)
			_, err := backup.Before(t.Context(), r.Target(), backup.Options{}, &ringtest.Steps{})
			require.NoError(t, err)
			_, err = backup.After(t.Context(), r.Target(), backup.AfterOptions{Operation: "x"}, &ringtest.Steps{})
			require.NoError(t, err)
			_, err = backup.Before(t.Context(), r.Target(), backup.Options{}, &ringtest.Steps{})
			require.NoError(t, err)
			return r
		}, nil, flow.Precondition, "--in-place"},
		{"a damaged file", func(t *testing.T, p restorePoint) *ringtest.Ring {
			r := p.back(t)
			files, err := filepath.Glob(filepath.Join(r.Root("n2"), "data", "shop", "users-*", sstable.SnapshotsDir, "*", "*-"+sstable.Data))
			require.NoError(t, err)
			require.NoError(t, os.Truncate(files[0], 1))
			return r
		}, nil, flow.Corrupt, "node n2: "},
		{"a backup that is not there", func(t *testing.T, p restorePoint) *ringtest.Ring { return p.back(t) },
			func(o *restore.Options) { o.Backup = "casshook-20200101T000000Z-0000" }, flow.Precondition, "casshook-20200101T000000Z-0000"},
		{"a full volume", func(t *testing.T, p restorePoint) *ringtest.Ring { return p.back(t) },
			func(o *restore.Options) { o.MinFree = 1.1 }, flow.Precondition, "% free, needs"},
		{"a ring at which another works", func(t *testing.T, p restorePoint) *ringtest.Ring {
			r := p.back(t)
			r.TakeLock("other-1")
			return r
		}, nil, flow.Locked, "other-1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := tt.make(t, pointOf(t))
			r.Write("shop", "orders", "tuesday")
			before, kept := r.Content(), r.Backups()
			opts := options
			if tt.edit != nil {
				tt.edit(&opts)
			}
			_, err := restore.Online(t.Context(), r.Target(), opts, &ringtest.Steps{})
			require.ErrorContains(t, err, tt.want)
			if opts.Backup == "" {
				require.Equal(t, tt.code, flow.CodeOf(err), err)
			}
			require.True(t, saysUntouched(err))
			require.Equal(t, before, r.Content())
			require.Equal(t, kept, r.Backups())
		})
	}
}

// TestOnlineInPlace: the very volumes, when it is asked for.
func TestOnlineInPlace(t *testing.T) {
	t.Parallel()
	r := ringtest.New(t, 2)
	r.Write("shop", "orders", "monday")
	_, err := backup.Before(t.Context(), r.Target(), backup.Options{}, &ringtest.Steps{})
	require.NoError(t, err)
	want := r.Content()
	r.Write("shop", "orders", "tuesday")
	opts := options
	opts.InPlace = true
	_, err = restore.Online(t.Context(), r.Target(), opts, &ringtest.Steps{})
	require.NoError(t, err)
	require.Equal(t, want, r.Content())
}

// TestOnlineFindsDifferences: a role is missing, which a restore online does not make.
func TestOnlineFindsDifferences(t *testing.T) {
	t.Parallel()
	p := pointOf(t)
	for name, accept := range map[string]bool{"which end it": false, "which are accepted": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := p.back(t)
			r.Execute("DROP ROLE app")
			opts := options
			opts.AcceptDifferences = accept
			report, err := restore.Online(t.Context(), r.Target(), opts, &ringtest.Steps{})
			require.NotEmpty(t, report.Differences)
			require.Contains(t, strings.Join(report.Differences, "\n"), "app")
			if accept {
				require.NoError(t, err)
				require.Empty(t, r.Backups())
				return
			}
			require.Equal(t, flow.Differences, flow.CodeOf(err))
			require.Len(t, r.Backups(), 1, "only a verified restore removes it")
			require.Empty(t, r.Locks())
			r.Execute("CREATE ROLE app")
			r.Write("shop", "orders", "since")
			_, err = restore.Online(t.Context(), r.Target(), opts, &ringtest.Steps{})
			require.NoError(t, err)
			require.Contains(t, r.Content(), "shop.orders: n1 has since", "once loaded, nothing is loaded again")
		})
	}
}

// TestOnlineRebuildsViews instead of loading their snapshots, when it is asked to.
func TestOnlineRebuildsViews(t *testing.T) {
	t.Parallel()
	p := pointOf(t, view)
	loaded := func(rebuild bool) bool {
		opts := options
		opts.RebuildViews = rebuild
		report, err := restore.Online(t.Context(), p.back(t).Target(), opts, &ringtest.Steps{})
		require.NoError(t, err)
		return slices.ContainsFunc(report.Tables, func(p restore.TableProof) bool { return p.Name == "by_v" })
	}
	require.True(t, loaded(false))
	require.False(t, loaded(true))
}

// TestRepairIsAdvised where replicas may have forgotten deletions.
func TestRepairIsAdvised(t *testing.T) {
	t.Parallel()
	r := pointOf(t).back(t)
	report, err := restore.Online(t.Context(), r.Target(), options, &ringtest.Steps{})
	require.NoError(t, err)
	require.Equal(t, 864000, report.SmallestGCGrace)
	require.False(t, report.RepairAdvised)
	require.WithinDuration(t, time.Now(), report.Finished, time.Hour)
	require.Positive(t, report.Calls)
	require.Positive(t, report.Statements)
}
