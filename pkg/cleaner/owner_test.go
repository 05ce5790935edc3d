package cleaner

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/agent/storage"
	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/document"
)

const beCleaner = "CASSHOOK_TEST_CLEAN"

// TestMain lets the test's own program be a cleaner, of the wreck below a directory.
func TestMain(m *testing.M) {
	if root := os.Getenv(beCleaner); root != "" {
		opts := wreckOptions(root, false)
		opts.Progress = func(message string) { fmt.Println(message) }
		opts.Become = func(uid, gid int) error { return storage.Become(uid, gid, false) }
		if _, err := Clean(context.Background(), opts); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

const (
	ownerUID = 999
	ownerGID = 998
)

// ownedWreck is a small one whose files belong to a user, and who may reach it.
func ownedWreck(t *testing.T) (*wreck, string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("this test changes owners: run it as root")
	}
	w, root := smallWreck(t)
	require.NoError(t, os.Chmod(root, 0o755))
	w.chown()
	return w, root
}

func (w *wreck) chown() {
	w.t.Helper()
	for name := range portrait(w.t, w.root) {
		require.NoError(w.t, os.Lchown(w.path(name), ownerUID, ownerGID))
	}
}

// others lists what does not belong to the owner.
func (w *wreck) others() []string {
	w.t.Helper()
	var found []string
	for name := range portrait(w.t, w.root) {
		info, err := os.Lstat(w.path(name))
		require.NoError(w.t, err)
		if st := info.Sys().(*syscall.Stat_t); st.Uid != ownerUID || st.Gid != ownerGID {
			found = append(found, name)
		}
	}
	return found
}

// cleanProcess runs a cleaner in a process of its own, and gives what it says.
func cleanProcess(t *testing.T, root string) (string, error) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), beCleaner+"="+root)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// Root that cannot become another makes everything as the files that are there.
func TestCleanKeepsOwners(t *testing.T) {
	t.Parallel()
	w, root := ownedWreck(t)
	_, err := Clean(t.Context(), wreckOptions(root, false))
	require.NoError(t, err)
	require.Empty(t, w.others())
}

func TestCleanGivesUpRoot(t *testing.T) {
	t.Parallel()
	w, root := ownedWreck(t)
	require.NoError(t, os.Lchown(w.path("casshook"), 0, 0)) // as a release that stayed root left it
	require.NoError(t, os.Lchown(w.path("casshook", testID, document.NodeFile), 0, 0))
	out, err := cleanProcess(t, root)
	require.NoError(t, err, out)
	require.Contains(t, out, "working as uid 999, gid 998")
	require.Empty(t, w.others())
	r, err := Clean(t.Context(), wreckOptions(root, false))
	require.NoError(t, err)
	require.Equal(t, wire.StateUnchanged, r.State, "all is done")
}

// What the owner may not do is not done, although root could.
func TestCleanIsNoLongerRoot(t *testing.T) {
	t.Parallel()
	w, root := ownedWreck(t)
	before := w.live(0)
	require.NoError(t, os.Chmod(before, 0o555))
	had := withoutRestores(portrait(t, w.root))
	out, err := cleanProcess(t, root)
	require.Error(t, err)
	require.Contains(t, out, "working as uid 999, gid 998")
	require.Contains(t, out, "directory "+before+": permission denied")
	require.Equal(t, had, withoutRestores(portrait(t, w.root)), "nothing was changed")
}

// What needs root is done by root, and said.
func TestCleanStaysRoot(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(t *testing.T, w *wreck) string{
		"a file of the snapshot is another's": func(t *testing.T, w *wreck) string {
			files, err := filepath.Glob(filepath.Join(w.live(1), "snapshots", testID, "*-Data.db"))
			require.NoError(t, err)
			require.NotEmpty(t, files)
			for _, file := range files {
				require.NoError(t, os.Lchown(file, 0, 0))
			}
			return filepath.Base(files[0])
		},
		"a directory is another group's": func(t *testing.T, w *wreck) string {
			require.NoError(t, os.Lchown(w.live(0), ownerUID, 1))
			return w.live(0) + " does not belong"
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, root := ownedWreck(t)
			what := change(t, w)
			var said []string
			opts := wreckOptions(root, false)
			opts.Progress = func(message string) { said = append(said, message) }
			opts.Become = func(int, int) error { t.Error("gives up root"); return nil }
			_, err := Clean(t.Context(), opts)
			require.NoError(t, err)
			require.Contains(t, strings.Join(said, "\n"), "working as root: ")
			require.Contains(t, strings.Join(said, "\n"), what)
		})
	}
}

// A dry run changes nothing, its own user included.
func TestDryRunStaysWhoItIs(t *testing.T) {
	t.Parallel()
	_, root := ownedWreck(t)
	opts := wreckOptions(root, false)
	opts.DryRun = true
	opts.Become = func(int, int) error { t.Error("gives up root"); return nil }
	_, err := Clean(t.Context(), opts)
	require.NoError(t, err)
}
