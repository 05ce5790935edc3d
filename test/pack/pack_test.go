package main

import (
	"archive/tar"
	"errors"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/stretchr/testify/require"
)

// stage makes roots like those of make image, with small programs.
func stage(t *testing.T, when time.Time) options {
	t.Helper()
	dir := t.TempDir()
	for _, arch := range []string{"amd64", "arm64"} {
		for file, content := range map[string]string{
			"casshook": "program for " + arch, "agents/casshook-agent-linux-amd64": "agent 1", "agents/casshook-agent-linux-arm64": "agent 2",
		} {
			path := filepath.Join(dir, arch, "casshook", file)
			require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
			require.NoError(t, os.WriteFile(path, []byte(content), 0o700))
			require.NoError(t, os.Chtimes(path, when, when))
		}
		require.NoError(t, os.Mkdir(filepath.Join(dir, arch, "tmp"), 0o755))
		require.NoError(t, os.Chmod(filepath.Join(dir, arch, "tmp"), 0o777|os.ModeSticky))
	}
	return options{name: "registry.example.org/ops/casshook", version: "1.2.3", stage: dir, out: filepath.Join(dir, "out"), architectures: []string{"amd64", "arm64"}}
}

func TestPackIsReproducible(t *testing.T) {
	t.Parallel()
	first, second := stage(t, time.Unix(1, 0)), stage(t, time.Unix(1_000_000_000, 0))
	_, err := pack(t.Context(), first)
	require.NoError(t, err)
	_, err = pack(t.Context(), second)
	require.NoError(t, err)
	for _, name := range []string{"casshook-1.2.3-amd64.tar", "casshook-1.2.3-arm64.tar", "casshook-1.2.3.oci.tar"} {
		one, err := os.ReadFile(filepath.Join(first.out, name))
		require.NoError(t, err)
		other, err := os.ReadFile(filepath.Join(second.out, name))
		require.NoError(t, err)
		require.Equal(t, one, other, name)
	}
	require.NoError(t, os.WriteFile(filepath.Join(second.stage, "amd64", entrypoint), []byte("another program"), 0o700))
	written, err := pack(t.Context(), second)
	require.NoError(t, err)
	require.Len(t, written, 3)
	one, err := os.ReadFile(filepath.Join(first.out, "casshook-1.2.3-amd64.tar"))
	require.NoError(t, err)
	other, err := os.ReadFile(filepath.Join(second.out, "casshook-1.2.3-amd64.tar"))
	require.NoError(t, err)
	require.NotEqual(t, one, other)
}

func TestImageHoldsWhatWasStaged(t *testing.T) {
	t.Parallel()
	o := stage(t, time.Now())
	_, err := pack(t.Context(), o)
	require.NoError(t, err)
	for _, arch := range o.architectures {
		img, err := tarball.ImageFromPath(filepath.Join(o.out, "casshook-1.2.3-"+arch+".tar"), nil)
		require.NoError(t, err)
		config, err := img.ConfigFile()
		require.NoError(t, err)
		require.Equal(t, arch, config.Architecture)
		require.Equal(t, []string{entrypoint}, config.Config.Entrypoint)
		require.Equal(t, "65532:65532", config.Config.User)
		layers, err := img.Layers()
		require.NoError(t, err)
		require.Len(t, layers, 1)
		content, err := layers[0].Uncompressed()
		require.NoError(t, err)
		files := map[string]tar.Header{}
		texts := map[string]string{}
		for r := tar.NewReader(content); ; {
			header, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			require.NoError(t, err)
			text, err := io.ReadAll(r)
			require.NoError(t, err)
			files[header.Name], texts[header.Name] = *header, string(text)
		}
		require.Len(t, files, 6)
		require.Equal(t, "program for "+arch, texts["casshook/casshook"])
		require.Equal(t, "agent 2", texts["casshook/agents/casshook-agent-linux-arm64"], "every image has the agents of both")
		for name, header := range files {
			require.Zero(t, header.Uid+header.Gid, name)
			mode := int64(0o755)
			if name == "tmp/" {
				mode = 0o1777
			}
			require.Equal(t, mode, header.Mode, name)
		}
	}
}

func TestPackRefuses(t *testing.T) {
	t.Parallel()
	missing := stage(t, time.Now())
	require.NoError(t, os.Remove(filepath.Join(missing.stage, "arm64", entrypoint)))
	_, err := pack(t.Context(), missing)
	require.ErrorContains(t, err, "the program is not staged")
	pipe := stage(t, time.Now())
	require.NoError(t, syscall.Mkfifo(filepath.Join(pipe.stage, "amd64", "casshook", "pipe"), 0o600))
	_, err = pack(t.Context(), pipe)
	require.ErrorContains(t, err, "only files, directories and symbolic links")
	name := stage(t, time.Now())
	name.version = "no tag"
	_, err = pack(t.Context(), name)
	require.ErrorContains(t, err, "image name")
}
