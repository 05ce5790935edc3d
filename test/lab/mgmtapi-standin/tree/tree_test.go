package tree

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/test/lab/mgmtapi-standin/front"
)

func TestDirectoriesAndScripts(t *testing.T) {
	t.Parallel()
	l := front.Layout{Root: t.TempDir()}
	require.NoError(t, directories(l))
	require.NoError(t, scripts(l))
	require.NoError(t, os.WriteFile(filepath.Join(l.Volume(), "on the volume"), nil, 0o644))
	require.FileExists(t, filepath.Join(l.Home(), "data", "on the volume"), "the link works in the image and below any root")
	for path, mode := range map[string]os.FileMode{
		filepath.Join(l.Home(), "bin", "nodetool"): 0o755, filepath.Join(l.Home(), "conf", "logback.xml"): 0o644,
		filepath.Join(l.Home(), "lib"): 0o755, l.Etc(): 0o755,
	} {
		info, err := os.Stat(path)
		require.NoError(t, err)
		require.Equal(t, mode, info.Mode().Perm(), path)
	}
}

// The wrapper finds its jars beside itself, through links too, and passes arguments as they are.
func TestNodetoolScript(t *testing.T) {
	t.Parallel()
	l := front.Layout{Root: t.TempDir()}
	require.NoError(t, directories(l))
	require.NoError(t, scripts(l))
	java := filepath.Join(l.Root, "jre", "bin", "java")
	require.NoError(t, os.MkdirAll(filepath.Dir(java), 0o755))
	require.NoError(t, os.WriteFile(java, []byte("#!/bin/sh\nprintf '%s\\n' \"$@\"\n"), 0o755))
	link := filepath.Join(l.Root, "nodetool")
	require.NoError(t, os.Symlink(filepath.Join(l.Home(), "bin", "nodetool"), link))
	cmd := exec.CommandContext(t.Context(), link, "snapshot", "-t", "a b", "$HOME")
	cmd.Env = append(os.Environ(), "JAVA_HOME="+filepath.Join(l.Root, "jre"))
	out, err := cmd.Output()
	require.NoError(t, err)
	argv := strings.Split(strings.TrimSpace(string(out)), "\n")
	want := []string{"-cp", l.Home() + "/lib/*", "org.apache.cassandra.tools.NodeTool", "snapshot", "-t", "a b", "$HOME"}
	require.Equal(t, want, argv[len(argv)-len(want):])
	require.Contains(t, argv, "-Dlogback.configurationFile=file://"+l.Home()+"/conf/logback-tools.xml")
}

func TestJars(t *testing.T) {
	t.Parallel()
	from, to := t.TempDir(), t.TempDir()
	require.ErrorContains(t, jars(from, to), "no jars")
	require.NoError(t, os.WriteFile(filepath.Join(from, "a.jar"), []byte("a"), 0o600))
	require.NoError(t, jars(from, to))
	info, err := os.Stat(filepath.Join(to, "a.jar"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o644), info.Mode().Perm())
}
