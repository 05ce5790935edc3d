// Package document is what a backup writes on the volumes: the types of the
// documents, their strict decoding, their atomic writing, and the verification
// of a volume against them. It needs only the standard library.
//
// Layout, on every node's data volume, outside the data directories:
//
//	<volume root>/casshook/<backup id>/intent.json   written before anything else
//	<volume root>/casshook/<backup id>/node.json     this node, its tables and SSTables
//	<volume root>/casshook/<backup id>/cluster.json  the ring, the same bytes everywhere
//	<volume root>/casshook/<backup id>/schema.jsonl  rows of DESCRIBE SCHEMA WITH INTERNALS
//	<volume root>/casshook/<backup id>/grants.jsonl  rows of system_auth.role_permissions
//	<volume root>/casshook/<backup id>/COMPLETE      written last, on all nodes
package document

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"time"

	"github.com/casshook/casshook/pkg/schema"
	"github.com/casshook/casshook/pkg/sstable"
)

// Root is the directory of casshook on a volume.
const Root = "casshook"

// File names in a backup's directory.
const (
	IntentFile   = "intent.json"
	NodeFile     = "node.json"
	ClusterFile  = "cluster.json"
	SchemaFile   = "schema.jsonl"
	GrantsFile   = "grants.jsonl"
	CompleteFile = "COMPLETE"
)

// Shared are the documents whose bytes are the same on every node.
func Shared() []string { return []string{ClusterFile, SchemaFile, GrantsFile} }

var backupID = regexp.MustCompile(`^casshook-\d{8}T\d{6}Z-[0-9a-f]{4}$`)

// ValidID reports whether a name is a backup id, which is also the snapshot tag:
// casshook-20261121T101530Z-4f2a. Only such tags are ever ours to remove.
func ValidID(id string) bool { return backupID.MatchString(id) }

// NewID makes a backup id from a time and two random bytes.
func NewID(now time.Time, random [2]byte) string {
	return fmt.Sprintf("casshook-%s-%x", now.UTC().Format("20060102T150405Z"), random)
}

// Intent says that a backup was begun on this volume, so that a leftover of a
// killed run is known to be ours.
type Intent struct {
	Version   int      `json:"version"`
	Minor     int      `json:"minor,omitempty"`
	Ignorable []string `json:"ignorable,omitempty"`
	BackupID  string   `json:"backupId"`
	Volume    string   `json:"volume"`
	// Attributes are all that is known of the volume. Since format 1.1.
	Attributes Attributes `json:"volumeAttributes,omitempty"`
	Started    time.Time  `json:"started"`
	// Owner made it, such as a policy; releases before 0.3 named none.
	Owner string `json:"owner,omitempty"`
}

// Member is one node of the ring as the ring itself describes it.
type Member struct {
	Name       string   `json:"name"`
	HostID     string   `json:"hostId"`
	Address    string   `json:"address"`
	Datacenter string   `json:"datacenter"`
	Rack       string   `json:"rack"`
	Tokens     []string `json:"tokens"`
	Release    string   `json:"release"`
}

// Node is node.json: one node, its volume, and every SSTable of its snapshot.
type Node struct {
	Version   int      `json:"version"`
	Minor     int      `json:"minor,omitempty"`
	Ignorable []string `json:"ignorable,omitempty"`
	BackupID  string   `json:"backupId"`
	Member    Member   `json:"node"`
	// Volume is the volume's identity: a copy of the volume has another one.
	Volume string `json:"volume"`
	// Attributes are all that is known of the volume. Since format 1.1.
	Attributes Attributes `json:"volumeAttributes,omitempty"`
	// DataDirectories as they were; SSTables name them by index.
	DataDirectories []string `json:"dataDirectories"`
	// SnapshotStart and SnapshotEnd are by the node's clock.
	SnapshotStart time.Time `json:"snapshotStart"`
	SnapshotEnd   time.Time `json:"snapshotEnd"`
	Tables        []Table   `json:"tables"`
}

// Summed marks what a reader of an earlier format may ignore of the checksums.
func (n *Node) Summed() {
	n.Minor, n.Ignorable = sumsMinor, append(n.Ignorable, "tables.sstables.components.sum", "tables.sstables.components.seen")
}

// sumsMinor is the format since which all files have checksums.
const sumsMinor = 2

