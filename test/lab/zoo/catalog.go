package zoo

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	gocql "github.com/apache/cassandra-gocql-driver/v2"
)

// column is a row of system_schema.columns.
type column struct {
	name, kind, typ string
	position        int
}

// table is a table or view with its columns: those of the primary key in
// their order, then the others by name.
type table struct {
	keyspace, name string
	view           bool
	columns        []column
}

// catalog is what the live cluster has.
type catalog struct {
	tables []table
	// types are the fields of the user-defined types by keyspace.name, names
	// and types in turn.
	types map[string][]column
	// objects are views, indexes, functions and aggregates as keyspace.name.
	objects map[string]bool
}

// quote makes an identifier of any name.
func quote(name string) string {
	return `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
}

func (t table) String() string { return t.keyspace + "." + t.name }

// cql is the name as statements need it.
func (t table) cql() string { return quote(t.keyspace) + "." + quote(t.name) }

func (c column) key() bool { return c.kind == "partition_key" || c.kind == "clustering" }

func (t table) counter() bool {
	return slices.ContainsFunc(t.columns, func(c column) bool { return c.typ == "counter" })
}

// vector says whether the table must be written one row at a time: the index of
// 5.0.9 fails writes to it that run beside each other ("Number of outstanding
// pooled objects has gone beyond the limit", seen with two cores).
func (t table) vector() bool {
	return slices.ContainsFunc(t.columns, func(c column) bool { return strings.HasPrefix(c.typ, "vector<") })
}

// clustered says whether partitions have more than one row.
func (t table) clustered() bool {
	return slices.ContainsFunc(t.columns, func(c column) bool { return c.kind == "clustering" })
}

// system says whether a keyspace is Cassandra's own. The names are listed,
// since a user's keyspace may begin with system. Source:
// org.apache.cassandra.schema.SchemaConstants of 4.0 to 5.0.
func system(keyspace string) bool {
	switch keyspace {
	case "system", "system_schema", "system_auth", "system_distributed", "system_traces", "system_views", "system_virtual_schema":
		return true
	}
	return false
}

// readCatalog reads system_schema from the node of the session.
func readCatalog(ctx context.Context, session *gocql.Session) (*catalog, error) {
	c := &catalog{types: map[string][]column{}, objects: map[string]bool{}}
	if err := c.readTables(ctx, session); err != nil {
		return nil, fmt.Errorf("read system_schema: %w", err)
	}
	if err := c.readTypes(ctx, session); err != nil {
		return nil, fmt.Errorf("read system_schema.types: %w", err)
	}
	for _, from := range []string{"view_name FROM system_schema.views", "index_name FROM system_schema.indexes",
		"function_name FROM system_schema.functions", "aggregate_name FROM system_schema.aggregates"} {
		iter := query(session, "SELECT keyspace_name, "+from).Consistency(gocql.One).IterContext(ctx)
		var keyspace, name string
		for iter.Scan(&keyspace, &name) {
			c.objects[keyspace+"."+name] = true
		}
		if err := iter.Close(); err != nil {
			return nil, fmt.Errorf("read %s: %w", from, err)
		}
	}
	return c, nil
}

func (c *catalog) readTables(ctx context.Context, session *gocql.Session) error {
	var t table
	var flags []string
	thin := map[string]bool{}
	iter := query(session, "SELECT keyspace_name, table_name, flags FROM system_schema.tables").Consistency(gocql.One).IterContext(ctx)
	for iter.Scan(&t.keyspace, &t.name, &flags) {
		if !system(t.keyspace) {
			c.tables = append(c.tables, t)
			thin[t.String()] = !slices.Contains(flags, "compound") && !slices.Contains(flags, "dense")
		}
	}
	if err := iter.Close(); err != nil {
		return err
	}
	t.view = true
	iter = query(session, "SELECT keyspace_name, view_name FROM system_schema.views").Consistency(gocql.One).IterContext(ctx)
	for iter.Scan(&t.keyspace, &t.name) {
		c.tables = append(c.tables, t)
	}
	if err := iter.Close(); err != nil {
		return err
	}
	columns, err := readColumns(ctx, session)
	for i, t := range c.tables {
		c.tables[i].columns = columns[t.String()]
		if thin[t.String()] {
			c.tables[i].columns = thinColumns(columns[t.String()])
		}
	}
	slices.SortFunc(c.tables, func(a, b table) int { return cmp.Compare(a.String(), b.String()) })
	return err
}

func readColumns(ctx context.Context, session *gocql.Session) (map[string][]column, error) {
	columns := map[string][]column{}
	var t table
	var col column
	iter := query(session, "SELECT keyspace_name, table_name, column_name, kind, type, position FROM system_schema.columns").Consistency(gocql.One).IterContext(ctx)
	for iter.Scan(&t.keyspace, &t.name, &col.name, &col.kind, &col.typ, &col.position) {
		columns[t.String()] = append(columns[t.String()], col)
	}
	rank := func(c column) int { return strings.Index("partition_key clustering static regular", c.kind) }
	for _, list := range columns {
		slices.SortFunc(list, func(a, b column) int {
			return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a.position, b.position), cmp.Compare(a.name, b.name))
		})
	}
	return columns, iter.Close()
}

// thinColumns are the columns of a COMPACT STORAGE table without clustering:
// system_schema calls its columns static and adds a clustering and a regular
// column that CQL does not show (TableMetadata.isStaticCompactTable).
func thinColumns(all []column) []column {
	var list []column
	for _, c := range all {
		switch c.kind {
		case "static":
			c.kind = "regular"
			list = append(list, c)
		case "partition_key":
			list = append(list, c)
		}
	}
	return list
}

func (c *catalog) readTypes(ctx context.Context, session *gocql.Session) error {
	var keyspace, name string
	var names, types []string
	iter := query(session, "SELECT keyspace_name, type_name, field_names, field_types FROM system_schema.types").Consistency(gocql.One).IterContext(ctx)
	for iter.Scan(&keyspace, &name, &names, &types) {
		var fields []column
		for i := range names {
			fields = append(fields, column{name: names[i], typ: types[i]})
		}
		c.types[keyspace+"."+name] = fields
	}
	return iter.Close()
}

// find returns a table by name; a name that is not there has no columns.
func (c *catalog) find(name string) table {
	for _, t := range c.tables {
		if t.String() == name {
			return t
		}
	}
	return table{}
}
