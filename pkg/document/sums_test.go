package document

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/safefile"
	"github.com/casshook/casshook/pkg/sstable"
)

// TestSumsAreRemembered: a backup reads only large files that are new or changed, whatever
// its tag, and not what another volume remembers.
func TestSumsAreRemembered(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	data := filepath.Join(root, "data")
	live := filepath.Join(data, "ks", sstable.TableDir("t", testTable))
	large := strings.Repeat("x", SmallFile+1)
	write := func(name, content string) {
		t.Helper()
		require.NoError(t, os.MkdirAll(live, 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(live, name), []byte(content), 0o600))
	}
	for _, base := range []string{"nb-1-big-", "nb-2-big-"} {
		for _, c := range []string{"Data.db", "Index.db", "Filter.db"} {
			write(base+c, large+base+c)
		}
		write(base+"Digest.crc32", "1")
		write(base+"Statistics.db", "small")
		write(base+"TOC.txt", "small")
	}
	require.NoError(t, os.Mkdir(filepath.Join(root, Root), 0o755))
	sum := func(tag, identity string) (int, []Table) {
		t.Helper()
		to := SnapshotDir(data, "ks", "t", testTable, tag)
		require.NoError(t, os.MkdirAll(to, 0o755))
		files, err := filepath.Glob(filepath.Join(live, "nb-*"))
		require.NoError(t, err)
		for _, file := range files {
			require.NoError(t, os.Link(file, filepath.Join(to, filepath.Base(file))))
		}
		require.NoError(t, os.WriteFile(filepath.Join(to, sstable.ManifestFile), []byte(`{"files":[]}`), 0o600))
		tables, err := Scan([]string{data}, tag)
		require.NoError(t, err)
		s := OpenSums(root, identity)
		require.NoError(t, s.Add(t.Context(), tables, Place{[]string{data}, tag}, func(int) {}))
		require.NoError(t, s.Save(safefile.New(root), root))
		require.NoError(t, os.RemoveAll(to))
		return s.Computed, tables
	}
	computed, first := sum("casshook-20261121T101530Z-0001", "volume 1")
	require.Equal(t, 4, computed, "an index and a filter of each; neither data with a digest nor small files")
	computed, second := sum("casshook-20261121T101530Z-0002", "volume 1")
	require.Zero(t, computed)
	require.Equal(t, first, second)
	write("nb-1-big-Filter.db", large+"nb-1-big-filter.dB")
	require.NoError(t, os.Remove(filepath.Join(live, "nb-2-big-Index.db")))
	write("nb-2-big-Index.db", large+"nb-2-big-index.dB")
	for _, file := range []string{"nb-1-big-Filter.db", "nb-2-big-Index.db"} { // a clock that has not gone on
		require.NoError(t, os.Chtimes(filepath.Join(live, file), time.Time{}, time.Now().Add(time.Second)))
	}
	computed, third := sum("casshook-20261121T101530Z-0003", "volume 1")
	require.Equal(t, 2, computed)
	require.NotEqual(t, second, third)
	computed, fourth := sum("casshook-20261121T101530Z-0004", "volume 2")
	require.Equal(t, 4, computed)
	require.Equal(t, third, fourth)
	require.NoError(t, os.WriteFile(filepath.Join(root, Root, SumsFile), []byte("{"), 0o600))
	computed, _ = sum("casshook-20261121T101530Z-0005", "volume 2")
	require.Equal(t, 4, computed)
}
