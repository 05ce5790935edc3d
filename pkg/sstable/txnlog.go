package sstable

import (
	"bufio"
	"bytes"
	"path/filepath"
	"regexp"
	"strconv"
	"time"
)

// LogRecord is what a transaction log says of one SSTable.
type LogRecord struct {
	// Removes is set for SSTables that go when the transaction is committed; others
	// are those that it writes, which go when it is not.
	Removes bool
	// Dir is the directory of the SSTable, Base its name without component.
	Dir, Base string
	// Modified is the time of the newest file of an SSTable that goes, as it was
	// when the record was written. A node does not start when half of such an SSTable
	// is deleted and the newest file that is left has another time, in whole seconds
	// (org.apache.cassandra.db.lifecycle.LogFile.verifyRecord, 4.0 to 5.0). Names, sizes
	// and contents are not compared; the number of files is, where the last record is torn.
	Modified time.Time
}

// add:[/data/ks/t-id/nb-2-big,0,8][1234]; lines without a path are the transaction's end.
var logRecord = regexp.MustCompile(`(?i)^(add|remove):\[([^,]+),(\d+),(\d+)\]\[\d*\]$`)

// ParseTransactionLog reads the records of a transaction log. Cassandra may be
// writing it: lines that are not whole are passed over.
func ParseTransactionLog(content []byte) ([]LogRecord, error) {
	var records []LogRecord
	lines := bufio.NewScanner(bytes.NewReader(content))
	for lines.Scan() {
		m := logRecord.FindStringSubmatch(lines.Text())
		if m == nil {
			continue
		}
		ms, err := strconv.ParseInt(m[3], 10, 64)
		if err != nil {
			continue
		}
		records = append(records, LogRecord{
			Removes: m[1][0]|' ' == 'r', Dir: filepath.Dir(m[2]), Base: filepath.Base(m[2]), Modified: time.UnixMilli(ms),
		})
	}
	return records, lines.Err()
}
