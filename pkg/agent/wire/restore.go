package wire

import (
	"encoding/json"
	"time"

	"github.com/casshook/casshook/pkg/document"
	"github.com/casshook/casshook/pkg/ledger"
)

// StageArgs links the snapshot's files of some tables to the staging directory.
type StageArgs struct {
	RestoreID string               `json:"restoreId"`
	BackupID  string               `json:"backupId"`
	Tables    []document.TableName `json:"tables"`
}

// StageResult counts the links made.
type StageResult struct {
	Links int `json:"links"`
}

// ForeignArgs asks for SSTables in the live directories of tables that Cassandra does
// not know.
type ForeignArgs struct {
	// Tag of the snapshot that is taken, and removed, to know what Cassandra knows; in
	// the form of a backup's ID.
	Tag    string        `json:"tag"`
	Tables []ledger.Load `json:"tables"`
	// Leftovers names the backups of which a restore stopped half-way; what it left in
	// live directories is not foreign.
	Leftovers []string `json:"leftovers,omitempty"`
	// Move moves them away.
	Move bool          `json:"move,omitempty"`
	Wait time.Duration `json:"wait"`
}

// ForeignResult names what was found: paths without components.
type ForeignResult struct {
	SSTables []string `json:"sstables,omitempty"`
	// MovedTo is the directory, in casshook's, that they were moved to.
	MovedTo string `json:"movedTo,omitempty"`
}

// LeftoverArgs names tables whose live directories may hold files that a dead
// run placed.
type LeftoverArgs struct {
	Tables []ledger.Load `json:"tables"`
	// Settle first waits until no load of an earlier run is under way in any of
	// the tables, whether it fails or not.
	Settle bool `json:"settle,omitempty"`
	// Sweep names the backups whose files are removed from live directories, after
	// a TRUNCATE: what a refresh tore apart and Cassandra does not know.
	Sweep []string `json:"sweep,omitempty"`
}

// LeftoverResult counts what was found.
type LeftoverResult struct {
	Loaded  int `json:"loaded"`
	Removed int `json:"removed"`
}

// AutoArgs lists the snapshots that Cassandra takes by itself.
type AutoArgs struct {
	RestoreID string `json:"restoreId"`
	// Tables that are about to be dropped or truncated; only their automatic
	// snapshots are ever taken for the restore's. Not needed afterwards.
	Tables []document.TableName `json:"tables,omitempty"`
}

// LoadArgs loads staged tables.
type LoadArgs struct {
	RestoreID string        `json:"restoreId"`
	BackupID  string        `json:"backupId"`
	Tables    []ledger.Load `json:"tables"`
	Workers   int           `json:"workers"`
	Wait      time.Duration `json:"wait"`
}

// LoadResult is the evidence: for every table, SSTables that Cassandra took.
type LoadResult struct {
	Tables []ledger.Load `json:"tables"`
	Calls  int           `json:"calls"`
}

// JournalArgs appends to a restore's journal, which it begins if need be.
type JournalArgs struct {
	RestoreID string       `json:"restoreId"`
	BackupID  string       `json:"backupId"`
	Scope     ledger.Scope `json:"scope"`
	Entry     ledger.Entry `json:"entry"`
}

// ArchiveArgs puts a restore aside that is to be done again.
type ArchiveArgs struct {
	RestoreID string `json:"restoreId"`
}

// MarkLoadedArgs records that all data of a restore is loaded on all nodes.
type MarkLoadedArgs struct {
	RestoreID string        `json:"restoreId"`
	BackupID  string        `json:"backupId"`
	Tables    []ledger.Load `json:"tables"`
}

// FinishArgs ends a restore: done marker first, then all that it left.
type FinishArgs struct {
	RestoreID string          `json:"restoreId"`
	BackupID  string          `json:"backupId"`
	Scope     ledger.Scope    `json:"scope"`
	Report    json.RawMessage `json:"report"`
	// KeepBackup leaves snapshot and documents on the volume.
	KeepBackup bool `json:"keepBackup"`
	// LiveIDs are the table ids that exist now; directories of other ids are
	// removed when they are empty.
	LiveIDs []string `json:"liveIds"`
}

// FinishResult counts what was removed.
type FinishResult struct {
	// Ended is set where this call wrote the done marker.
	Ended         bool `json:"ended,omitempty"`
	AutoSnapshots int  `json:"autoSnapshots"`
	Snapshots     int  `json:"snapshots"`
	Directories   int  `json:"directories"`
}
