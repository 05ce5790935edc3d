package cleaner

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/casshook/casshook/pkg/ledger"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/agent/storage"
	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/document"
	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/sstable"
)

// smallWreck is a volume with a table that has an index, and one of system's.
func smallWreck(t *testing.T) (*wreck, string) {
	t.Helper()
	root := scratch(t)
	return newWreck(t, root, 7, "system.peers", "ks.a"), root
}

// live is the live directory of ks.a.
func (w *wreck) live(dir int) string {
	return filepath.Join(w.data[dir], "ks", sstable.TableDir("a", id32(4)))
}

// snapshotFile is a file of the backup's snapshot of ks.a, by the end of its name.
func (w *wreck) snapshotFile(end string) string {
	w.t.Helper()
	found, err := filepath.Glob(filepath.Join(w.live(0), "snapshots", testID, "*-"+end))
	require.NoError(w.t, err)
	require.NotEmpty(w.t, found)
	return found[0]
}

func (w *wreck) path(parts ...string) string {
	return filepath.Join(append([]string{w.root}, parts...)...)
}

func TestCleanRefuses(t *testing.T) {
	t.Parallel()
	replace := func(w *wreck, path, content string) {
		require.NoError(w.t, os.RemoveAll(path))
		w.write(path, content)
	}
	keepOpen := func(w *wreck, path string) {
		f, err := os.Open(path)
		require.NoError(w.t, err)
		w.t.Cleanup(func() { f.Close() })
	}
	node := func(w *wreck) string { return w.path("casshook", testID, document.NodeFile) }
	for name, tt := range map[string]struct {
		change func(w *wreck, o *Options)
		code   flow.Code
		text   string
	}{
		"no volume":         {func(_ *wreck, o *Options) { o.Volume = "" }, flow.Usage, "use --volume DIR"},
		"no backup id":      {func(_ *wreck, o *Options) { o.Backup = "nightly" }, flow.Usage, `"nightly" is not a backup id`},
		"a directory twice": {func(_ *wreck, o *Options) { o.Data[1] = o.Data[0] }, flow.Usage, "list each data directory once"},
		"volume not there":  {func(_ *wreck, o *Options) { o.Volume += "x" }, flow.Precondition, "no such file"},
		"data not there":    {func(_ *wreck, o *Options) { o.Data[1] += "x" }, flow.Precondition, "no such file"},
		"no backup":         {func(w *wreck, _ *Options) { require.NoError(w.t, os.RemoveAll(w.path("casshook"))) }, flow.Precondition, "no backup on the volume"},
		"not this backup":   {func(_ *wreck, o *Options) { o.Backup = otherID }, flow.Precondition, "which have " + testID},
		"not complete": {func(w *wreck, _ *Options) {
			require.NoError(w.t, os.Remove(w.path("casshook", testID, "COMPLETE")))
		}, flow.Corrupt, "COMPLETE is missing"},
		"not complete, named": {func(w *wreck, o *Options) {
			o.Backup = testID
			require.NoError(w.t, os.Remove(w.path("casshook", testID, "COMPLETE")))
		}, flow.Corrupt, "COMPLETE is missing"},
		"changed document": {func(w *wreck, _ *Options) {
			content, _ := os.ReadFile(node(w))
			replace(w, node(w), string(content)+"\n")
		}, flow.Corrupt, "does not match COMPLETE"},
		"another node's":       {func(_ *wreck, o *Options) { o.HostID = "h2" }, flow.Precondition, "belongs to another node"},
		"too few directories":  {func(_ *wreck, o *Options) { o.Data = o.Data[:1] }, flow.Precondition, "1 given: use --data DIR for each"},
		"the original volume":  {func(_ *wreck, o *Options) { o.VolumeID = originalVolume }, flow.Precondition, "use --in-place"},
		"commit log not there": {func(w *wreck, _ *Options) { require.NoError(w.t, os.RemoveAll(w.path("commitlog"))) }, flow.Precondition, "use --commitlog DIR"},
		"commit log a file":    {func(w *wreck, _ *Options) { replace(w, w.path("commitlog"), "x") }, flow.Precondition, "not a directory"},
		"commit log elsewhere": {func(w *wreck, _ *Options) {
			require.NoError(w.t, errors.Join(os.RemoveAll(w.path("commitlog")), os.Symlink("../outside", w.path("commitlog"))))
		}, flow.Precondition, "use --commitlog DIR"},
		"hints not there": {func(_ *wreck, o *Options) { o.Hints = "/nowhere" }, flow.Precondition, "use --hints DIR"},
		"live file open":  {func(w *wreck, _ *Options) { keepOpen(w, filepath.Join(w.live(1), "nb-77-big-Data.db")) }, flow.Precondition, "Cassandra is running on this volume"},
		"commit log open": {func(w *wreck, _ *Options) { keepOpen(w, w.path("commitlog", "CommitLog-7-1.log")) }, flow.Precondition, "Cassandra is running on this volume"},
		"index open": {func(w *wreck, _ *Options) {
			keepOpen(w, filepath.Join(w.data[0], "ks", "b-"+id32(5), ".created_since", "nb-4-big-Data.db"))
		}, flow.Precondition, "Cassandra is running on this volume"},
		"snapshot file gone":  {func(w *wreck, _ *Options) { require.NoError(w.t, os.Remove(w.snapshotFile("Index.db"))) }, flow.Corrupt, "lacks Index.db"},
		"snapshot file short": {func(w *wreck, _ *Options) { replace(w, w.snapshotFile("Data.db"), "x") }, flow.Corrupt, "has 1 bytes, expected"},
		"snapshot file a link": {func(w *wreck, _ *Options) {
			f := w.snapshotFile("Filter.db")
			require.NoError(w.t, errors.Join(os.Remove(f), os.Symlink("x", f)))
		}, flow.Corrupt, "is not a regular file"},
		"flipped bit": {func(w *wreck, o *Options) {
			o.Full = true
			f := w.snapshotFile("Data.db")
			content, _ := os.ReadFile(f)
			replace(w, f, strings.ToUpper(string(content)))
		}, flow.Corrupt, "checksum of Data.db differs"},
		"a directory in the way": {func(w *wreck, _ *Options) {
			dir := filepath.Join(w.live(0), filepath.Base(w.snapshotFile("Index.db")))
			require.NoError(w.t, errors.Join(os.RemoveAll(dir), os.Mkdir(dir, 0o755)))
		}, flow.Precondition, "is not a file: move it away"},
		"a file for the index": {func(w *wreck, _ *Options) { w.write(filepath.Join(w.live(0), ".a_idx"), "x") }, flow.Precondition, ".a_idx is not a real directory"},
		"a table elsewhere": {func(w *wreck, _ *Options) {
			require.NoError(w.t, errors.Join(os.Rename(w.live(0), w.path("moved")), os.Symlink("../../moved", w.live(0))))
		}, flow.Precondition, "casshook does not follow links"},
		"snapshots elsewhere": {func(w *wreck, _ *Options) {
			s := filepath.Join(w.live(0), "snapshots")
			require.NoError(w.t, errors.Join(os.Rename(s, w.path("moved")), os.Symlink("../../../moved", s)))
		}, flow.Precondition, "casshook does not follow links"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, root := smallWreck(t)
			w.t = t
			w.write(filepath.Join(w.live(1), "nb-77-big-Data.db"), "live")
			w.write(filepath.Join(w.data[0], "ks", "b-"+id32(5), ".created_since", "nb-4-big-Data.db"), "live")
			opts := wreckOptions(root, false)
			tt.change(w, &opts)
			before := portrait(t, root)
			for _, opts.DryRun = range []bool{true, false} {
				_, err := Clean(t.Context(), opts)
				require.ErrorContains(t, err, tt.text)
				require.Equal(t, tt.code, flow.CodeOf(err), err)
			}
			sameTree(t, before, portrait(t, root), "refused")
		})
	}
}

