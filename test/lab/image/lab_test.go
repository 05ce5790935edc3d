package image

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/stretchr/testify/require"
)

// buildStatic compiles the pause program.
func buildStatic(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "pause")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", path, "github.com/casshook/casshook/test/lab/kube/modules/pause")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return path
}

func content(t *testing.T, image *Image) (lines []string, files map[string]string, entrypoint, cmd []string) {
	t.Helper()
	back, err := tarball.ImageFromPath(image.Path, nil)
	require.NoError(t, err)
	requireWhole(t, back)
	layers, err := back.Layers()
	require.NoError(t, err)
	r, err := layers[0].Uncompressed()
	lines, files = list(t, r, err)
	file, err := back.ConfigFile()
	require.NoError(t, err)
	return lines, files, file.Config.Entrypoint, file.Config.Cmd
}

func TestProgramImages(t *testing.T) {
	t.Parallel()
	s := open(t)
	binary := buildStatic(t)
	for range 2 {
		pause, err := s.Pause(t.Context(), "casshook.lab/pause:1", binary)
		require.NoError(t, err)
		lines, files, entrypoint, _ := content(t, pause)
		require.Equal(t, []string{"0 -rwxr-xr-x pause"}, lines)
		require.Equal(t, []string{"/pause"}, entrypoint)
		want, err := os.ReadFile(binary)
		require.NoError(t, err)
		require.True(t, string(want) == files["pause"])
	}
	require.Equal(t, Counts{Packed: 1, Reused: 1, Written: 1, Kept: 1}, s.Counts(), "the same program is not packed again")

	_, err := s.CoreDNS(t.Context(), "casshook.lab/coredns:1", binary)
	require.NoError(t, err)
	require.Equal(t, int64(2), s.Counts().Packed, "the same program by another name is another layer")
	entries, err := filepath.Glob(filepath.Join(s.dir, ".tree-*"))
	require.NoError(t, err)
	require.Empty(t, entries)
}

func TestProgramsThatCannotBeAlone(t *testing.T) {
	t.Parallel()
	s := open(t)
	script := filepath.Join(t.TempDir(), "script")
	require.NoError(t, os.WriteFile(script, []byte("#!/bin/sh\n"), 0o755))
	_, err := s.Pause(t.Context(), ref, script)
	require.ErrorContains(t, err, "make pause image: look at program ")
	_, err = s.CoreDNS(t.Context(), ref, "/no/such/program")
	require.ErrorContains(t, err, "no such file")
	_, err = s.Pause(t.Context(), ref, "/bin/sh")
	require.ErrorContains(t, err, "/bin/sh is not static")
	_, err = s.Busybox(t.Context(), ref, "/no/such/busybox")
	require.ErrorContains(t, err, "Debian: busybox-static")
}

func TestBusyboxTree(t *testing.T) {
	t.Parallel()
	s := open(t)
	root := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(root, "bin"), 0o755))
	require.NoError(t, fillBusybox(root, []string{"busybox", "ls", "sh", "["}))
	r, err := layer(t, s, Tree{Dir: root}).Uncompressed()
	lines, files := list(t, r, err)
	require.Equal(t, []string{
		"5 drwxr-xr-x bin/", "2 Lrwxrwxrwx bin/[ -> busybox", "2 Lrwxrwxrwx bin/ls -> busybox", "2 Lrwxrwxrwx bin/sh -> busybox",
		"5 drwxr-xr-x etc/", "0 -rw-r--r-- etc/group", "0 -rw-r--r-- etc/passwd", "5 drwxr-xr-x root/", "2 Lrwxrwxrwx sbin -> bin",
		"5 dtrwxrwxrwx tmp/", "5 drwxr-xr-x usr/", "2 Lrwxrwxrwx usr/bin -> ../bin", "2 Lrwxrwxrwx usr/sbin -> ../bin",
	}, lines)
	require.Equal(t, "root:x:0:0:root:/root:/bin/sh\n", files["etc/passwd"])
	require.ErrorContains(t, fillBusybox(root, []string{"../ls"}), "not the name of a program")
}

func TestReferencesAsFileNames(t *testing.T) {
	t.Parallel()
	s := open(t)
	seen := map[string]bool{}
	for _, ref := range []string{"casshook.lab/a:1", "casshook.lab/a:2", "casshook.lab:5000/a/b:1"} {
		image, err := s.Write(t.Context(), ref, nil, nil, Config{})
		require.NoError(t, err)
		require.Equal(t, ref, image.Ref)
		require.False(t, strings.ContainsAny(filepath.Base(image.Path), ":/"))
		seen[image.Path] = true
	}
	require.Len(t, seen, 3)
}
