package document

import (
	"cmp"
	"strings"
)

// TableName names a table or view by its unquoted names, as Cassandra has them.
type TableName struct {
	Keyspace string `json:"keyspace"`
	Name     string `json:"name"`
}

// String is keyspace.table, for people.
func (t TableName) String() string { return t.Keyspace + "." + t.Name }

// Compare orders tables by keyspace and name.
func (t TableName) Compare(other TableName) int {
	return cmp.Or(strings.Compare(t.Keyspace, other.Keyspace), strings.Compare(t.Name, other.Name))
}
