package agent

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/casshook/casshook/pkg/ledger"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/agent/apitest"
	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/document"
)

// backedUp is a volume with two data directories: table a has SSTables in both
// and one of a legacy index, table b is empty; both are in the snapshot.
func backedUp(t *testing.T) *volume {
	t.Helper()
	v := newVolume(t, 2)
	for i := range v.data {
		live := v.table(i, "ks", "a", tableOne)
		v.sstable(live, "nb-1-big")
		v.table(i, "ks", "b", tableTwo)
	}
	v.sstable(filepath.Join(v.table(0, "ks", "a", tableOne), ".a_idx"), "nb-1-big")
	v.snapshot("ks", "a", tableOne, testID)
	v.snapshot("ks", "b", tableTwo, testID)
	return v
}

func bothTables() []document.TableRef {
	return []document.TableRef{ref("ks", "a", tableOne), ref("ks", "b", "fedcba9876543210fedcba9876543210")}
}

func TestBackup(t *testing.T) {
	t.Parallel()
	v := backedUp(t)
	c := hold(t, v.node(""))
	r, err := describe(c, testID, bothTables()...)
	require.NoError(t, err)
	require.Equal(t, 2, r.Tables)
	require.Equal(t, 3, r.SSTables)
	require.Positive(t, r.Bytes)
	inspected, err := ask[ledger.Volume](c, wire.OpInspect, none{})
	require.NoError(t, err)
	require.False(t, inspected.Backups[0].Complete, "without COMPLETE it is none")
	require.Equal(t, inspected.Identity, inspected.Backups[0].Volume, "the intent names the volume")
	require.Positive(t, inspected.Free)

	_, err = ask[none](c, wire.OpComplete, completeArgs(t, testID, r.Digest))
	require.NoError(t, err)
	inspected, err = ask[ledger.Volume](c, wire.OpInspect, none{})
	require.NoError(t, err)
	require.True(t, inspected.Backups[0].Complete)
	opened, err := ask[wire.OpenResult](c, wire.OpOpen, wire.OpenArgs{BackupID: testID})
	require.NoError(t, err)
	require.Equal(t, "h1", opened.Member.HostID)
	require.Equal(t, []string{"nb big"}, opened.Formats)
	require.Equal(t, shared(t, testID)[document.ClusterFile], opened.Cluster)
	require.Equal(t, 2, opened.Tables[0].SSTables, "a legacy index has none of its own")
	require.Equal(t, 18, opened.Tables[0].Files)
	require.Equal(t, wire.TableSummary{TableName: document.TableName{Keyspace: "ks", Name: "b"}, ID: tableTwo}, opened.Tables[1])
	b, err := document.Open(v.root, testID, nil)
	require.NoError(t, err)
	require.Equal(t, v.data, b.Node.DataDirectories)
	require.Equal(t, inspected.Identity, b.Node.Volume)
}

func TestWriteComparesWithTheSchema(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		tables []document.TableRef
		want   string
	}{
		{"one more in the snapshot", bothTables()[:1], "ks.b-" + tableTwo + " is in the snapshot but not in the schema"},
		{"one more in the schema", append(bothTables(), ref("ks", "c", tableOne)), "ks.c-" + tableOne + " is in the schema but not in the snapshot: directory ks/c-" + tableOne + " not found in /"},
		{"and its directory is there", append(bothTables(), ref("ks", "live", tableOne)), "ks.live-" + tableOne + " is in the schema but not in the snapshot: no snapshot in /"},
		{"created anew", []document.TableRef{ref("ks", "a", tableTwo), ref("ks", "b", tableTwo)}, "ks.a-" + tableOne + " is in the snapshot but not in the schema, ks.a-" + tableTwo},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			v := backedUp(t)
			v.table(1, "ks", "live", tableOne)
			_, err := describe(hold(t, v.node("")), testID, tt.tables...)
			requireKind(t, err, wire.KindMissing, tt.want)
			require.Equal(t, []string{document.IntentFile}, tree(t, document.BackupDir(v.root, testID)))
		})
	}
}

