package agent

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/casshook/casshook/pkg/ledger"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/agent/apitest"
	"github.com/casshook/casshook/pkg/agent/storage"
	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/document"
)

func leftoverArgs(sweep ...string) wire.LeftoverArgs {
	return wire.LeftoverArgs{Sweep: sweep, Tables: []ledger.Load{
		loadOf(0),
		{TableName: document.TableName{Keyspace: "ks", Name: "b"}, BackupID: tableTwo, LiveID: tableTwo},
		{TableName: document.TableName{Keyspace: "ks", Name: "gone"}, BackupID: tableOne},
	}}
}

func TestLeftoversOfAKilledLoad(t *testing.T) {
	t.Parallel()
	v, f, c := indexed(t, nil)
	a, b := v.table(0, "ks", "a", tableOne), v.table(0, "ks", "b", tableTwo)
	v.sstable(a, "nb-2000000001-big") // placed whole
	for _, name := range []string{"Index.db", "Statistics.db"} {
		v.write(filepath.Join(a, "nb-2000000002-big-"+name), "placed in part")
		v.write(filepath.Join(b, "nb-2000000001-big-"+name), "placed in part")
		v.write(filepath.Join(b, "nb-7-big-"+name), "not ours")
		v.write(filepath.Join(b, "nb-2000000003-big-"+name), "deleted by Cassandra")
	}
	v.write(filepath.Join(b, "nb_txn_unknown_1.log"), "REMOVE:["+b+"/nb-2000000003-big,1,8][1]\nCOMMIT:[,0,0][1]\n")
	r, err := ask[wire.LeftoverResult](c, wire.OpLeftovers, leftoverArgs())
	require.NoError(t, err)
	require.FileExists(t, filepath.Join(b, "nb-2000000003-big-Index.db"), "its name is Cassandra's by now")
	require.Equal(t, wire.LeftoverResult{Loaded: 1, Removed: 4}, r)
	require.Len(t, f.Calls(apitest.Refresh), 1)
	require.NoFileExists(t, filepath.Join(a, "nb-2000000001-big-Data.db"), "it has a name that Cassandra gave it")
	require.FileExists(t, filepath.Join(a, "nb-101-big-Data.db"))
	require.FileExists(t, filepath.Join(a, "nb-1-big-Data.db"))
	require.FileExists(t, filepath.Join(b, "nb-7-big-Index.db"))
	require.NoFileExists(t, filepath.Join(b, "nb-2000000001-big-Index.db"))
	r, err = ask[wire.LeftoverResult](c, wire.OpLeftovers, leftoverArgs())
	require.NoError(t, err)
	require.Equal(t, wire.LeftoverResult{}, r)

	v.sstable(a, "nb-2000000001-big")
	f.Answer(apitest.Refresh, apitest.Answer(500, "torn"))
	_, err = ask[wire.LeftoverResult](c, wire.OpLeftovers, leftoverArgs())
	require.ErrorContains(t, err, "500 torn")
}

// TestSettle waits for loads that go on although the run that began them is dead,
// and does not mind how they end.
func TestSettle(t *testing.T) {
	t.Parallel()
	v, f, c := indexed(t, nil)
	a := v.table(0, "ks", "a", tableOne)
	args := leftoverArgs()
	args.Settle = true
	args.Tables = args.Tables[:2]
	f.Answer(apitest.Refresh, apitest.Answer(500, "Query timed out after PT30S"), apitest.Answer(200, "OK"), apitest.Answer(500, "torn"))
	r, err := ask[wire.LeftoverResult](c, wire.OpLeftovers, args)
	require.NoError(t, err)
	require.Equal(t, wire.LeftoverResult{}, r)
	require.Len(t, f.Calls(apitest.Refresh), 3, "every table is asked, and the one without an answer again")

	v.sstable(a, "nb-2000000001-big")
	f.Answer(apitest.Refresh, apitest.Answer(500, "torn"), apitest.Answer(200, "OK"), apitest.Answer(500, "torn"))
	r, err = ask[wire.LeftoverResult](c, wire.OpLeftovers, args)
	require.NoError(t, err, "the sweep removes what is torn")
	require.Equal(t, 1, r.Loaded)
}

