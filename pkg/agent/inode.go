package agent

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/casshook/casshook/pkg/agent/storage"
	"github.com/casshook/casshook/pkg/sstable"
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

// newestTimes are the times of the newest file of every SSTable in directories, by
// the inode of its Data.db.
func (n *node) newestTimes(dirs []string) (map[storage.Inode]time.Time, error) {
	newest := map[string]time.Time{}
	data := map[string]storage.Inode{}
	err := n.eachFile(dirs, func(path string, info os.FileInfo) {
		name, ok := sstable.ParseName(filepath.Base(path))
		if !ok {
			return
		}
		key := filepath.Join(filepath.Dir(path), name.Base())
		if info.ModTime().After(newest[key]) {
			newest[key] = info.ModTime()
		}
		if name.Component == sstable.Data {
			data[key] = storage.InodeOf(info)
		}
	})
	times := map[storage.Inode]time.Time{}
	for key, inode := range data {
		times[inode] = newest[key]
	}
	return times, err
}

// countInodes counts the Data.db files of live directories that are among the
// inodes.
func (n *node) countInodes(dirs []string, inodes map[storage.Inode]time.Time) (int, error) {
	count := 0
	err := n.eachFile(dirs, func(path string, info os.FileInfo) {
		_, ours := inodes[storage.InodeOf(info)]
		if storage.IsData(path) && ours {
			count++
		}
	})
	return count, err
}