func TestWriteFindsWhatTheManifestNames(t *testing.T) {
	t.Parallel()
	v := backedUp(t)
	require.NoError(t, os.Remove(filepath.Join(document.SnapshotDir(v.data[1], "ks", "a", tableOne, testID), "nb-1-big-Statistics.db")))
	_, err := describe(hold(t, v.node("")), testID, bothTables()...)
	require.ErrorContains(t, err, "lacks Statistics.db")
}

func TestCompleteOfDocumentsThatDoNotVerify(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		damage func(dir, digest string) string
		want   string
	}{
		{"another digest", func(_, digest string) string { return digest[1:] }, "does not match COMPLETE for host h1"},
		{"a changed schema", func(dir, digest string) string {
			if err := os.WriteFile(filepath.Join(dir, document.SchemaFile), []byte("{ }\n"), 0o600); err != nil {
				return err.Error()
			}
			return digest
		}, "schema.jsonl: does not match"},
		{"no cluster.json", func(dir, digest string) string {
			if err := os.Remove(filepath.Join(dir, document.ClusterFile)); err != nil {
				return err.Error()
			}
			return digest
		}, "no such file"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			v := backedUp(t)
			c := hold(t, v.node(""))
			r, err := describe(c, testID, bothTables()...)
			require.NoError(t, err)
			dir := document.BackupDir(v.root, testID)
			_, err = ask[none](c, wire.OpComplete, completeArgs(t, testID, tt.damage(dir, r.Digest)))
			require.ErrorContains(t, err, tt.want)
			require.NoFileExists(t, filepath.Join(dir, document.CompleteFile))
			_, err = ask[none](c, wire.OpOpen, wire.OpenArgs{BackupID: testID})
			requireKind(t, err, wire.KindCorrupt, "not complete")
		})
	}
}

func TestClearRemovesOnlyOurs(t *testing.T) {
	t.Parallel()
	v := backedUp(t)
	c := hold(t, v.node(""))
	for _, tag := range []string{"mine", "casshook-foo", otherID, "dropped-123-a", "truncated-123-a", testID + "-x"} {
		v.snapshot("ks", "a", tableOne, tag)
	}
	v.write(filepath.Join(v.root, "casshook", "foreign", "file"), "keep")
	v.write(filepath.Join(v.root, "casshook", otherID, document.IntentFile), "keep")
	_, err := ask[none](c, wire.OpInspect, none{})
	require.NoError(t, err)
	want := []string{}
	for _, name := range tree(t, v.root) {
		if !strings.Contains(name, testID) || strings.Contains(name, testID+"-x") {
			want = append(want, name)
		}
	}
	backup(c, testID, bothTables()...)
	want = append(want, "casshook/history.json") // it remembers
	slices.Sort(want)
	for i, removed := range []int{4, 0} { // twice is as once
		r, err := ask[wire.ClearResult](c, wire.OpClear, wire.ClearArgs{BackupIDs: []string{testID}})
		require.NoError(t, err)
		require.Equal(t, removed, r.Snapshots, i)
		require.Equal(t, without(want, "/b-"+tableTwo+"/snapshots"), tree(t, v.root), "the emptied snapshots directory of b goes")
	}
	_, err = ask[none](c, wire.OpClear, wire.ClearArgs{BackupIDs: []string{otherID, "mine"}})
	require.ErrorContains(t, err, `"mine" is not a backup id`)
	require.DirExists(t, document.BackupDir(v.root, otherID), "all ids are looked at first")
}

func without(names []string, suffix string) []string {
	kept := []string{}
	for _, name := range names {
		if !strings.HasSuffix(name, suffix) {
			kept = append(kept, name)
		}
	}
	return kept
}

