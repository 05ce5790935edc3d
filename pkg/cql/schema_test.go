package cql

import (
	"fmt"
	"strings"
	"testing"

	"github.com/apache/cassandra-gocql-driver/v2"
	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/document"
	"github.com/casshook/casshook/pkg/ring"
	"github.com/casshook/casshook/pkg/schema"
)

const describe = "DESCRIBE SCHEMA WITH INTERNALS"

// describeRows are rows as DESCRIBE returns them, a page for every two.
func describeRows(n int) *table {
	t := &table{columns: columns("keyspace_name text, type text, name text, create_statement text"), page: 2}
	for i := range n {
		t.rows = append(t.rows, []any{"shop", "table", fmt.Sprint("t", i), fmt.Sprintf("CREATE TABLE shop.t%d (…);", i)})
	}
	return t
}

func TestDescribeReadsAllPages(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, 2, 3, 7} {
		s := newStandIn("5.0.9")
		s.set(describe, always(describeRows(n)))
		session := login(t, s)
		rows, err := session.Describe(t.Context())
		require.NoError(t, err)
		require.Len(t, rows, n)
		for i, r := range rows {
			require.Equal(t, schema.Row{Keyspace: "shop", Type: "table", Name: fmt.Sprint("t", i), Statement: fmt.Sprintf("CREATE TABLE shop.t%d (…);", i)}, r)
		}
		require.Equal(t, max(1, (n+1)/2), s.seen(describe))
		require.EqualValues(t, 1, session.Statements(), "pages are no statements")
	}
}

// The page state of DESCRIBE holds the schema's version: when that moves, the
// next page is refused, and half a schema must not be taken for the whole.
func TestDescribeFailsInTheMiddle(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		reply reply
		want  string
	}{
		{"the schema moved", &failure{code: gocql.ErrCodeInvalid, message: "The schema has changed since the previous page of the DESCRIBE statement result."}, "The schema has changed"},
		{"the connection is cut", cut{}, "node n1: " + describe},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newStandIn("5.0.9")
			s.set(describe, func(q query) reply {
				if q.page == "2" {
					return tt.reply
				}
				return describeRows(7)
			})
			_, err := login(t, s).Describe(t.Context())
			require.ErrorContains(t, err, tt.want)
		})
	}
}

func TestTables(t *testing.T) {
	t.Parallel()
	s := newStandIn("5.0.9")
	s.add("system_schema.tables", "shop", "orders", uuid(1), 864000, []string{"compound"})
	s.add("system_schema.tables", "shop", "empty", uuid(2), nil, nil)
	s.add("system_schema.views", "shop", "by_day", uuid(3), 3600)
	got, err := login(t, s).Tables(t.Context())
	require.NoError(t, err)
	require.Equal(t, []document.TableRef{
		{TableName: document.TableName{Keyspace: "shop", Name: "orders"}, ID: strings.ReplaceAll(uuid(1).String(), "-", ""), GCGraceSeconds: 864000},
		{TableName: document.TableName{Keyspace: "shop", Name: "empty"}, ID: strings.ReplaceAll(uuid(2).String(), "-", "")},
		{TableName: document.TableName{Keyspace: "shop", Name: "by_day"}, ID: strings.ReplaceAll(uuid(3).String(), "-", ""), View: true, GCGraceSeconds: 3600},
	}, got)
}

func TestKeyspaces(t *testing.T) {
	t.Parallel()
	s := newStandIn("5.0.9")
	nts := map[string]string{"class": "org.apache.cassandra.locator.NetworkTopologyStrategy", "dc1": "3"}
	local := map[string]string{"class": "org.apache.cassandra.locator.LocalStrategy"}
	s.add("system_schema.keyspaces", "system", true, local)
	s.add("system_schema.keyspaces", "shop", false, nts)
	got, err := login(t, s).Keyspaces(t.Context())
	require.NoError(t, err)
	require.Equal(t, []document.Keyspace{
		{Name: "shop", Replication: nts}, {Name: "system", Replication: local, Durable: true},
	}, got)
}

func TestExtras(t *testing.T) {
	t.Parallel()
	s := newStandIn("5.0.9")
	s.add("system_schema.triggers", "shop", "orders", "audit", map[string]string{"class": "org.example.Audit"})
	s.add("system_schema.indexes", "shop", "orders", "by_city", "COMPOSITES", map[string]string{"target": "city"})
	s.add("system_schema.indexes", "shop", "orders", "bare", "CUSTOM", nil)
	s.add("system_schema.tables", "shop", "orders", uuid(1), 0, []string{"compound", "counter"})
	s.add("system_schema.tables", "shop", "plain", uuid(2), 0, nil)
	got, err := login(t, s).Extras(t.Context())
	require.NoError(t, err)
	require.Equal(t, schema.Extras{
		Triggers: []schema.Trigger{{Keyspace: "shop", Table: "orders", Name: "audit", Class: "org.example.Audit"}},
		Indexes: []schema.Index{
			{Keyspace: "shop", Table: "orders", Name: "by_city", Kind: "COMPOSITES", Options: map[string]string{"target": "city"}},
			{Keyspace: "shop", Table: "orders", Name: "bare", Kind: "CUSTOM"},
		},
		Tables: []schema.TableFlags{{Keyspace: "shop", Table: "orders", Flags: []string{"compound", "counter"}}, {Keyspace: "shop", Table: "plain"}},
	}, got)
}

