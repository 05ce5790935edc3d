package zoo

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	gocql "github.com/apache/cassandra-gocql-driver/v2"
)

// lines collects text under names, for entries that do not depend on the order
// in which rows come.
type lines map[string][]string

func (l lines) add(name string, values ...any) {
	var quoted []string
	for _, v := range values {
		quoted = append(quoted, fmt.Sprintf("%q", fmt.Sprint(v)))
	}
	l[name] = append(l[name], strings.Join(quoted, " "))
}

func (l lines) entries(kind Kind) Digests {
	var list Digests
	for name, text := range l {
		slices.Sort(text)
		sum := sha256.Sum256([]byte(strings.Join(text, "\n")))
		list = append(list, Entry{Kind: kind, Name: name, Rows: len(text), SHA256: hex.EncodeToString(sum[:])})
	}
	slices.SortFunc(list, func(a, b Entry) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// schemaEntries has an entry for each object of DESCRIBE SCHEMA, whose texts
// without INTERNALS have no ids in them, and one for the dropped columns of a
// table, which those texts leave out.
func schemaEntries(ctx context.Context, session *gocql.Session) (Digests, error) {
	found := lines{}
	var keyspace, kind, name, text string
	iter := query(session, "DESCRIBE SCHEMA").Consistency(gocql.One).IterContext(ctx)
	for iter.Scan(&keyspace, &kind, &name, &text) {
		full := kind + " " + keyspace
		if kind != "keyspace" {
			full += "." + name
		}
		found.add(full, text)
	}
	if err := iter.Close(); err != nil {
		return nil, fmt.Errorf("describe schema: %w", err)
	}
	var table, column, columnKind string
	var at int64
	iter = query(session, "SELECT keyspace_name, table_name, column_name, kind, type, dropped_time FROM system_schema.dropped_columns").Consistency(gocql.One).IterContext(ctx)
	for iter.Scan(&keyspace, &table, &column, &columnKind, &kind, &at) {
		if !system(keyspace) {
			found.add("dropped columns of "+keyspace+"."+table, column, columnKind, kind, at)
		}
	}
	if err := iter.Close(); err != nil {
		return nil, fmt.Errorf("read dropped columns: %w", err)
	}
	return found.entries(KindSchema), nil
}

// grantEntries has up to three entries for a role: what it is (with the hash
// of its password), what it is a member of, and what it may do. A cluster
// without authorization has empty tables, and so no entries.
func grantEntries(ctx context.Context, session *gocql.Session) (Digests, error) {
	found := lines{}
	var role, other, hash string
	var login, super bool
	var set []string
	iter := query(session, "SELECT role, can_login, is_superuser, salted_hash, member_of FROM system_auth.roles").IterContext(ctx)
	for iter.Scan(&role, &login, &super, &hash, &set) {
		slices.Sort(set)
		found.add("role "+role, login, super, hash, set)
	}
	if err := iter.Close(); err != nil {
		return nil, fmt.Errorf("read roles: %w", err)
	}
	iter = query(session, "SELECT role, member FROM system_auth.role_members").IterContext(ctx)
	for iter.Scan(&role, &other) {
		found.add("members of "+role, other)
	}
	if err := iter.Close(); err != nil {
		return nil, fmt.Errorf("read role members: %w", err)
	}
	iter = query(session, "SELECT role, resource, permissions FROM system_auth.role_permissions").IterContext(ctx)
	for iter.Scan(&role, &other, &set) {
		slices.Sort(set)
		found.add("permissions of "+role, other, set)
	}
	if err := iter.Close(); err != nil {
		return nil, fmt.Errorf("read permissions: %w", err)
	}
	return found.entries(KindGrants), nil
}
