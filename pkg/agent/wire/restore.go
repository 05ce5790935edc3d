package wire

import (
	"encoding/json"
	"time"

	"github.com/casshook/casshook/pkg/document"
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

// TableLoad is one table to load, and afterwards what the load found.
type TableLoad struct {
	document.TableName
	// BackupID is the table's id in the backup, LiveID the one it has now.
	BackupID string `json:"backupId"`
	LiveID   string `json:"liveId"`
	SSTables int    `json:"sstables"`
	// Taken SSTables are no longer where they were put; Found of them have their
	// inode in a live directory, the others were compacted already.
	Taken int `json:"taken"`
	Found int `json:"found"`
}

// LeftoverArgs names tables whose live directories may hold files that a dead
// run placed.
type LeftoverArgs struct {
	Tables []TableLoad `json:"tables"`
	// Settle first waits until no load of an earlier run is under way in any of
	// the tables, whether it fails or not.
	Settle bool `json:"settle,omitempty"`
	// Sweep names the backup whose files are removed from live directories, after
	// a TRUNCATE: what a refresh tore apart and Cassandra does not know.
	Sweep string `json:"sweep,omitempty"`
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
	Tables    []TableLoad   `json:"tables"`
	Workers   int           `json:"workers"`
	Wait      time.Duration `json:"wait"`
}

// LoadResult is the evidence: for every table, SSTables that Cassandra took.
type LoadResult struct {
	Tables []TableLoad `json:"tables"`
	Calls  int         `json:"calls"`
}

// JournalEntry is a line of a restore's journal.
type JournalEntry struct {
	Time  time.Time `json:"time"`
	Step  string    `json:"step"`
	Ended bool      `json:"ended"`
}

// JournalArgs appends to a restore's journal.
type JournalArgs struct {
	RestoreID string       `json:"restoreId"`
	BackupID  string       `json:"backupId"`
	Entry     JournalEntry `json:"entry"`
}

// MarkLoadedArgs records that all data of a restore is loaded on all nodes.
type MarkLoadedArgs struct {
	RestoreID string      `json:"restoreId"`
	BackupID  string      `json:"backupId"`
	Tables    []TableLoad `json:"tables"`
}

// FinishArgs ends a restore: done marker first, then all that it left.
type FinishArgs struct {
	RestoreID string          `json:"restoreId"`
	BackupID  string          `json:"backupId"`
	Report    json.RawMessage `json:"report"`
	// KeepBackup leaves snapshot and documents on the volume.
	KeepBackup bool `json:"keepBackup"`
	// LiveIDs are the table ids that exist now; directories of other ids are
	// removed when they are empty.
	LiveIDs []string `json:"liveIds"`
}

// FinishResult counts what was removed.
type FinishResult struct {
	AutoSnapshots int `json:"autoSnapshots"`
	Snapshots     int `json:"snapshots"`
	Directories   int `json:"directories"`
}
