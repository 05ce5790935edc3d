package agent

import (
	"errors"
	"fmt"

	"github.com/casshook/casshook/pkg/agent/storage"
	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/document"
	"github.com/casshook/casshook/pkg/ledger"
)

// checkNames refuses a request whose names cannot be what they stand for, before
// any of them becomes a part of a path.
func checkNames(args any) error {
	switch a := args.(type) {
	case wire.BeginArgs:
		return checkIDs(a.BackupID)
	case wire.StorageArgs:
		return checkRefs(a.Tables)
	case wire.SnapshotArgs:
		return errors.Join(checkIDs(a.Tag), checkRefs(a.Tables))
	case wire.WriteArgs:
		return errors.Join(checkIDs(a.BackupID), checkRefs(a.Tables))
	case wire.CompleteArgs:
		return checkIDs(a.BackupID)
	case wire.ClearArgs:
		return errors.Join(checkIDs(a.BackupIDs...), checkIDs(a.Orphans...))
	case wire.OpenArgs:
		return checkIDs(a.BackupID)
	case wire.VerifyArgs:
		return checkIDs(a.BackupID)
	case wire.StageArgs:
		return checkIDs(a.BackupID)
	case wire.LoadArgs:
		return errors.Join(checkIDs(a.BackupID), checkLoads(a.Tables))
	case wire.ForeignArgs:
		return errors.Join(checkIDs(a.Tag), checkIDs(a.Leftovers...), checkLoads(a.Tables))
	case wire.LeftoverArgs:
		return errors.Join(checkIDs(a.Sweep...), checkLoads(a.Tables))
	case wire.JournalArgs:
		return checkIDs(a.BackupID)
	case wire.MarkLoadedArgs:
		return checkIDs(a.BackupID)
	case wire.FinishArgs:
		return checkIDs(a.BackupID)
	}
	return nil
}

func checkIDs(ids ...string) error {
	for _, id := range ids {
		if !document.ValidID(id) {
			return fmt.Errorf("%q is not a backup id", id)
		}
	}
	return nil
}

func checkRefs(tables []document.TableRef) error {
	for _, t := range tables {
		if err := storage.CheckTable(t.Keyspace, t.Name, t.ID); err != nil {
			return err
		}
	}
	return nil
}

func checkLoads(tables []ledger.Load) error {
	for _, t := range tables {
		if err := storage.CheckTable(t.Keyspace, t.Name, t.LiveID, t.BackupID); err != nil {
			return err
		}
	}
	return nil
}