func TestCleanTakesTurnsWithAgents(t *testing.T) {
	t.Parallel()
	w, root := smallWreck(t)
	c := hold(t, w.node(""))
	before := portrait(t, root)
	_, err := Clean(t.Context(), wreckOptions(root, false))
	require.Equal(t, flow.Locked, flow.CodeOf(err))
	require.ErrorContains(t, err, "locked by another agent")
	sameTree(t, before, portrait(t, root), "locked")
	require.NoError(t, c.lock(wire.LockRelease, "me"))
	_, err = Clean(t.Context(), wreckOptions(root, false))
	require.NoError(t, err)
}

func TestCleanInPlace(t *testing.T) {
	t.Parallel()
	w, root := smallWreck(t)
	opts := wreckOptions(root, false)
	opts.VolumeID, opts.InPlace, opts.HostID = "", true, "H1"
	r, err := Clean(t.Context(), opts)
	require.NoError(t, err)
	identity, err := document.VolumeIdentity(w.root)
	require.NoError(t, err)
	require.Equal(t, identity, r.Volume)
	require.Equal(t, ledger.CleanID(testID, identity), r.RestoreID)
}

// Where the storage names volumes, nothing on a volume tells the original from what was restored.
func TestCleanOfAVolumeThatOnlyTheStorageKnows(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change func(*Options)
		text   string
	}{
		"nobody says":      {func(*Options) {}, "use --volume-id ID to identify it, or --restored"},
		"the original":     {func(o *Options) { o.VolumeID = "pvc/1/v" }, "use --in-place"},
		"vouched original": {func(o *Options) { o.VolumeID, o.Restored = "pvc/1/v", true }, "use --in-place"},
		"another":          {func(o *Options) { o.VolumeID = "pvc/2/w" }, ""},
		"vouched for":      {func(o *Options) { o.Restored = true }, ""},
		"in place":         {func(o *Options) { o.InPlace = true }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := scratch(t)
			newWreckOf(t, root, "pvc/1/v", 7, "system.peers", "ks.a")
			opts := wreckOptions(root, false)
			opts.VolumeID = ""
			tt.change(&opts)
			before := portrait(t, root)
			r, err := Clean(t.Context(), opts)
			if tt.text == "" {
				require.NoError(t, err)
				require.Equal(t, wire.StateCleaned, r.State)
				return
			}
			require.ErrorContains(t, err, tt.text)
			require.Equal(t, flow.Precondition, flow.CodeOf(err))
			sameTree(t, before, portrait(t, root), "refused")
		})
	}
}

