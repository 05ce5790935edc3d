package cql

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/apache/cassandra-gocql-driver/v2"
	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/document"
	"github.com/casshook/casshook/pkg/ring"
)

func TestRing(t *testing.T) {
	t.Parallel()
	s := newStandIn("4.1.10")
	r, err := login(t, s).Ring(t.Context())
	require.NoError(t, err)
	require.Equal(t, ring.Topology{
		ClusterName: "shop", Partitioner: "org.apache.cassandra.dht.Murmur3Partitioner",
		Members: []document.Member{
			{HostID: uuid(1).String(), Address: "10.0.0.1", Datacenter: "dc1", Rack: "r1", Tokens: []string{"-3", "5"}, Release: "4.1.10"},
			{HostID: uuid(2).String(), Address: "10.0.0.2", Datacenter: "dc1", Rack: "r2", Tokens: []string{"7"}, Release: "4.1.10"},
		},
		SchemaVersions: map[string][]string{uuid(9).String(): {"10.0.0.1", "10.0.0.2"}},
	}, r)
}

func TestRingOfAnotherCluster(t *testing.T) {
	t.Parallel()
	r, err := login(t, newStandIn("5.0.9")).Ring(t.Context())
	require.NoError(t, err)
	view := ring.View{ClusterName: r.ClusterName, Members: r.Members}
	require.ErrorContains(t, view.Check("warehouse"), `"warehouse"`)
}

// 3.11 has no peers_v2: it must be told that it is not supported, and not that a
// table is missing.
func TestRingOfAnOldRelease(t *testing.T) {
	t.Parallel()
	s := newStandIn("3.11.19")
	delete(s.tables, "system.peers_v2")
	r, err := login(t, s).Ring(t.Context())
	require.NoError(t, err)
	require.Len(t, r.Members, 1)
	require.Equal(t, "3.11.19", r.Members[0].Release)
}

// A node that has only just been heard of lacks columns. What the row before it
// had must not be taken for its own.
func TestRingWithARowThatLacksColumns(t *testing.T) {
	t.Parallel()
	s := newStandIn("5.0.9")
	s.tables["system.peers_v2"].rows[0] = []any{ip2, nil, nil, nil, nil, nil, nil, nil}
	session := login(t, s)
	r, err := session.Ring(t.Context())
	require.NoError(t, err)
	require.Equal(t, document.Member{HostID: gocql.UUID{}.String(), Address: "10.0.0.2", Tokens: []string{}}, r.Members[1])
	_, err = session.SchemaVersion(t.Context())
	require.ErrorContains(t, err, gocql.UUID{}.String()+" on 10.0.0.2")
}

func TestRingErrors(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"system.local", "system.peers_v2"} {
		s := newStandIn("5.0.9")
		session := login(t, s)
		s.mu.Lock()
		delete(s.tables, name)
		s.mu.Unlock()
		_, err := session.Ring(t.Context())
		require.ErrorContains(t, err, "node n1: SELECT")
		require.ErrorContains(t, err, "table "+name+" does not exist")
		_, err = session.SchemaVersion(t.Context())
		require.ErrorContains(t, err, name)
	}
}

func TestSchemaVersion(t *testing.T) {
	t.Parallel()
	s := newStandIn("5.0.9")
	session := login(t, s)
	got, err := session.SchemaVersion(t.Context())
	require.NoError(t, err)
	require.Equal(t, uuid(9).String(), got)
	s.peerHas(uuid(8))
	_, err = session.SchemaVersion(t.Context())
	require.EqualError(t, err, "the nodes disagree on the schema: "+uuid(8).String()+" on 10.0.0.2; "+uuid(9).String()+" on 10.0.0.1")
}

