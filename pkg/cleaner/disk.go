package cleaner

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/casshook/casshook/pkg/agent/storage"
	"github.com/casshook/casshook/pkg/ledger"
	"github.com/casshook/casshook/pkg/safefile"
	"github.com/casshook/casshook/pkg/sstable"
)

// disk is everything by which the cleaner changes a volume, one method for each
// kind of change, so that tests can stop it before any of them.
type disk struct {
	// files reaches the node's directories; what is made has the owner that Cassandra's
	// files have.
	files safefile.FS
	// before is called before every change; tests only.
	before func(operation, path string) error
	// touched directories have names that are not known to be durable.
	touched map[string]bool
	// written directories have new files whose bytes are not known to be.
	written map[string]bool
}

func (d *disk) step(operation, path string) error {
	if d.before == nil {
		return nil
	}
	return d.before(operation, path)
}

func (d *disk) touch(path string) {
	if d.touched == nil {
		d.touched = map[string]bool{}
	}
	d.touched[filepath.Dir(path)] = true
}

// remove removes a file, a symbolic link itself, or an empty directory; what is
// not there is removed.
func (d *disk) remove(path string) error {
	if err := d.step("remove", path); err != nil {
		return err
	}
	d.touch(path)
	if err := d.files.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func (d *disk) link(from, to string) error {
	if err := d.step("link", to); err != nil {
		return err
	}
	d.touch(to)
	return d.files.Link(from, to)
}

// copy makes a copy of a small file with its mode, owner and time. What a killed run
// left of one is not what sameCopy looks for.
func (d *disk) copy(from source, to string) (int64, error) {
	if err := d.step("copy", to); err != nil {
		return 0, err
	}
	d.touch(to)
	if d.written == nil {
		d.written = map[string]bool{}
	}
	d.written[filepath.Dir(to)] = true
	n, err := d.files.CopyBytes(from.path, to, sstable.MaxText)
	if err != nil {
		return 0, err
	}
	if err := d.step("chmod", to); err != nil {
		return 0, err
	}
	return n, d.files.Imitate(to, from.info)
}

// unfinished ends the name of a directory that has not its mode and owner yet.
const unfinished = ".casshook-new"

// isUnfinished tells such a directory, of an index, since only those are made.
func isUnfinished(name string) bool {
	return strings.HasPrefix(name, ".") && strings.HasSuffix(name, unfinished)
}

// mkdir makes a directory with the mode and the owner of another; it has its name
// only when it has those.
func (d *disk) mkdir(path string, like fs.FileInfo) error {
	if err := d.step("mkdir", path); err != nil {
		return err
	}
	d.touch(path)
	if err := d.files.Mkdir(path + unfinished); err != nil {
		return err
	}
	if err := d.files.Imitate(path+unfinished, like); err != nil {
		return err
	}
	if err := d.step("rename", path); err != nil {
		return err
	}
	return d.files.Rename(path+unfinished, path)
}

// sync makes everything durable that was changed since the last sync: names by
// their directories, which a journalling file system does all at once with the
// first; the bytes of thousands of copies by a storage.Syncfs, since they would cost
// thousands of commits one by one.
func (d *disk) sync() error {
	synced := map[uint64]bool{}
	for _, dir := range slices.Sorted(maps.Keys(d.written)) {
		dev, err := d.deviceOf(dir)
		if err != nil {
			return err
		}
		if !synced[dev] {
			if err := d.step("syncfs", dir); err != nil {
				return err
			}
			if err := storage.Syncfs(dir); err != nil {
				return err
			}
		}
		synced[dev] = true
	}
	for _, dir := range slices.Sorted(maps.Keys(d.touched)) {
		dev, err := d.deviceOf(dir)
		if errors.Is(err, fs.ErrNotExist) || synced[dev] {
			continue
		}
		if err := d.step("sync", dir); err != nil {
			return err
		}
		if err := d.files.SyncDir(dir); err != nil {
			return err
		}
	}
	d.written, d.touched = nil, nil
	return nil
}

func (d *disk) deviceOf(path string) (uint64, error) {
	info, err := d.files.Stat(path)
	if err != nil {
		return 0, err
	}
	return storage.InodeOf(info).Dev, nil
}

// write writes a document of ours, with the owner of the directory of all of them.
func (d *disk) write(path string, doc any) error {
	if err := d.step("write", path); err != nil {
		return err
	}
	if err := ledger.Write(d.files, path, doc); err != nil {
		return err
	}
	return d.own(path)
}

// own gives a file of ours the owner that Cassandra's files have: the agent of the
// running node must read and write it whoever the cleaner ran as.
func (d *disk) own(path string) error { return d.files.Own(path) }

// sameCopy tells whether a live file is the copy of the snapshot's that copy would
// make: the same bytes, mode, owner and time, and another file.
func (d *disk) sameCopy(live string, info fs.FileInfo, from source) (bool, error) {
	if storage.InodeOf(info) == storage.InodeOf(from.info) || !sameAttributes(info, from.info) {
		return false, nil
	}
	got, err := d.files.Read(live, sstable.MaxText)
	if err != nil {
		return false, err
	}
	want, err := d.files.Read(from.path, sstable.MaxText)
	return bytes.Equal(got, want), err
}

func sameAttributes(a, b fs.FileInfo) bool {
	sa, sb := a.Sys().(*syscall.Stat_t), b.Sys().(*syscall.Stat_t)
	return a.Size() == b.Size() && a.Mode() == b.Mode() && a.ModTime().Equal(b.ModTime()) && sa.Uid == sb.Uid && sa.Gid == sb.Gid
}

// source is a file of the snapshot.
type source struct {
	path string
	info fs.FileInfo
}

// copied tells whether a file is copied instead of linked: Cassandra rewrites
// TOC.txt in place, and the snapshot's must not change with it.
func copied(name string) bool {
	n, ok := sstable.ParseName(name)
	return ok && n.Component == sstable.TOC
}

// explain says what to do about errors that a person can do something about.
func explain(err error) error {
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("%w: file system full; free some space (file names need little)", err)
	case errors.Is(err, syscall.EROFS):
		return fmt.Errorf("%w: volume is read-only; mount it read-write", err)
	case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		return fmt.Errorf("%w; run the cleaner as the owner of the files", err)
	}
	return err
}
