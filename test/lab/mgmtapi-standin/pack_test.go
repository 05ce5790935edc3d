package standin

import (
	"archive/zip"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestPackIsTheSameForTheSameClasses(t *testing.T) {
	t.Parallel()
	jar := func(order ...string) []byte {
		dir := t.TempDir()
		for _, name := range order {
			path := filepath.Join(dir, "classes", name)
			require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
			require.NoError(t, os.WriteFile(path, []byte(name), 0o644))
			old := time.Unix(int64(len(order[0]))*1e6, 0)
			require.NoError(t, os.Chtimes(path, old, old))
		}
		path := filepath.Join(dir, "agent.jar")
		require.NoError(t, pack(filepath.Join(dir, "classes"), path))
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		return text
	}
	a, b, stub := "casshook/lab/A.class", "casshook/lab/Bb.class", "org/apache/cassandra/locator/SeedProvider.class"
	first := jar(a, b, stub)
	require.Equal(t, first, jar(b, stub, a))

	path := filepath.Join(t.TempDir(), "jar")
	require.NoError(t, os.WriteFile(path, first, 0o644))
	reader, err := zip.OpenReader(path)
	require.NoError(t, err)
	defer func() { _ = reader.Close() }()
	var names []string
	for _, f := range reader.File {
		names = append(names, f.Name)
	}
	require.Equal(t, []string{"META-INF/MANIFEST.MF", a, b}, names, "no stubs")
	manifest, err := reader.File[0].Open()
	require.NoError(t, err)
	text, err := io.ReadAll(manifest)
	require.NoError(t, err)
	require.Contains(t, string(text), "\r\nPremain-Class: casshook.lab.StandInAgent\r\n")
}