func TestWaitAgreement(t *testing.T) {
	const patience = 30 * time.Second
	disagree := func(s *standIn) { s.peerHas(uuid(8)) }
	tests := []struct {
		name     string
		patience time.Duration
		begin    func(*standIn)
		later    func(*standIn, func())
		want     string
	}{
		{"at once", patience, func(*standIn) {}, nil, ""},
		{"without patience", 0, func(*standIn) {}, nil, ""},
		{"after a disagreement", patience, disagree, func(s *standIn, _ func()) { s.peerHas(uuid(9)) }, ""},
		{"never", patience, disagree, nil, "waited 30s for schema agreement: the nodes disagree on the schema: "},
		{"not without patience", 0, disagree, nil, "waited 0s for schema agreement: the nodes disagree on the schema: "},
		{"interrupted", patience, disagree, func(_ *standIn, end func()) { end() }, "waiting for schema agreement: interrupted: the nodes disagree"},
		{"after an error", patience, disagree, func(s *standIn, _ func()) {
			s.set(selectPeers, func(query) reply {
				s.set(selectPeers, nil)
				s.peerHas(uuid(9))
				return &failure{code: gocql.ErrCodeOverloaded, message: "Too many requests"}
			})
		}, ""},
		{"of a silent node", patience, disagree, func(s *standIn, _ func()) { s.set(selectPeers, always(silence{})) },
			"waiting for schema agreement: node n1: " + selectPeers + ": no answer within 40s"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStandIn("5.0.9")
				session := login(t, s)
				defer session.Close()
				tt.begin(s)
				ctx, cancel := context.WithCancelCause(t.Context())
				defer cancel(nil)
				if tt.later != nil {
					time.AfterFunc(patience/2, func() { tt.later(s, func() { cancel(errors.New("interrupted")) }) })
				}
				got, err := session.WaitAgreement(ctx, tt.patience)
				if tt.want != "" {
					require.ErrorContains(t, err, tt.want)
					return
				}
				require.NoError(t, err)
				require.Equal(t, uuid(9).String(), got)
			})
		})
	}
}

const selectPeers = "SELECT host_id, schema_version, peer, data_center, rack, tokens, release_version FROM system.peers_v2"

func TestSettings(t *testing.T) {
	t.Parallel()
	tests := []struct {
		release string
		rows    [][]any
		want    map[string]string
	}{
		{"4.0.19", [][]any{{"enable_materialized_views", "true"}, {"enable_user_defined_functions", "false"}, {"enable_sasi_indexes", "true"}, {"enable_transient_replication", "false"},
			{"auto_snapshot", "true"}, {"partitioner", "org.apache.cassandra.dht.Murmur3Partitioner"}, {"cluster_name", "shop"}},
			map[string]string{"materialized_views_enabled": "true", "user_defined_functions_enabled": "false", "sasi_indexes_enabled": "true",
				"transient_replication_enabled": "false", "auto_snapshot": "true", "partitioner": "org.apache.cassandra.dht.Murmur3Partitioner"}},
		{"5.0.9", [][]any{{"materialized_views_enabled", "true"}, {"storage_compatibility_mode", "CASSANDRA_4"}, {"uuid_sstable_identifiers_enabled", "false"},
			{"default_secondary_index", nil}, {"dynamic_data_masking_enabled", "true"}, {"trickle_fsync", "true"}, {"tables_fail_threshold", "10"}, {"memtable.configurations", "{x=SkipListMemtable}"}},
			map[string]string{"materialized_views_enabled": "true", "storage_compatibility_mode": "CASSANDRA_4",
				"uuid_sstable_identifiers_enabled": "false", "default_secondary_index": "", "tables_fail_threshold": "10", "memtable.configurations": "{x=SkipListMemtable}", "dynamic_data_masking_enabled": "true"}},
	}
	for _, tt := range tests {
		t.Run(tt.release, func(t *testing.T) {
			t.Parallel()
			s := newStandIn(tt.release)
			s.tables["system_views.settings"].rows = tt.rows
			got, err := login(t, s).Settings(t.Context())
			require.NoError(t, err)
			require.Equal(t, tt.want, got)
		})
	}
}
