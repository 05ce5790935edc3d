//go:build ring && full

package tree_test

import (
	"crypto/sha256"
	"debug/elf"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/test/lab/cassandra"
	"github.com/casshook/casshook/test/lab/mgmtapi-standin/front"
	"github.com/casshook/casshook/test/lab/mgmtapi-standin/tree"
)

func TestWriteIsTheSameEachTime(t *testing.T) {
	write := func() (front.Layout, map[string]string) {
		dir, err := os.MkdirTemp(cassandra.Scratch(), "tree")
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
		require.NoError(t, tree.Write(t.Context(), "5.0.9", dir))
		return front.Layout{Root: dir}, digests(t, dir)
	}
	l, first := write()
	_, second := write()
	require.Equal(t, first, second)
	require.Contains(t, first, "opt/cassandra/lib/cassandra-all-5.0.9.jar")
	require.ErrorContains(t, tree.Write(t.Context(), "5.0.9", l.Root), "is there already")

	program, err := elf.Open(l.Binary())
	require.NoError(t, err)
	defer func() { _ = program.Close() }()
	libraries, err := program.ImportedLibraries()
	require.NoError(t, err)
	require.Empty(t, libraries, "static")
}

// digests are type, mode and content of all below a directory.
func digests(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	require.NoError(t, filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil || name == "." {
			return err
		}
		all[name] = info.Mode().String()
		if info.Mode().IsRegular() {
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			all[name] += fmt.Sprintf(" %x", sha256.Sum256(text))
		}
		return nil
	}))
	return all
}
