package cql

import (
	"net"

	"github.com/apache/cassandra-gocql-driver/v2"
)

// Columns of system tables, as Cassandra 4.0 to 5.0 have them, of those that are
// read here or by the driver.
const (
	localColumns = "key text, cluster_name text, partitioner text, host_id uuid, schema_version uuid, broadcast_address inet, " +
		"rpc_address inet, data_center text, rack text, tokens set<text>, release_version text"
	peerColumns     = "peer inet, native_address inet, host_id uuid, schema_version uuid, data_center text, rack text, tokens set<text>, release_version text"
	keyspaceColumns = "keyspace_name text, durable_writes boolean, replication map<text,text>"
	tableColumns    = "keyspace_name text, table_name text, id uuid, gc_grace_seconds int, flags set<text>"
	viewColumns     = "keyspace_name text, view_name text, id uuid, gc_grace_seconds int"
	triggerColumns  = "keyspace_name text, table_name text, trigger_name text, options map<text,text>"
	indexColumns    = "keyspace_name text, table_name text, index_name text, kind text, options map<text,text>"
	settingColumns  = "name text, value text"
	roleColumns     = "role text, can_login boolean, is_superuser boolean, member_of set<text>"
	grantColumns    = "role text, resource text, permissions set<text>"
	buildColumns    = "keyspace_name text, view_name text, host_id uuid, status text"
)

const selectBuilt = "SELECT keyspace_name, view_name, host_id, status FROM system_distributed.view_build_status"

func uuid(n byte) gocql.UUID { return gocql.UUID{15: n} }

var ip1, ip2 = net.IPv4(10, 0, 0, 1), net.IPv4(10, 0, 0, 2)

// newStandIn is one node of an empty ring of two, which agree.
func newStandIn(release string) *standIn {
	empty := func(text string) *table { return &table{columns: columns(text)} }
	s := &standIn{user: "admin", password: "hunter2", answers: map[string]answer{}, tables: map[string]*table{
		"system.local": empty(localColumns), "system.peers_v2": empty(peerColumns), "system.peers": empty(peerColumns),
		"system_schema.keyspaces": empty(keyspaceColumns), "system_schema.tables": empty(tableColumns), "system_schema.views": empty(viewColumns),
		"system_schema.triggers": empty(triggerColumns), "system_schema.indexes": empty(indexColumns), "system_views.settings": empty(settingColumns),
		"system_auth.roles": empty(roleColumns), "system_auth.role_permissions": empty(grantColumns), "system_distributed.view_build_status": empty(buildColumns),
	}}
	s.add("system.local", "local", "shop", "org.apache.cassandra.dht.Murmur3Partitioner", uuid(1), uuid(9), ip1, ip1, "dc1", "r1", []string{"5", "-3"}, release)
	s.add("system.peers_v2", ip2, ip2, uuid(2), uuid(9), "dc1", "r2", []string{"7"}, release)
	return s
}

// add adds a row to a table.
func (s *standIn) add(name string, row ...any) {
	s.tables[name].rows = append(s.tables[name].rows, row)
}

// peerHas changes the schema version of the peer; nil is null.
func (s *standIn) peerHas(version any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tables["system.peers_v2"]
	row := append([]any{}, t.rows[0]...)
	row[3] = version
	s.tables["system.peers_v2"] = &table{columns: t.columns, rows: [][]any{row}}
}