func TestClearThatWasKilledLeavesNoBackup(t *testing.T) {
	t.Parallel()
	v := backedUp(t)
	c := hold(t, v.node(""))
	backup(c, testID, bothTables()...)
	// What is in the way of the snapshots stops it after its first step.
	blocked := filepath.Join(v.data[0], "zz")
	require.NoError(t, os.WriteFile(filepath.Join(document.SnapshotDir(v.data[1], "ks", "a", tableOne, testID), "x"), nil, 0o600))
	require.NoError(t, os.Rename(v.data[1], blocked))
	_, err := ask[none](c, wire.OpClear, wire.ClearArgs{BackupIDs: []string{testID}})
	require.ErrorContains(t, err, "no such file")
	inspected, err := ask[ledger.Volume](c, wire.OpInspect, none{})
	require.NoError(t, err)
	require.Equal(t, testID, inspected.Backups[0].ID)
	require.False(t, inspected.Backups[0].Complete)
	require.Empty(t, inspected.Backups[0].Problem)
	require.NoError(t, os.Rename(blocked, v.data[1]))
	r, err := ask[wire.ClearResult](c, wire.OpClear, wire.ClearArgs{BackupIDs: []string{testID}})
	require.NoError(t, err)
	require.Equal(t, 2, r.Snapshots)
	require.NoDirExists(t, document.BackupDir(v.root, testID))
}

func TestInspectTellsWhatIsWrongWithABackup(t *testing.T) {
	t.Parallel()
	v := backedUp(t)
	c := hold(t, v.node(""))
	backup(c, testID, bothTables()...)
	v.write(filepath.Join(document.BackupDir(v.root, testID), document.SchemaFile), "x")
	require.NoError(t, os.MkdirAll(document.BackupDir(v.root, otherID), 0o755))
	got, err := ask[ledger.Volume](c, wire.OpInspect, none{})
	require.NoError(t, err)
	require.Len(t, got.Backups, 2)
	require.True(t, got.Backups[0].Complete, "it claims to be")
	require.Contains(t, got.Backups[0].Problem, "does not match COMPLETE")
	require.Contains(t, got.Backups[1].Problem, "no such file")
}

func TestVerify(t *testing.T) {
	t.Parallel()
	v := backedUp(t)
	c := hold(t, v.node(""))
	backup(c, testID, bothTables()...)
	verify := func(full bool, tables ...document.TableName) string {
		r, err := ask[wire.VerifyResult](c, wire.OpVerify, wire.VerifyArgs{BackupID: testID, Full: full, Tables: tables})
		require.NoError(t, err)
		return fmt.Sprintf("%d%s", r.Tables, r.Problems)
	}
	require.Equal(t, "2[]", verify(true))
	require.Equal(t, []wire.Event{{Kind: "progress", Message: "verified", Done: 1, Total: 2}, {Kind: "progress", Message: "verified", Done: 2, Total: 2}}, c.events)
	require.Equal(t, "1[ks.c: not in the backup of this node]", verify(false, document.TableName{Keyspace: "ks", Name: "c"}))
	path := filepath.Join(document.SnapshotDir(v.data[0], "ks", "a", tableOne, testID), "nb-1-big-Data.db")
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	content[0] ^= 1
	require.NoError(t, os.WriteFile(path, content, 0o600))
	require.Equal(t, "2[]", verify(false))
	require.Contains(t, verify(true), "checksum of Data.db differs")
	require.NotContains(t, verify(true, document.TableName{Keyspace: "ks", Name: "b"}), "checksum")
	require.NoError(t, os.Remove(path))
	require.Contains(t, verify(false), "lacks Data.db")
	_, err = ask[none](c, wire.OpVerify, wire.VerifyArgs{BackupID: otherID})
	requireKind(t, err, wire.KindCorrupt, "not complete")
}

