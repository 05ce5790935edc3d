package zoo

import (
	"context"
	"fmt"
	"hash/crc32"
	"strings"

	gocql "github.com/apache/cassandra-gocql-driver/v2"
	"golang.org/x/sync/errgroup"
)

// batchSize keeps a batch below the 50 KiB at which Cassandra refuses it.
const batchSize = 12

// rowOf says which row of a table to write.
type rowOf struct {
	// index determines the primary key: four rows share a partition.
	index int
	// shift is added to the seeds of all other values.
	shift int
	// timestamp in microseconds; zero is the server's. Counters have none.
	timestamp int64
}

// offset makes the values of each table its own, so that content that comes
// back in the wrong table is noticed. Keys do not have it.
func (t table) offset() int {
	return int(crc32.ChecksumIEEE([]byte(t.String())) % 900)
}

// seed is the seed of a column's value in a row.
func (t table) seed(c column, row rowOf) int {
	partition := row.index
	if t.clustered() {
		partition = row.index / 4
	}
	switch c.kind {
	case "partition_key":
		return partition
	case "clustering":
		return row.index
	case "static":
		return partition + row.shift + t.offset()
	}
	return row.index + row.shift + t.offset()
}

// insert is the statement that writes a row.
func (c *catalog) insert(t table, row rowOf) (string, error) {
	var names, values []string
	for _, col := range t.columns {
		value, err := c.value(t, col, row)
		if err != nil {
			return "", err
		}
		names, values = append(names, quote(col.name)), append(values, value)
	}
	return fmt.Sprintf("INSERT INTO %s (%s) VALUES (%s)%s", t.cql(), strings.Join(names, ", "), strings.Join(values, ", "), using(row)), nil
}

func (c *catalog) value(t table, col column, row rowOf) (string, error) {
	value, err := writer{t.keyspace, c.types}.literal(parseType(col.typ), t.seed(col, row))
	if err != nil {
		return "", fmt.Errorf("column %s of %s: %w", col.name, t, err)
	}
	return value, nil
}

func using(row rowOf) string {
	if row.timestamp == 0 {
		return ""
	}
	return fmt.Sprintf(" USING TIMESTAMP %d", row.timestamp)
}

// where is the condition that selects a row.
func (c *catalog) where(t table, row rowOf) (string, error) {
	var terms []string
	for _, col := range t.columns {
		if !col.key() {
			continue
		}
		value, err := c.value(t, col, row)
		if err != nil {
			return "", err
		}
		terms = append(terms, quote(col.name)+" = "+value)
	}
	return strings.Join(terms, " AND "), nil
}

// remove is the statement that deletes a row.
func (c *catalog) remove(t table, row rowOf) (string, error) {
	where, err := c.where(t, row)
	return "DELETE FROM " + t.cql() + using(row) + " WHERE " + where, err
}

// count is the statement that adds to a row's counters.
func (c *catalog) count(t table, row rowOf) (string, error) {
	var sets []string
	for _, col := range t.columns {
		if !col.key() {
			name := quote(col.name)
			sets = append(sets, fmt.Sprintf("%s = %s + %d", name, name, 1+row.index%7+row.shift+t.offset()))
		}
	}
	where, err := c.where(t, row)
	return "UPDATE " + t.cql() + " SET " + strings.Join(sets, ", ") + " WHERE " + where, err
}

// write is insert or count, whichever the table takes.
func (c *catalog) write(t table, row rowOf) (string, error) {
	if t.counter() {
		return c.count(t, row)
	}
	return c.insert(t, row)
}

// send executes the statements of one table in unlogged batches, in order.
func send(ctx context.Context, session *gocql.Session, t table, statements []string) error {
	kind := gocql.UnloggedBatch
	if t.counter() {
		kind = gocql.CounterBatch
	}
	size := batchSize
	if t.vector() {
		size = 1
	}
	for start := 0; start < len(statements); start += size {
		batch := session.Batch(kind)
		for _, cql := range statements[start:min(start+size, len(statements))] {
			batch.Query(cql)
		}
		if err := batch.ExecContext(ctx); err != nil {
			return fmt.Errorf("write %s: %w", t, err)
		}
	}
	return nil
}

// fill writes n generated rows into each table, four tables at a time.
func (c *catalog) fill(ctx context.Context, session *gocql.Session, tables []table, n int) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(4)
	for _, t := range tables {
		group.Go(func() error {
			var statements []string
			for i := range n {
				cql, err := c.write(t, rowOf{index: i, timestamp: baseTime + int64(i)})
				if err != nil {
					return err
				}
				statements = append(statements, cql)
			}
			return send(ctx, session, t, statements)
		})
	}
	return group.Wait()
}
