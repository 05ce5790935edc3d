// Package wire is what the executor and the agent say to each other: JSON lines
// on the agent's stdin and stdout. One agent process serves a whole hook: the
// executor sends requests one after the other, the agent answers each with any
// number of events and then one result or error. Pings keep the agent alive; it
// stops when its stdin closes or falls silent. Standard library only.
package wire

import (
	"encoding/json"
	"time"

	"github.com/casshook/casshook/pkg/document"
)

// Protocol is the version of this package; both sides must have the same.
const Protocol = 1

// Silence is how long the agent waits for a line before it takes the executor
// for dead; Heartbeat is how often the executor sends one.
const (
	Silence   = 45 * time.Second
	Heartbeat = 5 * time.Second
)

// Operations of the agent.
const (
	OpHello      = "hello"
	OpPing       = "ping"
	OpGo         = "go"
	OpFacts      = "facts"
	OpInspect    = "inspect"
	OpLock       = "lock"
	OpBegin      = "begin"
	OpFlush      = "flush"
	OpSnapshot   = "snapshot"
	OpWrite      = "write"
	OpComplete   = "complete"
	OpClear      = "clear"
	OpOpen       = "open"
	OpVerify     = "verify"
	OpStage      = "stage"
	OpLeftovers  = "leftovers"
	OpAutoBefore = "auto-snapshots-before"
	OpAutoAfter  = "auto-snapshots-after"
	OpLoad       = "load"
	OpJournal    = "journal"
	OpMarkLoaded = "mark-loaded"
	OpFinish     = "finish"
)

// Request is one line to the agent.
type Request struct {
	ID   int             `json:"id,omitempty"`
	Op   string          `json:"op"`
	Args json.RawMessage `json:"args,omitempty"`
}

// Response is one line from the agent: an event, a result or an error.
type Response struct {
	ID     int             `json:"id"`
	Event  *Event          `json:"event,omitempty"`
	Result json.RawMessage `json:"result,omitempty"`
	Error  *Error          `json:"error,omitempty"`
}

// Kinds of events.
const (
	EventReady    = "ready"
	EventStarted  = "started"
	EventFinished = "finished"
	EventProgress = "progress"
)

// Event is progress of the request that runs.
type Event struct {
	Kind    string `json:"kind"`
	Message string `json:"message,omitempty"`
	Done    int    `json:"done,omitempty"`
	Total   int    `json:"total,omitempty"`
}

// Kinds of errors that the executor treats differently.
const (
	KindLocked  = "locked"
	KindMissing = "missing"
	KindCorrupt = "corrupt"
	KindRefused = "refused"
)

// Error is a failed request.
type Error struct {
	Kind    string `json:"kind,omitempty"`
	Message string `json:"message"`
}

// Error implements error.
func (e *Error) Error() string { return e.Message }

// Node is what the agent must know of the node it serves.
type Node struct {
	Name     string   `json:"name"`
	Volume   string   `json:"volume"`
	DataDirs []string `json:"dataDirs"`
	// API is unix:///path, http://host:port, or empty for nodetool.
	API string `json:"api,omitempty"`
	// Nodetool is the command, with its arguments that come first.
	Nodetool []string `json:"nodetool,omitempty"`
	// VolumeID is the volume's identity where the target knows it (a PVC's
	// UID and CSI handle); empty where the agent is to find it.
	VolumeID string `json:"volumeId,omitempty"`
}

// Hello is the first request.
type Hello struct {
	Protocol int  `json:"protocol"`
	Node     Node `json:"node"`
}

// HelloResult answers Hello.
type HelloResult struct {
	Protocol int    `json:"protocol"`
	Release  string `json:"release"`
	PID      int    `json:"pid"`
}

// Endpoint is a node of the ring as this node sees it.
type Endpoint struct {
	Address    string `json:"address"`
	HostID     string `json:"hostId"`
	Datacenter string `json:"datacenter"`
	Rack       string `json:"rack"`
	Up         bool   `json:"up"`
	// Normal is false while the node joins, leaves or moves.
	Normal bool `json:"normal"`
}

// Facts is what the node's Cassandra says of itself and the ring.
type Facts struct {
	HostID    string     `json:"hostId"`
	Release   string     `json:"release"`
	Endpoints []Endpoint `json:"endpoints"`
	// Via is "management API" or "nodetool".
	Via string `json:"via"`
}

