package image

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAptLooksAtAnEmptySystem(t *testing.T) {
	t.Parallel()
	require.Equal(t, []string{
		"apt-get", "-qq", "-y", "-o", "Dir::State::status=/d/status", "-o", "Dir::Cache::archives=/d", "-o", "Dir::Cache::pkgcache=",
		"-o", "Dir::Cache::srcpkgcache=", "-o", "APT::Sandbox::User=root", "-o", "Debug::NoLocking=true",
		"--no-install-recommends", "--download-only", "install", "--", "bash", "less",
	}, aptCommand("/d", []string{"bash", "less"}))
}

func TestWhatScriptsWouldHaveDone(t *testing.T) {
	t.Parallel()
	root := filepath.Join(t.TempDir(), "root")
	require.NoError(t, skeleton(root))
	add := func(name, text string, mode os.FileMode) {
		path := filepath.Join(root, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), mode))
	}
	add("bin/mawk", "", 0o755)
	add("usr/share/doc/x/copyright", "", 0o644)
	add("usr/share/ca-certificates/b.crt", "B\n", 0o644)
	add("usr/share/ca-certificates/a.crt", "A", 0o644)
	add("usr/share/ca-certificates/notes", "N", 0o644)
	add("usr/lib/jvm/java-17-openjdk-amd64/bin/java", "", 0o755)
	for range 2 {
		for _, step := range []func(string) error{removeDocs, makeDirs, writeFiles, linkAlternatives, bundleCertificates} {
			require.NoError(t, step(root))
		}
	}
	for name, want := range map[string]string{
		"bin": "usr/bin", "sbin": "usr/sbin", "lib": "usr/lib", "lib64": "usr/lib64", "usr/bin/awk": "mawk", "usr/bin/java": "/usr/lib/jvm/java-17-openjdk-amd64/bin/java",
	} {
		target, err := os.Readlink(filepath.Join(root, name))
		require.NoError(t, err)
		require.Equal(t, want, target)
	}
	for name, want := range map[string]string{
		"etc/ssl/certs/ca-certificates.crt": "A\nB\n",
		"etc/group":                         "root:x:0:\ncassandra:x:999:\nnogroup:x:65534:\n",
		"etc/passwd":                        "root:x:0:0:root:/root:/bin/bash\ncassandra:x:999:999::/opt/cassandra:/bin/bash\nnobody:x:65534:65534:nobody:/:/usr/sbin/nologin\n",
	} {
		text, err := os.ReadFile(filepath.Join(root, name))
		require.NoError(t, err)
		require.Equal(t, want, string(text))
	}
	require.FileExists(t, filepath.Join(root, "usr/bin/mawk"), "bin is a link")
	require.NoDirExists(t, filepath.Join(root, "usr/share/doc"))
	info, err := os.Stat(filepath.Join(root, "tmp"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o777)|os.ModeSticky, info.Mode()&^os.ModeDir)
	require.DirExists(t, filepath.Join(root, "opt/cassandra"))
}

func TestARootThatIsNotFinishedIsRemoved(t *testing.T) {
	t.Parallel()
	s := open(t)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.Root(ended, []string{"bash"})
	require.ErrorContains(t, err, "make root file system of 1 packages")
	entries, err := os.ReadDir(filepath.Join(s.dir, "roots"))
	require.NoError(t, err)
	require.Empty(t, entries, "what was begun is removed")
}

func TestUnpackTellsWhatIsWrong(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"dpkg-deb", "tar"} {
		if _, err := exec.LookPath(tool); err != nil {
			err := run(command(t.Context(), tool))
			require.ErrorContains(t, err, tool+" is not on PATH")
			return
		}
	}
	deb := filepath.Join(t.TempDir(), "broken_1_amd64.deb")
	require.NoError(t, os.WriteFile(deb, []byte("no package"), 0o644))
	err := unpack(t.Context(), deb, t.TempDir())
	require.ErrorContains(t, err, "unpack broken_1_amd64.deb: run dpkg-deb: exit status 2: dpkg-deb: error:")
}

func TestRun(t *testing.T) {
	t.Parallel()
	require.NoError(t, run(command(t.Context(), "true")))
	err := run(command(t.Context(), "sh", "-c", "echo out; echo err >&2; exit 3"))
	require.ErrorContains(t, err, "run sh: exit status 3: ")
	require.ErrorContains(t, err, "out")
	require.ErrorContains(t, err, "err")
	err = run(command(t.Context(), "no-such-program-at-all"))
	require.True(t, errors.Is(err, errMissingTool))
	require.ErrorContains(t, err, "no-such-program-at-all is not on PATH")
}
