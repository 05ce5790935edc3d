package storage

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/safefile"
)

// at is a time that is not on a whole second.
func at(second int64) time.Time { return time.Unix(1_700_000_000+second, 123_456_789) }

func touch(t *testing.T, dir, name string, when time.Time) string {
	t.Helper()
	path := filepath.Join(dir, name)
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	require.NoError(t, os.Chtimes(path, when, when))
	return path
}

func timeOf(t *testing.T, path string) time.Time {
	t.Helper()
	info, err := os.Stat(path)
	require.NoError(t, err)
	return info.ModTime()
}

func TestSettleTOCs(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "t-0123456789abcdef0123456789abcdef")
	require.NoError(t, os.Mkdir(dir, 0o700))
	toc := map[string]string{}
	for base, second := range map[string]int64{"nb-1-big": 90, "nb-2-big": 2, "nb-3-big": 90, "nb-4-big": 90} {
		touch(t, dir, base+"-Data.db", at(1))
		touch(t, dir, base+"-Statistics.db", at(2))
		toc[base] = touch(t, dir, base+"-TOC.txt", at(second))
	}
	touch(t, dir, "nb-4-big-SAI+aa+i+Meta.db", at(95)) // an index was built: Cassandra wrote both
	lone := touch(t, dir, "nb-5-big-TOC.txt", at(90))
	touch(t, dir, "nb-5-big-Index.db", at(1))
	log := fmt.Sprintf("REMOVE:[%s/nb-3-big,%d,3][1]\n", dir, at(90).UnixMilli())
	require.NoError(t, os.WriteFile(filepath.Join(dir, "nb_txn_compaction_1234.log"), []byte(log), 0o600))
	changed, err := SettleTOCs(safefile.New(filepath.Dir(dir)), dir)
	require.NoError(t, err)
	require.Equal(t, 1, changed)
	require.True(t, timeOf(t, toc["nb-1-big"]).Equal(at(2)), "as old as the newest file of the rest, to the nanosecond")
	require.True(t, timeOf(t, toc["nb-2-big"]).Equal(at(2)))
	require.True(t, timeOf(t, toc["nb-3-big"]).Equal(at(90)), "Cassandra deletes it and has written down its time")
	require.True(t, timeOf(t, toc["nb-4-big"]).Equal(at(90)))
	require.True(t, timeOf(t, lone).Equal(at(90)), "this is no SSTable")
	changed, err = SettleTOCs(safefile.New(filepath.Dir(dir)), dir)
	require.NoError(t, err)
	require.Zero(t, changed)
	_, err = SettleTOCs(safefile.New(filepath.Dir(dir)), filepath.Join(dir, "nowhere"))
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestTimesAreSetBackThatCassandraWroteDown(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "t-0123456789abcdef0123456789abcdef")
	require.NoError(t, os.Mkdir(dir, 0o700))
	s := &settled{in: safefile.New(dir), dir: dir}
	for i, base := range []string{"nb-1-big", "nb-2-big"} {
		path := touch(t, dir, base+"-TOC.txt", at(90))
		info, err := os.Stat(path)
		require.NoError(t, err)
		require.NoError(t, s.change(base, "TOC.txt", info, at(1)))
		// The record is of before the change, then of after it.
		line := fmt.Sprintf("REMOVE:[%s/%s,%d,3][1]\n", dir, base, []time.Time{at(90), at(1)}[i].UnixMilli())
		require.NoError(t, os.WriteFile(filepath.Join(dir, fmt.Sprintf("nb_txn_compaction_%d.log", i)), []byte(line), 0o600))
	}
	require.NoError(t, s.check())
	require.True(t, timeOf(t, filepath.Join(dir, "nb-1-big-TOC.txt")).Equal(at(90)))
	require.True(t, timeOf(t, filepath.Join(dir, "nb-2-big-TOC.txt")).Equal(at(1)))
}

func TestSettleLoaded(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	data := touch(t, dir, "nb-7-big-Data.db", at(1))
	statistics := touch(t, dir, "nb-7-big-Statistics.db", at(50))
	index := touch(t, dir, "nb-7-big-SAI+aa+i+Meta.db", at(51))
	old := touch(t, dir, "nb-7-big-Index.db", at(0))
	touch(t, dir, "nb-8-big-Data.db", at(1))
	other := touch(t, dir, "nb-8-big-TOC.txt", at(60))
	info, err := os.Stat(data)
	require.NoError(t, err)
	changed, err := SettleLoaded(safefile.New(dir), dir, map[Inode]time.Time{InodeOf(info): at(3)})
	require.NoError(t, err)
	require.Equal(t, 2, changed)
	require.True(t, timeOf(t, statistics).Equal(at(3)))
	require.True(t, timeOf(t, index).Equal(at(3)))
	require.True(t, timeOf(t, old).Equal(at(0)))
	require.True(t, timeOf(t, other).Equal(at(60)), "it was not loaded")
}
