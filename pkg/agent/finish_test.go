package agent

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/agent/storage"
	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/document"
	"github.com/casshook/casshook/pkg/ledger"
)

const liveNow = "11111111111111111111111111111111"

func finishArgs() wire.FinishArgs {
	return wire.FinishArgs{RestoreID: restoreNo, BackupID: testID, Scope: ledger.All(), Report: json.RawMessage(`{"ok":true}`), LiveIDs: []string{liveNow, "FEDCBA98-7654-3210-FEDC-BA9876543210"}}
}

func restoreOf(c *client) ledger.Restore {
	c.t.Helper()
	v, err := ask[ledger.Volume](c, wire.OpInspect, none{})
	require.NoError(c.t, err)
	require.Len(c.t, v.Restores, 1)
	return v.Restores[0]
}

// restored is a volume at the end of a restore: table a has a new id, b has kept
// its own, staging is there, and an automatic snapshot that the restore caused.
func restored(t *testing.T) (*volume, *client) {
	t.Helper()
	v, _, c := indexed(t, nil)
	begin(c)
	_, err := ask[wire.StageResult](c, wire.OpStage, stageArgs("a"))
	require.NoError(t, err)
	auto(c, wire.OpAutoBefore)
	v.empty(v.table(0, "ks", "a", tableOne))
	v.empty(v.table(1, "ks", "a", tableOne))
	v.snapshot("ks", "a", tableOne, "dropped-9-a")
	for _, sub := range []string{"backups", ".a_idx"} {
		require.NoError(t, os.MkdirAll(filepath.Join(v.table(0, "ks", "a", tableOne), sub), 0o755))
	}
	v.sstable(v.table(0, "ks", "a", liveNow), "nb-1-big")
	auto(c, wire.OpAutoAfter)
	return v, c
}

func TestFinish(t *testing.T) {
	t.Parallel()
	v, c := restored(t)
	r, err := ask[wire.FinishResult](c, wire.OpFinish, finishArgs())
	require.NoError(t, err)
	require.Equal(t, wire.FinishResult{Ended: true, AutoSnapshots: 2, Snapshots: 3, Directories: 2}, r)
	want := []string{
		"casshook", "casshook/lock.json", "casshook/restore-" + restoreNo, "casshook/restore-" + restoreNo + "/done.json",
		"casshook/restore-" + restoreNo + "/journal.jsonl", "casshook/restore-" + restoreNo + "/restore.json", "casshook/volume-id", "casshook/history.json",
		"data0", "data0/ks", "data0/ks/a-" + liveNow, "data0/ks/b-" + tableTwo, "data1",
	}
	for _, name := range tree(t, v.table(0, "ks", "a", liveNow)) {
		want = append(want, "data0/ks/a-"+liveNow+"/"+name)
	}
	require.ElementsMatch(t, want, tree(t, v.root))
	s := restoreOf(c)
	require.Equal(t, ledger.Done, s.Stage)
	require.Equal(t, ledger.All(), s.Scope)
	require.JSONEq(t, `{"ok":true}`, string(s.Report))

	args := finishArgs()
	args.Report = json.RawMessage(`{"ok":false}`)
	r, err = ask[wire.FinishResult](c, wire.OpFinish, args)
	require.NoError(t, err)
	require.Equal(t, wire.FinishResult{}, r, "a second one changes nothing")
	require.ElementsMatch(t, want, tree(t, v.root))
	require.Equal(t, s, restoreOf(c))
}

func TestFinishKeepsTheBackup(t *testing.T) {
	t.Parallel()
	v, c := restored(t)
	args := finishArgs()
	args.KeepBackup = true
	r, err := ask[wire.FinishResult](c, wire.OpFinish, args)
	require.NoError(t, err)
	require.Equal(t, wire.FinishResult{Ended: true, AutoSnapshots: 2}, r)
	verified, err := ask[wire.VerifyResult](c, wire.OpVerify, wire.VerifyArgs{BackupID: testID, Full: true})
	require.NoError(t, err)
	require.Empty(t, verified.Problems)
	require.NoDirExists(t, filepath.Join(v.root, "casshook", "restore-"+restoreNo, stageDir))
}

