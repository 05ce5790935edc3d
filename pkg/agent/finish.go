package agent

import (
	"context"
	"path/filepath"
	"strings"
	"time"

	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/document"
	"github.com/casshook/casshook/pkg/ledger"
	"github.com/casshook/casshook/pkg/sstable"
)

// finish ends a restore. The done marker comes first: from then on nothing of it
// is ever done again, and what follows can be repeated: the lists of what is to be
// removed, the documents among them, go last.
func (n *node) finish(_ context.Context, _ call, args wire.FinishArgs) (wire.FinishResult, error) {
	var r wire.FinishResult
	dir, err := n.beginRestore(args.RestoreID, args.BackupID, args.Scope)
	if err != nil {
		return r, err
	}
	began := time.Now()
	ending, err := n.Ledger().MarkDone(dir, ledger.Ending{BackupID: args.BackupID, Report: args.Report, KeepBackup: args.KeepBackup})
	if err != nil {
		return r, err
	}
	r.Ended = !ending.Time.Before(began)
	args.KeepBackup = ending.KeepBackup
	if err := n.removeFiles(dir, args, &r); err != nil {
		return r, err
	}
	return r, n.removeRecords(dir, args)
}

// removeFiles removes what a restore that has ended staged and caused, and with it the
// files of the backup, unless that is kept.
func (n *node) removeFiles(dir string, args wire.FinishArgs, r *wire.FinishResult) error {
	if err := n.forgetSuperseded(args); err != nil {
		return err
	}
	if err := n.removeStage(args.RestoreID); err != nil {
		return err
	}
	touched := n.touchedDirs(args.BackupID)
	caused, removed, err := n.removeAuto(dir)
	r.AutoSnapshots = removed
	if err != nil {
		return err
	}
	for _, s := range caused {
		touched = append(touched, filepath.Dir(filepath.Dir(s)))
	}
	if !args.KeepBackup {
		if r.Snapshots, err = n.removeSnapshots(args.BackupID); err != nil {
			return err
		}
	}
	r.Directories = n.removeDead(touched, args.LiveIDs)
	return nil
}

// removeSnapshots removes a backup's snapshot, and all that was staged from it.
func (n *node) removeSnapshots(backup string) (int, error) {
	if err := n.removeStagesOf(backup); err != nil {
		return 0, err
	}
	if err := n.noteRemoval(backup, ledger.Event{Operation: ledger.AfterRestore}); err != nil {
		return 0, err
	}
	return n.clearData(backup)
}

// removeRecords removes what said what was to be removed.
func (n *node) removeRecords(dir string, args wire.FinishArgs) error {
	if err := n.removeIfThere(filepath.Join(dir, autoCaused)); err != nil {
		return err
	}
	if !args.KeepBackup {
		if err := n.Files().RemoveAll(document.BackupDir(n.Volume, args.BackupID)); err != nil {
			return err
		}
	}
	backups, err := document.List(n.Volume)
	if err != nil {
		return err
	}
	return n.Ledger().Retain(backups)
}

// forgetSuperseded removes the records of restores that stopped, and of which this
// one brought back everything. What they staged goes with them.
func (n *node) forgetSuperseded(args wire.FinishArgs) error {
	v, err := n.Inspect()
	if err != nil {
		return err
	}
	over := ledger.Superseded(v, ledger.Restore{ID: args.RestoreID, BackupID: args.BackupID, Scope: args.Scope})
	for _, r := range over {
		if err := n.removeRestore(r); err != nil {
			return err
		}
	}
	return nil
}

// removeRestore removes what a restore staged and caused, and then its record.
func (n *node) removeRestore(r ledger.Restore) error {
	if err := n.removeStage(r.ID); err != nil {
		return err
	}
	if err := n.recordAuto(r.ID); err != nil {
		return err
	}
	dir, err := n.Ledger().RestoreDir(r.ID)
	if err != nil {
		return err
	}
	if _, _, err := n.removeAuto(dir); err != nil {
		return err
	}
	return n.Ledger().Forget([]ledger.Restore{r})
}

// touchedDirs are the table directories that carry the backup's snapshot, or did
// before an earlier finish was killed: those of tables that the restore created
// under new ids are dead.
func (n *node) touchedDirs(id string) []string {
	// Without its documents there is no backup, and nothing was left to do.
	doc, _ := document.ReadNode(n.Volume, id, n.DataDirs)
	var dirs []string
	for _, dataDir := range n.DataDirs {
		for _, t := range doc.Tables {
			dirs = append(dirs, filepath.Join(dataDir, t.Keyspace, sstable.TableDir(t.Name, t.ID)))
		}
	}
	return dirs
}

// removeDead removes directories of tables that exist no more and hold nothing
// but empty directories; rmdir refuses everything else. Some tables always exist:
// without a list of them none is known to be dead.
func (n *node) removeDead(dirs, liveIDs []string) int {
	if len(liveIDs) == 0 {
		return 0
	}
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
		if n.removeEmptied(dir) {
			removed++
			n.removeIfEmpty(filepath.Dir(dir))
		}
	}
	return removed
}

// removeEmptied removes a table's directory in which only Cassandra's empty directories
// are left.
func (n *node) removeEmptied(dir string) bool {
	entries, err := n.Files().ReadDir(dir)
	if err != nil {
		return false
	}
	for _, e := range entries {
		if e.IsDir() && (e.Name() == sstable.SnapshotsDir || e.Name() == "backups" || strings.HasPrefix(e.Name(), ".")) {
			n.removeIfEmpty(filepath.Join(dir, e.Name()))
		}
	}
	return n.removeIfEmpty(dir)
}

// removeStagesOf removes what unfinished restores of a backup staged, for example
// of a part of it that the whole then took over.
func (n *node) removeStagesOf(backup string) error {
	restores, err := n.Ledger().Restores()
	if err != nil {
		return err
	}
	for _, r := range restores {
		if r.BackupID != backup {
			continue
		}
		if err := n.removeStage(r.ID); err != nil {
			return err
		}
	}
	return nil
}
