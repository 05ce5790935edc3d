package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"time"

	"github.com/casshook/casshook/pkg/agent/storage"
	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/safefile"
	"github.com/casshook/casshook/pkg/sstable"
)

// allTableDirs are the live directories of all tables.
func (n *node) allTableDirs() ([]string, error) {
	var dirs []string
	for _, dataDir := range n.DataDirs {
		found, err := filepath.Glob(filepath.Join(escapeGlob(dataDir), "*", "*-*"))
		if err != nil {
			return nil, err
		}
		for _, dir := range found {
			_, _, ok := sstable.ParseTableDir(filepath.Base(dir))
			if ok && n.Files().IsDir(dir) {
				dirs = append(dirs, dir)
			}
		}
	}
	return dirs, nil
}

// settleTOCs corrects what earlier releases left in the live directories; see
// storage.SettleTOCs. A directory may go meanwhile.
func (n *node) settleTOCs() error {
	dirs, err := n.allTableDirs()
	if err != nil {
		return err
	}
	for _, dir := range dirs {
		if _, err := storage.SettleTOCs(n.Files(), dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("correct the time of TOC.txt files: %w", err)
		}
	}
	return nil
}

// settleLoaded is storage.SettleLoaded in all live directories of a table.
func (n *node) settleLoaded(live []string, times map[storage.Inode]time.Time) error {
	for _, dir := range live {
		if dir == "" {
			continue
		}
		if _, err := storage.SettleLoaded(n.Files(), dir, times); err != nil {
			return fmt.Errorf("keep the times of SSTables: %w", err)
		}
	}
	return nil
}

// deletionLimit bounds the wait for files that Cassandra deletes in the background.
const deletionLimit = 30 * time.Second

// awaitDeletions waits until no file is left of the SSTables that a TRUNCATE took out
// of a table. Cassandra deletes them after it has answered; a refresh that reads the
// directory meanwhile takes one that is half gone for new, and fails. At the limit it
// is for the refresh to say what is wrong.
func awaitDeletions(ctx context.Context, files safefile.FS, dirs []string) error {
	w := flow.Waiting{For: "Cassandra to delete the files of truncated SSTables", Limit: deletionLimit, Every: pollEvery}
	err := flow.Wait(ctx, w, func(context.Context) (string, error) {
		for _, dir := range dirs {
			if dir == "" {
				continue
			}
			base, err := deleting(files, dir)
			if base != "" || err != nil {
				return base, err
			}
		}
		return "", nil
	})
	if errors.Is(err, flow.ErrLimit) {
		return nil
	}
	return err
}

// deleting is an SSTable that has files in a live directory although a transaction
// log removes it, "" where there is none.
func deleting(files safefile.FS, dir string) (string, error) {
	logged, err := storage.InLogs(files, dir)
	if err != nil || len(logged) == 0 {
		return "", err
	}
	there, err := readGroups(files, dir)
	if err != nil {
		return "", err
	}
	for base := range there {
		for _, record := range logged[base] {
			if record.Removes {
				return filepath.Join(dir, base), nil
			}
		}
	}
	return "", nil
}

const (
	// firstID is the first sequence id that we place files under: far above any in
	// use, valid whatever id scheme the node has. lastID is the last one that
	// Cassandra's generator can follow.
	firstID = 2_000_000_001
	lastID  = 1<<31 - 1
	// idGap is left to Cassandra above ids of ours that it has taken for its own: a
	// node that was started over what a killed load had placed goes on from there.
	idGap = 100_000
)

// placedName reports whether a file's name is one that we place.
func placedName(file string) (sstable.Name, bool) {
	name, ok := sstable.ParseName(file)
	return name, ok && sequenceID(name) >= firstID
}

// sequenceID is the id of an SSTable, 0 where it is no number that Cassandra can
// follow.
func sequenceID(name sstable.Name) int64 {
	id, err := strconv.ParseInt(name.ID, 10, 64)
	if err != nil || id > lastID {
		return 0
	}
	return id
}

// firstFree is the first of so many ids that no file and no transaction log in a
// table's live directories names.
func firstFree(files safefile.FS, dirs []string, needed int) (int64, error) {
	highest := int64(0)
	for _, dir := range dirs {
		if dir == "" {
			continue
		}
		entries, err := files.ReadDir(dir)
		if err != nil {
			return 0, err
		}
		for _, e := range entries {
			if name, ok := sstable.ParseName(e.Name()); ok {
				highest = max(highest, sequenceID(name))
			}
		}
		logged, err := storage.InLogs(files, dir)
		if err != nil {
			return 0, err
		}
		for base := range logged {
			if name, ok := sstable.ParseName(sstable.FileOf(base, sstable.Data)); ok {
				highest = max(highest, sequenceID(name))
			}
		}
	}
	next := int64(firstID)
	if highest >= firstID {
		next = highest + idGap
	}
	if next+int64(needed) > lastID {
		return 0, fmt.Errorf("an SSTable in %s has id %d: no higher ones are left, compact the table and run again", firstOf(dirs), highest)
	}
	return next, nil
}

func firstOf(dirs []string) string {
	for _, dir := range dirs {
		if dir != "" {
			return dir
		}
	}
	return ""
}