// A volume is what it was although it is seen in another way than then.
func TestCleanOfAVolumeSeenInAnotherWay(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		made, seen string
		change     func(*Options)
		text       string // of the refusal
	}{
		"named since":               {"", "new", func(*Options) {}, `seen only now: given "new"`},
		"named no more":             {"old", "", func(*Options) {}, `recorded only: given "old"`},
		"named since, restored":     {"", "new", func(o *Options) { o.Restored = true }, ""},
		"named since, in place":     {"", "new", func(o *Options) { o.InPlace = true }, ""},
		"named by its claim since":  {"", "pvc/c1/p1", func(*Options) {}, "cannot tell"},
		"under a claim made anew":   {"pvc/c1/p1", "pvc/c2/p1", func(*Options) {}, `different: claim "c1", now "c2"`},
		"claim anew, restored":      {"pvc/c1/p1", "pvc/c2/p1", func(o *Options) { o.Restored = true }, ""},
		"another spelling":          {"d1", "projects/p/d1", func(*Options) {}, "cannot tell"},
		"the same file":             {"", "", func(*Options) {}, "use --in-place"},
		"the same file, vouched":    {"", "", func(o *Options) { o.Restored = true }, "use --in-place"},
		"the same claim, vouched":   {"pvc/c1/p1", "pvc/c1/p1", func(o *Options) { o.Restored = true }, "use --in-place"},
		"another claim and volume":  {"pvc/c1/p1", "pvc/c2/p2", func(*Options) {}, ""},
		"another name that is said": {"d1", "d2", func(*Options) {}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := scratch(t)
			newWreckOf(t, root, tt.made, 7, "system.peers", "ks.a")
			opts := wreckOptions(root, false)
			opts.VolumeID = tt.seen
			tt.change(&opts)
			before := portrait(t, root)
			_, err := Clean(t.Context(), opts)
			if tt.text == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, tt.text)
			require.Equal(t, flow.Precondition, flow.CodeOf(err))
			sameTree(t, before, portrait(t, root), "refused")
		})
	}
}

