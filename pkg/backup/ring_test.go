package backup_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/backup"
	"github.com/casshook/casshook/pkg/document"
	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/ring/ringtest"
	"github.com/casshook/casshook/pkg/sstable"
)

// at runs a function at a call of a flow, once.
func at(r *ringtest.Ring, kind, what string, f func()) {
	done := false
	r.OnCall(func(c ringtest.Call) ringtest.Fault {
		if !done && c.Kind == kind && c.What == what {
			done = true
			f()
		}
		return ringtest.None
	})
}

func TestBeforeBackupReports(t *testing.T) {
	t.Parallel()
	r := plainRing(t)
	result, err := backup.Before(t.Context(), r.Target(), backup.Options{CreatedBy: "casshook 9"}, &ringtest.Steps{})
	require.NoError(t, err)
	require.Equal(t, r.Backups(), []string{result.BackupID})
	require.Equal(t, 4, result.Tables, "system tables too")
	require.Positive(t, result.Statements)
	require.LessOrEqual(t, result.Skew.StartMS, result.Skew.TotalMS)
	require.Len(t, result.Nodes, 2)
	for i, n := range result.Nodes {
		require.Equal(t, []string{"n1", "n2"}[i], n.Name)
		require.Equal(t, 3, n.SSTables)
		require.Positive(t, n.Bytes)
		require.Equal(t, "management API", n.Via)
	}
	b, err := document.Open(r.Root("n2"), result.BackupID, nil)
	require.NoError(t, err)
	var c document.Cluster
	content, err := os.ReadFile(filepath.Join(document.BackupDir(r.Root("n1"), result.BackupID), document.ClusterFile))
	require.NoError(t, err)
	require.NoError(t, document.Decode(content, &c))
	require.Equal(t, "casshook 9", c.CreatedBy)
	require.Equal(t, ringtest.Namespace, c.Namespace)
	require.Equal(t, ringtest.Cluster, c.ClusterName)
	require.Equal(t, []string{"app", "cassandra"}, c.Roles)
	require.Len(t, c.Members, 2)
	require.Len(t, b.Node.Tables, 4)
}

// TestSchemaChangesUnderTheSnapshot: the backup starts over, three times at most.
func TestSchemaChangesUnderTheSnapshot(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		changes int
		want    string
	}{
		{"never", 0, ""},
		{"once", 1, ""},
		{"twice", 2, ""},
		{"each time", 3, "the schema changed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := plainRing(t)
			left := tt.changes
			r.OnCall(func(c ringtest.Call) ringtest.Fault {
				if c.Kind == ringtest.Agent && c.Node == "n2" && c.What == "snapshot" && left > 0 {
					r.Execute("ALTER KEYSPACE shop WITH replication = {'class': 'NetworkTopologyStrategy', 'dc1': '" + string(rune('0'+left)) + "'}")
					left--
				}
				return ringtest.None
			})
			steps := &ringtest.Steps{}
			err := before(t.Context(), r, steps)
			require.Zero(t, left)
			if tt.want != "" {
				require.ErrorContains(t, err, tt.want)
				require.Empty(t, r.Backups())
				require.Equal(t, []string{foreign}, r.Tags())
				require.Empty(t, r.Locks())
				return
			}
			require.NoError(t, err)
			require.Len(t, steps.Messages, tt.changes, "it says that it starts over")
			require.Len(t, r.Backups(), 1)
			require.Len(t, r.Tags(), 2, "what the earlier tries left is gone")
		})
	}
}

// TestBeforeBackupRefuses: nothing is done to volumes whose backup somebody needs.
func TestBeforeBackupRefuses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		make func(t *testing.T, r *ringtest.Ring)
		opts backup.Options
		code flow.Code
		want string
	}{
		{"restored volumes", func(_ *testing.T, r *ringtest.Ring) { r.Return(r.Snapshot(), false) }, backup.Options{}, flow.Precondition, "node n1: "},
		{"volumes that are full", func(*testing.T, *ringtest.Ring) {}, backup.Options{MinFree: 1.1}, flow.Precondition, "% free, needs"},
		{"a backup whose volume snapshots may be under way", func(*testing.T, *ringtest.Ring) {}, backup.Options{ParkedFor: time.Hour}, flow.Locked, "parked"},
		{"a ring at which another works", func(t *testing.T, r *ringtest.Ring) { r.TakeLock("other-1") }, backup.Options{}, flow.Locked, "other-1"},
		{"a ring that is stopped", func(_ *testing.T, r *ringtest.Ring) { r.Stop() }, backup.Options{}, flow.Precondition, "does not run"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := plainRing(t)
			require.NoError(t, before(t.Context(), r, &ringtest.Steps{}))
			kept, tags := r.Backups(), r.Tags()
			tt.make(t, r)
			_, err := backup.Before(t.Context(), r.Target(), tt.opts, &ringtest.Steps{})
			require.ErrorContains(t, err, tt.want)
			require.Equal(t, tt.code, flow.CodeOf(err))
			require.Equal(t, kept, r.Backups())
			require.Equal(t, tags, r.Tags())
		})
	}
}

