package cql

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sort"

	"github.com/apache/cassandra-gocql-driver/v2"

	"github.com/casshook/casshook/pkg/document"
	"github.com/casshook/casshook/pkg/ring"
	"github.com/casshook/casshook/pkg/schema"
	"github.com/casshook/casshook/pkg/sstable"
)

// Describe reads DESCRIBE SCHEMA WITH INTERNALS: rows in an order that can be
// replayed, of user keyspaces only.
func (s *Session) Describe(ctx context.Context) ([]schema.Row, error) {
	var rows []schema.Row
	var r schema.Row
	err := s.rows(ctx, "DESCRIBE SCHEMA WITH INTERNALS", []any{&r.Keyspace, &r.Type, &r.Name, &r.Statement}, func() { rows = append(rows, r) })
	return rows, err
}

// Tables reads all tables and views of all keyspaces, the system's included.
func (s *Session) Tables(ctx context.Context) ([]document.TableRef, error) {
	var tables []document.TableRef
	var t document.TableRef
	var id gocql.UUID
	for _, view := range []bool{false, true} {
		query := "SELECT keyspace_name, table_name, id, gc_grace_seconds FROM system_schema.tables"
		if view {
			query = "SELECT keyspace_name, view_name, id, gc_grace_seconds FROM system_schema.views"
		}
		err := s.rows(ctx, query, []any{&t.Keyspace, &t.Name, &id, &t.GCGraceSeconds}, func() {
			t.ID, t.View = sstable.CompactID(id.String()), view
			tables = append(tables, t)
		})
		if err != nil {
			return nil, err
		}
	}
	return tables, nil
}

// Keyspaces reads all keyspaces with their replication.
func (s *Session) Keyspaces(ctx context.Context) ([]document.Keyspace, error) {
	var keyspaces []document.Keyspace
	var name string
	var durable bool
	var replication map[string]string
	err := s.rows(ctx, "SELECT keyspace_name, durable_writes, replication FROM system_schema.keyspaces", []any{&name, &durable, &replication}, func() {
		keyspaces = append(keyspaces, document.Keyspace{Name: name, Replication: maps.Clone(replication), Durable: durable})
	})
	sort.Slice(keyspaces, func(i, j int) bool { return keyspaces[i].Name < keyspaces[j].Name })
	return keyspaces, err
}

// Extras reads what DESCRIBE leaves out.
func (s *Session) Extras(ctx context.Context) (schema.Extras, error) {
	var e schema.Extras
	var ks, table, name, kind string
	var options map[string]string
	err := s.rows(ctx, "SELECT keyspace_name, table_name, trigger_name, options FROM system_schema.triggers", []any{&ks, &table, &name, &options}, func() {
		e.Triggers = append(e.Triggers, schema.Trigger{Keyspace: ks, Table: table, Name: name, Class: options["class"]})
	})
	if err != nil {
		return e, err
	}
	err = s.rows(ctx, "SELECT keyspace_name, table_name, index_name, kind, options FROM system_schema.indexes", []any{&ks, &table, &name, &kind, &options}, func() {
		e.Indexes = append(e.Indexes, schema.Index{Keyspace: ks, Table: table, Name: name, Kind: kind, Options: maps.Clone(options)})
	})
	if err != nil {
		return e, err
	}
	var flags []string
	err = s.rows(ctx, "SELECT keyspace_name, table_name, flags FROM system_schema.tables", []any{&ks, &table, &flags}, func() {
		sort.Strings(flags)
		e.Tables = append(e.Tables, schema.TableFlags{Keyspace: ks, Table: table, Flags: slices.Clone(flags)})
	})
	return e, err
}

// Roles reads the names of all roles.
func (s *Session) Roles(ctx context.Context) ([]string, error) {
	var roles []string
	var role string
	err := s.rowsAt(ctx, gocql.Quorum, "SELECT role FROM system_auth.roles", []any{&role}, func() { roles = append(roles, role) })
	sort.Strings(roles)
	return roles, err
}

// Grants reads all permissions. A ring that authorizes nobody has none.
func (s *Session) Grants(ctx context.Context) ([]schema.Grant, error) {
	var grants []schema.Grant
	var role, resource string
	var permissions []string
	err := s.rowsAt(ctx, gocql.Quorum, "SELECT role, resource, permissions FROM system_auth.role_permissions", []any{&role, &resource, &permissions}, func() {
		p := append([]string{}, permissions...)
		sort.Strings(p)
		grants = append(grants, schema.Grant{Role: role, Resource: resource, Permissions: p})
	})
	sort.Slice(grants, func(i, j int) bool {
		return grants[i].Role+"\x00"+grants[i].Resource < grants[j].Role+"\x00"+grants[j].Resource
	})
	return grants, err
}

// ViewBuilds reads what every node says of the views that it builds or has built.
// When all have built one, its last asynchronous writes may still be on their way.
func (s *Session) ViewBuilds(ctx context.Context) (ring.ViewBuilds, error) {
	builds := ring.ViewBuilds{}
	var keyspace, view, status string
	var host gocql.UUID
	err := s.rowsAt(ctx, gocql.One, "SELECT keyspace_name, view_name, host_id, status FROM system_distributed.view_build_status", []any{&keyspace, &view, &host, &status}, func() {
		builds.Set(document.TableName{Keyspace: keyspace, Name: view}, host.String(), status == "SUCCESS")
	})
	return builds, err
}

// Count runs a query for one number at CL ALL.
func (s *Session) Count(ctx context.Context, query string) (int64, error) {
	var n int64
	rows := 0
	err := s.rowsAt(ctx, gocql.All, query, []any{&n}, func() { rows++ })
	if err == nil && rows != 1 {
		err = fmt.Errorf("node %s: %s: expected 1 row, got %d", s.Node, brief(query), rows)
	}
	return n, err
}
