package agent

// Volumes whose content somebody made to get his way.

import (
	"errors"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/agent/storage"
	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/document"
	"github.com/casshook/casshook/pkg/ledger"
)

func within(t *testing.T, d time.Duration, f func()) bool {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	select {
	case <-done:
		return true
	case <-time.After(d):
		return false
	}
}

// Auto-snapshots-caused.json names any path: finish removes it recursively.
func TestFinishRemovesAnyPath(t *testing.T) {
	t.Parallel()
	victim := filepath.Join(t.TempDir(), "etc")
	require.NoError(t, os.MkdirAll(filepath.Join(victim, "sub"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(victim, "sub", "shadow"), []byte("x"), 0o600))
	v, _, c := indexed(t, nil)
	begin(c)
	dir := filepath.Join(v.root, "casshook", "restore-"+restoreNo)
	v.write(filepath.Join(dir, autoCaused), `{"version":1,"snapshots":["`+victim+`"]}`)
	_, err := ask[wire.FinishResult](c, wire.OpFinish, finishArgs())
	t.Log("finish:", err)
	require.DirExists(t, victim, "finish removed a directory outside of the volume, named by a file on the volume")
}

// Node.json with a traversing keyspace: stage makes directories and links outside.
func TestStageLeavesTheVolume(t *testing.T) {
	t.Parallel()
	v, _, c := indexed(t, nil)
	b, err := document.Open(v.root, testID, nil)
	require.NoError(t, err)
	// The hostile table: its "snapshot" is outside of the data directory
	outside := filepath.Join(v.root, "loot")
	evil := document.Table{TableName: document.TableName{Keyspace: "../loot", Name: "../../x"}, ID: tableOne, SSTables: []document.SSTable{{Dir: 0, Base: "nb-1-big", Digest: "1",
		Components: []document.Component{{Name: "Data.db", Size: 1}, {Name: "Statistics.db", Size: 1}, {Name: "Index.db", Size: 1}}}}}
	from := document.SnapshotDir(v.data[0], evil.Keyspace, evil.Name, evil.ID, testID)
	for _, n := range []string{"Data.db", "Statistics.db", "Index.db", "Digest.crc32"} {
		v.write(filepath.Join(from, "nb-1-big-"+n), "1")
	}
	_ = outside
	b.Node.Tables = append(b.Node.Tables, evil)
	rewrite(t, v, b)
	staged := filepath.Clean(filepath.Join(v.root, "casshook", "restore-"+restoreNo, "stage", "data0", evil.Keyspace, "../../x-"+tableOne))
	t.Log("would be staged at", staged)
	r, err := ask[wire.VerifyResult](c, wire.OpVerify, wire.VerifyArgs{BackupID: testID, Tables: []document.TableName{{Keyspace: evil.Keyspace, Name: evil.Name}}})
	t.Log("verify:", r.Problems, err)
	_, err = ask[wire.StageResult](c, wire.OpStage, wire.StageArgs{RestoreID: restoreNo, BackupID: testID, Tables: []document.TableName{{Keyspace: evil.Keyspace, Name: evil.Name}}})
	t.Log("stage:", err)
	require.Error(t, err, "stage linked files by a table name with ../ in it: %s", staged)
}

// rewrite makes node.json and COMPLETE fit again: digests are no signature.
func rewrite(t *testing.T, v *volume, b *document.Backup) {
	t.Helper()
	content, err := document.Encode(b.Node)
	require.NoError(t, err)
	dir := document.BackupDir(v.root, b.Node.BackupID)
	require.NoError(t, os.WriteFile(filepath.Join(dir, document.NodeFile), content, 0o640))
	b.Complete.Nodes[b.Node.Member.HostID] = document.SHA256(content)
	content, err = document.Encode(b.Complete)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, document.CompleteFile), content, 0o640))
}

