package storage

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/casshook/casshook/pkg/safefile"
)

// Owner is the user and the group that Cassandra's files on the volumes belong to.
type Owner struct{ UID, GID int }

// Owner finds them; ok is false where the data directories have several.
func (v *Volumes) Owner() (o Owner, ok bool) {
	for i, dir := range v.DataDirs {
		info, err := os.Stat(dir)
		if err != nil {
			return o, false
		}
		st, isStat := info.Sys().(*syscall.Stat_t)
		if !isStat {
			return o, false
		}
		found := Owner{int(st.Uid), int(st.Gid)}
		if i > 0 && found != o {
			return o, false
		}
		o = found
	}
	return o, len(v.DataDirs) > 0
}

// Reown gives casshook's directories and files on the volume the owner and mode of the
// data directory. A release that ran as root left them to root, and Cassandra, which
// imports from below them, could not enter. Files with a second name are Cassandra's.
func (v *Volumes) Reown() error {
	files, dir := v.Files(), v.Dir()
	if !files.IsDir(dir) {
		return nil
	}
	if err := files.Own(dir); err != nil {
		return err
	}
	d, err := files.Dir(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return reown(d)
}

func reown(d *safefile.Dir) error {
	entries, err := d.ReadDir()
	if err != nil {
		return err
	}
	for _, e := range entries {
		info, err := d.Lstat(e.Name())
		if err != nil {
			return err
		}
		st, ok := info.Sys().(*syscall.Stat_t)
		if !info.IsDir() && (!info.Mode().IsRegular() || !ok || st.Nlink > 1) {
			continue
		}
		if err := d.Own(e.Name()); err != nil {
			return err
		}
		if !info.IsDir() {
			continue
		}
		sub, err := d.Dir(e.Name())
		if err != nil {
			return err
		}
		err = reown(sub)
		sub.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// Unreachable names the first directory, from a trusted one down to path, that the owner
// of Cassandra's files may not read and enter, "" if there is none. Groups beside the
// owner's own are not known, so of directories that are not ours a group of another number
// counts as theirs.
func (v *Volumes) Unreachable(path string) (string, error) {
	o, ok := v.Owner()
	if !ok || o.UID == 0 {
		return "", nil
	}
	files := v.Files()
	var parts []string
	for p := path; p != v.Volume && p != filepath.Dir(p); p = filepath.Dir(p) {
		parts = append([]string{p}, parts...)
	}
	for _, p := range parts {
		info, err := files.Stat(p)
		if err != nil {
			continue // above the trusted directories
		}
		if !o.enters(info) {
			return p, nil
		}
	}
	return "", nil
}

func (o Owner) enters(info fs.FileInfo) bool {
	const read, enter = 0o4, 0o1
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return true
	}
	bits := info.Mode().Perm()
	switch {
	case int(st.Uid) == o.UID:
		bits >>= 6
	case int(st.Gid) == o.GID:
		bits >>= 3
	}
	return bits&(read|enter) == read|enter
}

// Become sets the user and group of the whole process. With keepRoot the files are reached
// as that user, and programs can still be started as root.
func Become(uid, gid int, keepRoot bool) error {
	if err := syscall.Setgroups([]int{gid}); err != nil {
		return err
	}
	other, otherGroup := uid, gid
	if keepRoot {
		other, otherGroup = 0, 0
	}
	if err := syscall.Setresgid(otherGroup, gid, otherGroup); err != nil {
		return err
	}
	return syscall.Setresuid(other, uid, other)
}
