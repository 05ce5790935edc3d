package cleaner

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/agent/storage"
	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/document"
)

// BenchmarkClean10000 cleans a volume whose backup has 10,000 files, all of which
// have been compacted away. Its time is that of links, removals and fsyncs: no
// byte but those of TOC.txt is copied, which the count of inodes shows.
func BenchmarkClean10000(b *testing.B) {
	const tables, sstables, components = 25, 50, 8
	var r *wire.CleanResult
	for b.Loop() {
		b.StopTimer()
		opts, removed := manyFiles(b, tables, sstables)
		inodes := countInodesBelow(b, opts.Volume)
		b.StartTimer()
		var err error
		r, err = Clean(b.Context(), opts)
		b.StopTimer()
		require.NoError(b, err)
		require.Equal(b, tables*sstables*components, r.Files)
		require.Equal(b, r.Files, r.Linked+r.Copied)
		require.Equal(b, removed, r.Removed)
		ours := 3 // of the restore's directory
		require.Equal(b, inodes-removed+r.Copied+ours, countInodesBelow(b, opts.Volume), "files that are new")
		require.NoError(b, os.RemoveAll(opts.Volume))
		b.StartTimer()
	}
	b.ReportMetric(float64(r.Files), "files")
	b.ReportMetric(float64(r.Removed), "removed")
	b.ReportMetric(float64(r.Linked), "linked")
	b.ReportMetric(float64(r.BytesLinked), "B-linked")
	b.ReportMetric(float64(r.Copied), "TOC-copied")
	b.ReportMetric(float64(r.BytesCopied), "B-copied")
}

// manyFiles makes a volume with a backup; all that is live came later.
func manyFiles(b *testing.B, tables, sstables int) (opts Options, live int) {
	b.Helper()
	dir, err := os.MkdirTemp("", "casshook-bench")
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, os.RemoveAll(dir)) })
	v := &volume{t: b, root: dir, data: []string{filepath.Join(dir, "data")}}
	require.NoError(b, os.Mkdir(filepath.Join(dir, "commitlog"), 0o755))
	node := document.Node{Version: document.Version, BackupID: testID, Member: document.Member{Name: "n1", HostID: "h1"}, Volume: "v1", DataDirectories: v.data}
	for i := range tables {
		path := v.table(0, "ks", fmt.Sprint("t", i), id32(i))
		for n := range sstables {
			v.sstable(filepath.Join(path, "snapshots", testID), fmt.Sprintf("nb-%d-big", n+1), "CompressionInfo.db", "SAI+aa+GroupMeta.db")
			v.sstable(path, fmt.Sprintf("nb-%d-big", n+10001))
			live += 6
		}
		v.write(filepath.Join(path, "snapshots", testID, "manifest.json"), `{"files":[]}`)
	}
	node.Tables, err = document.Scan(v.data, testID)
	require.NoError(b, err)
	content, err := document.Encode(node)
	require.NoError(b, err)
	files := shared(b, testID)
	files[document.NodeFile], files[document.CompleteFile] = content, completeArgs(b, testID, document.SHA256(content)).Content
	for name, content := range files {
		v.write(filepath.Join(document.BackupDir(dir, testID), name), string(content))
	}
	require.NoError(b, storage.Syncfs(dir))
	return Options{Volume: dir, VolumeID: "v2"}, live
}

func countInodesBelow(b *testing.B, dir string) int {
	b.Helper()
	seen := map[storage.Inode]bool{}
	for _, name := range tree(b, dir) {
		info, err := os.Lstat(filepath.Join(dir, name))
		require.NoError(b, err)
		if info.Mode().IsRegular() && !strings.HasSuffix(name, storage.FlockFile) {
			seen[storage.InodeOf(info)] = true
		}
	}
	return len(seen)
}