func TestSweepAfterATruncate(t *testing.T) {
	t.Parallel()
	v, f, c := indexed(t, nil)
	a := []string{v.table(0, "ks", "a", tableOne), v.table(1, "ks", "a", tableOne)}
	b := v.table(0, "ks", "b", tableTwo)
	v.empty(a[0])
	v.empty(a[1])
	// A refresh tore the set apart: two of its files are there under other names.
	snapshot := document.SnapshotDir(v.data[0], "ks", "a", tableOne, testID)
	require.NoError(t, os.Link(filepath.Join(snapshot, "nb-1-big-Index.db"), filepath.Join(a[0], "nb-55-big-Index.db")))
	require.NoError(t, os.Link(filepath.Join(snapshot, "nb-1-big-Index.db"), filepath.Join(b, "nb-55-big-Index.db")))
	v.write(filepath.Join(a[0], "nb-55-big-TOC.txt"), "t") // a sibling, with an storage.Inode of its own
	v.sstable(a[0], "nb-56-big")                           // written since
	v.write(filepath.Join(a[0], "nb_txn_flush_x.log"), "")
	v.write(filepath.Join(a[1], "nb-55-big-TOC.txt"), "t") // the same base in another directory
	r, err := ask[wire.LeftoverResult](c, wire.OpLeftovers, leftoverArgs(testID))
	require.NoError(t, err)
	require.Equal(t, wire.LeftoverResult{Removed: 2}, r)
	require.NoFileExists(t, filepath.Join(a[0], "nb-55-big-Index.db"))
	require.NoFileExists(t, filepath.Join(a[0], "nb-55-big-TOC.txt"))
	require.FileExists(t, filepath.Join(a[0], "nb-56-big-Data.db"))
	require.FileExists(t, filepath.Join(a[0], "nb_txn_flush_x.log"))
	require.FileExists(t, filepath.Join(a[1], "nb-55-big-TOC.txt"))
	require.FileExists(t, filepath.Join(b, "nb-55-big-Index.db"), "another table's")
	require.FileExists(t, filepath.Join(snapshot, "nb-1-big-Index.db"))
	require.Empty(t, f.Calls(apitest.Refresh))
	r, err = ask[wire.LeftoverResult](c, wire.OpLeftovers, leftoverArgs(otherID))
	require.NoError(t, err)
	require.Zero(t, r.Removed, "nothing is shared with a snapshot that is not there")
}

// auto asks for one of the lists of automatic snapshots.
func auto(c *client, op string) {
	c.t.Helper()
	_, err := ask[none](c, op, wire.AutoArgs{RestoreID: restoreNo, Tables: []document.TableName{{Keyspace: "ks", Name: "a"}}})
	require.NoError(c.t, err)
}

func begin(c *client) {
	c.t.Helper()
	_, err := ask[none](c, wire.OpJournal, wire.JournalArgs{RestoreID: restoreNo, BackupID: testID, Scope: ledger.All(), Entry: ledger.Entry{Step: "begun"}})
	require.NoError(c.t, err)
}

func TestAutoSnapshotsThatTheRestoreCaused(t *testing.T) {
	t.Parallel()
	v, _, c := indexed(t, nil)
	tag := func(name string) string {
		dir := document.SnapshotDir(v.data[0], "ks", "a", tableOne, name)
		v.write(filepath.Join(dir, "manifest.json"), "{}")
		return dir
	}
	begin(c)
	before := tag("truncated-1-a")
	auto(c, wire.OpAutoBefore)
	killed := tag("dropped-2-a") // caused by a run that was killed
	auto(c, wire.OpAutoBefore)
	foreign := tag("mine")
	other := document.SnapshotDir(v.data[0], "ks", "b", tableTwo, "truncated-3-b")
	v.write(filepath.Join(other, "manifest.json"), "{}")
	caused := tag("truncated-3-a")
	auto(c, wire.OpAutoAfter)
	later := tag("dropped-4-a")
	auto(c, wire.OpAutoAfter) // nothing was listed before: it changes nothing
	auto(c, wire.OpAutoBefore)
	second := tag("truncated-5-a")
	auto(c, wire.OpAutoAfter)
	r, err := ask[wire.FinishResult](c, wire.OpFinish, wire.FinishArgs{RestoreID: restoreNo, BackupID: testID, KeepBackup: true, LiveIDs: []string{tableOne}})
	require.NoError(t, err)
	require.Equal(t, 3, r.AutoSnapshots)
	for _, dir := range []string{killed, caused, second} {
		require.NoDirExists(t, dir)
	}
	for _, dir := range []string{before, foreign, later, other} {
		require.DirExists(t, dir)
	}
}

func TestAutoSnapshotsBelowAnyDirectoryName(t *testing.T) {
	t.Parallel()
	v := newVolume(t, 1)
	v.data[0] = filepath.Join(v.root, `d[a]*?\`)
	dir := document.SnapshotDir(v.data[0], "ks", "a", tableOne, "dropped-1-a")
	require.NoError(t, os.MkdirAll(dir, 0o755))
	n := &node{Volumes: storage.Volumes{Node: v.node("")}}
	found, err := n.listAuto()
	require.NoError(t, err)
	require.Equal(t, []string{dir}, []string{filepath.Join(v.data[0], found[0])})
}
