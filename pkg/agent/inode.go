package agent

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/casshook/casshook/pkg/agent/storage"
)

// eachFile calls f for every file of the directories; "" and missing ones, and
// files that vanish meanwhile, are passed over.
func (n *node) eachFile(dirs []string, f func(path string, info os.FileInfo)) error {
	for _, dir := range dirs {
		if dir == "" {
			continue
		}
		entries, err := n.Files().ReadDir(dir)
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

// inodesOf are the inodes of the Data.db files of directories.
func (n *node) inodesOf(dirs []string) (map[storage.Inode]bool, error) {
	found := map[storage.Inode]bool{}
	err := n.eachFile(dirs, func(path string, info os.FileInfo) {
		if storage.IsData(path) {
			found[storage.InodeOf(info)] = true
		}
	})
	return found, err
}

// countInodes counts the Data.db files of live directories that are among the
// inodes and have a name that Cassandra gave them.
func (n *node) countInodes(dirs []string, inodes map[storage.Inode]bool) (int, error) {
	count := 0
	err := n.eachFile(dirs, func(path string, info os.FileInfo) {
		if _, placed := placedName(filepath.Base(path)); storage.IsData(path) && !placed && inodes[storage.InodeOf(info)] {
			count++
		}
	})
	return count, err
}
