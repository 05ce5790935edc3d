package schema

import (
	"fmt"
	"strings"
)

// Kind is the kind of a schema object. The values are those of the type column
// of DESCRIBE, except KindView (materialized_view there) and KindTrigger, which
// DESCRIBE does not print.
type Kind string

// The kinds of schema objects.
const (
	KindKeyspace  Kind = "keyspace"
	KindType      Kind = "type"
	KindFunction  Kind = "function"
	KindAggregate Kind = "aggregate"
	KindTable     Kind = "table"
	KindIndex     Kind = "index"
	KindView      Kind = "view"
	KindTrigger   Kind = "trigger"
)

// Ref names one object of a schema. It is comparable, so it can key maps.
type Ref struct {
	Kind Kind
	// Keyspace is the unquoted name of the keyspace, of a keyspace its own.
	Keyspace string
	// Name is the unquoted name; empty for a keyspace.
	Name string
	// Table is the unquoted name of a trigger's table: the names of triggers
	// are unique within a table only, all others within a keyspace.
	Table string
	// Args are the argument types of a function or an aggregate as DESCRIBE
	// writes them, for example "int, frozen<list<text>>".
	Args string
}

// String gives the name as CQL writes it after the kind's keyword: quoted where
// needed, with argument types, and "name ON ks.table" for a trigger.
func (r Ref) String() string {
	switch r.Kind {
	case KindKeyspace:
		return Quote(r.Keyspace)
	case KindFunction, KindAggregate:
		return qualified(r.Keyspace, r.Name) + "(" + r.Args + ")"
	case KindTrigger:
		return Quote(r.Name) + " ON " + qualified(r.Keyspace, r.Table)
	default:
		return qualified(r.Keyspace, r.Name)
	}
}

// Describe names the object with its kind, for reasons and errors.
func (r Ref) Describe() string { return string(r.Kind) + " " + r.String() }

// KeyspaceRef names a keyspace.
func KeyspaceRef(keyspace string) Ref { return Ref{Kind: KindKeyspace, Keyspace: keyspace} }

// TableRef names a table.
func TableRef(keyspace, table string) Ref {
	return Ref{Kind: KindTable, Keyspace: keyspace, Name: table}
}

// ViewRef names a materialized view.
func ViewRef(keyspace, view string) Ref {
	return Ref{Kind: KindView, Keyspace: keyspace, Name: view}
}

func qualified(keyspace, name string) string { return Quote(keyspace) + "." + Quote(name) }

// Quote writes an identifier for CQL: as it is when Cassandra takes it unquoted
// and folds it to itself, in double quotes otherwise. It does what
// org.apache.cassandra.cql3.ColumnIdentifier.maybeQuote does.
func Quote(identifier string) string {
	if plainName(identifier) && !reserved(identifier) {
		return identifier
	}
	return `"` + strings.ReplaceAll(identifier, `"`, `""`) + `"`
}

// Unquote gives the identifier that a name in CQL stands for: the content of a
// quoted one, an unquoted one in lower case. Text that is not exactly one name
// is an error.
func Unquote(name string) (string, error) {
	tokens, err := scan(name)
	if err != nil {
		return "", err
	}
	if len(tokens) != 1 || !tokens[0].isName() {
		return "", fmt.Errorf("unquote %q: not one name", name)
	}
	return tokens[0].name(), nil
}

// plainName tells whether the name has the form [a-z][a-z0-9_]*.
func plainName(name string) bool {
	for i := range len(name) {
		c := name[i]
		if !wordByte(c) || c >= 'A' && c <= 'Z' || i == 0 && (c < 'a' || c > 'z') {
			return false
		}
	}
	return name != ""
}

// reserved tells whether the word is one of Cassandra's reserved keywords: the
// list of org/apache/cassandra/cql3/reserved_keywords.txt, which is the same in
// 4.0.19, 4.1.10 and 5.0.9.
func reserved(word string) bool {
	const list = " add allow alter and apply asc authorize batch begin by columnfamily create delete desc describe " +
		"drop entries execute from full grant if in index infinity insert into is keyspace limit materialized modify " +
		"nan norecursive not null of on or order primary rename revoke schema select set table to token truncate " +
		"unlogged update use using view where with "
	return strings.Contains(list, " "+word+" ")
}