// BackupSummary is a backup directory on a volume.
type BackupSummary struct {
	ID       string    `json:"id"`
	Complete bool      `json:"complete"`
	Volume   string    `json:"volume"`
	Started  time.Time `json:"started"`
	// Problem says why its documents cannot be read.
	Problem string `json:"problem,omitempty"`
}

// RestoreSummary is a restore that ran, or runs, on a volume.
type RestoreSummary struct {
	ID       string `json:"id"`
	BackupID string `json:"backupId"`
	Volume   string `json:"volume"`
	Loaded   bool   `json:"loaded"`
	Done     bool   `json:"done"`
	// Steps that were begun, with those that ended marked.
	Steps []JournalEntry `json:"steps,omitempty"`
	// Report is the report of a restore that is done.
	Report json.RawMessage `json:"report,omitempty"`
	// Evidence is what the load recorded.
	Evidence []TableLoad `json:"evidence,omitempty"`
}

// Volume is what lies on a node's volume.
type Volume struct {
	Identity string           `json:"identity"`
	Free     uint64           `json:"free"`
	Total    uint64           `json:"total"`
	Backups  []BackupSummary  `json:"backups"`
	Restores []RestoreSummary `json:"restores"`
	Lock     *Lock            `json:"lock,omitempty"`
}

// Lock is the lock file of a volume.
type Lock struct {
	Holder    string `json:"holder"`
	Operation string `json:"operation"`
	BackupID  string `json:"backupId,omitempty"`
	// Volume is the identity of the volume it was written on; a lock that came
	// along with a copy is nobody's.
	Volume string    `json:"volume"`
	Since  time.Time `json:"since"`
	// Parked is set between before-backup and after-backup, when no process
	// holds the lock.
	Parked bool `json:"parked"`
}

// Actions on the lock.
const (
	LockAcquire = "acquire"
	LockPark    = "park"
	LockRelease = "release"
)

// LockArgs acts on the lock of the volume.
type LockArgs struct {
	Action    string `json:"action"`
	Holder    string `json:"holder"`
	Operation string `json:"operation"`
	BackupID  string `json:"backupId,omitempty"`
	// ParkedFor keeps a parked lock from being taken while it is younger.
	ParkedFor time.Duration `json:"parkedFor"`
}

// BeginArgs begins a backup on the volume.
type BeginArgs struct {
	BackupID string `json:"backupId"`
}

// FlushArgs flushes keyspaces.
type FlushArgs struct {
	Keyspaces []string `json:"keyspaces"`
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
}

// CompleteArgs writes COMPLETE and makes all file systems durable.
type CompleteArgs struct {
	BackupID string `json:"backupId"`
	Content  []byte `json:"content"`
}

// ClearArgs removes backups of ours: snapshot tags and documents.
type ClearArgs struct {
	BackupIDs []string `json:"backupIds"`
}

// ClearResult counts what was removed.
type ClearResult struct {
	Snapshots int `json:"snapshots"`
	Backups   int `json:"backups"`
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
	Keyspace string `json:"keyspace"`
	Name     string `json:"name"`
	ID       string `json:"id"`
	SSTables int    `json:"sstables"`
	Bytes    int64  `json:"bytes"`
	Files    int    `json:"files"`
}

// TableName names a table.
type TableName struct {
	Keyspace string `json:"keyspace"`
	Name     string `json:"name"`
}

// VerifyArgs verifies the files of a backup.
type VerifyArgs struct {
	BackupID string `json:"backupId"`
	Full     bool   `json:"full"`
	// Tables to verify; nil means all.
	Tables []TableName `json:"tables"`
}

// VerifyResult lists what is wrong.
type VerifyResult struct {
	Problems []string `json:"problems"`
	Tables   int      `json:"tables"`
}

// StageArgs links the snapshot's files of some tables to the staging directory.
type StageArgs struct {
	RestoreID string      `json:"restoreId"`
	BackupID  string      `json:"backupId"`
	Tables    []TableName `json:"tables"`
}

// StageResult counts the links made.
type StageResult struct {
	Links int `json:"links"`
}

// TableLoad is one table to load, and afterwards what the load found.
type TableLoad struct {
	Keyspace string `json:"keyspace"`
	Name     string `json:"name"`
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