// An SSTable in data directory 99: verify --full panics.
func TestVerifyFullPanics(t *testing.T) {
	t.Parallel()
	v, _, _ := indexed(t, nil)
	b, err := document.Open(v.root, testID, nil)
	require.NoError(t, err)
	b.Node.Tables[0].SSTables[0].Dir = 99
	rewrite(t, v, b)
	defer func() {
		if r := recover(); r != nil {
			t.Errorf("verify --full panicked: %v", r)
		}
	}()
	t.Log(document.VerifyFiles(&b.Node, v.data, document.VerifyOptions{Full: true}))
}

// TOC.txt as a symbolic link: stage copies what it leads to.
func TestStageCopiesThroughLink(t *testing.T) {
	t.Parallel()
	secret := filepath.Join(t.TempDir(), "shadow")
	require.NoError(t, os.WriteFile(secret, []byte("root:$6$secret"), 0o600))
	v, _, c := indexed(t, nil)
	tocs, err := filepath.Glob(filepath.Join(v.data[0], "ks", "a-*", "snapshots", testID, "*TOC.txt"))
	require.NoError(t, err)
	require.NotEmpty(t, tocs)
	require.NoError(t, errors.Join(os.Remove(tocs[0]), os.Symlink(secret, tocs[0])))
	r, err := ask[wire.VerifyResult](c, wire.OpVerify, wire.VerifyArgs{BackupID: testID})
	t.Log("verify:", r.Problems, err)
	_, err = ask[wire.StageResult](c, wire.OpStage, stageArgs("a"))
	t.Log("stage:", err)
	found, _ := filepath.Glob(filepath.Join(v.root, "casshook", "restore-*", "stage", "data*", "ks", "a-*", "*TOC.txt"))
	for _, f := range found {
		content, _ := os.ReadFile(f)
		require.NotContains(t, string(content), "secret", "a file outside of the volume was copied to %s", f)
	}
}

// Data.db or Filter.db as a symbolic link: verified, and linked into staging.
func TestSymlinkedDataIsVerified(t *testing.T) {
	t.Parallel()
	v, _, c := indexed(t, nil)
	files, err := filepath.Glob(filepath.Join(v.data[0], "ks", "a-*", "snapshots", testID, "*-Data.db"))
	require.NoError(t, err)
	out := filepath.Join(t.TempDir(), "elsewhere")
	content, err := os.ReadFile(files[0])
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(out, content, 0o644))
	require.NoError(t, errors.Join(os.Remove(files[0]), os.Symlink(out, files[0])))
	r, err := ask[wire.VerifyResult](c, wire.OpVerify, wire.VerifyArgs{BackupID: testID, Full: true})
	require.NoError(t, err)
	t.Log("verify --full:", r.Problems)
	_, err = ask[wire.StageResult](c, wire.OpStage, stageArgs("a"))
	t.Log("stage:", err)
	require.True(t, err != nil || len(r.Problems) > 0, "a Data.db that is a symbolic link out of the volume was verified and staged")
}

// FIFOs: operations that never end and cannot be cancelled.
func TestFIFOs(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"casshook/" + testID + "/COMPLETE", "casshook/" + testID + "/node.json", "casshook/" + testID + "/intent.json", "casshook/lock.json", "casshook/volume-id",
		"casshook/restore-" + restoreNo + "/restore.json", "casshook/restore-" + restoreNo + "/journal.jsonl",
	} {
		t.Run(name, func(t *testing.T) {
			v, _, c := indexed(t, nil)
			begin(c)
			path := filepath.Join(v.root, name)
			os.Remove(path)
			require.NoError(t, syscall.Mkfifo(path, 0o600))
			defer func() { // let it go
				f, err := os.OpenFile(path, os.O_RDWR|syscall.O_NONBLOCK, 0)
				if err == nil {
					time.Sleep(100 * time.Millisecond)
					f.Close()
				}
			}()
			n := &node{Volumes: storage.Volumes{Node: v.node("")}}
			ok := within(t, 2*time.Second, func() { _, err := n.inspect(t.Context(), call{}, none{}); t.Log(err) })
			require.True(t, ok, "inspect hangs on a FIFO and knows no context")
		})
	}
}

