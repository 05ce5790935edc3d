package agent

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/agent/storage"
	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/document"
)

// cassandraUser is who the data directories of these tests belong to.
const cassandraUser = 4242

// owned gives the data directories of a volume to Cassandra's user.
func owned(t *testing.T, v *volume) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("run as root: who files belong to is what is tested")
	}
	for _, dir := range v.data {
		require.NoError(t, os.Chown(dir, cassandraUser, cassandraUser))
		require.NoError(t, os.Chmod(dir, 0o750))
	}
}

// foreign lists what below a directory does not belong to Cassandra's user or has a mode
// that the data directory has not.
func foreign(t *testing.T, dir string) []string {
	t.Helper()
	var found []string
	require.NoError(t, filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		require.NoError(t, err)
		info, err := e.Info()
		require.NoError(t, err)
		st := info.Sys().(*syscall.Stat_t)
		mode := map[bool]fs.FileMode{true: 0o750, false: 0o640}[e.IsDir()]
		if st.Nlink == 1 || e.IsDir() {
			if st.Uid != cassandraUser || st.Gid != cassandraUser || info.Mode().Perm() != mode {
				found = append(found, path)
			}
		}
		return nil
	}))
	return found
}

func TestWhatIsMadeBelongsToCassandra(t *testing.T) {
	t.Parallel()
	v := newVolume(t, 2)
	owned(t, v)
	live := v.table(0, "ks", "a", tableOne)
	v.sstable(live, "nb-1-big")
	v.snapshot("ks", "a", tableOne, testID)
	c := hold(t, v.node(""))
	backup(c, testID, ref("ks", "a", tableOne))
	begin(c)
	_, err := ask[wire.StageResult](c, wire.OpStage, stageArgs("a"))
	require.NoError(t, err)
	toc := map[string]bool{}
	for _, path := range foreign(t, filepath.Join(v.root, document.Root)) {
		if filepath.Base(path) != "nb-1-big-TOC.txt" { // as its original
			toc[path] = true
		}
	}
	require.Empty(t, toc)
}

func TestReownWhatAReleaseLeftToRoot(t *testing.T) {
	t.Parallel()
	v := newVolume(t, 1)
	owned(t, v)
	elsewhere := filepath.Join(t.TempDir(), "precious")
	sstable := filepath.Join(v.data[0], "ks", "nb-1-big-Data.db")
	v.write(sstable, "1")
	root := filepath.Join(v.root, document.Root)
	require.NoError(t, errors.Join(
		os.WriteFile(elsewhere, nil, 0o600), os.MkdirAll(filepath.Join(root, "restore-"+restoreNo, "stage"), 0o700),
		os.WriteFile(filepath.Join(root, "lock.json"), nil, 0o600), os.Symlink(elsewhere, filepath.Join(root, "link")),
		os.Link(sstable, filepath.Join(root, "restore-"+restoreNo, "stage", "nb-1-big-Data.db"))))
	before, err := os.Stat(sstable)
	require.NoError(t, err)
	n := &node{Volumes: storage.Volumes{Node: v.node("")}}
	var became []any
	require.NoError(t, n.dropRoot(func(uid, gid int, keep bool) error { became = append(became, uid, gid, keep); return nil }))
	require.Equal(t, []any{cassandraUser, cassandraUser, n.API == ""}, became)
	require.Equal(t, []string{filepath.Join(root, "link")}, foreign(t, root), "a link stays what it is")
	after, err := os.Stat(sstable)
	require.NoError(t, err)
	require.Equal(t, before.Sys().(*syscall.Stat_t).Uid, after.Sys().(*syscall.Stat_t).Uid, "SSTables are Cassandra's")
	require.Equal(t, before.Mode(), after.Mode())
	info, err := os.Stat(elsewhere)
	require.NoError(t, err)
	require.Zero(t, info.Sys().(*syscall.Stat_t).Uid)
}

// A directory that Cassandra cannot enter is found before the TRUNCATE.
func TestStageRefusesWhatCassandraCannotEnter(t *testing.T) {
	t.Parallel()
	v := newVolume(t, 1)
	owned(t, v)
	live := v.table(0, "ks", "a", tableOne)
	v.sstable(live, "nb-1-big")
	v.snapshot("ks", "a", tableOne, testID)
	node := v.node("")
	node.API, node.Nodetool = "", []string{"true"}
	c := hold(t, node)
	backup(c, testID, ref("ks", "a", tableOne))
	begin(c)
	_, err := ask[wire.StageResult](c, wire.OpStage, stageArgs("a"))
	require.NoError(t, err)
	restore := filepath.Join(v.root, document.Root, "restore-"+restoreNo)
	require.NoError(t, errors.Join(os.Chown(restore, 0, 0), os.Chmod(restore, 0o700)))
	_, err = ask[wire.StageResult](c, wire.OpStage, stageArgs("a"))
	require.ErrorContains(t, err, restore)
	var refused *wire.Error
	require.ErrorAs(t, err, &refused)
	require.Equal(t, wire.KindRefused, refused.Kind)
}

func TestProcessEndsWhateverRuns(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	endAfter(ctx, time.Millisecond, func() { close(ended) })
	select {
	case <-ended:
		t.Fatal("it ended before it was to")
	default:
	}
	cancel()
	<-ended
}