func TestFinishWhereCassandraTakesNoSnapshotsItself(t *testing.T) {
	t.Parallel()
	v, c := restored(t)
	require.NoError(t, os.Remove(filepath.Join(v.root, "casshook", "restore-"+restoreNo, autoCaused)))
	for _, dir := range v.data {
		require.NoError(t, os.RemoveAll(document.SnapshotDir(dir, "ks", "a", tableOne, "dropped-9-a")))
	}
	r, err := ask[wire.FinishResult](c, wire.OpFinish, finishArgs())
	require.NoError(t, err)
	require.Equal(t, wire.FinishResult{Ended: true, Snapshots: 3, Directories: 2}, r)
	require.NoDirExists(t, filepath.Join(v.data[0], "ks", "a-"+tableOne))
}

func TestFinishLeavesForeignFilesAndLiveTables(t *testing.T) {
	t.Parallel()
	v, c := restored(t)
	foreign := filepath.Join(v.table(0, "ks", "a", tableOne), "backups", "nb-1-big-Data.db")
	v.write(foreign, "incremental")
	other := v.table(1, "ks", "b", tableTwo) // live and empty
	dead := v.table(1, "ks", "never", tableOne)
	r, err := ask[wire.FinishResult](c, wire.OpFinish, finishArgs())
	require.NoError(t, err)
	require.Equal(t, 1, r.Directories, "that of table a in the other data directory")
	require.FileExists(t, foreign)
	require.DirExists(t, other)
	require.DirExists(t, dead, "the restore did not touch it")
	n := &node{Volumes: storage.Volumes{Node: v.node("")}}
	require.Zero(t, n.removeDead([]string{dead}, nil), "without live tables none is known to be dead")
	require.DirExists(t, dead)
	require.Equal(t, 1, n.removeDead([]string{dead, filepath.Join(v.data[0], "gone-"+tableOne), v.data[0]}, []string{liveNow}))
}

func TestFinishThatFailsIsCompletedByASecond(t *testing.T) {
	t.Parallel()
	backups := func(v *volume) string { return document.BackupDir(v.root, testID) }
	restore := func(v *volume) string { return filepath.Join(v.root, "casshook", "restore-"+restoreNo) }
	tests := []struct {
		name string
		stop func(t *testing.T, v *volume) (mend func())
	}{
		{"at the automatic snapshots", func(t *testing.T, v *volume) func() {
			path := filepath.Join(restore(v), autoCaused)
			content, err := os.ReadFile(path)
			require.NoError(t, err)
			v.write(path, "{")
			return func() { v.write(path, string(content)) }
		}},
		{"at the snapshots of the second data directory", func(t *testing.T, v *volume) func() {
			require.NoError(t, os.Rename(v.data[1], v.data[1]+"x"))
			return func() { require.NoError(t, os.Rename(v.data[1]+"x", v.data[1])) }
		}},
		{"at COMPLETE", func(t *testing.T, v *volume) func() {
			path := filepath.Join(backups(v), document.CompleteFile)
			require.NoError(t, os.Remove(path))
			v.write(filepath.Join(path, "x"), "")
			return func() { require.NoError(t, os.RemoveAll(path)) }
		}},
		{"at the list of the automatic snapshots, its last but one step", func(t *testing.T, v *volume) func() {
			// Killed there, the files are as after these removals.
			for _, dir := range v.data {
				for _, tag := range []string{testID, "dropped-9-a"} {
					dirs, err := document.SnapshotDirs(dir, tag)
					require.NoError(t, err)
					for _, d := range dirs {
						require.NoError(t, os.RemoveAll(d))
						_ = os.Remove(filepath.Dir(d)) // if empty
					}
				}
			}
			require.NoError(t, os.Rename(filepath.Join(backups(v), document.NodeFile), filepath.Join(backups(v), "x")))
			path := filepath.Join(restore(v), autoCaused)
			v.write(path+".d", "")
			require.NoError(t, os.Rename(path, path+".kept"))
			v.write(filepath.Join(path, "x"), "")
			return func() {
				require.NoError(t, os.RemoveAll(path))
				require.NoError(t, os.Remove(path+".d"))
				require.NoError(t, os.Rename(path+".kept", path))
				require.NoError(t, os.Rename(filepath.Join(backups(v), "x"), filepath.Join(backups(v), document.NodeFile)))
			}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			whole, c := restored(t)
			_, err := ask[wire.FinishResult](c, wire.OpFinish, finishArgs())
			require.NoError(t, err)
			v, c := restored(t)
			mend := tt.stop(t, v)
			_, err = ask[wire.FinishResult](c, wire.OpFinish, finishArgs())
			require.Error(t, err)
			require.FileExists(t, filepath.Join(restore(v), ledger.DoneFile), "the marker comes first")
			mend()
			_, err = ask[wire.FinishResult](c, wire.OpFinish, finishArgs())
			require.NoError(t, err)
			require.Equal(t, tree(t, whole.root), tree(t, v.root), "the same end as without the failure")
		})
	}
}

