package ledger

import (
	"fmt"

	"github.com/casshook/casshook/pkg/document"
)

// Records lie on volumes, which may be anybody's: what they name becomes paths and
// arguments of agents.

// Check refuses names that are none.
func (i *Info) Check() error {
	if err := checkBackup(i.BackupID); err != nil || i.Scope == nil {
		return err
	}
	return checkTables(i.Scope.Tables, func(t document.TableName) document.TableName { return t })
}

// Check refuses names that are none.
func (l *loaded) Check() error {
	return checkTables(l.Tables, func(t Load) document.TableName { return t.TableName })
}

// Check refuses names that are none.
func (e *Ending) Check() error { return checkBackup(e.BackupID) }

// Check refuses names that are none.
func (c *Cleaned) Check() error { return checkBackup(c.BackupID) }

func checkBackup(id string) error {
	if !document.ValidID(id) {
		return fmt.Errorf("%q: not a backup id", id)
	}
	return nil
}

func checkTables[T any](tables []T, name func(T) document.TableName) error {
	for _, t := range tables {
		if err := name(t).Check(); err != nil {
			return err
		}
	}
	return nil
}
