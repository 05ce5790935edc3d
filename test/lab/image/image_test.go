package image

import (
	"archive/tar"
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/stretchr/testify/require"
)

const ref = "casshook.lab/test:1"

func open(t *testing.T) *Store {
	t.Helper()
	s, err := Open(t.TempDir(), slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	return s
}

// sample is a directory with one of everything that can be packed, and with a socket.
func sample(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "image") // a socket's path must be short
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	for name, text := range map[string]string{"bin/tool": "#!/bin/sh\n", "etc/conf": "a=1\n", "opt/app/data": strings.Repeat("x", 5000), "opt/application": "", "opt/empty/.keep": ""} {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
	require.NoError(t, os.Chmod(filepath.Join(dir, "bin/tool"), 0o755|os.ModeSetuid))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "tmp"), 0o755))
	require.NoError(t, os.Chmod(filepath.Join(dir, "tmp"), 0o777|os.ModeSticky))
	require.NoError(t, os.Symlink("bin", filepath.Join(dir, "sbin")))
	require.NoError(t, os.Symlink("/no/such/file", filepath.Join(dir, "etc/dangling")))
	require.NoError(t, os.Link(filepath.Join(dir, "opt/app/data"), filepath.Join(dir, "opt/app/hard")))
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	require.NoError(t, err)
	require.NoError(t, syscall.Bind(fd, &syscall.SockaddrUnix{Name: filepath.Join(dir, "etc/socket")}))
	require.NoError(t, syscall.Close(fd))
	return dir
}

func layer(t *testing.T, s *Store, tree Tree) *Layer {
	t.Helper()
	l, err := s.Layer(t.Context(), tree)
	require.NoError(t, err)
	return l
}

func write(t *testing.T, s *Store, layers ...*Layer) *Image {
	t.Helper()
	image, err := s.Write(t.Context(), ref, nil, layers, Config{})
	require.NoError(t, err)
	return image
}

// list reads a tar stream as lines of name, type, mode, owner and target, and the files' contents.
func list(t *testing.T, r io.ReadCloser, err error) (lines []string, content map[string]string) {
	t.Helper()
	require.NoError(t, err)
	defer func() { require.NoError(t, r.Close()) }()
	content = map[string]string{}
	for in := tar.NewReader(r); ; {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			return lines, content
		}
		require.NoError(t, err)
		require.True(t, h.ModTime.Equal(epoch()), h.Name)
		require.Empty(t, h.Uname+h.Gname)
		text, err := io.ReadAll(in)
		require.NoError(t, err)
		lines = append(lines, describe(h))
		if h.Typeflag == tar.TypeReg {
			content[h.Name] = string(text)
		}
	}
}

func describe(h *tar.Header) string {
	line := string(h.Typeflag) + " " + h.FileInfo().Mode().String() + " " + h.Name
	if h.Uid != 0 || h.Gid != 0 {
		line += " owned"
	}
	if h.Linkname != "" {
		line += " -> " + h.Linkname
	}
	return line
}

// requireWhole reads every layer and compares it with the digest that the configuration has for it.
func requireWhole(t *testing.T, image v1.Image) {
	t.Helper()
	file, err := image.ConfigFile()
	require.NoError(t, err)
	layers, err := image.Layers()
	require.NoError(t, err)
	require.Len(t, layers, len(file.RootFS.DiffIDs))
	for i, l := range layers {
		r, err := l.Uncompressed()
		require.NoError(t, err)
		sum, _, err := v1.SHA256(r)
		require.NoError(t, errors.Join(err, r.Close()))
		require.Equal(t, file.RootFS.DiffIDs[i], sum)
	}
}

func TestWhatIsPackedComesBack(t *testing.T) {
	t.Parallel()
	s := open(t)
	tree := Tree{Dir: sample(t), Owners: []Owner{{Path: "/opt/app/", UID: 999, GID: 999}, {Path: "opt/app/hard", UID: 0, GID: 0}}}
	image := write(t, s, layer(t, s, tree))

	back, err := tarball.ImageFromPath(image.Path, nil)
	require.NoError(t, err)
	requireWhole(t, back)
	layers, err := back.Layers()
	require.NoError(t, err)
	require.Len(t, layers, 1)
	r, err := layers[0].Uncompressed()
	lines, content := list(t, r, err)
	require.Equal(t, []string{
		"5 drwxr-xr-x bin/",
		"0 urwxr-xr-x bin/tool",
		"5 drwxr-xr-x etc/",
		"0 -rw-r--r-- etc/conf",
		"2 Lrwxrwxrwx etc/dangling -> /no/such/file",
		"5 drwxr-xr-x opt/",
		"5 drwxr-xr-x opt/app/ owned",
		"0 -rw-r--r-- opt/app/data owned",
		"1 -rw-r--r-- opt/app/hard -> opt/app/data",
		"0 -rw-r--r-- opt/application",
		"5 drwxr-xr-x opt/empty/",
		"0 -rw-r--r-- opt/empty/.keep",
		"2 Lrwxrwxrwx sbin -> bin",
		"5 dtrwxrwxrwx tmp/",
	}, lines)
	for name, text := range content {
		want, err := os.ReadFile(filepath.Join(tree.Dir, name))
		require.NoError(t, err)
		require.Equal(t, string(want), text, name)
	}
	id, err := back.ConfigName()
	require.NoError(t, err)
	require.Equal(t, image.ID, id.String())
	tags, err := tarball.LoadManifest(func() (io.ReadCloser, error) { return os.Open(image.Path) })
	require.NoError(t, err)
	require.Equal(t, []string{ref}, tags[0].RepoTags)
}