// TestBeforeBackupReplaces: an earlier backup of these very volumes makes room.
func TestBeforeBackupReplaces(t *testing.T) {
	t.Parallel()
	r := plainRing(t)
	require.NoError(t, before(t.Context(), r, &ringtest.Steps{}))
	earlier := r.Backups()[0]
	r.Write("shop", "users", "ann")
	require.NoError(t, before(t.Context(), r, &ringtest.Steps{}))
	require.Len(t, r.Backups(), 1)
	require.NotContains(t, r.Backups(), earlier)
	require.NotContains(t, r.Tags(), earlier)
	require.Len(t, r.Tags(), 2)
}

// TestWorkEndsWithTheLock: a hook whose lock is another's by now stops at once, and takes
// nothing from the other.
func TestWorkEndsWithTheLock(t *testing.T) {
	t.Parallel()
	for _, what := range []string{"inspect", "flush", "begin", "write", "complete"} {
		t.Run("before-backup at "+what, func(t *testing.T) {
			t.Parallel()
			r := plainRing(t)
			at(r, ringtest.Agent, what, func() { r.TakeLock("other-1") })
			steps := &ringtest.Steps{}
			err := before(t.Context(), r, steps)
			require.ErrorContains(t, err, "the lock was taken by other-1")
			require.Equal(t, flow.Locked, flow.CodeOf(err), err)
			require.Empty(t, r.Backups())
			require.Equal(t, []string{foreign}, r.Tags())
			require.Equal(t, []string{"lease: another parked=false"}, r.Locks())
		})
	}
	t.Run("after-backup", func(t *testing.T) {
		t.Parallel()
		r := plainRing(t)
		require.NoError(t, before(t.Context(), r, &ringtest.Steps{}))
		at(r, ringtest.Target, "wait for volume snapshots", func() { r.TakeLock("other-1") })
		err := after("after-backup")(t.Context(), r, &ringtest.Steps{})
		require.ErrorContains(t, err, "the lock was taken by other-1")
		require.Equal(t, flow.Locked, flow.CodeOf(err))
		require.Len(t, r.Backups(), 1)
	})
}

func TestAfterBackupWaitsForVolumeSnapshots(t *testing.T) {
	t.Parallel()
	waited := func(limit time.Duration) bool {
		r := plainRing(t)
		require.NoError(t, before(t.Context(), r, &ringtest.Steps{}))
		r.OnCall(nil)
		removed, err := backup.After(t.Context(), r.Target(), backup.AfterOptions{Operation: "after-backup", SnapshotTimeout: limit}, &ringtest.Steps{})
		require.NoError(t, err)
		require.Len(t, removed.Backups, 1)
		require.Equal(t, 8, removed.Snapshots, "of every table of every node")
		return slices.ContainsFunc(r.Calls(), func(c ringtest.Call) bool { return c.What == "wait for volume snapshots" })
	}
	require.True(t, waited(time.Minute))
	require.False(t, waited(0), "a backup that failed need not")
}

// TestAfterBackupOfNothing succeeds, as a hook that is retried must.
func TestAfterBackupOfNothing(t *testing.T) {
	t.Parallel()
	r := plainRing(t)
	removed, err := backup.After(t.Context(), r.Target(), backup.AfterOptions{Operation: "after-backup"}, &ringtest.Steps{})
	require.NoError(t, err)
	require.Empty(t, removed.Backups)
	untouched(t, r)
	require.Empty(t, r.Locks())
}

func TestStatusAndList(t *testing.T) {
	t.Parallel()
	r := plainRing(t)
	require.NoError(t, before(t.Context(), r, &ringtest.Steps{}))
	id := r.Backups()[0]
	nodes, err := backup.Status(t.Context(), r.Target())
	require.NoError(t, err)
	require.Len(t, nodes, 2)
	require.Equal(t, "n2", nodes[1].Name)
	require.True(t, nodes[1].Lock.Parked)
	list := backup.List(nodes)
	require.Len(t, list, 1)
	require.Equal(t, id, list[0].ID)
	require.True(t, list[0].Complete)
	require.Equal(t, "own", list[0].Volumes)
	require.NoError(t, os.Remove(filepath.Join(document.BackupDir(r.Root("n1"), id), document.CompleteFile)))
	nodes, err = backup.Status(t.Context(), r.Target())
	require.NoError(t, err)
	require.False(t, backup.List(nodes)[0].Complete)
}

