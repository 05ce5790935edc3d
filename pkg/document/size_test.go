package document

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/safefile"
)

// TestDocumentsTakeNoManyTimesTheirSize: they are read beside Cassandra, in the memory of
// its container.
func TestDocumentsTakeNoManyTimesTheirSize(t *testing.T) {
	fill := func(form, what string, bytes int) string {
		return fmt.Sprintf(form, strings.Repeat(what+",", bytes/(len(what)+1))+what)
	}
	const header = `"version":1,"backupId":"` + testID + `",`
	for name, tt := range map[string]struct{ file, content string }{
		"members":    {ClusterFile, fill(`{`+header+`"members":[%s]}`, "null", maxShared-1000)},
		"tokens":     {ClusterFile, fill(`{`+header+`"members":[{"tokens":[%s]}]}`, `""`, maxShared-1000)},
		"settings":   {ClusterFile, fill(`{`+header+`"settings":{%s}}`, `"":""`, maxShared-1000)},
		"tables":     {NodeFile, fill(`{`+header+`"tables":[%s]}`, "{}", maxShared-1000)},
		"components": {NodeFile, fill(`{`+header+`"tables":[{"sstables":[{"components":[%s]}]}]}`, "{}", maxShared-1000)},
		"hosts":      {CompleteFile, fill(`{`+header+`"nodes":{%s}}`, `"":""`, maxShared-1000)},
		"unknown":    {CompleteFile, fill(`{"version":1,"minor":2,"x":[%s]}`, "[]", maxShared-1000)},
		"rows":       {SchemaFile, strings.Repeat("{}\n", maxShared/3)},
	} {
		t.Run(name, func(t *testing.T) {
			root, dataDirs := volume(t)
			backup(t, root, dataDirs)
			write(t, filepath.Join(BackupDir(root, testID), tt.file), tt.content)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := Open(root, testID, dataDirs)
			require.ErrorContains(t, err, "casshook writes no such document")
			runtime.ReadMemStats(&after)
			// Some copies of the text, more under the race detector; its values take more than ten times of it.
			require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(6*maxShared), "of reading it")
			err = WriteFile(safefile.New(root), filepath.Join(root, tt.file), []byte(tt.content))
			require.ErrorContains(t, err, "casshook writes no such document")
		})
	}
}

// large is a node of n SSTables, in a table for 20 of them.
func large(n int) Node {
	crc := uint32(1)
	node := Node{Version: Version, BackupID: testID, Member: Member{Name: "n1", HostID: "h1", Tokens: []string{"1"}}, DataDirectories: []string{"/d"}}
	for i := range n {
		s := SSTable{Base: fmt.Sprintf("nb-%d-big", i), Digest: "1"}
		for _, c := range []string{"CompressionInfo.db", "Data.db", "Digest.crc32", "Filter.db", "Index.db", "Statistics.db", "Summary.db", "TOC.txt"} {
			s.Components = append(s.Components, Component{Name: c, Size: 1, CRC32: &crc})
		}
		if i%20 == 0 {
			node.Tables = append(node.Tables, Table{TableName: TableName{"k", fmt.Sprintf("t%d", i)}, ID: testTable})
		}
		last := &node.Tables[len(node.Tables)-1]
		last.SSTables = append(last.SSTables, s)
	}
	return node
}

// TestNodeMayBeAsLargeAsItsSnapshot: more than other documents only where the files are.
func TestNodeMayBeAsLargeAsItsSnapshot(t *testing.T) {
	root, dataDirs := volume(t)
	path := filepath.Join(BackupDir(root, testID), NodeFile)
	put := func(sstables int) int {
		t.Helper()
		content, err := Encode(large(sstables))
		require.NoError(t, err)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, WriteFile(safefile.New(root), path, content))
		return len(content)
	}
	size := put(25000)
	require.Greater(t, size, maxShared, "a node of 25,000 SSTables is described")
	_, err := ReadNode(root, testID, dataDirs)
	require.ErrorContains(t, err, "larger than the 18 files and directories of the snapshot explain")
	for i := range (size-maxShared)/perFile + 1 { // as many names as explain it, in any directory of the tag
		dir := SnapshotDir(dataDirs[0], "ks", fmt.Sprintf("more%d", i%7), testTable, testID)
		write(t, filepath.Join(dir, fmt.Sprintf(".index%d", i%3), fmt.Sprint(i)), "")
	}
	n, err := ReadNode(root, testID, dataDirs)
	require.NoError(t, err)
	require.Len(t, n.Tables, 25000/20)
}