// Casshook/lock.json.tmp as a symbolic link: its target is overwritten.
func TestTemporaryNameFollowsLinks(t *testing.T) {
	t.Parallel()
	victim := filepath.Join(t.TempDir(), "victim")
	require.NoError(t, os.WriteFile(victim, []byte("precious"), 0o644))
	v := newVolume(t, 1)
	require.NoError(t, os.MkdirAll(filepath.Join(v.root, "casshook"), 0o755))
	require.NoError(t, os.Symlink(victim, filepath.Join(v.root, "casshook", "lock.json.tmp")))
	c := open(t, v.node(""))
	t.Log("lock:", c.lock(wire.LockAcquire, "me"))
	content, _ := os.ReadFile(victim)
	require.Equal(t, "precious", string(content), "a link at the temporary name led the write out of the volume")
}

// Casshook itself as a symbolic link, and restore-<id>, and <backup id>.
func TestRootIsALink(t *testing.T) {
	t.Parallel()
	elsewhere := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(elsewhere, otherID), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(elsewhere, otherID, "precious"), []byte("x"), 0o644))
	v := newVolume(t, 1)
	require.NoError(t, os.Symlink(elsewhere, filepath.Join(v.root, "casshook")))
	c := open(t, v.node(""))
	err := c.lock(wire.LockAcquire, "me")
	t.Log("lock:", err)
	_, err = ask[wire.ClearResult](c, wire.OpClear, wire.ClearArgs{BackupIDs: []string{otherID}})
	t.Log("clear:", err)
	entries, _ := os.ReadDir(elsewhere)
	for _, e := range entries {
		t.Log("elsewhere holds", e.Name())
	}
	require.FileExists(t, filepath.Join(elsewhere, otherID, "precious"), "clear followed casshook/ out of the volume")
}

// Snapshots/ or a table directory as a link: clear removes what it leads to.
func TestClearFollowsLinks(t *testing.T) {
	t.Parallel()
	elsewhere := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(elsewhere, testID), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(elsewhere, testID, "nb-1-big-Data.db"), []byte("x"), 0o644))
	v := newVolume(t, 1)
	live := v.table(0, "ks", "a", tableOne)
	require.NoError(t, os.Symlink(elsewhere, filepath.Join(live, "snapshots")))
	c := hold(t, v.node(""))
	_, err := ask[wire.ClearResult](c, wire.OpClear, wire.ClearArgs{BackupIDs: []string{testID}})
	t.Log("clear:", err)
	require.DirExists(t, filepath.Join(elsewhere, testID), "clear removed the snapshot of another volume through a link")
}

// Journal.jsonl as a link: lines are appended to any file.
func TestJournalFollowsLinks(t *testing.T) {
	t.Parallel()
	victim := filepath.Join(t.TempDir(), "crontab")
	require.NoError(t, os.WriteFile(victim, []byte("# cron\n"), 0o644))
	v, _, c := indexed(t, nil)
	begin(c)
	path := filepath.Join(v.root, "casshook", "restore-"+restoreNo, ledger.JournalFile)
	os.Remove(path)
	require.NoError(t, os.Symlink(victim, path))
	_, err := ask[none](c, wire.OpJournal, wire.JournalArgs{RestoreID: restoreNo, BackupID: testID, Entry: ledger.Entry{Step: "x"}})
	t.Log("journal:", err)
	content, _ := os.ReadFile(victim)
	require.Equal(t, "# cron\n", string(content))
}

