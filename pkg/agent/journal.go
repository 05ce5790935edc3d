package agent

import (
	"context"

	"github.com/casshook/casshook/pkg/agent/storage"
	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/ledger"
)

// Files of a restore, beside those that the ledger knows.
const (
	autoBefore = "auto-snapshots-before.json"
	autoCaused = "auto-snapshots-caused.json"
	stageDir   = "stage"
)

// journal appends one line to the journal of a restore, which it begins if need
// be.
func (n *node) journal(_ context.Context, _ call, args wire.JournalArgs) (none, error) {
	dir, err := n.beginRestore(args.RestoreID, args.BackupID, args.Scope)
	if err != nil {
		return none{}, err
	}
	return none{}, n.Ledger().Append(dir, args.Entry)
}

// beginRestore gives the directory of a restore of this volume.
func (n *node) beginRestore(id, backup string, scope ledger.Scope) (string, error) {
	volume, err := n.Identified()
	if err != nil {
		return "", err
	}
	return n.Ledger().Begin(id, ledger.Info{BackupID: backup, Volume: volume.Identity, Attributes: volume.Attributes, Scope: &scope})
}

// markLoaded records that from now on a rerun only verifies. The restore was begun
// before: its first step is journalled. What was loaded must be on disk before that is.
func (n *node) markLoaded(_ context.Context, _ call, args wire.MarkLoadedArgs) (none, error) {
	for _, dataDir := range n.DataDirs {
		if err := storage.Syncfs(dataDir); err != nil {
			return none{}, err
		}
	}
	dir, err := n.Ledger().RestoreDir(args.RestoreID)
	if err != nil {
		return none{}, err
	}
	return none{}, n.Ledger().MarkLoaded(dir, args.Tables)
}

// archive puts a restore aside that is to be done again.
func (n *node) archive(_ context.Context, _ call, args wire.ArchiveArgs) (none, error) {
	return none{}, n.Ledger().Archive(args.RestoreID)
}
