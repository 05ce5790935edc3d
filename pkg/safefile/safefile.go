// Package safefile reaches files on volumes whose content may be anybody's. All
// paths lie below a few directories that the caller trusts, which may be reached
// through links themselves. Below them no part of a path may be a symbolic link, only
// regular files are opened, and never in a way that waits for somebody else; what is made
// is made anew, and has the owner and mode that the caller says. Standard library only.
package safefile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// Modes of what is made where no owner is given.
const (
	dirMode  = 0o750
	fileMode = 0o640
)

// FS is the files below some directories, by their whole paths.
type FS struct {
	roots []string
	owner *owner
}

// New is the files below directories, each of which is trusted.
func New(roots ...string) FS {
	f := FS{}
	for _, r := range roots {
		f.roots = append(f.roots, filepath.Clean(r))
	}
	return f
}

// owner is whom new files belong to, and their modes.
type owner struct {
	uid, gid  int
	dir, file fs.FileMode
}

// And is f with one more directory, which is trusted.
func (f FS) And(root string) FS {
	f.roots = append(slices.Clone(f.roots), filepath.Clean(root))
	return f
}

// Like gives what is made the owner and the mode of a directory, but that others never
// may write.
func (f FS) Like(dir fs.FileInfo) FS {
	st, ok := statOf(dir)
	if !ok {
		return f
	}
	const others = 0o002
	mode := dir.Mode().Perm() &^ others
	f.owner = &owner{uid: int(st.Uid), gid: int(st.Gid), dir: mode | dir.Mode()&fs.ModeSetgid | 0o700, file: mode&0o666 | 0o600}
	return f
}

// give changes only what differs: not everybody may.
func (o *owner) give(root *os.Root, name string, info fs.FileInfo) error {
	st, ok := statOf(info)
	if ok && (int(st.Uid) != o.uid || int(st.Gid) != o.gid) {
		err := root.Lchown(name, o.uid, o.gid)
		if err != nil && (os.Geteuid() == 0 || !errors.Is(err, syscall.EPERM)) {
			return err
		}
	}
	mode := o.file
	if info.IsDir() {
		mode = o.dir
	}
	if info.Mode()&(fs.ModePerm|fs.ModeSetgid) == mode || info.Mode()&fs.ModeSymlink != 0 {
		return nil
	}
	return root.Chmod(name, mode)
}

// split finds the directory that a path lies below, and what comes after it.
func (f FS) split(path string) (root string, rest []string, err error) {
	path = filepath.Clean(path)
	for _, r := range f.roots {
		if (path == r || strings.HasPrefix(path, strings.TrimSuffix(r, "/")+"/")) && len(r) > len(root) {
			root = r
		}
	}
	if root == "" {
		return "", nil, &fs.PathError{Op: "open", Path: path, Err: fmt.Errorf("is not below %s", strings.Join(f.roots, ", "))}
	}
	for _, part := range strings.Split(strings.TrimPrefix(path, root), "/") {
		if part != "" {
			rest = append(rest, part)
		}
	}
	return root, rest, nil
}

// Dir opens a directory.
func (f FS) Dir(path string) (*Dir, error) {
	root, rest, err := f.split(path)
	if err != nil {
		return nil, err
	}
	r, err := os.OpenRoot(root)
	if err != nil {
		return nil, err
	}
	d := &Dir{root: r, path: root, owner: f.owner}
	for _, part := range rest {
		next, err := d.Dir(part)
		d.Close()
		if err != nil {
			return nil, err
		}
		d = next
	}
	return d, nil
}

// in calls do with the directory that a path lies in, and its name there.
func (f FS) in(path string, do func(d *Dir, name string) error) error {
	_, rest, err := f.split(path)
	if err != nil {
		return err
	}
	if len(rest) == 0 {
		return &fs.PathError{Op: "open", Path: path, Err: fs.ErrInvalid}
	}
	d, err := f.Dir(filepath.Dir(filepath.Clean(path)))
	if err != nil {
		return err
	}
	defer d.Close()
	return do(d, rest[len(rest)-1])
}

// Open opens a regular file for reading.
func (f FS) Open(path string) (file *os.File, err error) {
	err = f.in(path, func(d *Dir, name string) error { file, err = d.Open(name); return err })
	return file, err
}

// Append opens a regular file for reading and appending, and makes it if need be.
func (f FS) Append(path string) (file *os.File, err error) {
	err = f.in(path, func(d *Dir, name string) error { file, err = d.Append(name); return err })
	return file, err
}

