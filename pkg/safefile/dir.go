package safefile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"unsafe"
)

// Errors of what is not what its name says.
var (
	// ErrLink is a symbolic link where a directory or a file is expected.
	ErrLink = errors.New("is a symbolic link: casshook does not follow links below a volume or a data directory")
	// ErrKind is neither the directory nor the regular file that is expected.
	ErrKind = errors.New("is neither the regular file nor the directory that belongs there")
	// ErrShared is a file with a second name, which is not written to.
	ErrShared = errors.New("has another name (a hard link): it is not written to")
)

// SizeError is a file that is larger than any that casshook writes.
type SizeError struct {
	Path  string
	Limit int64
}

// Error implements error.
func (e *SizeError) Error() string {
	return fmt.Sprintf("%s: larger than %d bytes, which no such file of casshook's is", e.Path, e.Limit)
}

// Dir is an open directory. Names are those of its entries, never paths. It must be
// closed.
type Dir struct {
	root  *os.Root
	path  string
	owner *owner
}

// Close closes the directory.
func (d *Dir) Close() { _ = d.root.Close() }

// Path is the path that the directory was opened by.
func (d *Dir) Path() string { return d.path }

// at gives an error the whole path.
func (d *Dir) at(op, name string, err error) error {
	if err == nil {
		return nil
	}
	var path *fs.PathError
	var link *os.LinkError
	switch {
	case errors.As(err, &path):
		err = path.Err
	case errors.As(err, &link):
		err = link.Err
	}
	return &fs.PathError{Op: op, Path: filepath.Join(d.path, name), Err: err}
}

// entry refuses what is no name of an entry.
func (d *Dir) entry(op, name string) error {
	if name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\x00") {
		return &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	return nil
}

// Lstat describes an entry; a symbolic link itself.
func (d *Dir) Lstat(name string) (fs.FileInfo, error) {
	if err := d.entry("lstat", name); err != nil {
		return nil, err
	}
	info, err := d.root.Lstat(name)
	return info, d.at("lstat", name, err)
}

// Dir opens a directory in this one, which must be there and be no link.
func (d *Dir) Dir(name string) (*Dir, error) {
	info, err := d.Lstat(name)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return nil, d.at("open", name, kind(info))
	}
	next, err := d.root.OpenRoot(name)
	if err != nil {
		return nil, d.at("open", name, err)
	}
	sub := &Dir{root: next, path: filepath.Join(d.path, name), owner: d.owner}
	if got, err := next.Stat("."); err != nil || !os.SameFile(info, got) { // exchanged meanwhile
		sub.Close()
		return nil, d.at("open", name, errors.Join(ErrLink, err))
	}
	return sub, nil
}

// kind says what is wrong with what is not of the right kind.
func kind(info fs.FileInfo) error {
	if info.Mode()&fs.ModeSymlink != 0 {
		return ErrLink
	}
	return ErrKind
}

// Open opens a regular file for reading.
func (d *Dir) Open(name string) (*os.File, error) { return d.open(name, os.O_RDONLY) }

// open opens a regular file that is there.
func (d *Dir) open(name string, flags int) (*os.File, error) {
	info, err := d.Lstat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, d.at("open", name, kind(info))
	}
	f, err := d.root.OpenFile(name, flags|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, d.at("open", name, err)
	}
	if got, err := f.Stat(); err != nil || !os.SameFile(info, got) {
		return nil, errors.Join(d.at("open", name, errors.Join(ErrLink, err)), f.Close())
	}
	return f, nil
}

// Create makes a file that is not there yet, for writing.
func (d *Dir) Create(name string) (*os.File, error) { return d.create(name, os.O_WRONLY) }