func TestJournal(t *testing.T) {
	t.Parallel()
	v := newVolume(t, 1)
	c := hold(t, v.node(""))
	part := ledger.Scope{Tables: []document.TableName{{Keyspace: "ks", Name: "a"}}}
	entry := func(step string, ended bool) ledger.Entry {
		e := ledger.Entry{Time: time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC), Step: step, Stage: ledger.Loading, Ended: ended}
		_, err := ask[none](c, wire.OpJournal, wire.JournalArgs{RestoreID: restoreNo, BackupID: testID, Scope: part, Entry: e})
		require.NoError(t, err)
		return e
	}
	first := entry("loading\n\"x\"", false)
	path := filepath.Join(v.root, "casshook", "restore-"+restoreNo, ledger.JournalFile)
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = f.WriteString(`{"time":"2026-11-2`) // killed while it wrote
	require.NoError(t, err)
	require.NoError(t, f.Close())
	second := entry("loading", true)
	s := restoreOf(c)
	require.Equal(t, []ledger.Entry{first, second}, s.Steps)
	require.Equal(t, testID, s.BackupID)
	require.NotEmpty(t, s.Volume)
	require.Equal(t, ledger.Loading, s.Stage)
	require.Equal(t, part, s.Scope)

	_, err = ask[none](c, wire.OpMarkLoaded, wire.MarkLoadedArgs{RestoreID: restoreNo, BackupID: testID, Tables: []ledger.Load{loadOf(3)}})
	require.NoError(t, err)
	s = restoreOf(c)
	require.Equal(t, ledger.Loaded, s.Stage)
	require.Equal(t, []ledger.Load{loadOf(3)}, s.Evidence)
	for _, name := range []string{ledger.DoneFile, ledger.LoadedFile, ledger.RestoreFile} {
		v.write(filepath.Join(filepath.Dir(path), name), `{"version":2}`)
		_, err = ask[ledger.Volume](c, wire.OpInspect, none{})
		require.ErrorContains(t, err, name+": written by a newer casshook (format 2.0)")
	}
}

func TestFinishAgainKeepsWhatWasToBeKept(t *testing.T) {
	t.Parallel()
	v, c := restored(t)
	args := finishArgs()
	args.KeepBackup = true
	_, err := ask[wire.FinishResult](c, wire.OpFinish, args)
	require.NoError(t, err)
	args.KeepBackup = false
	_, err = ask[wire.FinishResult](c, wire.OpFinish, args)
	require.NoError(t, err)
	require.DirExists(t, document.BackupDir(v.root, testID))
}

func TestFinishRemovesWhatOtherRestoresOfTheBackupStaged(t *testing.T) {
	t.Parallel()
	const part, foreign = "ffffffffffffffff", "eeeeeeeeeeeeeeee"
	v, c := restored(t)
	for id, backupID := range map[string]string{part: testID, foreign: otherID} {
		_, err := ask[none](c, wire.OpJournal, wire.JournalArgs{RestoreID: id, BackupID: backupID, Entry: ledger.Entry{Step: "begun"}})
		require.NoError(t, err)
		v.write(filepath.Join(v.root, "casshook", "restore-"+id, stageDir, "data0", "ks", "a-"+tableOne, "nb-1-big-Data.db"), "x")
	}
	_, err := ask[wire.FinishResult](c, wire.OpFinish, finishArgs())
	require.NoError(t, err)
	require.NoDirExists(t, filepath.Join(v.root, "casshook", "restore-"+part, stageDir))
	require.NoDirExists(t, filepath.Join(v.root, "casshook", "restore-"+part), "everything was restored: that a part stopped means nothing any more")
	require.DirExists(t, filepath.Join(v.root, "casshook", "restore-"+foreign, stageDir), "of another backup")
}