// Read reads a regular file of no more than limit bytes.
func (f FS) Read(path string, limit int64) (content []byte, err error) {
	err = f.in(path, func(d *Dir, name string) error { content, err = d.Read(name, limit); return err })
	return content, err
}

// Read reads a regular file of no more than limit bytes.
func (d *Dir) Read(name string, limit int64) ([]byte, error) {
	file, err := d.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if info, err := file.Stat(); err == nil && info.Size() > limit { // before any of it is kept
		return nil, &SizeError{filepath.Join(d.path, name), limit}
	}
	content, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err == nil && int64(len(content)) > limit {
		err = &SizeError{filepath.Join(d.path, name), limit}
	}
	return content, d.at("read", name, err)
}

// ReadDir lists a directory, sorted by name.
func (f FS) ReadDir(path string) ([]fs.DirEntry, error) {
	d, err := f.Dir(path)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	return d.ReadDir()
}

// Lstat describes what is at a path; a symbolic link itself.
func (f FS) Lstat(path string) (info fs.FileInfo, err error) {
	err = f.in(path, func(d *Dir, name string) error { info, err = d.Lstat(name); return err })
	return info, err
}

// Readlink tells where a symbolic link leads, which nothing here follows.
func (f FS) Readlink(path string) (to string, err error) {
	err = f.in(path, func(d *Dir, name string) error {
		if err := d.entry("readlink", name); err != nil {
			return err
		}
		to, err = d.root.Readlink(name)
		return d.at("readlink", name, err)
	})
	return to, err
}

// Stat describes a directory, which may be one of the trusted.
func (f FS) Stat(path string) (fs.FileInfo, error) {
	d, err := f.Dir(path)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	return d.root.Stat(".")
}

// IsDir tells whether a directory is at a path. A link is none.
func (f FS) IsDir(path string) bool {
	d, err := f.Dir(path)
	if err != nil {
		return false
	}
	d.Close()
	return true
}

// Write writes a file that is either all there or not at all: a temporary name, which
// is made anew, fsync, rename, fsync of the directory.
func (f FS) Write(path string, content []byte) error {
	return f.in(path, func(d *Dir, name string) error {
		tmp := name + ".tmp"
		if err := d.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		file, err := d.Create(tmp)
		if err != nil {
			return err
		}
		_, err = file.Write(content)
		err = errors.Join(err, file.Sync(), file.Close())
		if err == nil {
			err = d.Rename(tmp, d, name)
		}
		if err != nil {
			return errors.Join(fmt.Errorf("write %s: %w", path, err), d.Remove(tmp))
		}
		return d.Sync()
	})
}

// Mkdir makes a directory.
func (f FS) Mkdir(path string) error {
	return f.in(path, func(d *Dir, name string) error { return d.Mkdir(name) })
}

// MkdirAll makes a directory and those above it that are missing. Those that are there
// stay as they are.
func (f FS) MkdirAll(path string) error {
	path = filepath.Clean(path)
	d, err := f.Dir(path)
	if err == nil {
		d.Close()
		return nil
	}
	if _, rest, splitErr := f.split(path); !errors.Is(err, fs.ErrNotExist) || splitErr != nil || len(rest) == 0 {
		return err
	}
	if err := f.MkdirAll(filepath.Dir(path)); err != nil {
		return err
	}
	if err := f.Mkdir(path); !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

// Own gives what is at a path the owner and the mode that new files have.
func (f FS) Own(path string) error {
	return f.in(path, func(d *Dir, name string) error { return d.Own(name) })
}

// Link gives a regular file a second name.
func (f FS) Link(from, to string) error { return f.both(from, to, (*Dir).Link) }

// Rename moves a file or directory; a file that is there is replaced.
func (f FS) Rename(from, to string) error { return f.both(from, to, (*Dir).Rename) }

func (f FS) both(from, to string, do func(d *Dir, name string, to *Dir, as string) error) error {
	return f.in(from, func(d *Dir, name string) error {
		return f.in(to, func(target *Dir, as string) error { return do(d, name, target, as) })
	})
}

// Remove removes a file, a symbolic link itself, or an empty directory.
func (f FS) Remove(path string) error {
	return f.in(path, func(d *Dir, name string) error { return d.Remove(name) })
}

// RemoveAll removes what is at a path and all below it, through no link. What is not
// there is removed, and so is what would lie in a directory that is not.
func (f FS) RemoveAll(path string) error {
	err := f.in(path, func(d *Dir, name string) error { return d.RemoveAll(name) })
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// SyncDir makes the names in a directory durable.
func (f FS) SyncDir(path string) error {
	d, err := f.Dir(path)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
