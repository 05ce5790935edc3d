package agent

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/casshook/casshook/pkg/sstable"
)

// inode tells a file whatever its name: SSTables are renamed when they are taken.
type inode struct {
	dev, ino uint64
}

func inodeOf(info os.FileInfo) inode {
	st, _ := info.Sys().(*syscall.Stat_t)
	return inode{uint64(st.Dev), st.Ino} //nolint:unconvert // Dev differs between platforms
}

// eachFile calls f for every file of the directories; "" and missing ones, and
// files that vanish meanwhile, are passed over.
func eachFile(dirs []string, f func(path string, info os.FileInfo)) error {
	for _, dir := range dirs {
		if dir == "" {
			continue
		}
		entries, err := os.ReadDir(dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		for _, e := range entries {
			if info, err := e.Info(); err == nil && info.Mode().IsRegular() {
				f(filepath.Join(dir, e.Name()), info)
			}
		}
	}
	return nil
}

func isData(path string) bool {
	return strings.HasSuffix(path, "-"+sstable.Data)
}

// inodesOf are the inodes of the Data.db files of directories.
func inodesOf(dirs []string) (map[inode]bool, error) {
	found := map[inode]bool{}
	err := eachFile(dirs, func(path string, info os.FileInfo) {
		if isData(path) {
			found[inodeOf(info)] = true
		}
	})
	return found, err
}

// countInodes counts the Data.db files of live directories that are among the
// inodes and have a name that Cassandra gave them.
func countInodes(dirs []string, inodes map[inode]bool) (int, error) {
	count := 0
	err := eachFile(dirs, func(path string, info os.FileInfo) {
		if _, placed := placedName(filepath.Base(path)); isData(path) && !placed && inodes[inodeOf(info)] {
			count++
		}
	})
	return count, err
}
