package safefile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// tree is a trusted directory that is reached through a link, and one elsewhere.
func tree(t *testing.T) (f FS, root, elsewhere string) {
	t.Helper()
	real, elsewhere := t.TempDir(), t.TempDir()
	root = filepath.Join(t.TempDir(), "volume")
	require.NoError(t, os.Symlink(real, root))
	require.NoError(t, os.MkdirAll(filepath.Join(root, "a", "b"), 0o755))
	put(t, filepath.Join(root, "a", "b", "file"), "inside")
	put(t, filepath.Join(elsewhere, "file"), "precious")
	return New(root), root, elsewhere
}

func put(t *testing.T, path, content string) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, []byte(content), 0o644))
}

func content(t *testing.T, path string) string {
	t.Helper()
	got, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(got)
}

// operations are all that change or read something at a path.
func operations(f FS, root string) map[string]func(path string) error {
	other := filepath.Join(root, "a", "other")
	source := filepath.Join(root, "a", "b", "file")
	return map[string]func(path string) error{
		"read":     func(p string) error { _, err := f.Read(p, 100); return err },
		"open":     func(p string) error { _, err := f.Open(p); return err },
		"append":   func(p string) error { _, err := f.Append(p); return err },
		"list":     func(p string) error { _, err := f.ReadDir(p); return err },
		"write":    func(p string) error { return f.Write(filepath.Join(p, "new"), nil) },
		"mkdir":    func(p string) error { return f.MkdirAll(filepath.Join(p, "new")) },
		"link":     func(p string) error { return f.Link(p, other) },
		"link to":  func(p string) error { return f.Link(source, p) },
		"copy":     func(p string) error { _, err := f.Copy(p, other, 100); return err },
		"copy to":  func(p string) error { _, err := f.Copy(source, p, 100); return err },
		"below":    func(p string) error { return f.Remove(filepath.Join(p, "file")) },
		"all":      func(p string) error { return f.RemoveAll(filepath.Join(p, "file")) },
		"move":     func(p string) error { return f.Rename(filepath.Join(p, "file"), other) },
		"move to":  func(p string) error { return f.Rename(source, filepath.Join(p, "file")) },
		"sync":     func(p string) error { return f.SyncDir(p) },
		"dir":      func(p string) error { _, err := f.Dir(p); return err },
		"lstat":    func(p string) error { _, err := f.Lstat(filepath.Join(p, "file")); return err },
		"imitate":  func(p string) error { return f.Imitate(filepath.Join(p, "file"), nil) },
		"own":      func(p string) error { return f.Own(filepath.Join(p, "file")) },
		"make":     func(p string) error { return f.Mkdir(filepath.Join(p, "new")) },
		"not here": func(string) error { _, err := f.Read(filepath.Join(root, "..", "x"), 1); return err },
	}
}

func TestNoLinkIsFollowed(t *testing.T) {
	t.Parallel()
	for _, target := range []string{"elsewhere", "inside", "file"} {
		f, root, _ := tree(t)
		for name := range operations(f, root) {
			f, root, elsewhere := tree(t)
			to := map[string]string{"elsewhere": elsewhere, "inside": "b", "file": filepath.Join(elsewhere, "file")}[target]
			link := filepath.Join(root, "a", "link")
			require.NoError(t, os.Symlink(to, link))
			require.Error(t, operations(f, root)[name](link), "%s of a link to %s", name, target)
			require.Equal(t, "precious", content(t, filepath.Join(elsewhere, "file")), name)
			entries, err := os.ReadDir(elsewhere)
			require.NoError(t, err)
			require.Len(t, entries, 1, name)
		}
	}
}

func TestOnlyRegularFiles(t *testing.T) {
	t.Parallel()
	for name, make := range map[string]func(path string) error{
		"fifo":      func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"directory": func(path string) error { return os.Mkdir(path, 0o700) },
	} {
		f, root, _ := tree(t)
		path := filepath.Join(root, "a", "x")
		require.NoError(t, make(path), name)
		for _, operation := range []string{"read", "open", "append", "link", "copy"} {
			require.ErrorIs(t, operations(f, root)[operation](path), ErrKind, "%s of a %s", operation, name)
		}
	}
}