func TestCleanDescribesTheBackup(t *testing.T) {
	t.Parallel()
	w, root := smallWreck(t)
	opts := wreckOptions(root, false)
	opts.DryRun = true
	r, err := Clean(t.Context(), opts)
	require.NoError(t, err)
	complete, err := os.ReadFile(w.path("casshook", testID, document.CompleteFile))
	require.NoError(t, err)
	doc, err := document.Open(w.root, testID, nil)
	require.NoError(t, err)
	require.Equal(t, &wire.CleanBackup{
		Created: doc.Cluster.Created, CompleteDigest: document.SHA256(complete), Namespace: doc.Cluster.Namespace, ClusterHash: doc.Cluster.ClusterHash, ClusterName: doc.Cluster.ClusterName,
		Member: doc.Node.Member, Members: doc.Cluster.Members, Placement: map[string][]string{"ks": {"dc1", "dc2"}}, Formats: doc.Node.Formats(),
	}, r.Backup)
	require.NotEmpty(t, r.Backup.Members)
	require.Equal(t, testID, r.Ledger.Backups[0].ID)
	require.True(t, r.Ledger.Backups[0].Complete)
}

func TestCleanDryRun(t *testing.T) {
	t.Parallel()
	w, root := smallWreck(t)
	require.NoError(t, os.Remove(w.path("casshook", storage.FlockFile)))
	before := portrait(t, root)
	opts := wreckOptions(root, false)
	opts.DryRun, opts.Full = true, true
	var said []string
	opts.Progress = func(m string) { said = append(said, m) }
	r, err := Clean(t.Context(), opts)
	require.NoError(t, err)
	require.Equal(t, wire.StatePlanned, r.State)
	require.NotZero(t, r.Removed)
	require.NotEmpty(t, r.TablesEmptied)
	require.Contains(t, said, "verified 2 of 2 tables")
	require.Contains(t, Text(r), "nothing was changed")
	sameTree(t, before, portrait(t, root), "dry run")
}

func TestCleanChoosesTheNewest(t *testing.T) {
	t.Parallel()
	w, root := smallWreck(t)
	w.snapshot("ks", "a", id32(4), otherID)
	c := hold(t, w.node(""))
	opts := wreckOptions(root, false)
	opts.DryRun = true
	chosen := func() string {
		r, err := Clean(t.Context(), opts)
		require.NoError(t, err)
		return r.BackupID
	}
	_, err := describe(c, otherID) // the tables of its snapshot are not those of the schema
	require.Error(t, err)
	require.NoError(t, c.lock(wire.LockRelease, "me"))
	require.Equal(t, testID, chosen(), "the newest has no COMPLETE")
	require.NoError(t, c.lock(wire.LockAcquire, "me"))
	require.NoError(t, os.RemoveAll(document.SnapshotDir(w.data[0], "ks", "a", id32(4), otherID)))
	require.NoError(t, os.RemoveAll(document.SnapshotDir(w.data[1], "ks", "a", id32(4), otherID)))
	backup(c, otherID)
	require.NoError(t, c.lock(wire.LockRelease, "me"))
	require.Equal(t, otherID, chosen())
	w.write(w.path("casshook", otherID, "COMPLETE"), "torn")
	_, err = Clean(t.Context(), opts)
	require.Equal(t, flow.Corrupt, flow.CodeOf(err), "it claims to be complete: an older one is not what was asked for")
	opts.Backup = testID
	require.Equal(t, testID, chosen())
}

// operation is a change of the cleaner's.
type operation struct{ name, path string }