func (d *Dir) create(name string, flags int) (*os.File, error) {
	if err := d.entry("create", name); err != nil {
		return nil, err
	}
	f, err := d.root.OpenFile(name, flags|os.O_CREATE|os.O_EXCL, fileMode)
	if err != nil {
		return nil, d.at("create", name, err)
	}
	if err := d.Own(name); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// Append opens a regular file for reading and appending, and makes it if need be.
func (d *Dir) Append(name string) (*os.File, error) {
	f, err := d.create(name, os.O_RDWR|os.O_APPEND)
	if !errors.Is(err, fs.ErrExist) {
		return f, err
	}
	if f, err = d.open(name, os.O_RDWR|os.O_APPEND); err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if st, ok := statOf(info); err == nil && ok && st.Nlink > 1 {
		err = d.at("open", name, ErrShared)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func statOf(info fs.FileInfo) (*syscall.Stat_t, bool) {
	if info == nil {
		return nil, false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	return st, ok
}

// ReadDir lists the directory, sorted by name.
func (d *Dir) ReadDir() ([]fs.DirEntry, error) {
	f, err := d.root.Open(".")
	if err != nil {
		return nil, d.at("open", "", err)
	}
	defer f.Close()
	entries, err := f.ReadDir(-1)
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, d.at("readdir", "", err)
}

// Mkdir makes a directory, with the owner and mode of what is made here.
func (d *Dir) Mkdir(name string) error {
	if err := d.entry("mkdir", name); err != nil {
		return err
	}
	if err := d.root.Mkdir(name, dirMode); err != nil {
		return d.at("mkdir", name, err)
	}
	return d.Own(name)
}

// Own gives an entry the owner and the mode that what is made here has.
func (d *Dir) Own(name string) error {
	info, err := d.Lstat(name)
	if err != nil || d.owner == nil {
		return err
	}
	return d.at("chown", name, d.owner.give(d.root, name, info))
}

// Remove removes a file, a symbolic link itself, or an empty directory.
func (d *Dir) Remove(name string) error {
	if err := d.entry("remove", name); err != nil {
		return err
	}
	return d.at("remove", name, d.root.Remove(name))
}

// RemoveAll removes an entry and all below it, through no link.
func (d *Dir) RemoveAll(name string) error {
	if err := d.entry("remove", name); err != nil {
		return err
	}
	return d.at("remove", name, d.root.RemoveAll(name))
}

// Sync makes the names in the directory durable.
func (d *Dir) Sync() error {
	return d.do(func(fd uintptr) error { return d.at("sync", "", syscall.Fsync(int(fd))) })
}

// do calls f with the directory's file descriptor.
func (d *Dir) do(f func(fd uintptr) error) error {
	dir, err := d.root.Open(".")
	if err != nil {
		return d.at("open", "", err)
	}
	defer dir.Close()
	return f(dir.Fd())
}

// Link gives a regular file of this directory a second name in another.
func (d *Dir) Link(name string, to *Dir, as string) error {
	if err := errors.Join(d.entry("link", name), to.entry("link", as)); err != nil {
		return err
	}
	info, err := d.Lstat(name)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return d.at("link", name, kind(info))
	}
	if err := d.pair(to, name, as, syscall.SYS_LINKAT); err != nil {
		return err
	}
	got, err := to.Lstat(as)
	if err != nil || !os.SameFile(info, got) {
		return errors.Join(d.at("link", name, ErrLink), err, to.Remove(as))
	}
	return nil
}

// Rename moves an entry of this directory to another, where it replaces a file.
func (d *Dir) Rename(name string, to *Dir, as string) error {
	if err := errors.Join(d.entry("rename", name), to.entry("rename", as)); err != nil {
		return err
	}
	return d.pair(to, name, as, syscall.SYS_RENAMEAT)
}

// pair makes a system call of two directories and two names; os.Root has those of one
// directory only.
func (d *Dir) pair(to *Dir, name, as string, call uintptr) error {
	from, err := syscall.BytePtrFromString(name)
	if err != nil {
		return err
	}
	target, err := syscall.BytePtrFromString(as)
	if err != nil {
		return err
	}
	return d.do(func(fd uintptr) error {
		return to.do(func(toFD uintptr) error {
			_, _, errno := syscall.Syscall6(call, fd, uintptr(unsafe.Pointer(from)), toFD, uintptr(unsafe.Pointer(target)), 0, 0)
			if errno != 0 {
				return &os.LinkError{Op: "link", Old: filepath.Join(d.path, name), New: filepath.Join(to.path, as), Err: errno}
			}
			return nil
		})
	})
}
