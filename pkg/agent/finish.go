package agent

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/document"
	"github.com/casshook/casshook/pkg/sstable"
)

// finish ends a restore. The done marker comes first: from then on nothing of it
// is ever done again, and what follows can be repeated.
func (n *node) finish(_ context.Context, _ call, args wire.FinishArgs) (wire.FinishResult, error) {
	var r wire.FinishResult
	dir, err := n.restoreDir(args.RestoreID)
	if err != nil {
		return r, err
	}
	if err := n.beginRestore(dir, args.BackupID); err != nil {
		return r, err
	}
	done := filepath.Join(dir, doneFile)
	if _, err := os.Lstat(done); err != nil {
		info := doneInfo{Version: document.Version, BackupID: args.BackupID, Time: time.Now().UTC(), Report: args.Report}
		if err := writeDocument(done, info); err != nil {
			return r, err
		}
	}
	if err := n.removeStage(args.RestoreID); err != nil {
		return r, err
	}
	touched := n.deadDirs(args.BackupID, args.LiveIDs)
	removed, err := n.removeAuto(dir)
	r.AutoSnapshots = len(removed)
	if err != nil {
		return r, err
	}
	for _, s := range removed {
		touched = append(touched, filepath.Dir(filepath.Dir(s)))
	}
	if !args.KeepBackup {
		if r.Snapshots, err = n.clearOne(args.BackupID); err != nil {
			return r, err
		}
	}
	r.Directories = removeDead(touched, args.LiveIDs)
	return r, nil
}

// deadDirs are the table directories that carry the backup's snapshot and whose
// table id exists no more: tables that the restore created under new ids.
func (n *node) deadDirs(tag string, liveIDs []string) []string {
	var dirs []string
	for _, dataDir := range n.DataDirs {
		found, err := document.SnapshotDirs(dataDir, tag)
		if err != nil {
			continue // clearing the snapshot reports it
		}
		for _, s := range found {
			dirs = append(dirs, filepath.Dir(filepath.Dir(s)))
		}
	}
	return dirs
}

// removeDead removes directories of tables that exist no more and hold nothing
// but empty directories; rmdir refuses everything else.
func removeDead(dirs, liveIDs []string) int {
	live := map[string]bool{}
	for _, id := range liveIDs {
		live[sstable.CompactID(id)] = true
	}
	removed := 0
	for _, dir := range dirs {
		_, id, ok := sstable.ParseTableDir(filepath.Base(dir))
		if !ok || live[id] {
			continue
		}
		entries, err := os.ReadDir(dir)
		if err != nil {
			continue
		}
		for _, e := range entries {
			if e.IsDir() && (e.Name() == sstable.SnapshotsDir || e.Name() == "backups" || strings.HasPrefix(e.Name(), ".")) {
				removeIfEmpty(filepath.Join(dir, e.Name()))
			}
		}
		if removeIfEmpty(dir) {
			removed++
			removeIfEmpty(filepath.Dir(dir))
		}
	}
	return removed
}
