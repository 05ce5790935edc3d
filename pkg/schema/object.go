package schema

import (
	"slices"
)

// Row is one row of DESCRIBE SCHEMA WITH INTERNALS, verbatim. The JSON names
// are the names of its columns
// (org.apache.cassandra.cql3.statements.DescribeStatement).
type Row struct {
	// Keyspace is quoted where CQL needs it, as Cassandra prints it.
	Keyspace string `json:"keyspace_name"`
	// Type is keyspace, type, function, aggregate, table, index or
	// materialized_view.
	Type string `json:"type"`
	// Name is quoted where CQL needs it; of a function and an aggregate it has
	// the argument types: "f1(int, int)".
	Name string `json:"name"`
	// Statement is what creates the object; see the package comment.
	Statement string `json:"create_statement"`
}

// Extras is what DESCRIBE leaves out, read from system_schema. Rows of system
// keyspaces in it are ignored. Where Indexes or Tables is not empty, Parse
// checks that it names the same objects as the rows do.
type Extras struct {
	// Triggers are all rows of system_schema.triggers.
	Triggers []Trigger `json:"triggers,omitempty"`
	// Indexes are all rows of system_schema.indexes.
	Indexes []Index `json:"indexes,omitempty"`
	// Tables are the flags of all rows of system_schema.tables.
	Tables []TableFlags `json:"tables,omitempty"`
}

// Trigger is a row of system_schema.triggers; names are unquoted.
type Trigger struct {
	Keyspace string `json:"keyspace_name"`
	Table    string `json:"table_name"`
	Name     string `json:"trigger_name"`
	// Class is options['class'].
	Class string `json:"class"`
}

// Index is a row of system_schema.indexes; names are unquoted.
type Index struct {
	Keyspace string `json:"keyspace_name"`
	Table    string `json:"table_name"`
	Name     string `json:"index_name"`
	// Kind is COMPOSITES, KEYS or CUSTOM.
	Kind    string            `json:"kind"`
	Options map[string]string `json:"options,omitempty"`
}

// TableFlags are the flags of a row of system_schema.tables: compound, dense,
// super, counter. A table without COMPACT STORAGE has compound, and neither
// dense nor super (org.apache.cassandra.schema.TableMetadata.Flag).
type TableFlags struct {
	Keyspace string   `json:"keyspace_name"`
	Table    string   `json:"table_name"`
	Flags    []string `json:"flags"`
}

// Schema is a parsed schema: objects in the order of the rows, triggers last.
type Schema struct {
	Objects []*Object

	byRef map[Ref]*Object
}

// Lookup finds an object; nil when the schema has none of that name.
func (s *Schema) Lookup(ref Ref) *Object { return s.byRef[ref] }

// Of lists the objects of one keyspace that are of one of the kinds, in order;
// without kinds, all but the keyspace itself.
func (s *Schema) Of(keyspace string, kinds ...Kind) []*Object {
	var out []*Object
	for _, o := range s.Objects {
		wanted := slices.Contains(kinds, o.Ref.Kind) || len(kinds) == 0 && o.Ref.Kind != KindKeyspace
		if o.Ref.Keyspace == keyspace && wanted {
			out = append(out, o)
		}
	}
	return out
}

// Keyspaces lists the unquoted names of the keyspaces, in order.
func (s *Schema) Keyspaces() []string {
	var out []string
	for _, o := range s.Objects {
		if o.Ref.Kind == KindKeyspace {
			out = append(out, o.Ref.Keyspace)
		}
	}
	return out
}

func (s *Schema) add(o *Object) {
	s.Objects = append(s.Objects, o)
	s.byRef[o.Ref] = o
}

// Object is one object of a schema. Which parts are set depends on its kind.
type Object struct {
	Ref Ref
	// Base is the table of an index, a view or a trigger, otherwise zero.
	Base Ref
	// Uses are the types and functions this object needs, within its keyspace.
	// A function is found by name, so all its overloads are listed.
	Uses []Ref
	// Statement is the verbatim text of the row; empty for a trigger.
	Statement string

	// Keyspace is set for keyspaces.
	Keyspace *KeyspaceParts
	// Relation is set for tables and views.
	Relation *RelationParts
	// Index is set for indexes.
	Index *IndexParts
	// TriggerClass is set for triggers.
	TriggerClass string

	// plain is the single statement of a type, function or aggregate that can
	// be executed, with its canonical form.
	plain, canonical string
	// plainEmpty is plain of a type with fields of the type "empty".
	plainEmpty string

	// fields is how many a type has, language what a function is written in.
	fields   int
	language string
	// filters is set for a view whose WHERE has more than IS NOT NULL for a column
	// outside the primary key of its table.
	filters bool

	// names of types and functions that Uses is made from.
	types, functions []token
}

// KeyspaceParts are the parts of CREATE KEYSPACE.
type KeyspaceParts struct {
	// Replication is the replication map with its class in it. The package
	// prefix org.apache.cassandra.locator. is cut off the class.
	Replication map[string]string
	// DurableWrites is durable_writes, true by default.
	DurableWrites bool
	// Options are all options with their raw values.
	Options []Option
}

// RelationParts are the parts of CREATE TABLE and CREATE MATERIALIZED VIEW.
type RelationParts struct {
	// ID is the table id in its hyphenated form.
	ID string
	// Columns of a table in the order of the statement, columns that were
	// dropped included; empty for a view.
	Columns []Column
	// PartitionKey and ClusteringKey are unquoted column names.
	PartitionKey, ClusteringKey []string
	// Query of a view is its text from SELECT to the end of its primary key.
	Query string
	// ClusteringOrder is the raw text "(c1 DESC, c2 ASC)", empty when there are
	// no clustering columns.
	ClusteringOrder string
	// Options are the other options, without ID and COMPACT STORAGE.
	Options []Option
	// Dropped are the ALTER TABLE statements that record dropped columns, and
	// those that were added again, in order.
	Dropped []string
	// Compact is true for COMPACT STORAGE.
	Compact bool
	// NotPlain says why a table cannot be created with CQL; empty when it can.
	NotPlain string

	// body is the text between the name and WITH; in bodyEmpty the type that
	// DESCRIBE prints as "empty" is spelled as CQL takes it.
	body, bodyEmpty string
}

// static tells whether this is a compact table without clustering columns, which
// is the kind that has hidden columns.
func (r *RelationParts) static() bool { return r.Compact && len(r.ClusteringKey) == 0 }

// Column is one column of a table.
type Column struct {
	// Name is unquoted.
	Name string
	// Type is the type as the statement writes it.
	Type string
	// Static is true for static columns.
	Static bool
	// Mask is the masking function call (5.0), otherwise empty.
	Mask string
}

// IndexParts are the parts of CREATE INDEX.
type IndexParts struct {
	// Custom is true for CREATE CUSTOM INDEX, which all but the indexes of the
	// old kind are printed as.
	Custom bool
	// Target is the raw text in the parentheses.
	Target string
	// Class is what stands after USING, unquoted; empty for an index of the old
	// kind.
	Class string
	// Options are those of WITH OPTIONS.
	Options map[string]string
}

// Option is one option of a WITH clause; Value is raw CQL.
type Option struct {
	// Name is in lower case.
	Name string
	// Value is the text after the equals sign.
	Value string
}

// option finds an option by name.
func option(options []Option, name string) (value string, found bool) {
	for _, o := range options {
		if o.Name == name {
			return o.Value, true
		}
	}
	return "", false
}
