//go:build debian

package image

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// The tests with the tag debian need Debian's tools, apt's lists, and the network.

func TestARealRoot(t *testing.T) {
	t.Parallel()
	s := open(t)
	packages := []string{"base-files", "dash", "coreutils", "libc-bin"}
	root, err := s.Root(t.Context(), packages)
	require.NoError(t, err)
	again, err := s.Root(t.Context(), packages)
	require.NoError(t, err)
	require.Equal(t, root, again)
	first := write(t, s, layer(t, s, Tree{Dir: root}))

	require.FileExists(t, filepath.Join(root, "usr/bin/dash"))
	require.FileExists(t, filepath.Join(root, "etc/ld.so.cache"))
	require.NoDirExists(t, filepath.Join(root, "var/cache/ldconfig"))
	if os.Geteuid() == 0 {
		out, err := exec.CommandContext(t.Context(), "chroot", root, "/bin/sh", "-c", "ls -d /usr/bin/env; cat /etc/group | tail -1").CombinedOutput()
		require.NoError(t, err)
		require.Equal(t, "/usr/bin/env\nnogroup:x:65534:\n", string(out))
	}

	other := open(t)
	root, err = other.Root(t.Context(), packages)
	require.NoError(t, err)
	require.Equal(t, first.ID, write(t, other, layer(t, other, Tree{Dir: root})).ID, "made anew it is the same")

	_, err = s.Root(t.Context(), []string{"no-such-package-at-all"})
	require.ErrorContains(t, err, "no-such-package-at-all")
	require.ErrorContains(t, err, "apt-get update")
}

func TestTheJavaImage(t *testing.T) {
	t.Parallel()
	s := open(t)
	image, err := s.Java(t.Context(), "casshook.lab/java:17")
	require.NoError(t, err)
	lines, files, _, _ := content(t, image)
	require.Contains(t, lines, "5 drwxr-xr-x opt/cassandra/ owned")
	require.Contains(t, lines, "2 Lrwxrwxrwx usr/bin/java -> /usr/lib/jvm/java-17-openjdk-amd64/bin/java")
	require.NotEmpty(t, files["usr/lib/jvm/java-17-openjdk-amd64/bin/java"])
	_, err = s.Java(t.Context(), "casshook.lab/java:17")
	require.NoError(t, err)
	require.Equal(t, Counts{Packed: 1, Reused: 1, Written: 1, Kept: 1}, s.Counts())
}

func TestTheRealBusybox(t *testing.T) {
	t.Parallel()
	s := open(t)
	image, err := s.Busybox(t.Context(), ref, "/bin/busybox")
	require.NoError(t, err)
	lines, _, _, cmd := content(t, image)
	require.Contains(t, lines, "0 -rwxr-xr-x bin/busybox")
	require.Contains(t, lines, "2 Lrwxrwxrwx bin/sh -> busybox")
	require.Equal(t, []string{"/bin/sh"}, cmd)
}