// TestCleanOrder wants every change to be durable before one that relies on it.
func TestCleanOrder(t *testing.T) {
	t.Parallel()
	_, root := smallWreck(t)
	c, err := newCleaner(wreckOptions(root, false))
	require.NoError(t, err)
	defer c.node.Close()
	var done []operation
	c.disk.before = func(name, path string) error {
		done = append(done, operation{name, path})
		return nil
	}
	_, err = c.run(t.Context())
	require.NoError(t, err)
	dirty := map[string]string{} // by directory, the last kind of change in it
	logs, placed := map[string]bool{}, map[string]bool{}
	for _, o := range done {
		dir, base := filepath.Dir(o.path), filepath.Base(o.path)
		switch o.name {
		case "sync":
			delete(dirty, o.path)
		case "syncfs":
			clear(dirty)
		case "remove":
			require.Empty(t, placed, "%s is removed after files were placed", o.path)
			require.False(t, logs[dir] && storage.IsData(base), "%s is removed after transaction logs, which say that it counts", o.path)
			logs[dir] = logs[dir] || sstable.IsTransactionLog(base)
			delete(dirty, o.path) // a directory that is gone
			dirty[dir] = "remove"
		case "link", "copy", "rename", "mkdir":
			for d, kind := range dirty {
				require.NotEqual(t, "remove", kind, "%s when removals in %s may come back", o.path, d)
				require.False(t, storage.IsData(base) && kind == "parts", "%s when its parts in %s may be lost", o.path, d)
			}
			placed[o.path] = true
			if dirty[dir] = "parts"; storage.IsData(base) {
				dirty[dir] = "data"
				for name := range placed {
					require.False(t, storage.IsData(name) && !storage.IsData(o.path))
				}
			}
		case "write", "journal":
			if base == ledger.CleanedFile {
				require.Empty(t, dirty, "the marker when not all is durable")
			}
		}
	}
	require.Equal(t, operation{"write", filepath.Join(c.dir, ledger.CleanedFile)}, done[len(done)-1])
}

// TestCleanErrors has every kind of change fail once, at its first and at a later
// occurrence, and wants the next run to end well.
func TestCleanErrors(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"write", "journal", "remove", "mkdir", "copy", "chmod", "rename", "link", "sync", "syncfs"} {
		for _, nth := range []int{1, 3} {
			t.Run(fmt.Sprint(kind, " ", nth), func(t *testing.T) {
				t.Parallel()
				w, root := smallWreck(t)
				live := withoutRestores(portrait(t, root))
				c, err := newCleaner(wreckOptions(root, false))
				require.NoError(t, err)
				seen, begun := 0, false
				c.disk.before = func(name, path string) error {
					begun = begun || (name == "remove" && !strings.Contains(path, "casshook/restore-"))
					if name == kind {
						seen++
					}
					if name == kind && seen == nth {
						return fmt.Errorf("%s %s: %w", name, path, syscall.EIO)
					}
					return nil
				}
				_, err = c.run(t.Context())
				c.node.Close()
				if seen < nth {
					require.NoError(t, err)
					return
				}
				require.ErrorIs(t, err, syscall.EIO)
				if begun {
					require.Equal(t, flow.HalfWay, flow.CodeOf(err))
					require.ErrorContains(t, err, "run the same command again")
				} else {
					require.Equal(t, flow.Precondition, flow.CodeOf(err))
					sameTree(t, live, withoutRestores(portrait(t, root)), "before anything was changed")
				}
				r, err := Clean(t.Context(), wreckOptions(root, false))
				require.NoError(t, err)
				require.Equal(t, wire.StateCleaned, r.State)
				w.oneFile(false)
			})
		}
	}
}

func withoutRestores(all map[string]string) map[string]string {
	for name := range all {
		if strings.Contains(name, "casshook/restore-") {
			delete(all, name)
		}
	}
	return all
}

func TestCleanOnAFullDisk(t *testing.T) {
	t.Parallel()
	full := func(t *testing.T, at func(name, path string) bool) (root string, err error) {
		_, root = smallWreck(t)
		c, err := newCleaner(wreckOptions(root, false))
		require.NoError(t, err)
		defer c.node.Close()
		c.disk.before = func(name, path string) error {
			if at(name, path) {
				return fmt.Errorf("%s: %w", name, syscall.ENOSPC)
			}
			return nil
		}
		_, err = c.run(t.Context())
		return root, err
	}
	t.Run("when linking", func(t *testing.T) {
		t.Parallel()
		root, err := full(t, func(name, _ string) bool { return name == "link" })
		require.Equal(t, flow.HalfWay, flow.CodeOf(err))
		require.ErrorContains(t, err, "file system full; free some space")
		_, err = Clean(t.Context(), wreckOptions(root, false))
		require.NoError(t, err)
	})
	t.Run("before the journal", func(t *testing.T) {
		t.Parallel()
		root, err := full(t, func(name, _ string) bool { return name == "write" })
		require.Equal(t, flow.Precondition, flow.CodeOf(err))
		require.ErrorContains(t, err, "free some space")
		require.NoDirExists(t, filepath.Join(root, "volume", "casshook", "restore-"+ledger.CleanID(testID, restoredVolume)))
		require.FileExists(t, filepath.Join(root, "volume", "commitlog", "CommitLog-7-1.log"))
	})
	t.Run("saved caches make room", func(t *testing.T) {
		t.Parallel()
		caches := 0
		_, err := full(t, func(name, path string) bool {
			if name == "remove" && strings.Contains(path, "saved_caches") {
				caches++
			}
			return name == "write" && caches < 2
		})
		require.NoError(t, err)
	})
}