func TestTheSameInputGivesTheSameBytes(t *testing.T) {
	t.Parallel()
	var ids []string
	var archives []string
	for range 2 { // other inodes, other times, another store
		s := open(t)
		image := write(t, s, layer(t, s, Tree{Dir: sample(t)}))
		text, err := os.ReadFile(image.Path)
		require.NoError(t, err)
		ids, archives = append(ids, image.ID), append(archives, string(text))
	}
	require.Equal(t, ids[0], ids[1])
	require.True(t, archives[0] == archives[1])
}

func TestNothingIsPackedTwice(t *testing.T) {
	t.Parallel()
	s := open(t)
	dir := sample(t)
	for range 3 {
		write(t, s, layer(t, s, Tree{Dir: dir}))
	}
	require.Equal(t, Counts{Packed: 1, Reused: 2, Written: 1, Kept: 2}, s.Counts())

	again, err := Open(s.dir, s.log)
	require.NoError(t, err)
	write(t, again, layer(t, again, Tree{Dir: dir}))
	require.Equal(t, Counts{Reused: 1, Kept: 1}, again.Counts(), "what another process packed counts, too")
}

// Every change must show, the smallest included: a byte changed in place right after the tree was packed.
func TestEveryChangeIsSeen(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(dir string) error{
		"a byte": func(dir string) error { return os.WriteFile(filepath.Join(dir, "etc/conf"), []byte("a=2\n"), 0o644) },
		"a byte, old time": func(dir string) error {
			path := filepath.Join(dir, "etc/conf")
			info, err := os.Stat(path)
			return errors.Join(err, os.WriteFile(path, []byte("a=2\n"), 0o644), os.Chtimes(path, info.ModTime(), info.ModTime()))
		},
		"a mode":  func(dir string) error { return os.Chmod(filepath.Join(dir, "etc/conf"), 0o600) },
		"a dir's": func(dir string) error { return os.Chmod(filepath.Join(dir, "opt/app"), 0o700) },
		"a link": func(dir string) error {
			return errors.Join(os.Remove(filepath.Join(dir, "sbin")), os.Symlink("opt", filepath.Join(dir, "sbin")))
		},
		"a new file":  func(dir string) error { return os.WriteFile(filepath.Join(dir, "opt/empty/x"), nil, 0o644) },
		"a file gone": func(dir string) error { return os.Remove(filepath.Join(dir, "opt/application")) },
		"a name":      func(dir string) error { return os.Rename(filepath.Join(dir, "opt/app"), filepath.Join(dir, "opt/apq")) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t)
			dir := sample(t)
			before := write(t, s, layer(t, s, Tree{Dir: dir}))
			require.NoError(t, change(dir))
			after := write(t, s, layer(t, s, Tree{Dir: dir}))
			require.NotEqual(t, before.ID, after.ID)
			require.Equal(t, Counts{Packed: 2, Written: 2}, s.Counts())
			require.Equal(t, before.Path, after.Path, "one archive for a reference")
			id, err := ReadID(after.Path)
			require.NoError(t, err)
			require.Equal(t, after.ID, id)
		})
	}
}

func TestOwnersAndPlacesAreInputs(t *testing.T) {
	t.Parallel()
	s := open(t)
	dir := sample(t)
	plain := layer(t, s, Tree{Dir: dir})
	owned := layer(t, s, Tree{Dir: dir, Owners: []Owner{{UID: 7, GID: 8}}})
	placed := layer(t, s, Tree{Dir: dir, At: "/opt/there", Owners: []Owner{{Path: "opt", UID: 7}}})
	require.Len(t, slices.Compact([]string{plain.hash.Hex, owned.hash.Hex, placed.hash.Hex}), 3)

	r, err := placed.Uncompressed()
	lines, _ := list(t, r, err)
	require.Equal(t, []string{"5 drwxr-xr-x opt/", "5 drwx------ opt/there/ owned", "5 drwxr-xr-x opt/there/bin/ owned"}, lines[:3])
	require.Contains(t, lines, "1 -rw-r--r-- opt/there/opt/app/hard owned -> opt/there/opt/app/data")
	r, err = owned.Uncompressed()
	lines, _ = list(t, r, err)
	for _, line := range lines {
		require.Contains(t, line, " owned")
	}
}

