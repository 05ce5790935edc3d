package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// mount is one line of a mount table.
type mount struct {
	// device is major:minor of the file system.
	device string
	// root is the directory of that file system that is seen at point.
	root, point string
	readOnly    bool
}

// mountTable is in the order of mounting: at one point the last is seen.
type mountTable []mount

// mounter is what the driver needs of the kernel's mounts.
type mounter interface {
	// List is the table of this process.
	List() (mountTable, error)
	// Bind shows source at target too. It is read-only from its first moment on if it is to be. Not idempotent.
	Bind(source, target string, readOnly bool) error
	// Unmount takes the last mount away from target. It is an error when there is none, or when it is in use.
	Unmount(target string) error
}

// parseMounts reads the format of /proc/self/mountinfo, see proc_pid_mountinfo(5).
func parseMounts(text string) (mountTable, error) {
	var table mountTable
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 6 {
			return nil, fmt.Errorf("parse mount table: %q", line)
		}
		m := mount{device: fields[2], root: unescape(fields[3]), point: unescape(fields[4])}
		for option := range strings.SplitSeq(fields[5], ",") {
			m.readOnly = m.readOnly || option == "ro"
		}
		table = append(table, m)
	}
	return table, nil
}

// unescape turns \040 and the like, as the kernel writes white space and backslashes, into what they stand for.
func unescape(text string) string {
	var out strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] == '\\' && i+3 < len(text) {
			if code, err := strconv.ParseUint(text[i+1:i+4], 8, 8); err == nil {
				out.WriteByte(byte(code))
				i += 3
				continue
			}
		}
		out.WriteByte(text[i])
	}
	return out.String()
}

// at is the mount that is seen at a mount point.
func (t mountTable) at(point string) (mount, bool) {
	for i := len(t) - 1; i >= 0; i-- {
		if t[i].point == point {
			return t[i], true
		}
	}
	return mount{}, false
}

// locate says in which file system a path is, and where in there.
func (t mountTable) locate(path string) (device, root string, ok bool) {
	for dir := path; ; dir = filepath.Dir(dir) {
		if m, found := t.at(dir); found {
			return m.device, filepath.Join(m.root, strings.TrimPrefix(path, dir)), true
		}
		if dir == filepath.Dir(dir) {
			return "", "", false
		}
	}
}

// of lists the mounts that show a directory or a part of it. Those that show more, as the pool's own, are none.
func (t mountTable) of(path string) mountTable {
	device, root, ok := t.locate(path)
	if !ok {
		return nil
	}
	var found mountTable
	for _, m := range t {
		if m.device == device && (m.root == root || strings.HasPrefix(m.root, root+"/")) {
			found = append(found, m)
		}
	}
	return found
}

// resolve spells a path as the mount table does, where its directory exists.
func resolve(path string) string {
	dir, err := filepath.EvalSymlinks(filepath.Dir(path))
	if err != nil {
		return filepath.Clean(path)
	}
	return filepath.Join(dir, filepath.Base(path))
}

// kernel implements mounter.
type kernel struct{}

var _ mounter = kernel{}

// List implements mounter.
func (kernel) List() (mountTable, error) {
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("read mount table: %w", err)
	}
	return parseMounts(string(text))
}

// Bind implements mounter. A bind mount by mount(2) is writable until it is remounted; here the mount gets its attributes before
// it gets its place (Linux 5.12).
func (kernel) Bind(source, target string, readOnly bool) error {
	tree, err := unix.OpenTree(unix.AT_FDCWD, source, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		return fmt.Errorf("clone mount of %s: %w", source, err)
	}
	defer func() { _ = unix.Close(tree) }()
	if readOnly {
		attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}
		if err := unix.MountSetattr(tree, "", unix.AT_EMPTY_PATH, &attr); err != nil {
			return fmt.Errorf("make mount of %s read-only: %w", source, err)
		}
	}
	if err := unix.MoveMount(tree, "", unix.AT_FDCWD, target, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return fmt.Errorf("mount %s on %s: %w", source, target, err)
	}
	return nil
}

// Unmount implements mounter.
func (kernel) Unmount(target string) error {
	if err := unix.Unmount(target, unix.UMOUNT_NOFOLLOW); err != nil {
		if errors.Is(err, unix.EBUSY) {
			return fmt.Errorf("unmount %s: %w", target, errBusy)
		}
		return fmt.Errorf("unmount %s: %w", target, err)
	}
	return nil
}