func TestCleanInterrupted(t *testing.T) {
	t.Parallel()
	w, root := smallWreck(t)
	before := portrait(t, root)
	ctx, cancel := context.WithCancel(t.Context())
	opts := wreckOptions(root, false)
	opts.Progress = func(m string) {
		if m == "verifying the snapshot" {
			cancel()
		}
	}
	_, err := Clean(ctx, opts)
	require.Equal(t, flow.Interrupted, flow.CodeOf(err))
	require.EqualError(t, err, "verifying the snapshot: interrupted; nothing was changed")
	sameTree(t, before, portrait(t, root), "interrupted")

	const half = ": interrupted: context canceled. The volume is half cleaned: do not start Cassandra; run the same command again"
	for at, want := range map[string]string{"journal": "removing live files" + half, "link": "linking the snapshot" + half} {
		ctx, cancel = context.WithCancel(t.Context())
		c, err := newCleaner(wreckOptions(root, false))
		require.NoError(t, err)
		c.disk.before = func(name, _ string) error {
			if name == at {
				cancel()
			}
			return nil
		}
		_, err = c.run(ctx)
		c.node.Close()
		require.Equal(t, flow.HalfWay, flow.CodeOf(err))
		require.EqualError(t, err, want)
	}
	_, err = Clean(t.Context(), wreckOptions(root, false))
	require.NoError(t, err)
	w.oneFile(false)
}

// TestCleanNoticesAStart has Cassandra start while the cleaner works.
func TestCleanNoticesAStart(t *testing.T) {
	t.Parallel()
	w, root := smallWreck(t)
	c, err := newCleaner(wreckOptions(root, false))
	require.NoError(t, err)
	defer c.node.Close()
	c.disk.before = func(name, path string) error {
		if name == "link" && storage.IsData(path) {
			w.write(w.path("commitlog", "CommitLog-7-99.log"), "started")
		}
		return nil
	}
	_, err = c.run(t.Context())
	require.Equal(t, flow.HalfWay, flow.CodeOf(err))
	require.ErrorContains(t, err, "was Cassandra started?")
	require.NoFileExists(t, filepath.Join(c.dir, ledger.CleanedFile))
}

func TestCleanWithoutLeases(t *testing.T) {
	t.Parallel()
	dir, err := os.Open(t.TempDir())
	require.NoError(t, err)
	defer dir.Close()
	require.ErrorIs(t, leaseOf(t.Context(), dir, "dir"), errNoLeases, "leases are of files only")
	_, root := smallWreck(t)
	for _, assume := range []bool{false, true} {
		opts := wreckOptions(root, false)
		opts.AssumeStopped = assume
		c, err := newCleaner(opts)
		require.NoError(t, err)
		c.lease = func(context.Context, string) error { return errNoLeases }
		_, err = c.run(t.Context())
		c.node.Close()
		if assume {
			require.NoError(t, err)
			continue
		}
		require.Equal(t, flow.Precondition, flow.CodeOf(err))
		require.ErrorContains(t, err, "--assume-stopped")
	}
	opts := wreckOptions(root, false)
	opts.AssumeStopped, opts.Again = true, true
	c, err := newCleaner(opts)
	require.NoError(t, err)
	defer c.node.Close()
	c.lease = func(context.Context, string) error { return errOpenElsewhere }
	_, err = c.run(t.Context())
	require.ErrorContains(t, err, "Cassandra is running", "what is known is not assumed away")
}

