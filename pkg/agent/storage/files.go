package storage

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"syscall"

	"github.com/casshook/casshook/pkg/sstable"
)

// WordName are the names of keyspaces and tables, tableID their ids, as Cassandra has them (SchemaConstants.
// PATTERN_WORD_CHARS); an id is empty where the table does not exist.
var (
	WordName = regexp.MustCompile(`^\w+$`)
	tableID  = regexp.MustCompile(`^([0-9a-f]{32})?$`)
)

// IndexDir is the directory of a legacy index's SSTables in its table's directory.
var IndexDir = regexp.MustCompile(`^\.\w+$`)

// CheckTable refuses names and ids that cannot be those of a table, before any of them
// becomes a part of a path.
func CheckTable(keyspace, name string, ids ...string) error {
	for _, id := range ids {
		if !WordName.MatchString(keyspace) || !WordName.MatchString(name) || !tableID.MatchString(id) {
			return fmt.Errorf("%q.%q with id %q is not a valid table name", keyspace, name, id)
		}
	}
	return nil
}

// Inode tells a file whatever its name: SSTables are renamed when they are taken.
type Inode struct {
	Dev, ino uint64
}

// InodeOf is the inode of a file.
func InodeOf(info os.FileInfo) Inode {
	st, _ := info.Sys().(*syscall.Stat_t)
	return Inode{uint64(st.Dev), st.Ino} //nolint:unconvert // Dev differs between platforms
}

// IsData tells whether a file is the Data.db of an SSTable.
func IsData(path string) bool {
	return strings.HasSuffix(path, "-"+sstable.Data)
}

// Brief joins the first few of a long list.
func Brief(items []string) string {
	const most = 5
	if len(items) <= most {
		return strings.Join(items, ", ")
	}
	return strings.Join(items[:most], ", ") + fmt.Sprintf(" and %d more", len(items)-most)
}
