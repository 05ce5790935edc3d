package wire

import (
	"time"

	"github.com/casshook/casshook/pkg/document"
)

// BeginArgs begins a backup on the volume.
type BeginArgs struct {
	BackupID string `json:"backupId"`
	// Owner is who the backup belongs to, such as a policy.
	Owner string `json:"owner"`
}

// FlushArgs flushes keyspaces.
type FlushArgs struct {
	Keyspaces []string `json:"keyspaces"`
	// CommitLog is the directory of the commit log, which shows whether everything was
	// flushed; Settle is how long that may take to show.
	CommitLog string        `json:"commitLog,omitempty"`
	Settle    time.Duration `json:"settle,omitempty"`
	// Forgets says that Cassandra goes on after a flush that failed.
	Forgets bool `json:"forgets,omitempty"`
}

// SnapshotArgs takes a snapshot of all keyspaces. The agent answers with a ready
// event, waits for OpGo, then with started and finished events.
type SnapshotArgs struct {
	Tag string `json:"tag"`
	// Tables that must have the snapshot.
	Tables []document.TableRef `json:"tables"`
	// Wait is how long a call whose outcome is unknown is waited for.
	Wait time.Duration `json:"wait"`
}

// SnapshotResult is by the node's clock.
type SnapshotResult struct {
	Start time.Time `json:"start"`
	End   time.Time `json:"end"`
}

// WriteArgs writes the documents of a backup, but for COMPLETE.
type WriteArgs struct {
	BackupID string              `json:"backupId"`
	Member   document.Member     `json:"member"`
	Start    time.Time           `json:"start"`
	End      time.Time           `json:"end"`
	Tables   []document.TableRef `json:"tables"`
	// Shared are the documents that are the same on every node.
	Shared map[string][]byte `json:"shared"`
}

// WriteResult answers WriteArgs.
type WriteResult struct {
	// Digest is the SHA-256 of node.json.
	Digest   string `json:"digest"`
	Tables   int    `json:"tables"`
	SSTables int    `json:"sstables"`
	Bytes    int64  `json:"bytes"`
	// Warnings are of rows that may be missing.
	Warnings []string `json:"warnings,omitempty"`
}

// CompleteArgs writes COMPLETE and makes all file systems durable.
type CompleteArgs struct {
	BackupID string `json:"backupId"`
	Content  []byte `json:"content"`
}

// ClearArgs removes backups of ours: snapshot tags and documents.
type ClearArgs struct {
	BackupIDs []string `json:"backupIds"`
	// Orphans are tags of snapshots without documents.
	Orphans []string `json:"orphans,omitempty"`
	// Restores has all that restores of these backups left go, too.
	Restores bool `json:"restores,omitempty"`
	// Operation and Owner are whose removal this is: the volume remembers it.
	Operation string `json:"operation"`
	Owner     string `json:"owner"`
}

// ClearResult counts what was removed.
type ClearResult struct {
	Snapshots int `json:"snapshots"`
	Backups   int `json:"backups"`
	// Orphans are directories of snapshots without documents.
	Orphans int `json:"orphans,omitempty"`
}

// OpenArgs reads a backup's documents.
type OpenArgs struct {
	BackupID string `json:"backupId"`
}

// OpenResult is a backup's documents, node.json summed up.
type OpenResult struct {
	Volume   string            `json:"volume"`
	Member   document.Member   `json:"member"`
	Complete document.Complete `json:"complete"`
	// CompleteDigest tells copies of COMPLETE apart.
	CompleteDigest string         `json:"completeDigest"`
	Cluster        []byte         `json:"cluster"`
	Schema         []byte         `json:"schema"`
	Grants         []byte         `json:"grants"`
	Tables         []TableSummary `json:"tables"`
	// Formats are the SSTable versions in it, such as "nb big".
	Formats []string `json:"formats"`
}

// TableSummary is a table of node.json without its files.
type TableSummary struct {
	document.TableName
	ID       string `json:"id"`
	SSTables int    `json:"sstables"`
	Bytes    int64  `json:"bytes"`
	Files    int    `json:"files"`
}

// VerifyArgs verifies the files of a backup.
type VerifyArgs struct {
	BackupID string `json:"backupId"`
	Full     bool   `json:"full"`
	// Tables to verify; nil means all.
	Tables []document.TableName `json:"tables"`
}

// VerifyResult lists what is wrong.
type VerifyResult struct {
	Problems []string `json:"problems"`
	Tables   int      `json:"tables"`
	// NotCovered are files that nothing has a checksum of.
	NotCovered []string `json:"notCovered,omitempty"`
}