// TestVerify: what is wrong is named, with the node.
func TestVerify(t *testing.T) {
	t.Parallel()
	data := func(r *ringtest.Ring, id string) string {
		files, err := filepath.Glob(filepath.Join(r.Root("n2"), "data", "shop", "orders-*", sstable.SnapshotsDir, id, "*-"+sstable.Data))
		require.NoError(t, err)
		require.Len(t, files, 1)
		return files[0]
	}
	for _, tt := range []struct {
		name string
		harm func(t *testing.T, r *ringtest.Ring, id string)
		full bool
		want string
	}{
		{"whole", func(*testing.T, *ringtest.Ring, string) {}, true, ""},
		{"a bit", func(t *testing.T, r *ringtest.Ring, id string) {
			content, err := os.ReadFile(data(r, id))
			require.NoError(t, err)
			content[0] ^= 1
			require.NoError(t, os.WriteFile(data(r, id), content, 0o600))
		}, true, "node n2: "},
		{"a bit that nobody looks at", func(t *testing.T, r *ringtest.Ring, id string) {
			content, err := os.ReadFile(data(r, id))
			require.NoError(t, err)
			content[0] ^= 1
			require.NoError(t, os.WriteFile(data(r, id), content, 0o600))
		}, false, ""},
		{"a file", func(t *testing.T, r *ringtest.Ring, id string) { require.NoError(t, os.Remove(data(r, id))) }, false, "node n2: "},
		{"a document", func(t *testing.T, r *ringtest.Ring, id string) {
			require.NoError(t, os.WriteFile(filepath.Join(document.BackupDir(r.Root("n2"), id), document.GrantsFile), []byte("{}\n"), 0o600))
		}, false, "node n2: "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := plainRing(t)
			require.NoError(t, before(t.Context(), r, &ringtest.Steps{}))
			id := r.Backups()[0]
			tt.harm(t, r, id)
			v, err := backup.Verify(t.Context(), r.Target(), "", tt.full, &ringtest.Steps{})
			if tt.want == "" {
				require.NoError(t, err)
				require.Equal(t, id, v.BackupID)
				require.Equal(t, []string{"n1", "n2"}, v.Nodes)
				require.Equal(t, []int{4, 4}, v.Tables)
				return
			}
			require.ErrorContains(t, err, tt.want)
			require.NotContains(t, err.Error(), "node n1: ")
			require.Equal(t, flow.Corrupt, flow.CodeOf(err))
		})
	}
	t.Run("none", func(t *testing.T) {
		t.Parallel()
		_, err := backup.Verify(t.Context(), plainRing(t).Target(), "", false, &ringtest.Steps{})
		require.Error(t, err)
		require.Contains(t, strings.ToLower(err.Error()), "no backup")
	})
}

// TestHooksCost: a hook costs a process a node and a login, and before-backup one more
// login at each further node, to ask for its settings.
func TestHooksCost(t *testing.T) {
	t.Parallel()
	r := plainRing(t)
	count := func(kind, what string) int {
		return len(slices.DeleteFunc(r.Calls(), func(c ringtest.Call) bool { return c.Kind != kind || !strings.HasPrefix(c.What, what) }))
	}
	r.OnCall(nil)
	require.NoError(t, before(t.Context(), r, &ringtest.Steps{}))
	require.Equal(t, 2, count(ringtest.Exec, "run"), "one agent a node")
	require.Equal(t, 1, count(ringtest.CQL, "login"))
	require.Equal(t, 1, count(ringtest.CQL, "node by node: login"))
	r.OnCall(nil)
	require.NoError(t, after("after-backup")(t.Context(), r, &ringtest.Steps{}))
	require.Equal(t, 2, count(ringtest.Exec, "run"))
	require.Zero(t, count(ringtest.CQL, ""), "Cassandra need not run")
}

// TestBeforeBackupUnderClaimsMadeAnew: the same volumes may be original or restored: nobody
// is sent to a restore of what was never restored, and the backup stays until somebody
// says that it may go.
func TestBeforeBackupUnderClaimsMadeAnew(t *testing.T) {
	t.Parallel()
	r := plainRing(t)
	require.NoError(t, before(t.Context(), r, &ringtest.Steps{}))
	kept, tags := r.Backups(), r.Tags()
	r.Rebind()
	for name, run := range map[string]func() error{
		"before-backup": func() error { return before(t.Context(), r, &ringtest.Steps{}) },
		"after-backup": func() error {
			_, err := backup.After(t.Context(), r.Target(), backup.AfterOptions{Operation: "after-backup"}, &ringtest.Steps{})
			return err
		},
	} {
		err := run()
		require.Equal(t, flow.Precondition, flow.CodeOf(err), name)
		require.NotContains(t, err.Error(), "the volume was restored", name)
		require.ErrorContains(t, err, `the same: persistentVolume "1"; different: claim "n1", now "anew-n1"`, name)
		require.ErrorContains(t, err, "run after-restore --restored", name)
		require.ErrorContains(t, err, "casshook discard --backup "+r.Volumes()[0].Backups[0].ID, name)
		require.Equal(t, kept, r.Backups(), name)
		require.Equal(t, tags, r.Tags(), name)
	}
	nodes, err := backup.Status(t.Context(), r.Target())
	require.NoError(t, err)
	require.Equal(t, "unknown", backup.List(nodes)[0].Volumes)
	_, err = backup.Discard(t.Context(), r.Target(), backup.DiscardOptions{BackupID: r.Volumes()[0].Backups[0].ID}, &ringtest.Steps{})
	require.NoError(t, err)
	require.NoError(t, before(t.Context(), r, &ringtest.Steps{}))
}