// Formats lists the versions of the node's SSTables, such as "nb big", sorted.
func (n Node) Formats() []string {
	formats := map[string]bool{}
	for _, t := range n.Tables {
		for _, s := range t.SSTables {
			if name, ok := sstable.ParseName(sstable.FileOf(s.Base, sstable.Data)); ok {
				formats[name.Version+" "+name.Format] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(formats))
}

// Table is one table or view of a node's snapshot; one without SSTables is empty.
type Table struct {
	TableName
	ID       string    `json:"id"`
	SSTables []SSTable `json:"sstables,omitempty"`
}

// SSTable is one SSTable of a snapshot.
type SSTable struct {
	// Dir is an index into Node.DataDirectories.
	Dir int `json:"dir"`
	// Index is the directory of the legacy index that owns the SSTable, with
	// its leading dot; empty for the table's own.
	Index string `json:"index,omitempty"`
	// Base is the name without component: nb-12-big.
	Base string `json:"base"`
	// Digest is the content of Digest.crc32, empty when Cassandra wrote none.
	Digest     string      `json:"digest,omitempty"`
	Components []Component `json:"components"`
}

// Component is one file of an SSTable.
type Component struct {
	Name string `json:"name"`
	// Size in bytes; -1 where Cassandra may rewrite the file in place.
	Size int64 `json:"size"`
	// CRC32 of small files that never change, otherwise nil.
	CRC32 *uint32 `json:"crc32,omitempty"`
	// Sum is the CRC-32 of other files that never change, but for a Data.db that has a
	// digest. Since format 1.2.
	Sum *uint32 `json:"sum,omitempty"`
	// Seen is what a file that Cassandra may rewrite was like. Since format 1.2.
	Seen *Seen `json:"seen,omitempty"`
}

// Seen is a file that Cassandra may rewrite in place, as a backup found it. One of another
// size was rewritten, and one of which both head and checksum are others.
type Seen struct {
	Size int64 `json:"size"`
	// Head are the first bytes of a Bloom filter, in hexadecimal digits.
	Head string `json:"head,omitempty"`
	// CRC32 of the other bytes; of the sorted lines of TOC.txt.
	CRC32 uint32 `json:"crc32"`
}

// Bytes is the size of all components that do not change.
func (s SSTable) Bytes() int64 {
	var n int64
	for _, c := range s.Components {
		n += max(c.Size, 0)
	}
	return n
}

// Keyspace is a keyspace of the backup with its replication.
type Keyspace struct {
	Name        string            `json:"name"`
	Replication map[string]string `json:"replication"`
	Durable     bool              `json:"durableWrites"`
}

// TableRef names a table or view of the whole ring.
type TableRef struct {
	TableName
	// ID is compact, as in the names of directories: 32 hexadecimal digits.
	ID   string `json:"id"`
	View bool   `json:"view,omitempty"`
	// GCGraceSeconds is the table's gc_grace_seconds; a backup older than it
	// needs a repair after its restore.
	GCGraceSeconds int `json:"gcGraceSeconds"`
}

// Skew says how far apart the nodes' snapshots are, by the executor's clock.
type Skew struct {
	// StartMS is the spread of the nodes' starts, in milliseconds.
	StartMS float64 `json:"startMs"`
	// TotalMS is from the first start to the last end, in milliseconds.
	TotalMS float64 `json:"totalMs"`
}

// Window is how long the snapshots took, for people.
func (s Skew) Window() string {
	if s.TotalMS == 0 {
		return "of unknown length"
	}
	return fmt.Sprintf("%.2f ms from the first start to the last end", s.TotalMS)
}

// Cluster is cluster.json: the ring and its schema, the same on every node.
type Cluster struct {
	Version     int       `json:"version"`
	Minor       int       `json:"minor,omitempty"`
	Ignorable   []string  `json:"ignorable,omitempty"`
	BackupID    string    `json:"backupId"`
	Created     time.Time `json:"created"`
	CreatedBy   string    `json:"createdBy"`
	ClusterName string    `json:"clusterName"`
	// Namespace that the ring is in; empty on hosts.
	Namespace string `json:"namespace,omitempty"`
	// ClusterHash identifies the Kubernetes cluster of the namespace; empty when
	// unknown. Since format 1.1.
	ClusterHash   string     `json:"clusterHash,omitempty"`
	Partitioner   string     `json:"partitioner"`
	SchemaVersion string     `json:"schemaVersion"`
	Members       []Member   `json:"members"`
	Keyspaces     []Keyspace `json:"keyspaces"`
	Tables        []TableRef `json:"tables"`
	// Extras is what DESCRIBE leaves out.
	Extras schema.Extras `json:"extras"`
	// UnbuiltViews were being built when the backup was made. Since format 1.1.
	UnbuiltViews []TableName       `json:"unbuiltViews,omitempty"`
	Roles        []string          `json:"roles"`
	Settings     map[string]string `json:"settings"`
	Skew         Skew              `json:"skew"`
}

// Place records where the ring is, and marks what a reader of format 1.0 may
// ignore of it.
func (c *Cluster) Place(namespace, clusterHash string) {
	c.Namespace, c.ClusterHash = namespace, clusterHash
	if clusterHash != "" {
		c.Minor, c.Ignorable = 1, []string{"clusterHash"}
	}
}

// Unbuilt records views that are being built. A reader of format 1.0 must not take
// them for whole.
func (c *Cluster) Unbuilt(views []TableName) {
	if c.UnbuiltViews = views; len(views) > 0 {
		c.Minor = 1
	}
}

// Complete is COMPLETE: the digests of every document of every node.
type Complete struct {
	Version   int       `json:"version"`
	BackupID  string    `json:"backupId"`
	Completed time.Time `json:"completed"`
	// Shared maps the documents that are the same everywhere to their SHA-256.
	Shared map[string]string `json:"shared"`
	// Nodes maps host ids to the SHA-256 of their node.json.
	Nodes map[string]string `json:"nodes"`
}
