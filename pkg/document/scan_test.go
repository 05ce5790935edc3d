package document

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/safefile"
)

// twoDirs makes a table whose SSTables lie in two data directories, as Cassandra
// spreads them; the manifest is in the first.
func twoDirs(t *testing.T) []string {
	t.Helper()
	root := t.TempDir()
	var dirs []string
	for i, base := range []string{"nb-1-big", "nb-2-big"} {
		dirs = append(dirs, filepath.Join(root, "data"+string(rune('0'+i))))
		at := SnapshotDir(dirs[i], "ks", "t", testTable, testID)
		for _, c := range []string{"Data.db", "Index.db", "Statistics.db", "TOC.txt", "SI_x.db"} {
			write(t, filepath.Join(at, base+"-"+c), c)
		}
	}
	write(t, filepath.Join(SnapshotDir(dirs[0], "ks", "t", testTable, testID), "manifest.json"), `{"files":["nb-1-big-Data.db","nb-2-big-Data.db"]}`)
	return dirs
}

func TestScanOfTwoDataDirectories(t *testing.T) {
	t.Parallel()
	dirs := twoDirs(t)
	// Not ours: another snapshot, live files, a file among the keyspaces.
	write(t, filepath.Join(SnapshotDir(dirs[0], "ks", "t", testTable, "nightly"), "nb-7-big-Data.db"), "x")
	write(t, filepath.Join(dirs[0], "ks", "t-"+testTable, "nb-8-big-Data.db"), "x")
	write(t, filepath.Join(dirs[1], "README"), "x")
	tables, err := Scan(dirs, testID)
	require.NoError(t, err)
	require.Len(t, tables, 1)
	require.Equal(t, "ks.t-"+testTable, tables[0].Keyspace+"."+tables[0].Name+"-"+tables[0].ID)
	require.Len(t, tables[0].SSTables, 2)
	for i, s := range tables[0].SSTables {
		require.Equal(t, i, s.Dir)
		require.Empty(t, s.Digest, "Cassandra wrote none")
		sizes := map[string]int64{}
		for _, c := range s.Components {
			sizes[c.Name] = c.Size
			require.Equal(t, c.Name == "Index.db" || c.Name == "Statistics.db", c.CRC32 != nil, c.Name)
		}
		require.Equal(t, map[string]int64{"Data.db": 7, "Index.db": 8, "Statistics.db": 13, "TOC.txt": -1, "SI_x.db": -1}, sizes)
		require.EqualValues(t, 28, s.Bytes())
	}
	node := Node{BackupID: testID, DataDirectories: dirs, Tables: tables}
	require.Empty(t, VerifyFiles(&node, dirs, VerifyOptions{}))
	var notCovered []string
	full := VerifyOptions{Full: true, NotCovered: func(table TableName, file string) { notCovered = append(notCovered, table.String()+" "+file) }}
	require.Empty(t, VerifyFiles(&node, dirs, full))
	require.Equal(t, []string{"ks.t nb-1-big-Data.db", "ks.t nb-1-big-TOC.txt", "ks.t nb-2-big-Data.db", "ks.t nb-2-big-TOC.txt"}, notCovered, "as backups of earlier releases")
	swapped := []string{dirs[1], dirs[0]}
	require.Len(t, VerifyFiles(&node, swapped, VerifyOptions{}), 4, "each is missing, and each is not in the backup")
}

func TestVerifyInScopeTellsItsProgress(t *testing.T) {
	t.Parallel()
	dirs := twoDirs(t)
	tables, err := Scan(dirs, testID)
	require.NoError(t, err)
	gone := Table{TableName: TableName{Keyspace: "ks", Name: "gone"}, ID: testTable}
	node := Node{BackupID: testID, DataDirectories: dirs, Tables: append(tables, gone)}
	var done []int
	opts := VerifyOptions{Progress: func(n, total int) { done = append(done, n*10+total) }}
	require.Len(t, VerifyFiles(&node, dirs, opts), 1)
	require.Equal(t, []int{12, 22}, done)
	opts.InScope = func(_, table string) bool { return table != "gone" }
	require.Empty(t, VerifyFiles(&node, dirs, opts))
}

func TestScanRefuses(t *testing.T) {
	t.Parallel()
	in := func(dirs []string, name string) string {
		return filepath.Join(SnapshotDir(dirs[0], "ks", "t", testTable, testID), name)
	}
	tests := []struct {
		name   string
		damage func(t *testing.T, dirs []string)
		want   string
	}{
		{"an SSTable without statistics", func(t *testing.T, d []string) { require.NoError(t, os.Remove(in(d, "nb-1-big-Statistics.db"))) }, "nb-1-big: lacks Statistics.db"},
		{"an SSTable whose data is gone", func(t *testing.T, d []string) { require.NoError(t, os.Remove(in(d, "nb-1-big-Data.db"))) }, "nb-1-big: lacks Data.db"},
		{"an index's SSTable that is torn", func(t *testing.T, d []string) { write(t, in(d, ".idx/nb-1-big-Data.db"), "x") }, ".idx/nb-1-big: lacks Statistics.db"},
		{"a manifest that is torn", func(t *testing.T, d []string) { write(t, in(d, "manifest.json"), `{"files":[`) }, "manifest.json"},
		{"a manifest of an index that is gone", func(t *testing.T, d []string) {
			write(t, in(d, "manifest.json"), `{"files":[".idx/nb-1-big-Data.db"]}`)
		}, "manifest lists .idx/nb-1-big-Data.db"},
		{"a snapshot of no table", func(t *testing.T, d []string) {
			write(t, filepath.Join(d[0], "ks", "odd", "snapshots", testID, "manifest.json"), "{}")
		}, "odd is not a table directory"},
		{"a component that cannot be read", func(t *testing.T, d []string) {
			require.NoError(t, os.Remove(in(d, "nb-1-big-Index.db")))
			require.NoError(t, os.Symlink("nowhere", in(d, "nb-1-big-Index.db")))
		}, "is not a regular file"},
		{"a digest that is a directory", func(t *testing.T, d []string) { require.NoError(t, os.Mkdir(in(d, "nb-1-big-Digest.crc32"), 0o755)) }, "is not a regular file"},
		{"no data directory", func(t *testing.T, d []string) { require.NoError(t, os.RemoveAll(d[1])) }, "no such file"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dirs := twoDirs(t)
			tt.damage(t, dirs)
			_, err := Scan(dirs, testID)
			require.ErrorContains(t, err, tt.want)
		})
	}
}

