package safefile

import (
	"errors"
	"io/fs"
	"time"
)

// Copy makes a copy of a regular file of no more than limit bytes, with its mode, its
// owner and its times, and gives its size.
func (f FS) Copy(from, to string, limit int64) (int64, error) {
	info, err := f.Lstat(from)
	if err != nil {
		return 0, err
	}
	size, err := f.CopyBytes(from, to, limit)
	if err != nil {
		return 0, err
	}
	return size, f.Imitate(to, info)
}

// CopyBytes is Copy of the bytes alone.
func (f FS) CopyBytes(from, to string, limit int64) (size int64, err error) {
	err = f.both(from, to, func(d *Dir, name string, target *Dir, as string) error {
		size, err = d.copy(name, target, as, limit)
		return err
	})
	return size, err
}

func (d *Dir) copy(name string, to *Dir, as string, limit int64) (int64, error) {
	content, err := d.Read(name, limit)
	if err != nil {
		return 0, err
	}
	file, err := to.Create(as)
	if err != nil {
		return 0, err
	}
	_, err = file.Write(content)
	if err := errors.Join(err, file.Close()); err != nil {
		return 0, errors.Join(err, to.Remove(as))
	}
	return int64(len(content)), nil
}

// Imitate gives an entry the owner, the mode and the times of another file.
func (d *Dir) Imitate(name string, like fs.FileInfo) error {
	info, err := d.Lstat(name)
	if err != nil {
		return err
	}
	is, ok := statOf(info)
	want, ok2 := statOf(like)
	if ok && ok2 && (is.Uid != want.Uid || is.Gid != want.Gid) { // before the mode: it clears bits of it
		if err := d.root.Lchown(name, int(want.Uid), int(want.Gid)); err != nil {
			return d.at("chown", name, err)
		}
	}
	const bits = fs.ModePerm | fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky
	if err := d.root.Chmod(name, like.Mode()&bits); err != nil {
		return d.at("chmod", name, err)
	}
	return d.at("chtimes", name, d.root.Chtimes(name, time.Time{}, like.ModTime()))
}

// SetTime gives what is at a path a modification time.
func (f FS) SetTime(path string, modified time.Time) error {
	return f.in(path, func(d *Dir, name string) error {
		return d.at("chtimes", name, d.root.Chtimes(name, time.Time{}, modified))
	})
}

// Imitate gives what is at a path the owner, the mode and the times of another file.
func (f FS) Imitate(path string, like fs.FileInfo) error {
	return f.in(path, func(d *Dir, name string) error { return d.Imitate(name, like) })
}
