package agent

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/agent/wire"
)

// inMountNamespace runs the rest of a test in a process with a mount namespace of its own, which ends with it.
func inMountNamespace(t *testing.T, do func(t *testing.T)) {
	t.Helper()
	const inside = "CASSHOOK_TEST_IN_NAMESPACE"
	if os.Getenv(inside) == t.Name() {
		require.NoError(t, syscall.Mount("", "/", "", syscall.MS_PRIVATE|syscall.MS_REC, ""))
		do(t)
		return
	}
	names := strings.Split(t.Name(), "/")
	for i, name := range names {
		names[i] = "^" + regexp.QuoteMeta(name) + "$"
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run", strings.Join(names, "/"), "-test.v")
	cmd.Env = append(os.Environ(), inside+"="+t.Name())
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	if os.Geteuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Geteuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getegid(), Size: 1}}
	}
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "--- PASS: "+t.Name(), "it ran")
}

func mount(t testing.TB, source, dir, kind string, flags uintptr) {
	t.Helper()
	require.NoError(t, syscall.Mount(source, dir, kind, flags, ""))
	t.Cleanup(func() { require.NoError(t, syscall.Unmount(dir, 0)) })
}

// TestWhatIsBesideADataDirectoryStaysAsItIs: somebody else may have a directory of that name there.
func TestWhatIsBesideADataDirectoryStaysAsItIs(t *testing.T) {
	t.Parallel()
	inMountNamespace(t, func(t *testing.T) {
		v := newVolume(t, 1)
		dir := t.TempDir()
		mount(t, "tmpfs", dir, "tmpfs", 0)
		v.data[0] = filepath.Join(dir, "data")
		theirs := filepath.Join(dir, "casshook", "theirs")
		require.NoError(t, os.MkdirAll(v.data[0], 0o755))
		require.NoError(t, os.MkdirAll(filepath.Dir(theirs), 0o700))
		require.NoError(t, os.WriteFile(theirs, nil, 0o600))
		n, err := newNode(wire.Hello{Node: v.node("")})
		require.NoError(t, err)
		require.NoError(t, n.prepareFor(os.Getuid()))
		for path, mode := range map[string]os.FileMode{theirs: 0o600, filepath.Dir(theirs): 0o700 | os.ModeDir} {
			info, err := os.Stat(path)
			require.NoError(t, err)
			require.Equal(t, mode, info.Mode(), path)
		}
	})
}
