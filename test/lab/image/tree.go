package image

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Tree is a directory that becomes a layer.
type Tree struct {
	// Dir is the directory; it must not be a symbolic link.
	Dir string
	// At is where in the image it goes; the root when empty. Directories on the way there are root's, with mode 0755.
	At string
	// Owners of parts of it; all else is root's, whoever owns the files here.
	Owners []Owner
	// Public lets everybody read and run everything (mode 0755), whatever the modes here: they follow the umask of who made the
	// files. Directories that are sticky keep theirs.
	Public bool
}

// Owner gives a path in the image and all below it to a user. Of several that match, the last counts.
type Owner struct {
	// Path as in the image, as opt/cassandra.
	Path     string
	UID, GID int
}

// entry is a file, directory or symbolic link of a tree.
type entry struct {
	// name in the image, without a slash at the beginning.
	name string
	// file on this machine; "" is a directory on the way to Tree.At.
	file string
	info fs.FileInfo
	// target of a symbolic link; of a file that has another name in the tree, that name.
	target string
	same   bool
}

// inode names a file whatever it is called.
type inode struct{ device, number uint64 }

// formatVersion is raised when the same tree becomes other bytes, so that old keys count no more.
const formatVersion = "casshook layer 1"

// entries lists the tree: parents before children, names sorted within a directory.
func (t Tree) entries(ctx context.Context) ([]entry, error) {
	if info, err := os.Lstat(t.Dir); err != nil {
		return nil, err
	} else if !info.IsDir() {
		return nil, errors.New("it is not a directory")
	}
	at := strings.Trim(path.Clean("/"+t.At), "/")
	var found []entry
	for i, c := range at {
		if c == '/' {
			found = append(found, entry{name: at[:i]})
		}
	}
	names := map[inode]string{}
	err := filepath.WalkDir(t.Dir, func(file string, d fs.DirEntry, err error) error {
		if err := errors.Join(err, ctx.Err()); err != nil {
			return err
		}
		rel, err := filepath.Rel(t.Dir, file)
		if err != nil {
			return err
		}
		name := path.Join(at, filepath.ToSlash(rel))
		if name == "." || d.Type() == fs.ModeSocket {
			return nil
		}
		e, err := newEntry(name, file, d, names)
		found = append(found, e)
		return err
	})
	return found, err
}

func newEntry(name, file string, d fs.DirEntry, names map[inode]string) (entry, error) {
	info, err := d.Info()
	if err != nil {
		return entry{}, err
	}
	e := entry{name: name, file: file, info: info}
	switch info.Mode().Type() {
	case fs.ModeDir:
	case fs.ModeSymlink:
		e.target, err = os.Readlink(file)
	case 0:
		st := stat(info)
		id := inode{device: st.Dev, number: st.Ino}
		if first, ok := names[id]; ok {
			e.target, e.same = first, true
		} else {
			names[id] = name
		}
	default:
		err = fmt.Errorf("%s is a %s: only files, directories and symbolic links can be packed", file, kindOf(info.Mode()))
	}
	return e, err
}

func kindOf(mode fs.FileMode) string {
	if mode&fs.ModeNamedPipe != 0 {
		return "named pipe"
	}
	return "device"
}

func stat(info fs.FileInfo) *syscall.Stat_t { return info.Sys().(*syscall.Stat_t) }

// key identifies tree and content as far as it can be told without reading files. A time of change is set by the kernel
// alone, at every write.
func (t Tree) key(entries []entry) string {
	sum := sha256.New()
	fmt.Fprintf(sum, "%s\n%+v\n%v\n", formatVersion, t.Owners, t.Public)
	for _, e := range entries {
		fmt.Fprintf(sum, "%q %q %t", e.name, e.target, e.same)
		if e.info != nil {
			fmt.Fprintf(sum, " %o", e.info.Mode())
		}
		if e.info != nil && e.info.Mode().IsRegular() {
			st := stat(e.info)
			fmt.Fprintf(sum, " %d %d:%d %d.%d %d", st.Size, st.Dev, st.Ino, st.Ctim.Sec, st.Ctim.Nsec, e.info.ModTime().UnixNano())
		}
		fmt.Fprintln(sum)
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// grain is how far apart two changes must be to be told apart by their times, on kernels with coarse clocks.
const grain = 20 * time.Millisecond

// settled lists the tree and its key once the last change is so long ago that the next would show.
func (t Tree) settled(ctx context.Context) ([]entry, string, error) {
	for {
		entries, err := t.entries(ctx)
		if err != nil {
			return nil, "", err
		}
		var last time.Time
		for _, e := range entries {
			if e.info != nil && e.info.Mode().IsRegular() {
				changed := stat(e.info).Ctim
				if at := time.Unix(changed.Sec, changed.Nsec); at.After(last) {
					last = at
				}
			}
		}
		age := time.Since(last)
		if age < 0 || age > grain { // below zero the clock was set back; waiting may take years
			return entries, t.key(entries), nil
		}
		select {
		case <-ctx.Done():
			return nil, "", fmt.Errorf("wait for the last change to be over: %w", ctx.Err())
		case <-time.After(grain - age + time.Millisecond):
		}
	}
}

func (t Tree) owner(name string) (uid, gid int) {
	for _, o := range t.Owners {
		prefix := strings.Trim(path.Clean("/"+o.Path), "/")
		if prefix == "" || name == prefix || strings.HasPrefix(name, prefix+"/") {
			uid, gid = o.UID, o.GID
		}
	}
	return uid, gid
}

// header describes an entry without anything that depends on machine, user or time.
func (t Tree) header(e entry) *tar.Header {
	uid, gid := t.owner(e.name)
	h := &tar.Header{Name: e.name, Uid: uid, Gid: gid, ModTime: epoch()}
	if e.info == nil {
		h.Typeflag, h.Name, h.Mode = tar.TypeDir, e.name+"/", 0o755
		h.Uid, h.Gid = 0, 0
		return h
	}
	h.Mode = int64(stat(e.info).Mode & 0o7777)
	if t.Public && e.info.Mode()&fs.ModeSticky == 0 {
		h.Mode = 0o755
	}
	switch {
	case e.same:
		h.Typeflag, h.Linkname = tar.TypeLink, e.target
	case e.info.IsDir():
		h.Typeflag, h.Name = tar.TypeDir, e.name+"/"
	case e.info.Mode()&fs.ModeSymlink != 0:
		h.Typeflag, h.Linkname, h.Mode = tar.TypeSymlink, e.target, 0o777
	default:
		h.Typeflag, h.Size = tar.TypeReg, e.info.Size()
	}
	return h
}

// WriteTar writes the tar file that a directory becomes as a layer.
func WriteTar(ctx context.Context, w io.Writer, tree Tree) error {
	entries, err := tree.entries(ctx)
	if err != nil {
		return fmt.Errorf("pack %s: %w", tree.Dir, err)
	}
	return writeTar(&cancellable{ctx: ctx, w: w}, tree, entries)
}

func writeTar(w io.Writer, tree Tree, entries []entry) error {
	out := tar.NewWriter(w)
	for _, e := range entries {
		h := tree.header(e)
		if err := out.WriteHeader(h); err != nil {
			return fmt.Errorf("%s: %w", e.name, err)
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		if err := copyFile(out, e.file); err != nil {
			return fmt.Errorf("%s: %w", e.name, err)
		}
	}
	return out.Close()
}

func copyFile(w io.Writer, file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	_, err = io.Copy(w, f)
	return err
}
