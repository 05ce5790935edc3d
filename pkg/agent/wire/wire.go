// Package wire is what the executor and the agent say to each other: JSON lines
// on the agent's stdin and stdout. One agent process serves a whole hook: the
// executor sends requests one after the other, the agent answers each with any
// number of events and then one result or error. Both sides send heartbeats: the agent
// stops when its stdin closes or falls silent, and the executor gives up an agent that
// is silent. Standard library only.
package wire

import (
	"encoding/json"
	"time"
)

// Protocol is the version of this package; both sides must have the same.
const Protocol = 3

// Silence is how long either side waits for a byte before it takes the other for dead;
// Heartbeat is how often both send a line: OpPing and EventBeat.
const (
	Silence   = 45 * time.Second
	Heartbeat = 5 * time.Second
)

// MaxLine bounds a line in bytes on both sides: the largest has the documents that are
// the same everywhere.
const MaxLine = 80 << 20

// Operations of the agent.
const (
	OpHello      = "hello"
	OpPing       = "ping"
	OpGo         = "go"
	OpFacts      = "facts"
	OpInspect    = "inspect"
	OpStorage    = "storage"
	OpSchema     = "schema-versions"
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
	OpForeign    = "foreign"
	OpLeftovers  = "leftovers"
	OpAutoBefore = "auto-snapshots-before"
	OpAutoAfter  = "auto-snapshots-after"
	OpLoad       = "load"
	OpJournal    = "journal"
	OpMarkLoaded = "mark-loaded"
	OpArchive    = "archive"
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
	// EventBeat says that the agent is alive. It belongs to no request: its id is 0.
	EventBeat = "beat"
)

// Event is progress of the request that runs, or a heartbeat.
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

// SchemaVersions maps each schema version of the ring to the addresses of the
// nodes that have it, as asked of every node at this moment; "UNREACHABLE" is one
// of them when a node did not answer. It is empty where only gossip could tell.
type SchemaVersions map[string][]string

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