func TestBrokenInput(t *testing.T) {
	t.Parallel()
	s := open(t)
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o644))
	link := filepath.Join(t.TempDir(), "link")
	require.NoError(t, os.Symlink(t.TempDir(), link))
	pipe := t.TempDir()
	require.NoError(t, syscall.Mkfifo(filepath.Join(pipe, "fifo"), 0o644))
	for dir, want := range map[string]string{
		"/no/such/dir": "pack /no/such/dir: lstat /no/such/dir: no such file",
		file:           "it is not a directory",
		link:           "it is not a directory",
		pipe:           "fifo is a named pipe: only files, directories and symbolic links can be packed",
	} {
		_, err := s.Layer(t.Context(), Tree{Dir: dir})
		require.ErrorContains(t, err, want)
	}
	for _, ref := range []string{"", "busybox", "busybox:1", "casshook.lab/x", "casshook.lab/UPPER:1"} {
		_, err := s.Write(t.Context(), ref, nil, nil, Config{})
		require.ErrorContains(t, err, "a reference has a registry and a tag", ref)
	}
	_, err := s.Write(t.Context(), ref, nil, []*Layer{nil}, Config{})
	require.ErrorContains(t, err, "a layer is nil")
	_, err = Open(file, s.log)
	require.ErrorContains(t, err, "open image store")
	require.Equal(t, Counts{}, s.Counts())
}

func TestAnEndedContextLeavesNothing(t *testing.T) {
	t.Parallel()
	s := open(t)
	dir := sample(t)
	l := layer(t, s, Tree{Dir: dir})
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.Layer(ended, Tree{Dir: dir})
	require.ErrorIs(t, err, context.Canceled)
	_, err = s.Write(ended, ref, nil, []*Layer{l}, Config{})
	require.ErrorIs(t, err, context.Canceled)
	entries, err := os.ReadDir(filepath.Join(s.dir, "images"))
	require.NoError(t, err)
	require.Empty(t, entries)
}

func TestADamagedStoreIsMended(t *testing.T) {
	t.Parallel()
	s := open(t)
	dir := sample(t)
	l := layer(t, s, Tree{Dir: dir})
	image := write(t, s, l)
	want, err := os.ReadFile(image.Path)
	require.NoError(t, err)
	require.NoError(t, os.Truncate(l.path, 10))
	require.NoError(t, os.Truncate(image.Path, 600))
	_, err = ReadID(image.Path)
	require.Error(t, err)
	write(t, s, layer(t, s, Tree{Dir: dir}))
	require.Equal(t, Counts{Packed: 2, Written: 2}, s.Counts())
	text, err := os.ReadFile(image.Path)
	require.NoError(t, err)
	require.True(t, string(want) == string(text))
}

func TestReadIDOfOtherFiles(t *testing.T) {
	t.Parallel()
	pack := func(name, text string) string {
		path := filepath.Join(t.TempDir(), "x.tar")
		f, err := os.Create(path)
		require.NoError(t, err)
		w := tar.NewWriter(f)
		require.NoError(t, w.WriteHeader(&tar.Header{Name: name, Size: int64(len(text)), Mode: 0o644}))
		_, err = w.Write([]byte(text))
		require.NoError(t, errors.Join(err, w.Close(), f.Close()))
		return path
	}
	for want, path := range map[string]string{
		"no such file":           "/no/such/file",
		"it has no manifest":     pack("other", "x"),
		"read manifest of":       pack("manifest.json", "{"),
		"0 images, not one":      pack("manifest.json", "[]"),
		"cannot parse hash: \"x": pack("manifest.json", `[{"Config":"x"}]`),
	} {
		_, err := ReadID(path)
		require.ErrorContains(t, err, want)
	}
}

func TestAnImageOnABase(t *testing.T) {
	t.Parallel()
	s := open(t)
	one, two := t.TempDir(), t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(one, "one"), []byte("1"), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(two, "two"), []byte("2"), 0o644))
	base, err := s.Write(t.Context(), "casshook.lab/base:1", nil, []*Layer{layer(t, s, Tree{Dir: one})},
		Config{Cmd: []string{"/bin/sh"}, Env: []string{"A=1", "AB=1"}, WorkingDir: "/one", User: "5"})
	require.NoError(t, err)
	top, err := s.Write(t.Context(), ref, base, []*Layer{layer(t, s, Tree{Dir: two})}, Config{Entrypoint: []string{"/two"}, Env: []string{"B=2", "A=2"}})
	require.NoError(t, err)

	back, err := tarball.ImageFromPath(top.Path, nil)
	require.NoError(t, err)
	requireWhole(t, back)
	file, err := back.ConfigFile()
	require.NoError(t, err)
	require.Len(t, file.RootFS.DiffIDs, 2)
	require.Len(t, file.History, 2)
	require.Equal(t, "linux", file.OS)
	require.Equal(t, v1.Config{
		Entrypoint: []string{"/two"}, Env: []string{defaultPath, "AB=1", "B=2", "A=2"}, WorkingDir: "/one", User: "5",
	}, file.Config)
	baseFile, err := base.image.ConfigFile()
	require.NoError(t, err)
	require.Equal(t, []string{"/bin/sh"}, baseFile.Config.Cmd, "the base is as it was")
	require.Equal(t, []string{defaultPath, "A=1", "AB=1"}, baseFile.Config.Env)
}