// TestCleanKeepsOwners runs as root only: nobody else can give files away.
func TestCleanIsSeenByTheAgent(t *testing.T) {
	t.Parallel()
	w, root := smallWreck(t)
	n := w.node("")
	n.VolumeID = restoredVolume
	inspect := func() ledger.Volume {
		v, err := ask[ledger.Volume](open(t, n), wire.OpInspect, none{})
		require.NoError(t, err)
		return v
	}
	cleanUntil(t, wreckOptions(root, false), 40)
	v := inspect()
	require.Len(t, v.Restores, 1)
	require.True(t, v.Restores[0].Offline && v.Restores[0].Stage.Destroys(), "live data is not what it was")
	_, first := cleanUntil(t, wreckOptions(root, false), 0)
	v = inspect()
	require.Len(t, v.Restores, 1)
	r := v.Restores[0]
	require.Equal(t, ledger.Loaded, r.Stage)
	require.Equal(t, journalCleaned, r.Steps[len(r.Steps)-1].Step)
	require.Equal(t, &ledger.Cleaned{Version: document.Version, BackupID: testID, Volume: restoredVolume, Node: "n1", HostID: "h1", Time: first.Cleaned,
		Tables: first.Tables, Files: first.Files, Bytes: first.Bytes}, r.Cleaned)
	require.True(t, v.Backups[0].Complete, "the backup stays")
	_, err := Clean(t.Context(), wreckOptions(root, true))
	require.Equal(t, flow.Precondition, flow.CodeOf(err))
	require.ErrorContains(t, err, "with peers kept")
}

// TestCleanBesideOnlineRestores puts the cleaner before and after restores through
// the running node.
func TestCleanBesideOnlineRestores(t *testing.T) {
	t.Parallel()
	journal := func(c *client, stage ledger.Stage) {
		_, err := ask[none](c, wire.OpJournal, wire.JournalArgs{RestoreID: restoreNo, BackupID: testID, Scope: ledger.All(), Entry: ledger.Entry{Time: time.Now(), Step: "x", Stage: stage}})
		require.NoError(c.t, err)
	}
	agentOf := func(t *testing.T, w *wreck) *client {
		n := w.node("")
		n.VolumeID = restoredVolume
		return hold(t, n)
	}
	t.Run("stopped half-way", func(t *testing.T) {
		t.Parallel()
		w, root := smallWreck(t)
		c := agentOf(t, w)
		journal(c, ledger.Schema)
		require.NoError(t, c.lock(wire.LockRelease, "me"))
		_, r := cleanUntil(t, wreckOptions(root, false), 0)
		require.Equal(t, []string{restoreNo}, r.Supersedes)
		content, err := os.ReadFile(w.path("casshook", "restore-"+r.RestoreID, ledger.JournalFile))
		require.NoError(t, err)
		require.Contains(t, string(content), "superseding restore "+restoreNo)
		w.oneFile(false)
	})
	for _, how := range []string{"loaded", "done"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			w, root := smallWreck(t)
			c := agentOf(t, w)
			journal(c, ledger.Loading)
			_, err := ask[none](c, wire.OpMarkLoaded, wire.MarkLoadedArgs{RestoreID: restoreNo, BackupID: testID})
			require.NoError(t, err)
			if how == "done" {
				_, err = ask[wire.FinishResult](c, wire.OpFinish, wire.FinishArgs{RestoreID: restoreNo, BackupID: testID, Scope: ledger.All(), KeepBackup: true})
				require.NoError(t, err)
			}
			require.NoError(t, c.lock(wire.LockRelease, "me"))
			before := portrait(t, root)
			_, err = Clean(t.Context(), wreckOptions(root, false))
			require.Equal(t, flow.Precondition, flow.CodeOf(err))
			require.ErrorContains(t, err, "use --again")
			sameTree(t, before, portrait(t, root), how)
			opts := wreckOptions(root, false)
			opts.Again = true
			_, err = Clean(t.Context(), opts)
			require.NoError(t, err)
			w.oneFile(false)
			opts.VolumeID = "another copy" // of which nothing was restored
			opts.Again = false
			_, err = Clean(t.Context(), opts)
			require.NoError(t, err)
		})
	}
	t.Run("after the cleaner", func(t *testing.T) {
		t.Parallel()
		w, root := smallWreck(t)
		_, r := cleanUntil(t, wreckOptions(root, false), 0)
		c := agentOf(t, w)
		_, err := ask[wire.StageResult](c, wire.OpStage, wire.StageArgs{RestoreID: restoreNo, BackupID: testID, Tables: []document.TableName{{Keyspace: "ks", Name: "a"}}})
		require.NoError(t, err)
		verified, err := ask[wire.VerifyResult](c, wire.OpVerify, wire.VerifyArgs{BackupID: testID, Full: true})
		require.NoError(t, err)
		require.Empty(t, verified.Problems)
		live := tree(t, w.live(0))
		_, err = ask[wire.FinishResult](c, wire.OpFinish, wire.FinishArgs{RestoreID: restoreNo, BackupID: testID, LiveIDs: []string{id32(4), id32(1)}})
		require.NoError(t, err)
		own := slices.DeleteFunc(live, func(name string) bool { return strings.HasPrefix(name, "snapshots") })
		left := slices.DeleteFunc(tree(t, w.live(0)), func(name string) bool { return strings.HasPrefix(name, "snapshots") })
		require.Equal(t, own, left, "what was put in place stays when the snapshot goes")
		require.NoError(t, c.lock(wire.LockRelease, "me"))
		_, err = Clean(t.Context(), wreckOptions(root, false))
		require.Equal(t, flow.Precondition, flow.CodeOf(err))
		require.ErrorContains(t, err, "no backup on the volume")
		require.FileExists(t, w.path("casshook", "restore-"+r.RestoreID, ledger.CleanedFile), "the marker stays")
	})
}

