package storage

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/casshook/casshook/pkg/document"
)

// InsideData is casshook's directory in a data directory that is a mount point, beside
// which there is no place. It is no name of a keyspace.
const InsideData = "." + document.Root

// BesideData is casshook's directory for files of a data directory. Neither a hard link
// nor a rename leaves a mount, so it is the volume's, or one beside the data directory,
// or one in it: the first that is on the data directory's mount.
func (v *Volumes) BesideData(dir int) (string, error) {
	data := v.DataDirs[dir]
	for _, base := range []string{v.Volume, filepath.Dir(data)} {
		same, err := sameMount(base, data)
		if err != nil {
			return "", err
		}
		if same {
			return filepath.Join(base, document.Root), nil
		}
	}
	return filepath.Join(data, InsideData), nil
}

// Dirs are casshook's directories: the volume's, and those of data directories on mounts
// of their own.
func (v *Volumes) Dirs() ([]string, error) {
	dirs := []string{v.Dir()}
	for i := range v.DataDirs {
		dir, err := v.BesideData(i)
		if err != nil {
			return nil, err
		}
		if dir != v.Dir() {
			dirs = append(dirs, dir)
		}
	}
	return dirs, nil
}

// mount is a file system where it is mounted: of one that is mounted twice, link(2)
// refuses to link from one place to the other.
type mount struct {
	dev uint64
	id  string
}

func sameMount(a, b string) (bool, error) {
	ma, err := mountOf(a)
	if err != nil {
		return false, err
	}
	mb, err := mountOf(b)
	return ma == mb, err
}

// mountOf finds the mount of a directory. Its id, see proc_pid_fdinfo(5), is empty where
// there is no /proc.
func mountOf(dir string) (m mount, err error) {
	d, err := os.Open(dir)
	if err != nil {
		return m, err
	}
	defer d.Close()
	var st syscall.Stat_t
	if err := syscall.Fstat(int(d.Fd()), &st); err != nil {
		return m, fmt.Errorf("stat %s: %w", dir, err)
	}
	m.dev = st.Dev
	info, err := os.Open(fmt.Sprintf("/proc/self/fdinfo/%d", d.Fd()))
	if err != nil {
		return m, nil //nolint:nilerr // the device is known
	}
	defer info.Close()
	for lines := bufio.NewScanner(info); lines.Scan(); {
		if id, ok := strings.CutPrefix(lines.Text(), "mnt_id:"); ok {
			m.id = strings.TrimSpace(id)
		}
	}
	return m, nil
}
