package wire

import (
	"time"

	"github.com/casshook/casshook/pkg/document"
	"github.com/casshook/casshook/pkg/ledger"
)

// States of a CleanResult.
const (
	StateCleaned   = "cleaned"   // the backup was put in place
	StateUnchanged = "unchanged" // it had been before: nothing was done
	StatePlanned   = "planned"   // a dry run
	// StateOtherUser is that nothing was done, since the files belong to Owner.
	StateOtherUser = "other user"
)

// CleanResult is what the cleaner did at the volumes of a node, or would do. It is
// the last line that casshook-agent clean prints with -o json.
type CleanResult struct {
	State     string `json:"state"`
	BackupID  string `json:"backupId"`
	RestoreID string `json:"restoreId,omitempty"`
	Node      string `json:"node"`
	HostID    string `json:"hostId"`
	// Volume is the identity of the volume.
	Volume         string `json:"volume"`
	PeersForgotten bool   `json:"peersForgotten"`
	// Ran is set where Cassandra ran since an earlier run put the backup in place.
	Ran bool `json:"ran,omitempty"`
	// Tables, Files and Bytes are what of the backup is in place in the end.
	Tables int   `json:"tables"`
	Files  int   `json:"files"`
	Bytes  int64 `json:"bytes"`
	// Removed live files, Linked and Copied ones of the snapshot: by this run. A
	// run that goes on with another's work finds some of it done.
	Removed     int   `json:"removed"`
	Linked      int   `json:"linked"`
	BytesLinked int64 `json:"bytesLinked"`
	// Copied are copies of TOC.txt, and never anything else.
	Copied      int   `json:"copied"`
	BytesCopied int64 `json:"bytesCopied"`
	// TablesEmptied are tables that the backup does not know.
	TablesEmptied []Emptied `json:"tablesEmptied"`
	// DirectoriesEmptied are commit log, hints, saved caches and cdc.
	DirectoriesEmptied []Emptied `json:"directoriesEmptied"`
	// Foreign files and directories were left where they are.
	Foreign []string `json:"foreign"`
	// Supersedes are restores of this volume that had stopped half-way.
	Supersedes []string `json:"supersedes,omitempty"`
	// Started is when the run began; Cleaned when the backup was put in place.
	Started time.Time `json:"started"`
	Cleaned time.Time `json:"cleaned,omitzero"`
	Seconds float64   `json:"seconds"`
	// NotCompared are settings of the node that nobody compared with the backup.
	NotCompared []string `json:"notCompared,omitempty"`
	// Owner is whom the node's files belong to, where the cleaner runs as another.
	Owner *Owner `json:"owner,omitempty"`
	// Backup is what the volume says of the ring.
	Backup *CleanBackup `json:"backup,omitempty"`
	// Ledger is what lay on the volume, without reports.
	Ledger ledger.Volume `json:"ledger"`
}

// Owner of files.
type Owner struct {
	UID int `json:"uid"`
	GID int `json:"gid"`
}

// Emptied is a table, by its directory, or another directory that was emptied.
type Emptied struct {
	Path  string `json:"path"`
	Files int    `json:"files"`
}

// CleanBackup is what of a backup's documents tells whether the volumes of several
// nodes are one ring, and whether a target can take it.
type CleanBackup struct {
	Created        time.Time `json:"created"`
	CompleteDigest string    `json:"completeDigest"`
	// Namespace that the ring was in; empty on hosts.
	Namespace string `json:"namespace,omitempty"`
	// ClusterHash identifies the Kubernetes cluster of the namespace.
	ClusterHash string            `json:"clusterHash,omitempty"`
	ClusterName string            `json:"clusterName"`
	Member      document.Member   `json:"member"`
	Members     []document.Member `json:"members"`
	// Formats are the SSTable versions of the node, such as "nb big".
	Formats []string `json:"formats"`
	// AutoRepair says that the nodes ran with automatic repair, whose columns in the
	// schema's own tables other nodes cannot read.
	AutoRepair bool `json:"autoRepair,omitempty"`
	// Placement lists, for each keyspace that is replicated by datacenter, these.
	Placement map[string][]string `json:"placement"`
}