// TestCleanForgetsOtherCleanings has a cleaning with one backup stop half-way and
// one with another come to its end: the volume is not half cleaned any more.
func TestCleanForgetsOtherCleanings(t *testing.T) {
	t.Parallel()
	w, root := smallWreck(t)
	cleanUntil(t, wreckOptions(root, false), 40)
	half := w.path("casshook", "restore-"+ledger.CleanID(testID, restoredVolume))
	require.DirExists(t, half)
	for _, r := range w.refs {
		for _, dataDir := range w.data {
			snapshot := document.SnapshotDir(dataDir, r.Keyspace, r.Name, r.ID, testID)
			copyTree(t, snapshot, filepath.Join(filepath.Dir(snapshot), otherID))
		}
	}
	c := hold(t, w.node(""))
	backup(c, otherID, w.refs...)
	require.NoError(t, c.lock(wire.LockRelease, "me"))
	r, err := Clean(t.Context(), wreckOptions(root, false))
	require.NoError(t, err)
	require.Equal(t, otherID, r.BackupID)
	require.Equal(t, []string{filepath.Base(half)[len("restore-"):]}, r.Supersedes)
	require.NoDirExists(t, half)
}

// TestCleanAgain repairs what was lost since, and only that. While it does, the
// volume does not count as cleaned.
func TestCleanAgain(t *testing.T) {
	t.Parallel()
	w, root := smallWreck(t)
	cleanUntil(t, wreckOptions(root, false), 0)
	after := portrait(t, root)
	statistics := filepath.Join(w.live(0), filepath.Base(w.snapshotFile("Statistics.db")))
	require.NoError(t, os.Remove(statistics))
	opts := wreckOptions(root, false)
	opts.Again = true
	c, err := newCleaner(opts)
	require.NoError(t, err)
	c.disk.before = func(_, path string) error {
		if path == statistics || strings.HasSuffix(path, "-"+sstable.Data) {
			return syscall.EIO
		}
		return nil
	}
	_, err = c.run(t.Context())
	c.node.Close()
	require.Equal(t, flow.HalfWay, flow.CodeOf(err))
	require.NoFileExists(t, filepath.Join(c.dir, ledger.CleanedFile))
	r, err := Clean(t.Context(), opts)
	require.NoError(t, err)
	require.Equal(t, 2, r.Linked, "the file, and the Data.db that must come after it")
	require.Equal(t, 1, r.Removed)
	sameTree(t, after, portrait(t, root), "again")
}