func TestScanNamesAllTablesThatAreNotWhole(t *testing.T) {
	t.Parallel()
	dirs := twoDirs(t)
	for _, table := range []string{"a", "b"} {
		require.NoError(t, os.MkdirAll(SnapshotDir(dirs[0], "ks", table, testTable, testID), 0o755))
	}
	_, err := Scan(dirs, testID)
	require.ErrorContains(t, err, "ks.a: no manifest.json")
	require.ErrorContains(t, err, "ks.b: no manifest.json")
}

func TestVerifyNamesWhatIsMore(t *testing.T) {
	t.Parallel()
	dirs := twoDirs(t)
	tables, err := Scan(dirs, testID)
	require.NoError(t, err)
	node := Node{BackupID: testID, DataDirectories: dirs, Tables: tables}
	at := SnapshotDir(dirs[1], "ks", "t", testTable, testID)
	want := []string{}
	for _, name := range []string{"CRC.db", "Rows.db", "Summary.db"} {
		write(t, filepath.Join(at, "nb-2-big-"+name), "x")
		want = append(want, "ks.t: SSTable nb-2-big: "+name+" is not in the backup")
	}
	for _, base := range []string{"nb-3-big", "nb-4-big", "nb-5-big"} {
		for _, name := range []string{"Data.db", "Index.db", "Statistics.db"} {
			write(t, filepath.Join(at, base+"-"+name), "x")
		}
		want = append(want, "ks.t: SSTable "+base+": is not in the backup")
	}
	require.Equal(t, want, VerifyFiles(&node, dirs, VerifyOptions{}), "in the order of their names")
}

func TestWriteFileLeavesNothingHalf(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, NodeFile)
	write(t, path+".tmp", "what a killed run left, longer than what comes")
	require.NoError(t, WriteFile(safefile.New("/"), path, []byte("one")))
	require.NoError(t, WriteFile(safefile.New("/"), path, []byte("two")))
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "two", string(content))
	require.Error(t, WriteFile(safefile.New("/"), filepath.Join(dir, "nowhere", NodeFile), nil))
	write(t, filepath.Join(dir, "taken", "x"), "")
	require.ErrorContains(t, WriteFile(safefile.New("/"), filepath.Join(dir, "taken"), []byte("x")), "write "+filepath.Join(dir, "taken"))
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 2, "no temporary file stays")
}

func TestListKnowsOnlyBackups(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	ids, err := List(root)
	require.NoError(t, err)
	require.Empty(t, ids, "a volume that casshook never saw")
	later := strings.Replace(testID, "20261121", "20261122", 1)
	for _, dir := range []string{later, testID, "restore-00112233445566aa", "casshook-old", testID + "-x"} {
		require.NoError(t, os.MkdirAll(BackupDir(root, dir), 0o755))
	}
	write(t, BackupDir(root, strings.Replace(testID, "4f2a", "0000", 1)), "a file")
	ids, err = List(root)
	require.NoError(t, err)
	require.Equal(t, []string{testID, later}, ids)
	write(t, filepath.Join(root, "other", Root), "no directory")
	_, err = List(filepath.Join(root, "other"))
	require.Error(t, err)
}

func TestIdentitiesOfFiles(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	require.NoError(t, MarkVolume(safefile.New("/"), root))
	id, err := VolumeIdentity(root)
	require.NoError(t, err)
	require.True(t, IsFileIdentity(id), id)
	for _, other := range []string{"", "pvc/8d1f/v", "0d6e7f0a-1b1c-4c64-9f0e-3f1f1c0d9f11", strings.ToLower(id), id[1:]} {
		require.False(t, IsFileIdentity(other), other)
	}
	require.NoError(t, os.Remove(VolumeFile(root)))
	require.NoError(t, os.Mkdir(VolumeFile(root), 0o755))
	_, err = VolumeIdentity(root)
	require.Error(t, err)
	write(t, filepath.Join(root, "file"), "")
	require.Error(t, MarkVolume(safefile.New("/"), filepath.Join(root, "file")))
}

func TestWhatCannotBeWrittenAsJSON(t *testing.T) {
	t.Parallel()
	_, err := Encode(map[string]any{"f": func() {}})
	require.Error(t, err)
	_, err = EncodeLines([]any{make(chan int)})
	require.Error(t, err)
	content, err := EncodeLines([]TableRef{{TableName: TableName{Name: "<&>"}}})
	require.NoError(t, err)
	require.Contains(t, string(content), `"<&>"`, "CQL stays readable")
}