// Volume-id as a dangling link: the volume has no identity and gets none.
func TestDanglingVolumeID(t *testing.T) {
	t.Parallel()
	v := newVolume(t, 1)
	require.NoError(t, os.MkdirAll(filepath.Join(v.root, "casshook"), 0o755))
	require.NoError(t, os.Symlink("/nowhere/at/all", document.VolumeFile(v.root)))
	c := open(t, v.node(""))
	err := c.lock(wire.LockAcquire, "me")
	t.Log("lock:", err)
	vol, err := ask[ledger.Volume](c, wire.OpInspect, none{})
	require.NoError(t, err)
	require.NotEmpty(t, vol.Identity, "the agent holds a volume that has no identity: a copy of it has the same")
}

// An empty id file.
func TestEmptyVolumeID(t *testing.T) {
	t.Parallel()
	v := newVolume(t, 1)
	v.write(document.VolumeFile(v.root), "")
	id, err := document.VolumeIdentity(v.root)
	t.Log(id, err)
	require.True(t, err != nil || document.IsFileIdentity(id), "identity %q is not recognised as a file's", id)
}

// A hostile volume writes any file that the agent's user may write, with content of its choice, and no race: a keyspace
// "../../../../../../E" leads out of the data directory and out of the staging directory to one place, /E, which the
// volume's maker knows (here: a directory of the volume itself, by its absolute path). There TOC.txt is verified, and
// "staged" by copyFile onto a symbolic link that waits there.
func TestStageWritesAnyFile(t *testing.T) {
	t.Parallel()
	v := newVolume(t, 1) // one data directory, as nearly everybody has
	live := v.table(0, "ks", "a", tableOne)
	v.sstable(live, "nb-1-big")
	v.snapshot("ks", "a", tableOne, testID)
	c := hold(t, v.node(""))
	backup(c, testID, ref("ks", "a", tableOne))
	victim := filepath.Join(t.TempDir(), "authorized_keys")
	require.NoError(t, os.WriteFile(victim, []byte("ssh-ed25519 the-admins-key\n"), 0o600))
	evil := strings.Repeat("../", 40) + strings.TrimPrefix(filepath.Join(v.root, "evil"), "/")
	at := filepath.Join(v.root, "evil", "t-"+tableOne) // what both paths become
	snap := filepath.Join(at, "snapshots", testID)
	var comps []document.Component
	for name, content := range map[string]string{"Data.db": "d", "Index.db": "i", "Statistics.db": "s", "TOC.txt": "ssh-ed25519 MALLORYS-KEY\n", "Digest.crc32": "1"} {
		v.write(filepath.Join(snap, "nb-1-big-"+name), content)
		comp := document.Component{Name: name, Size: int64(len(content))}
		if name == "TOC.txt" {
			comp.Size = -1
		} else if name != "Data.db" {
			sum := crc32.ChecksumIEEE([]byte(content))
			comp.CRC32 = &sum
		}
		comps = append(comps, comp)
	}
	v.write(filepath.Join(snap, "manifest.json"), `{"files":["nb-1-big-Data.db"]}`)
	require.NoError(t, os.Symlink(victim, filepath.Join(at, "nb-1-big-TOC.txt")))
	b, err := document.Open(v.root, testID, nil)
	require.NoError(t, err)
	b.Node.Tables = append(b.Node.Tables, document.Table{TableName: document.TableName{Keyspace: evil, Name: "t"}, ID: tableOne, SSTables: []document.SSTable{{Base: "nb-1-big", Digest: "1", Components: comps}}})
	rewrite(t, v, b)
	scope := []document.TableName{{Keyspace: evil, Name: "t"}}
	r, err := ask[wire.VerifyResult](c, wire.OpVerify, wire.VerifyArgs{BackupID: testID, Tables: scope})
	t.Log("verify:", r.Problems, err)
	s, err := ask[wire.StageResult](c, wire.OpStage, wire.StageArgs{RestoreID: restoreNo, BackupID: testID, Tables: scope})
	t.Log("stage:", s, err)
	content, _ := os.ReadFile(victim)
	t.Logf("victim: %q", content)
	require.Equal(t, "ssh-ed25519 the-admins-key\n", string(content))
}
