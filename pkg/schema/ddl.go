package schema

import (
	"fmt"
	"slices"
	"strings"
)

// Target is the Cassandra that statements are written for.
type Target struct {
	// Major and Minor are of its release version: 5 and 0 for 5.0.9.
	Major, Minor int
}

// ParseTarget reads a release_version of system.local, such as 5.0.9 or
// 4.1-beta1.
func ParseTarget(release string) (Target, error) {
	var t Target
	if _, err := fmt.Sscanf(release, "%d.%d", &t.Major, &t.Minor); err != nil {
		return Target{}, fmt.Errorf("parse release version %q: %w", release, err)
	}
	return t, nil
}

// LegacyIndex is the name after USING that makes an index of the old kind on
// 5.0, whatever default_secondary_index says
// (org.apache.cassandra.index.internal.CassandraIndex.NAME; tried on 5.0.9 with
// default_secondary_index sai and without). 4.x knows no USING there.
const LegacyIndex = "legacy_local_table"

// Create gives the statements that create the object, in order: more than one
// for a table with dropped columns. No statement has an ID, since online a table
// never gets the id of a dropped one.
func (o *Object) Create(target Target) []string {
	switch o.Ref.Kind {
	case KindKeyspace:
		return []string{"CREATE KEYSPACE " + o.Ref.String() + with(o.Keyspace.Options)}
	case KindTable:
		return append([]string{o.createTable()}, o.Relation.Dropped...)
	case KindView:
		return []string{"CREATE MATERIALIZED VIEW " + o.Ref.String() + " " + o.Relation.body + o.Relation.with()}
	case KindIndex:
		if !o.Index.Custom && o.Index.Class == "" && target.Major >= 5 {
			return []string{o.plain + " USING '" + LegacyIndex + "'"}
		}
		return []string{o.plain}
	case KindTrigger:
		return []string{"CREATE TRIGGER " + o.Ref.String() + " USING " + literal(o.TriggerClass)}
	case KindType:
		if !o.usesTypeNamedEmpty() {
			return []string{o.plainEmpty}
		}
	}
	return []string{o.plain}
}

// emptyType is how CQL takes the type that DESCRIBE prints as "empty": tables have
// it that lost COMPACT STORAGE and have no column beside their key (tried on 4.0.19
// to 5.0.9).
const emptyType = "'" + marshalPackage + "EmptyType'"

// withEmptyType is the text that the tokens span, with the words "empty" among the
// types spelled as CQL takes them.
func withEmptyType(text string, tokens, types []token) string {
	var b strings.Builder
	at := tokens[0].start
	for _, t := range types {
		if t.is("empty") {
			b.WriteString(text[at:t.start] + emptyType)
			at = t.end
		}
	}
	return b.String() + text[at:tokens[len(tokens)-1].end]
}

// usesTypeNamedEmpty tells whether "empty" is a type of the user's.
func (o *Object) usesTypeNamedEmpty() bool {
	return slices.Contains(o.Uses, Ref{Kind: KindType, Keyspace: o.Ref.Keyspace, Name: "empty"})
}

// Drop gives the statement that drops the object. It has IF EXISTS, so that it
// can be repeated after a timeout that hid a success.
func (o *Object) Drop() string {
	kind := strings.ToUpper(string(o.Ref.Kind))
	if o.Ref.Kind == KindView {
		kind = "MATERIALIZED VIEW"
	}
	return "DROP " + kind + " IF EXISTS " + o.Ref.String()
}

// alter gives the ALTER statement that sets options of a keyspace, a table or a
// view.
func (o *Object) alter(options []Option) string {
	kind := strings.ToUpper(string(o.Ref.Kind))
	if o.Ref.Kind == KindView {
		kind = "MATERIALIZED VIEW"
	}
	return "ALTER " + kind + " " + o.Ref.String() + with(options)
}

func (o *Object) createTable() string {
	body := o.Relation.bodyEmpty
	switch {
	case o.Relation.static():
		body = o.Relation.staticBody()
	case o.usesTypeNamedEmpty():
		body = o.Relation.body
	}
	return "CREATE TABLE " + o.Ref.String() + " " + body + o.Relation.with()
}

// staticBody writes the columns of a compact table without clustering columns.
// Cassandra prints its dropped columns as static, which CREATE refuses (seen on
// 4.0.19 to 5.0.9).
func (r *RelationParts) staticBody() string {
	var b strings.Builder
	for _, c := range r.Columns {
		b.WriteString(Quote(c.Name) + " " + c.Type + ", ")
	}
	keys := make([]string, len(r.PartitionKey))
	for i, key := range r.PartitionKey {
		keys[i] = Quote(key)
	}
	return "(" + b.String() + "PRIMARY KEY ((" + strings.Join(keys, ", ") + ")))"
}

// with writes the WITH clause of CREATE TABLE or VIEW. The clustering order of
// a compact table without clustering columns names a hidden column and is left
// out.
func (r *RelationParts) with() string {
	var first []string
	if r.Compact {
		first = append(first, "COMPACT STORAGE")
	}
	if r.ClusteringOrder != "" && !r.static() {
		first = append(first, "CLUSTERING ORDER BY "+r.ClusteringOrder)
	}
	return with(r.Options, first...)
}

// with writes a WITH clause. Extensions are left out: Cassandra takes the word
// and does nothing (org.apache.cassandra.cql3.statements.schema.TableAttributes).
func with(options []Option, first ...string) string {
	all := first
	for _, o := range options {
		if o.Name != "extensions" {
			all = append(all, o.Name+" = "+o.Value)
		}
	}
	if len(all) == 0 {
		return ""
	}
	return " WITH " + strings.Join(all, " AND ")
}
