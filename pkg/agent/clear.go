package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/document"
	"github.com/casshook/casshook/pkg/ledger"
)

// clear removes backups: COMPLETE first, so that a half-removed one is no backup,
// then the snapshots of the tag, then the documents. Other tags are not touched.
func (n *node) clear(ctx context.Context, _ call, args wire.ClearArgs) (wire.ClearResult, error) {
	var r wire.ClearResult
	for _, id := range args.BackupIDs {
		if args.Restores {
			if err := n.clearRestores(id); err != nil {
				return r, err
			}
		}
		if err := n.noteRemoval(id, ledger.Event{Operation: ledger.Operation(args.Operation), By: args.Owner}); err != nil {
			return r, err
		}
		removed, err := n.clearOne(id)
		r.Snapshots += removed
		if err != nil {
			return r, err
		}
		r.Backups++
	}
	for _, tag := range args.Orphans {
		removed, err := n.clearOrphan(ctx, tag)
		r.Orphans += removed
		if err != nil {
			return r, err
		}
	}
	return r, nil
}

// clearOrphan removes a snapshot without documents. Cassandra is asked first, since it
// knows directories that the target may not; it need not run.
func (n *node) clearOrphan(ctx context.Context, tag string) (int, error) {
	if _, err := n.Files().Lstat(document.BackupDir(n.Volume, tag)); !errors.Is(err, fs.ErrNotExist) {
		return 0, err
	}
	if n.DocumentsElsewhere(tag) != "" {
		return 0, nil
	}
	before, err := document.Tags(n.DataDirs)
	if err != nil {
		return 0, err
	}
	_ = n.cassandra.clearSnapshot(ctx, tag)
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	_, err = n.clearSnapshot(tag)
	return before[tag], err
}

// noteRemoval has the volume remember who removes a backup, before it is removed: a
// run that is killed in between finds the backup, and removes it then.
func (n *node) noteRemoval(id string, e ledger.Event) error {
	if !document.ValidID(id) {
		return nil // nor is it removed
	}
	var intent document.Intent
	err := document.Read(n.Files(), filepath.Join(document.BackupDir(n.Volume, id), document.IntentFile), &intent)
	if _, statErr := n.Files().Lstat(document.BackupDir(n.Volume, id)); statErr != nil {
		return nil //nolint:nilerr // what is not there is not removed
	}
	if err == nil {
		e.Owner = intent.Owner
	}
	identity, err := n.Identity()
	if err != nil {
		return err
	}
	e.BackupID, e.Volume, e.Removed = id, identity, true
	return n.Ledger().Note(e)
}

func (n *node) clearOne(id string) (int, error) {
	if !document.ValidID(id) {
		return 0, fmt.Errorf("%q is not a backup id; nothing removed", id)
	}
	removed, err := n.clearData(id)
	if err != nil {
		return removed, err
	}
	return removed, n.Files().RemoveAll(document.BackupDir(n.Volume, id))
}

// clearData removes all of a backup but for its other documents.
func (n *node) clearData(id string) (int, error) {
	if err := n.removeIfThere(filepath.Join(document.BackupDir(n.Volume, id), document.CompleteFile)); err != nil {
		return 0, err
	}
	return n.clearSnapshot(id)
}

func (n *node) removeIfThere(path string) error {
	if err := n.Files().Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func (n *node) clearSnapshot(tag string) (int, error) {
	removed := 0
	for _, dataDir := range n.DataDirs {
		dirs, err := document.SnapshotDirs(dataDir, tag)
		if err != nil {
			return removed, err
		}
		for _, dir := range dirs {
			if err := n.Files().RemoveAll(dir); err != nil {
				return removed, err
			}
			removed++
			n.removeIfEmpty(filepath.Dir(dir))
		}
	}
	return removed, nil
}

// removeIfEmpty removes a directory that holds nothing; rmdir refuses others.
func (n *node) removeIfEmpty(dir string) bool {
	files := n.Files()
	return files.IsDir(dir) && files.Remove(dir) == nil
}
