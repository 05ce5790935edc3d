package document

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/safefile"
)

const (
	testID    = "casshook-20261121T101530Z-4f2a"
	testTable = "0123456789abcdef0123456789abcdef"
)

// volume makes a volume with one table of two SSTables and an empty one, in a
// snapshot, and returns its root and data directories.
func volume(t testing.TB) (string, []string) {
	t.Helper()
	root := t.TempDir()
	data := filepath.Join(root, "data")
	write(t, filepath.Join(SnapshotDir(data, "ks", "t", testTable, testID), "manifest.json"), `{"files":["nb-1-big-Data.db",".i/nb-1-big-Data.db"]}`)
	for _, sub := range []string{"", ".i"} {
		dir := filepath.Join(SnapshotDir(data, "ks", "t", testTable, testID), sub)
		for name, content := range map[string]string{"Data.db": "123456789", "Digest.crc32": "3421780262", "Index.db": "i", "Statistics.db": "s", "Filter.db": "f", "TOC.txt": "t"} {
			write(t, filepath.Join(dir, "nb-1-big-"+name), content)
		}
	}
	write(t, filepath.Join(SnapshotDir(data, "ks", "empty", testTable, testID), "manifest.json"), `{"files":[]}`)
	return root, []string{data}
}

func write(t testing.TB, path, content string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, []byte(content), 0o644))
}

// backup writes the documents of the volume's snapshot.
func backup(t testing.TB, root string, dataDirs []string) Node {
	t.Helper()
	tables, err := Scan(dataDirs, testID)
	require.NoError(t, err)
	node := Node{Version: Version, BackupID: testID, Member: Member{Name: "n1", HostID: "h1", Tokens: []string{"1"}},
		Volume: "v", DataDirectories: dataDirs, Tables: tables}
	cluster := Cluster{Version: Version, BackupID: testID, Created: time.Unix(0, 0).UTC(), Members: []Member{node.Member}}
	contents := map[string][]byte{SchemaFile: []byte("{}\n"), GrantsFile: nil}
	contents[NodeFile], err = Encode(node)
	require.NoError(t, err)
	contents[ClusterFile], err = Encode(cluster)
	require.NoError(t, err)
	complete := Complete{Version: Version, BackupID: testID, Shared: map[string]string{}, Nodes: map[string]string{"h1": SHA256(contents[NodeFile])}}
	for _, name := range Shared() {
		complete.Shared[name] = SHA256(contents[name])
	}
	contents[CompleteFile], err = Encode(complete)
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll(BackupDir(root, testID), 0o755))
	for name, content := range contents {
		require.NoError(t, WriteFile(safefile.New("/"), filepath.Join(BackupDir(root, testID), name), content))
	}
	return node
}

func TestIDs(t *testing.T) {
	id := NewID(time.Date(2026, 11, 21, 10, 15, 30, 0, time.UTC), [2]byte{0x4f, 0x2a})
	require.Equal(t, testID, id)
	require.True(t, ValidID(id))
	for _, foreign := range []string{"casshook-foo", "mine", "", "casshook-20261121T101530Z-4f2a-x", "../" + id} {
		require.False(t, ValidID(foreign), foreign)
	}
}

func TestRoundTrip(t *testing.T) {
	root, dataDirs := volume(t)
	node := backup(t, root, dataDirs)
	b, err := Open(root, testID, nil)
	require.NoError(t, err)
	require.Equal(t, node, b.Node)
	require.Len(t, b.Node.Tables, 2)
	require.Len(t, b.Node.Tables[1].SSTables, 2)
	require.Equal(t, "3421780262", b.Node.Tables[1].SSTables[0].Digest)
	require.Empty(t, VerifyFiles(&b.Node, dataDirs, VerifyOptions{Full: true}))
	ids, err := List(root)
	require.NoError(t, err)
	require.Equal(t, []string{testID}, ids)
}

func TestOpenRefusals(t *testing.T) {
	edit := func(old, new string) func(*testing.T, string) {
		return func(t *testing.T, path string) {
			content, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Contains(t, string(content), old)
			require.NoError(t, os.WriteFile(path, []byte(strings.Replace(string(content), old, new, 1)), 0o644))
		}
	}
	remove := func(t *testing.T, path string) { require.NoError(t, os.Remove(path)) }
	tests := []struct {
		name, file string
		damage     func(*testing.T, string)
		want       string
	}{
		{"COMPLETE is missing", CompleteFile, remove, "not complete"},
		{"no node.json", NodeFile, remove, "no such file"},
		{"unknown version", NodeFile, edit(`"version": 1`, `"version": 2`), "node.json: written by a newer casshook (format 2.0): needs casshook with format 2.0 or newer"},
		{"unknown field", ClusterFile, edit(`"clusterName"`, `"clusterNom"`), `unknown field "clusterNom"`},
		{"changed node.json", NodeFile, edit(`"size": 9`, `"size": 8`), "does not match COMPLETE for host h1"},
		{"changed schema", SchemaFile, edit("{}", "{ }"), "does not match COMPLETE"},
		{"another backup's cluster.json", ClusterFile, edit("4f2a", "4f2b"), `belongs to backup "casshook-20261121T101530Z-4f2b"`},
		{"another backup's COMPLETE", CompleteFile, edit("4f2a", "4f2b"), `belongs to backup "casshook-20261121T101530Z-4f2b"`},
		{"garbage after", CompleteFile, edit("\n}\n", "\n}\n{}"), "invalid character"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			root, dataDirs := volume(t)
			backup(t, root, dataDirs)
			tt.damage(t, filepath.Join(BackupDir(root, testID), tt.file))
			_, err := Open(root, testID, nil)
			require.ErrorContains(t, err, tt.want)
		})
	}
}

