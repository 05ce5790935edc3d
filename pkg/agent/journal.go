package agent

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"time"

	"github.com/casshook/casshook/pkg/agent/storage"
	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/document"
)

// Files of a restore, beside those that the cleaner has, too.
const (
	autoBefore = "auto-snapshots-before.json"
	autoCaused = "auto-snapshots-caused.json"
	stageDir   = "stage"
)

// journal appends one line to the journal of a restore, which it begins if need
// be.
func (n *node) journal(_ context.Context, _ call, args wire.JournalArgs) (none, error) {
	dir, err := n.RestoreDir(args.RestoreID)
	if err != nil {
		return none{}, err
	}
	if err := n.beginRestore(dir, args.BackupID); err != nil {
		return none{}, err
	}
	line, err := json.Marshal(args.Entry)
	if err != nil {
		return none{}, err
	}
	return none{}, storage.AppendLine(filepath.Join(dir, storage.JournalFile), line)
}

func (n *node) beginRestore(dir, backup string) error {
	if _, err := os.Lstat(filepath.Join(dir, storage.RestoreFile)); err == nil {
		return nil
	}
	identity, err := n.Identity()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	return storage.WriteDocument(filepath.Join(dir, storage.RestoreFile), storage.RestoreInfo{Version: document.Version, BackupID: backup, Volume: identity})
}

// markLoaded records that from now on a rerun only verifies.
func (n *node) markLoaded(_ context.Context, _ call, args wire.MarkLoadedArgs) (none, error) {
	dir, err := n.RestoreDir(args.RestoreID)
	if err != nil {
		return none{}, err
	}
	if err := n.beginRestore(dir, args.BackupID); err != nil {
		return none{}, err
	}
	return none{}, storage.WriteDocument(filepath.Join(dir, storage.LoadedFile), storage.LoadedInfo{Version: document.Version, Time: time.Now().UTC(), Tables: args.Tables})
}
