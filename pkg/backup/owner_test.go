package backup_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/backup"
	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/ring/ringtest"
)

func beforeOf(t testing.TB, r *ringtest.Ring, owner string) string {
	t.Helper()
	result, err := backup.Before(t.Context(), r.Target(), backup.Options{Wait: time.Minute, Owner: owner, SnapshotTimeout: time.Minute}, &ringtest.Steps{})
	require.NoError(t, err)
	return result.BackupID
}

func afterOf(t testing.TB, r *ringtest.Ring, opts backup.AfterOptions) ([]string, error) {
	t.Helper()
	opts.SnapshotTimeout = time.Minute
	removed, err := backup.After(t.Context(), r.Target(), opts, &ringtest.Steps{})
	return removed.Backups, err
}

// volumes are the directories of the nodes' volumes.
func volumes(t testing.TB, r *ringtest.Ring) []string {
	t.Helper()
	nodes, err := r.Target().Nodes.Nodes(t.Context())
	require.NoError(t, err)
	var found []string
	for _, n := range nodes {
		found = append(found, n.Volume)
	}
	return found
}

func hook(operation, owner string) backup.AfterOptions {
	return backup.AfterOptions{Operation: operation, Owner: owner}
}

// TestHooksOfAnotherOwner: neither the backup nor its parked lock is touched.
func TestHooksOfAnotherOwner(t *testing.T) {
	t.Parallel()
	for _, other := range []string{"b", ""} {
		r := plainRing(t)
		id, locks := beforeOf(t, r, "a"), r.Locks()
		removed, err := afterOf(t, r, hook("on-failure", other))
		require.NoError(t, err)
		require.Empty(t, removed)
		_, err = afterOf(t, r, hook("after-backup", other))
		require.Equal(t, flow.Precondition, flow.CodeOf(err), "it made no backup: its volume snapshots are none")
		require.Equal(t, locks, r.Locks())
		removed, err = afterOf(t, r, hook("after-backup", "a"))
		require.NoError(t, err)
		require.Equal(t, []string{id}, removed)
		require.Empty(t, r.Locks())
		_, err = afterOf(t, r, hook("after-backup", "a"))
		require.NoError(t, err, "a second run")
	}
}

// TestBackupThatIsGone: after-backup succeeds only where it was one of the two hooks that removed it.
func TestBackupThatIsGone(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		gone func(t *testing.T, r *ringtest.Ring, id string)
		want string
	}{
		{"its own on-failure", func(t *testing.T, r *ringtest.Ring, _ string) {
			_, err := afterOf(t, r, hook("on-failure", "a"))
			require.NoError(t, err)
		}, ""},
		{"somebody by its id", func(t *testing.T, r *ringtest.Ring, id string) {
			_, err := afterOf(t, r, backup.AfterOptions{Operation: "on-failure", BackupID: id})
			require.NoError(t, err)
		}, ""},
		{"before-backup of another", func(t *testing.T, r *ringtest.Ring, _ string) { beforeOf(t, r, "b") }, `was removed by "before-backup" of owner "b"`},
		{"and that one's is removed too", func(t *testing.T, r *ringtest.Ring, _ string) {
			beforeOf(t, r, "b")
			_, err := afterOf(t, r, hook("after-backup", "b"))
			require.NoError(t, err)
		}, `was removed by "before-backup" of owner "b"`},
		{"nobody knows", func(t *testing.T, r *ringtest.Ring, id string) {
			for _, volume := range volumes(t, r) {
				require.NoError(t, os.RemoveAll(filepath.Join(volume, "casshook", id)))
			}
		}, "left no record"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := plainRing(t)
			_ = beforeOf(t, r, "a")
			_, err := afterOf(t, r, hook("after-backup", "a"))
			require.NoError(t, err, "an earlier one, that ended well, proves nothing")
			id := beforeOf(t, r, "a")
			c.gone(t, r, id)
			for range 2 {
				_, err = afterOf(t, r, hook("after-backup", "a"))
				if c.want == "" {
					require.NoError(t, err)
					continue
				}
				require.ErrorContains(t, err, c.want)
				require.Equal(t, flow.Precondition, flow.CodeOf(err))
			}
			_, err = afterOf(t, r, hook("on-failure", "a"))
			require.NoError(t, err)
		})
	}
}

// TestHookWithoutABackup: a hook that finds nothing at all fails, a person is told so.
func TestHookWithoutABackup(t *testing.T) {
	t.Parallel()
	r := plainRing(t)
	_, err := afterOf(t, r, hook("after-backup", "a"))
	require.ErrorContains(t, err, `there is no backup of owner "a"`)
	_, err = afterOf(t, r, hook("after-backup", ""))
	require.NoError(t, err)
	require.Empty(t, r.Locks())
}

// TestEarlierReleasesNameNoOwner: their backups are anybody's.
func TestEarlierReleasesNameNoOwner(t *testing.T) {
	t.Parallel()
	r := plainRing(t)
	id := beforeOf(t, r, "a")
	for _, volume := range volumes(t, r) {
		path := filepath.Join(volume, "casshook", id, "intent.json")
		content, err := os.ReadFile(path)
		require.NoError(t, err)
		content = bytes.ReplaceAll(content, []byte(`"owner"`), []byte(`"unknown"`))
		require.NoError(t, os.WriteFile(path, content, 0o640))
		require.NoError(t, os.Remove(filepath.Join(volume, "casshook", "history.json")))
	}
	removed, err := afterOf(t, r, hook("after-backup", "b"))
	require.NoError(t, err)
	require.Equal(t, []string{id}, removed)
}

// TestRemovalWaitsForVolumeSnapshots, whoever removes: after-backup, on-failure, the next before-backup, and discard.
func TestRemovalWaitsForVolumeSnapshots(t *testing.T) {
	t.Parallel()
	waited := func(r *ringtest.Ring) bool {
		return slices.ContainsFunc(r.Calls(), func(c ringtest.Call) bool { return c.What == "wait for volume snapshots" })
	}
	for name, run := range map[string]func(t testing.TB, r *ringtest.Ring){
		"before-backup of another": func(t testing.TB, r *ringtest.Ring) { beforeOf(t, r, "b") },
		"before-backup":            func(t testing.TB, r *ringtest.Ring) { beforeOf(t, r, "a") },
		"on-failure": func(t testing.TB, r *ringtest.Ring) {
			_, err := afterOf(t, r, hook("on-failure", "a"))
			require.NoError(t, err)
		},
		"discard": func(t testing.TB, r *ringtest.Ring) {
			_, err := backup.Discard(t.Context(), r.Target(), backup.DiscardOptions{BackupID: r.Backups()[0], SnapshotTimeout: time.Minute}, &ringtest.Steps{})
			require.NoError(t, err)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := plainRing(t)
			beforeOf(t, r, "a")
			require.False(t, waited(r), "there was no backup to wait for")
			run(t, r)
			require.True(t, waited(r))
		})
	}
}