func TestSnapshotsWithoutDocuments(t *testing.T) {
	t.Parallel()
	v := newVolume(t, 1)
	v.identity = "pvc"
	v.table(0, "ks", "a", tableOne)
	f := newFakeAPI(t, v)
	c := hold(t, v.node(f.URL))
	_, err := ask[none](c, wire.OpBegin, wire.BeginArgs{BackupID: testID})
	require.NoError(t, err)
	v.write(filepath.Join(document.SnapshotDir(v.data[0], "ks", "a", tableOne, testID), "nb-1-big-Data.db"), "x")
	volume, err := ask[ledger.Volume](c, wire.OpInspect, none{})
	require.NoError(t, err)
	require.Empty(t, volume.Orphans, "it has an intent")
	_, err = ask[wire.ClearResult](c, wire.OpClear, wire.ClearArgs{BackupIDs: []string{testID}, Orphans: []string{otherID}})
	require.NoError(t, err)
	// Cassandra was not done, and goes on when the next run has cleared what there was.
	for _, name := range []string{"b", "c"} {
		v.write(filepath.Join(document.SnapshotDir(v.data[0], "ks", name, tableTwo, testID), "nb-1-big-Data.db"), "x")
	}
	foreign := filepath.Join(v.table(0, "ks", "a", tableOne), "snapshots", "casshook-foo", "nb-1-big-Data.db")
	v.write(foreign, "not ours")
	volume, err = ask[ledger.Volume](c, wire.OpInspect, none{})
	require.NoError(t, err)
	require.Equal(t, []ledger.Orphan{{Tag: testID, Directories: 2}}, volume.Orphans)
	f.Answer(apitest.Snapshots, apitest.Answer(500, "it does not run"))
	r, err := ask[wire.ClearResult](c, wire.OpClear, wire.ClearArgs{Orphans: []string{testID}})
	require.NoError(t, err)
	require.Equal(t, wire.ClearResult{Orphans: 2}, r)
	require.Contains(t, f.Calls(apitest.Snapshots), "DELETE "+apitest.Snapshots+"?snapshotNames="+testID)
	volume, err = ask[ledger.Volume](c, wire.OpInspect, none{})
	require.NoError(t, err)
	require.Empty(t, volume.Orphans)
	require.FileExists(t, foreign)
	// What has documents by now is a backup, whatever the executor was told before.
	_, err = ask[none](c, wire.OpBegin, wire.BeginArgs{BackupID: otherID})
	require.NoError(t, err)
	v.write(filepath.Join(document.SnapshotDir(v.data[0], "ks", "b", tableTwo, otherID), "nb-1-big-Data.db"), "x")
	r, err = ask[wire.ClearResult](c, wire.OpClear, wire.ClearArgs{Orphans: []string{otherID}})
	require.NoError(t, err)
	require.Zero(t, r)
	require.FileExists(t, filepath.Join(document.SnapshotDir(v.data[0], "ks", "b", tableTwo, otherID), "nb-1-big-Data.db"))
}

// TestAnotherVolumeIsNamed: the data has a snapshot whose documents are where the volume was when the backup was made.
func TestAnotherVolumeIsNamed(t *testing.T) {
	t.Parallel()
	v := newVolume(t, 1)
	v.identity = "pvc"
	v.table(0, "ks", "a", tableOne)
	f := newFakeAPI(t, v)
	_, err := ask[none](hold(t, v.node(f.URL)), wire.OpBegin, wire.BeginArgs{BackupID: testID})
	require.NoError(t, err)
	kept := filepath.Join(document.SnapshotDir(v.data[0], "ks", "a", tableOne, testID), "nb-1-big-Data.db")
	v.write(kept, "x")
	documents := document.BackupDir(v.root, testID)
	v.root = t.TempDir()
	c := hold(t, v.node(f.URL))
	volume, err := ask[ledger.Volume](c, wire.OpInspect, none{})
	require.NoError(t, err)
	require.Equal(t, []ledger.Orphan{{Tag: testID, Directories: 1, Documents: documents}}, volume.Orphans)
	r, err := ask[wire.ClearResult](c, wire.OpClear, wire.ClearArgs{Orphans: []string{testID}})
	require.NoError(t, err)
	require.Zero(t, r)
	require.FileExists(t, kept)
}