func TestVerifyFilesFinds(t *testing.T) {
	file := func(root, name string) string {
		return filepath.Join(SnapshotDir(filepath.Join(root, "data"), "ks", "t", testTable, testID), name)
	}
	tests := []struct {
		name   string
		full   bool
		damage func(*testing.T, string)
		want   string
	}{
		{"missing component", false, func(t *testing.T, r string) { require.NoError(t, os.Remove(file(r, "nb-1-big-Filter.db"))) }, "Filter.db is missing"},
		{"missing data", false, func(t *testing.T, r string) { require.NoError(t, os.Remove(file(r, "nb-1-big-Data.db"))) }, "lacks Data.db"},
		{"truncated data", false, func(t *testing.T, r string) { write(t, file(r, "nb-1-big-Data.db"), "12345678") }, "Data.db has 8 bytes, expected 9"},
		{"flipped small file", false, func(t *testing.T, r string) { write(t, file(r, "nb-1-big-Index.db"), "j") }, "Index.db: checksum mismatch"},
		{"other digest file", false, func(t *testing.T, r string) { write(t, file(r, "nb-1-big-Digest.crc32"), "3421780263") }, "digest is"},
		{"flipped bit in data", true, func(t *testing.T, r string) { write(t, file(r, "nb-1-big-Data.db"), "123456788") }, "checksum of Data.db differs"},
		{"flipped bit in an index", true, func(t *testing.T, r string) { write(t, file(r, ".i/nb-1-big-Data.db"), "123456788") }, "checksum of Data.db differs"},
		{"foreign SSTable", false, func(t *testing.T, r string) {
			for _, c := range []string{"Data.db", "Index.db", "Statistics.db"} {
				write(t, file(r, "nb-7-big-"+c), "x")
			}
		}, "SSTable nb-7-big: is not in the backup"},
		{"snapshot gone", false, func(t *testing.T, r string) { require.NoError(t, os.RemoveAll(filepath.Dir(file(r, "x")))) }, "is missing"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			root, dataDirs := volume(t)
			node := backup(t, root, dataDirs)
			tt.damage(t, root)
			require.Contains(t, strings.Join(VerifyFiles(&node, dataDirs, VerifyOptions{Full: tt.full}), "\n"), tt.want)
		})
	}
	t.Run("a rewritten bloom filter is none of it", func(t *testing.T) {
		root, dataDirs := volume(t)
		node := backup(t, root, dataDirs)
		write(t, file(root, "nb-1-big-Filter.db"), "longer")
		require.Empty(t, VerifyFiles(&node, dataDirs, VerifyOptions{Full: true}))
	})
	t.Run("another number of data directories", func(t *testing.T) {
		root, dataDirs := volume(t)
		node := backup(t, root, dataDirs)
		require.Len(t, VerifyFiles(&node, append(dataDirs, "/x"), VerifyOptions{}), 1)
	})
}

func TestScanRefusesWhatTheManifestNames(t *testing.T) {
	root, dataDirs := volume(t)
	dir := SnapshotDir(filepath.Join(root, "data"), "ks", "t", testTable, testID)
	write(t, filepath.Join(dir, "manifest.json"), `{"files":["nb-2-big-Data.db"]}`)
	_, err := Scan(dataDirs, testID)
	require.ErrorContains(t, err, "manifest lists nb-2-big-Data.db")
	require.NoError(t, os.Remove(filepath.Join(dir, "manifest.json")))
	_, err = Scan(dataDirs, testID)
	require.ErrorContains(t, err, "no manifest.json")
}

func TestVolumeIdentityTellsCopiesApart(t *testing.T) {
	root := filepath.Join(t.TempDir(), "a")
	require.NoError(t, os.MkdirAll(root, 0o755))
	id, err := VolumeIdentity(root)
	require.NoError(t, err)
	require.Empty(t, id)
	require.NoError(t, MarkVolume(safefile.New("/"), root))
	id, err = VolumeIdentity(root)
	require.NoError(t, err)
	require.NoError(t, MarkVolume(safefile.New("/"), root))
	again, err := VolumeIdentity(root)
	require.NoError(t, err)
	require.Equal(t, id, again, "a marked volume keeps its mark")

	moved := root + "-moved"
	require.NoError(t, os.Rename(root, moved))
	same, err := VolumeIdentity(moved)
	require.NoError(t, err)
	require.Equal(t, id, same, "a moved volume is the same volume")

	require.NoError(t, exec.Command("cp", "-a", moved, root).Run())
	copied, err := VolumeIdentity(root)
	require.NoError(t, err)
	require.NotEqual(t, id, copied, "a copy is another volume")
}

func TestDecodeLines(t *testing.T) {
	rows := []TableRef{{TableName: TableName{Keyspace: "ks", Name: "t;\n"}}, {TableName: TableName{Keyspace: "x"}}}
	content, err := EncodeLines(rows)
	require.NoError(t, err)
	got, err := DecodeLines[TableRef](content)
	require.NoError(t, err)
	require.Equal(t, rows, got)
	_, err = DecodeLines[TableRef]([]byte(`{"keyspace":"a"}{"unknown":1}`))
	require.ErrorContains(t, err, "row 2")
}
