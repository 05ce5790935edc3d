// Package sstable knows the files of Apache Cassandra's tables: directory and
// file names, the components of an SSTable, its digest file, and the manifest
// of a snapshot. It needs only the standard library, since the agent uses it.
//
// Sources: org.apache.cassandra.io.sstable.Descriptor (names),
// org.apache.cassandra.io.sstable.format.* (components), and
// org.apache.cassandra.db.Directories (layout), all of 4.0 to 5.0.
package sstable

import (
	"fmt"
	"regexp"
	"strings"
)

// Components that this package treats by name.
const (
	Data       = "Data.db"
	Statistics = "Statistics.db"
	Digest     = "Digest.crc32"
	Filter     = "Filter.db"
	TOC        = "TOC.txt"
	primaryBig = "Index.db"
	primaryBTI = "Partitions.db"
)

// SnapshotsDir is the directory of a table directory that holds its snapshots.
const SnapshotsDir = "snapshots"

// ManifestFile lists the Data.db files of one table's snapshot.
const ManifestFile = "manifest.json"

var (
	fileName = regexp.MustCompile(`^([a-z]{2})-([0-9]{1,10}|[0-9a-z]{4}_[0-9a-z]{4}_[0-9a-z]{18})-([a-z]+)-(.+)$`)
	tableDir = regexp.MustCompile(`^(\w+)-([0-9a-f]{32})$`)
	txnLog   = regexp.MustCompile(`^(?:(?:[a-z]+-)?.{2}_)?txn_.*_.*\.log$`)
)

// Name is the parsed name of one file of an SSTable, for example
// nb-12-big-Data.db or da-3gp2_0a1x_4sv282a1uclk7bjbz4-bti-Data.db.
type Name struct {
	// Version is the two letters of the format's version, such as nb, oa, da.
	Version string
	// ID is a sequence number or a UUID-based id of 28 characters.
	ID string
	// Format is big or bti.
	Format string
	// Component is what follows, such as Data.db or SAI+aa+GroupMeta.db.
	Component string
}

// ParseName parses a file name; ok is false for files of no SSTable.
func ParseName(file string) (name Name, ok bool) {
	m := fileName.FindStringSubmatch(file)
	if m == nil {
		return Name{}, false
	}
	return Name{Version: m[1], ID: m[2], Format: m[3], Component: m[4]}, true
}

// Base is the name without its component: nb-12-big.
func (n Name) Base() string { return n.Version + "-" + n.ID + "-" + n.Format }

// String is the file name.
func (n Name) String() string { return n.Base() + "-" + n.Component }

// FileOf is the file name of a component of the SSTable with this base name.
func FileOf(base, component string) string { return base + "-" + component }

// Renamed is the base name with another id; contents carry no id, so an SSTable
// is renamed by renaming its files (Cassandra's own import does just that).
func Renamed(base, id string) (string, error) {
	n, ok := ParseName(base + "-" + Data)
	if !ok {
		return "", fmt.Errorf("rename SSTable %q: not an SSTable name", base)
	}
	n.ID = id
	return n.Base(), nil
}

// UUIDBased reports whether the base name carries a UUID-based id, which a node
// with uuid_sstable_identifiers_enabled off refuses to start with.
func UUIDBased(base string) bool {
	n, ok := ParseName(base + "-" + Data)
	return ok && strings.Contains(n.ID, "_")
}

// ParseTableDir splits <table>-<32 hex digits>; other directories of a data
// directory, such as system/_paxos_repair_state, are no tables.
func ParseTableDir(dir string) (table, id string, ok bool) {
	m := tableDir.FindStringSubmatch(dir)
	if m == nil {
		return "", "", false
	}
	return m[1], m[2], true
}

// TableDir is the directory name of a table; id is in either UUID form.
func TableDir(table, id string) string { return table + "-" + CompactID(id) }

// CompactID is a table id as directories carry it: 32 hexadecimal digits.
func CompactID(id string) string { return strings.ToLower(strings.ReplaceAll(id, "-", "")) }

// IsTransactionLog reports whether a file is a lifecycle transaction log, which
// decides at the next start which SSTables live (CASSANDRA-7066).
func IsTransactionLog(file string) bool { return txnLog.MatchString(file) }

// IsSASI reports whether a component belongs to a SASI index. Cassandra rebuilds
// those on every load, and where one is there rewrites it in place, through the
// hard link (seen on 4.0.19, 4.1.10, 5.0.9); so they are never handed to it.
func IsSASI(component string) bool { return strings.HasPrefix(component, "SI_") }

// IsSAI reports whether a component belongs to a storage-attached index. They are
// taken over by a refresh; an import leaves them behind and rebuilds (5.0.9).
func IsSAI(component string) bool { return strings.HasPrefix(component, "SAI+") }

// MayChange reports whether Cassandra rewrites the component in place, so that
// a snapshot's hard link changes with it: the bloom filter is regenerated, the
// table of contents rewritten, SASI indexes rebuilt. Their sizes and checksums
// prove nothing.
func MayChange(component string) bool {
	return component == Filter || component == TOC || IsSASI(component)
}