func TestRolesAndGrants(t *testing.T) {
	t.Parallel()
	s := newStandIn("5.0.9")
	s.add("system_auth.roles", "reader", false, false, nil)
	s.add("system_auth.roles", "admin", true, true, nil)
	s.add("system_auth.role_permissions", "reader", "data/shop", []string{"SELECT", "DESCRIBE"})
	s.add("system_auth.role_permissions", "reader", "data", []string{"SELECT"})
	s.add("system_auth.role_permissions", "admin", "roles", nil)
	session := login(t, s)
	roles, err := session.Roles(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"admin", "reader"}, roles)
	grants, err := session.Grants(t.Context())
	require.NoError(t, err)
	require.Equal(t, []schema.Grant{
		{Role: "admin", Resource: "roles", Permissions: []string{}},
		{Role: "reader", Resource: "data", Permissions: []string{"SELECT"}},
		{Role: "reader", Resource: "data/shop", Permissions: []string{"DESCRIBE", "SELECT"}},
	}, grants)
	for _, q := range s.queries {
		if q.statement == "SELECT role FROM system_auth.roles" {
			require.Equal(t, gocql.Quorum, q.consistency)
		}
	}
}

func TestCount(t *testing.T) {
	t.Parallel()
	const count = "SELECT count(*) FROM shop.orders"
	number := func(n ...any) *table {
		t := &table{columns: columns("count bigint")}
		for _, v := range n {
			t.rows = append(t.rows, []any{v})
		}
		return t
	}
	tests := []struct {
		name  string
		reply reply
		n     int64
		want  string
	}{
		{"some", number(int64(1) << 40), 1 << 40, ""},
		{"none", number(int64(0)), 0, ""},
		{"no row is not none", number(), 0, "node n1: " + count + ": expected 1 row, got 0"},
		{"two rows", number(int64(1), int64(2)), 2, "expected 1 row, got 2"},
		{"a node is down", &failure{gocql.ErrCodeUnavailable, "Cannot achieve consistency level ALL", body{}.short(5).int(3).int(2)}, 0, "Cannot achieve consistency level ALL"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newStandIn("5.0.9")
			s.set(count, always(tt.reply))
			n, err := login(t, s).Count(t.Context(), count)
			require.Equal(t, tt.n, n)
			if tt.want != "" {
				require.ErrorContains(t, err, tt.want)
				return
			}
			require.NoError(t, err)
			require.Equal(t, gocql.All, s.queries[len(s.queries)-1].consistency)
		})
	}
}

func TestViewBuilds(t *testing.T) {
	t.Parallel()
	s := newStandIn("5.0.9")

	statuses := &table{columns: columns("keyspace_name text, view_name text, host_id uuid, status text")}
	statuses.rows = [][]any{{"shop", "it's", uuid(1), "SUCCESS"}, {"shop", "it's", uuid(2), "STARTED"}, {"shop", "b", uuid(1), "SUCCESS"}}
	s.set(selectBuilt, always(statuses))
	builds, err := login(t, s).ViewBuilds(t.Context())
	require.NoError(t, err)
	const one, two = "00000000-0000-0000-0000-000000000001", "00000000-0000-0000-0000-000000000002"
	require.Equal(t, ring.ViewBuilds{
		{Keyspace: "shop", Name: "it's"}: {one: true, two: false}, {Keyspace: "shop", Name: "b"}: {one: true},
	}, builds)
}

// Every read fails as a whole when one of its queries does.
func TestReadsFail(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, table string
		read        func(*Session) error
	}{
		{"tables", "system_schema.tables", func(s *Session) error { _, err := s.Tables(t.Context()); return err }},
		{"views", "system_schema.views", func(s *Session) error { _, err := s.Tables(t.Context()); return err }},
		{"keyspaces", "system_schema.keyspaces", func(s *Session) error { _, err := s.Keyspaces(t.Context()); return err }},
		{"triggers", "system_schema.triggers", func(s *Session) error { _, err := s.Extras(t.Context()); return err }},
		{"indexes", "system_schema.indexes", func(s *Session) error { _, err := s.Extras(t.Context()); return err }},
		{"flags", "system_schema.tables", func(s *Session) error { _, err := s.Extras(t.Context()); return err }},
		{"settings", "system_views.settings", func(s *Session) error { _, err := s.Settings(t.Context()); return err }},
		{"user", "system_auth.roles", func(s *Session) error { _, err := s.User(t.Context()); return err }},
		{"settings of the node", "system_views.settings", func(s *Session) error { _, err := s.NodeSettings(t.Context()); return err }},
		{"roles", "system_auth.roles", func(s *Session) error { _, err := s.Roles(t.Context()); return err }},
		{"grants", "system_auth.role_permissions", func(s *Session) error { _, err := s.Grants(t.Context()); return err }},
		{"views built", "system_distributed.view_build_status", func(s *Session) error { _, err := s.ViewBuilds(t.Context()); return err }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newStandIn("5.0.9")
			delete(s.tables, tt.table)
			err := tt.read(login(t, s))
			require.ErrorContains(t, err, "node n1: SELECT")
			require.ErrorContains(t, err, "table "+tt.table+" does not exist")
		})
	}
}