func TestPathsStayBelow(t *testing.T) {
	t.Parallel()
	f, root, elsewhere := tree(t)
	for _, path := range []string{elsewhere, filepath.Dir(root), root + "x/file", filepath.Join(root, "../x"), root} {
		_, err := f.Read(path, 1)
		require.Error(t, err, path)
	}
	d, err := f.Dir(filepath.Join(root, "a"))
	require.NoError(t, err)
	defer d.Close()
	for _, name := range []string{"", ".", "..", "b/file", "../a", "x\x00"} {
		_, err := d.Open(name)
		require.Error(t, err, name)
		require.Error(t, d.Remove(name), name)
		require.Error(t, d.RemoveAll(name), name)
		require.Error(t, d.Mkdir(name), name)
		require.Error(t, d.Link("b", d, name), name)
		require.Error(t, d.Rename("b", d, name), name)
	}
	require.FileExists(t, filepath.Join(root, "a", "b", "file"))
	err = f.Remove(filepath.Join(root, "a", "missing"))
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.ErrorContains(t, err, filepath.Join(root, "a", "missing"))
	require.NoError(t, f.RemoveAll(filepath.Join(root, "none", "missing")))
}

func TestWrite(t *testing.T) {
	t.Parallel()
	f, root, elsewhere := tree(t)
	path := filepath.Join(root, "a", "doc")
	require.NoError(t, os.Symlink(filepath.Join(elsewhere, "file"), path+".tmp"))
	require.NoError(t, os.Symlink(filepath.Join(elsewhere, "file"), path))
	require.NoError(t, f.Write(path, []byte("new")))
	require.Equal(t, "new", content(t, path))
	require.Equal(t, "precious", content(t, filepath.Join(elsewhere, "file")))
	require.NoFileExists(t, path+".tmp")
	require.Error(t, f.Write(filepath.Join(root, "a", "b"), nil), "a directory is not replaced")
	require.NoFileExists(t, filepath.Join(root, "a", "b.tmp"))
}

func TestSizes(t *testing.T) {
	t.Parallel()
	f, root, _ := tree(t)
	path := filepath.Join(root, "a", "sparse")
	put(t, path, "")
	require.NoError(t, os.Truncate(path, 3<<30))
	_, err := f.Read(path, 6)
	var size *SizeError
	require.ErrorAs(t, err, &size)
	got, err := f.Read(filepath.Join(root, "a", "b", "file"), 6)
	require.NoError(t, err)
	require.Equal(t, "inside", string(got))
}

func TestAppendHasOneName(t *testing.T) {
	t.Parallel()
	f, root, _ := tree(t)
	journal, file := filepath.Join(root, "a", "journal"), filepath.Join(root, "a", "b", "file")
	require.NoError(t, os.Link(file, journal))
	_, err := f.Append(journal)
	require.ErrorIs(t, err, ErrShared)
	require.NoError(t, os.Remove(journal))
	for range 2 {
		a, err := f.Append(journal)
		require.NoError(t, err)
		_, err = a.WriteString("x")
		require.NoError(t, errors.Join(err, a.Close()))
	}
	require.Equal(t, "xx", content(t, journal))
}

func TestLikeAndImitate(t *testing.T) {
	t.Parallel()
	f, root, _ := tree(t)
	for mode, want := range map[fs.FileMode][2]fs.FileMode{0o755: {0o755, 0o644}, 0o700: {0o700, 0o600}, 0o777: {0o775, 0o664}, 0o500: {0o700, 0o600}} {
		like := filepath.Join(t.TempDir(), "like")
		require.NoError(t, errors.Join(os.Mkdir(like, 0o700), os.Chmod(like, mode)))
		info, err := os.Stat(like)
		require.NoError(t, err)
		dir := filepath.Join(root, "a", mode.String())
		own := f.Like(info)
		require.NoError(t, errors.Join(own.MkdirAll(filepath.Join(dir, "sub")), own.Write(filepath.Join(dir, "file"), nil)))
		for i, path := range []string{filepath.Join(dir, "sub"), filepath.Join(dir, "file")} {
			got, err := os.Stat(path)
			require.NoError(t, err)
			require.Equal(t, want[i], got.Mode().Perm(), "%s of %s", path, mode)
		}
	}
	from, to := filepath.Join(root, "a", "b", "file"), filepath.Join(root, "a", "copy")
	then := time.Now().Add(-time.Hour)
	require.NoError(t, errors.Join(os.Chmod(from, 0o604), os.Chtimes(from, then, then)))
	n, err := f.Copy(from, to, 100)
	require.NoError(t, err)
	require.EqualValues(t, 6, n)
	a, err := os.Stat(from)
	require.NoError(t, err)
	b, err := os.Stat(to)
	require.NoError(t, err)
	require.Equal(t, a.Mode(), b.Mode())
	require.Equal(t, a.ModTime(), b.ModTime())
	require.False(t, os.SameFile(a, b))
	require.NoError(t, f.Link(from, filepath.Join(root, "a", "linked")))
	c, err := os.Stat(filepath.Join(root, "a", "linked"))
	require.NoError(t, err)
	require.True(t, os.SameFile(a, c))
}
