package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/casshook/casshook/pkg/agent/storage"
	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/document"
	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/ledger"
	"github.com/casshook/casshook/pkg/sstable"
)

// settle waits until nothing that a dead run began still loads the tables: a
// refresh of minutes goes on in Cassandra when the run that asked for it is gone,
// and would add after the TRUNCATE, or lose its files to the sweep. Loads of one
// table are serialised in Cassandra, so one more refresh ends after all others.
// That it fails is no matter: it fails on what a killed load tore apart, which the
// sweep removes.
func (n *node) settle(ctx context.Context, tables []ledger.Load) error {
	l := n.cassandra.loader()
	for _, t := range tables {
		err := l.adopt(ctx, t.Keyspace, t.Name)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if isUnknown(err) || errors.Is(err, flow.ErrLimit) {
			return fmt.Errorf("wait for the load of an earlier run into %s.%s: %w", t.Keyspace, t.Name, err)
		}
	}
	return nil
}

// leftovers deals with files that a dead run placed in live directories and that
// Cassandra does not know, before a TRUNCATE: the next start would load them. A
// whole SSTable is given to Cassandra, so that the TRUNCATE takes it; it may be
// in use already, if Cassandra was started meanwhile. Files without a Data.db
// are no SSTable to Cassandra and are removed.
func (n *node) leftovers(ctx context.Context, _ call, args wire.LeftoverArgs) (wire.LeftoverResult, error) {
	var r wire.LeftoverResult
	if len(args.Sweep) > 0 {
		return n.sweep(args)
	}
	if err := n.settleTOCs(); err != nil { // before the TRUNCATE and DROP that follow
		return r, err
	}
	if args.Settle {
		if err := n.settle(ctx, args.Tables); err != nil {
			return r, err
		}
	}
	l := n.cassandra.loader()
	for _, t := range args.Tables {
		whole, removed, err := n.clearTable(t)
		r.Removed += removed
		if err != nil {
			return r, err
		}
		if !whole {
			continue
		}
		r.Loaded++
		if err := l.adopt(ctx, t.Keyspace, t.Name); err != nil && !args.Settle {
			return r, err
		}
	}
	return r, nil
}

// clearTable is clearPlaced in all live directories of a table.
func (n *node) clearTable(t ledger.Load) (whole bool, removed int, err error) {
	for _, dir := range n.tableDirs(t.Keyspace, t.Name, t.LiveID) {
		if dir == "" {
			continue
		}
		w, r, err := n.clearPlaced(dir)
		whole, removed = whole || w, removed+r
		if err != nil {
			return whole, removed, err
		}
	}
	return whole, removed, nil
}

// sweep removes from live directories, right after a TRUNCATE, every SSTable that
// shares a file with the backup's snapshot. Whatever Cassandra knew of the table
// the TRUNCATE took; such a file is of a set that a refresh failed on and left
// under names of its own, where every later refresh would fail on it again.
func (n *node) sweep(args wire.LeftoverArgs) (wire.LeftoverResult, error) {
	var r wire.LeftoverResult
	for _, t := range args.Tables {
		var snapshots []string
		for _, backup := range args.Sweep {
			snapshots = append(snapshots, n.snapshotsOf(backup, t)...)
		}
		ours := map[storage.Inode]bool{}
		if err := n.eachFile(snapshots, func(_ string, info os.FileInfo) { ours[storage.InodeOf(info)] = true }); err != nil {
			return r, err
		}
		removed, err := n.sweepDirs(n.tableDirs(t.Keyspace, t.Name, t.LiveID), ours)
		r.Removed += removed
		if err != nil {
			return r, err
		}
	}
	return r, nil
}

// snapshotsOf are the directories of a table's snapshot in a backup, under the id
// that the table had then.
func (n *node) snapshotsOf(backup string, t ledger.Load) []string {
	id := t.BackupID
	// Without its documents the backup is gone, and so is its snapshot.
	doc, _ := document.ReadNode(n.Volume, backup, n.DataDirs)
	for _, had := range doc.Tables {
		if had.TableName == t.TableName {
			id = had.ID
		}
	}
	dirs := make([]string, 0, len(n.DataDirs))
	for _, dataDir := range n.DataDirs {
		dirs = append(dirs, document.SnapshotDir(dataDir, t.Keyspace, t.Name, id, backup))
	}
	return dirs
}

func (n *node) sweepDirs(dirs []string, ours map[storage.Inode]bool) (int, error) {
	torn := map[string]bool{}
	var files []string
	err := n.eachFile(dirs, func(path string, info os.FileInfo) {
		name, ok := sstable.ParseName(filepath.Base(path))
		if !ok {
			return
		}
		files = append(files, path)
		if ours[storage.InodeOf(info)] {
			torn[filepath.Join(filepath.Dir(path), name.Base())] = true
		}
	})
	if err != nil {
		return 0, err
	}
	removed := 0
	for _, path := range files {
		name, _ := sstable.ParseName(filepath.Base(path))
		if !torn[filepath.Join(filepath.Dir(path), name.Base())] {
			continue
		}
		if err := n.Files().Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return removed, err
		}
		removed++
	}
	return removed, nil
}

// clearPlaced removes placed files without a Data.db and reports whether whole
// placed SSTables are there. What a transaction log names is Cassandra's: it took an
// id of ours for its own.
func (n *node) clearPlaced(dir string) (whole bool, removed int, err error) {
	entries, err := n.Files().ReadDir(dir)
	if err != nil {
		return false, 0, err
	}
	logged, err := storage.InLogs(n.Files(), dir)
	if err != nil {
		return false, 0, err
	}
	groups := map[string][]string{}
	for _, e := range entries {
		if name, ok := placedName(e.Name()); ok && len(logged[name.Base()]) == 0 {
			groups[name.Base()] = append(groups[name.Base()], name.Component)
		}
	}
	for base, components := range groups {
		if hasData(components) {
			whole = true
			continue
		}
		for _, c := range components {
			if err := n.removeIfThere(filepath.Join(dir, sstable.FileOf(base, c))); err != nil {
				return whole, removed, err
			}
			removed++
		}
	}
	return whole, removed, nil
}
