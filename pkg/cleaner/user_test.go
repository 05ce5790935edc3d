package cleaner

import (
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/flow"
)

// asUser runs a function in a thread of its own, as another user without other groups.
func asUser(t *testing.T, id uintptr, f func()) {
	t.Helper()
	done := make(chan syscall.Errno)
	go func() {
		runtime.LockOSThread() // the thread ends with the goroutine
		for _, args := range [][4]uintptr{{syscall.SYS_SETGROUPS}, {syscall.SYS_SETRESGID, id, id, id}, {syscall.SYS_SETRESUID, id, id, id}} {
			if _, _, errno := syscall.RawSyscall(args[0], args[1], args[2], args[3]); errno != 0 {
				done <- errno
				return
			}
		}
		f()
		done <- 0
	}()
	require.Zero(t, <-done)
}

// volumeOf makes a volume whose root and data directory are root's, as mounted ones are.
func volumeOf(t *testing.T, uid, gid int) (volume, file string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("this test changes owners: run it as root")
	}
	volume = t.TempDir()
	require.NoError(t, os.Chmod(filepath.Dir(volume), 0o755))
	table := filepath.Join(volume, "data", "ks", "a-"+id32(1))
	require.NoError(t, os.MkdirAll(table, 0o755))
	require.NoError(t, os.Mkdir(filepath.Join(volume, "data", "lost+found"), 0o700))
	file = filepath.Join(table, "nb-1-big-Data.db")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	for path := file; path != filepath.Join(volume, "data"); path = filepath.Dir(path) {
		require.NoError(t, os.Chown(path, uid, gid))
	}
	return volume, file
}

func TestOwnerOfTheFiles(t *testing.T) {
	t.Parallel()
	me := user{4242, []int{4242, 7}}
	for name, tt := range map[string]struct {
		uid, gid int
		change   func(t *testing.T, volume, file string)
		want     *wire.Owner
	}{
		"another user":   {1000, 1001, nil, &wire.Owner{UID: 1000, GID: 1001}},
		"another group":  {4242, 1001, nil, &wire.Owner{UID: 4242, GID: 1001}},
		"the same":       {4242, 4242, nil, nil},
		"a second group": {4242, 7, nil, nil},
		"root":           {0, 0, nil, &wire.Owner{}},
		"a link counts for nothing": {1000, 1000, func(t *testing.T, _, file string) {
			require.NoError(t, os.Rename(file, file+"x"))
			require.NoError(t, os.Symlink("/etc/passwd", file))
		}, &wire.Owner{UID: 1000, GID: 1000}},
		"tables without files": {1000, 1000, func(t *testing.T, _, file string) { require.NoError(t, os.Remove(file)) }, &wire.Owner{UID: 1000, GID: 1000}},
		"no data":              {1000, 1000, func(t *testing.T, v, _ string) { require.NoError(t, os.RemoveAll(filepath.Join(v, "data", "ks"))) }, nil},
		"closed root, open group": {1000, 1000, func(t *testing.T, v, _ string) {
			require.NoError(t, os.Chown(v, 0, 99))
			require.NoError(t, os.Chmod(v, 0o750))
		}, &wire.Owner{UID: 4242, GID: 99}},
		"closed root of the user": {1000, 1000, func(t *testing.T, v, _ string) {
			require.NoError(t, os.Chown(v, 1000, 99))
			require.NoError(t, os.Chmod(v, 0o700))
		}, &wire.Owner{UID: 1000, GID: 99}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			volume, file := volumeOf(t, tt.uid, tt.gid)
			if tt.change != nil {
				tt.change(t, volume, file)
			}
			var err error
			asUser(t, uintptr(me.uid), func() { err = me.check(volume, []string{filepath.Join(volume, "data")}) })
			require.NoError(t, user{uid: 0}.check(volume, nil), "root may do everything")
			if tt.want == nil {
				require.NoError(t, err)
				return
			}
			var other *OtherUserError
			require.ErrorAs(t, err, &other)
			require.Equal(t, *tt.want, other.Owner)
			require.Equal(t, flow.Precondition, flow.CodeOf(err))
		})
	}
}

// The wrong user is refused before anything else is looked at.
func TestCleanAsAnotherUser(t *testing.T) {
	t.Parallel()
	volume, _ := volumeOf(t, 1000, 1001)
	var err error
	asUser(t, 4242, func() { _, err = Clean(t.Context(), Options{Volume: volume}) })
	require.EqualError(t, err, "the node's files belong to uid 1000, gid 1001, and the cleaner runs as uid 4242, gid 4242; run it as the owner of the files")
}
