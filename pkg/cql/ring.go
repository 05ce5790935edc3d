package cql

import (
	"context"
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/apache/cassandra-gocql-driver/v2"

	"github.com/casshook/casshook/pkg/document"
	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/ring"
)

// Ring reads system.local and system.peers_v2.
func (s *Session) Ring(ctx context.Context) (ring.Topology, error) {
	r := ring.Topology{SchemaVersions: map[string][]string{}}
	var hostID, version gocql.UUID
	var address, dc, rack, release string
	var tokens []string
	add := func() {
		t := append([]string{}, tokens...)
		sort.Strings(t)
		r.Members = append(r.Members, document.Member{
			HostID: hostID.String(), Address: address, Datacenter: dc, Rack: rack, Tokens: t, Release: release,
		})
		r.SchemaVersions[version.String()] = append(r.SchemaVersions[version.String()], address)
	}
	err := s.rows(ctx, "SELECT cluster_name, partitioner, host_id, schema_version, broadcast_address, data_center, rack, tokens, release_version FROM system.local",
		[]any{&r.ClusterName, &r.Partitioner, &hostID, &version, &address, &dc, &rack, &tokens, &release}, add)
	if err != nil {
		return r, err
	}
	// 3.11 has no peers_v2; what it is told is that it is not supported.
	if major, _ := ring.MajorMinor(release); major < 4 {
		return r, nil
	}
	err = s.rows(ctx, "SELECT host_id, schema_version, peer, data_center, rack, tokens, release_version FROM system.peers_v2",
		[]any{&hostID, &version, &address, &dc, &rack, &tokens, &release}, add)
	return r, err
}

// SchemaVersion is the one schema version of all nodes, or an error that names
// who disagrees.
func (s *Session) SchemaVersion(ctx context.Context) (string, error) {
	r, err := s.Ring(ctx)
	if err != nil {
		return "", err
	}
	if len(r.SchemaVersions) == 1 {
		for v := range r.SchemaVersions {
			return v, nil
		}
	}
	parts := make([]string, 0, len(r.SchemaVersions))
	for v, addresses := range r.SchemaVersions {
		parts = append(parts, v+" on "+strings.Join(addresses, ", "))
	}
	sort.Strings(parts)
	return "", fmt.Errorf("the nodes disagree on the schema: %s", strings.Join(parts, "; "))
}

const (
	// agreementPoll is how often agreement is looked for.
	agreementPoll = 100 * time.Millisecond
	// lookTimeout is how long a node may take to answer when patience is at its end.
	lookTimeout = 10 * time.Second
)

// WaitAgreement waits until all nodes have one schema version; it looks at least
// once.
func (s *Session) WaitAgreement(ctx context.Context, patience time.Duration) (string, error) {
	limit := patience + lookTimeout
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("no answer within %s", limit))
	defer cancel()
	var version string
	w := flow.Waiting{For: "schema agreement", Limit: patience, Every: agreementPoll}
	err := flow.Wait(ctx, w, func(ctx context.Context) (missing string, err error) {
		version, err = s.SchemaVersion(ctx)
		switch {
		case err == nil:
			return "", nil
		case ctx.Err() != nil:
			return "", fmt.Errorf("waiting for schema agreement: %w", err)
		}
		return err.Error(), nil
	})
	return version, err
}

// settings are the names of those that a backup and a restore depend on.
func settings() []string {
	return []string{
		"materialized_views_enabled", "user_defined_functions_enabled", "scripted_user_defined_functions_enabled", "sasi_indexes_enabled",
		"dynamic_data_masking_enabled", "transient_replication_enabled", "memtable.configurations",
		"uuid_sstable_identifiers_enabled", "storage_compatibility_mode", "default_secondary_index", "auto_snapshot", "partitioner",
	}
}

// guardrails are the names of the settings that refuse statements of ordinary users
// (org.apache.cassandra.db.guardrails.GuardrailsOptions of 4.1 and 5.0).
func guardrails() []string {
	return []string{
		"drop_truncate_table_enabled", "drop_keyspace_enabled", "alter_table_enabled", "secondary_indexes_enabled", "compact_tables_enabled", "uncompressed_tables_enabled",
		"simplestrategy_enabled", "zero_ttl_on_twcs_enabled", "vector_type_enabled", "table_properties_disallowed", "table_properties_ignored",
		"keyspaces_fail_threshold", "tables_fail_threshold", "columns_per_table_fail_threshold", "fields_per_udt_fail_threshold", "vector_dimensions_fail_threshold",
		"secondary_indexes_per_table_fail_threshold", "materialized_views_per_table_fail_threshold",
		"minimum_replication_factor_fail_threshold", "maximum_replication_factor_fail_threshold",
		"read_consistency_levels_disallowed", "allow_filtering_enabled",
	}
}

// Settings are the node's settings that a backup and a restore depend on. Switches
// were enable_x before 4.1 and are x_enabled since; the newer name is returned.
func (s *Session) Settings(ctx context.Context) (map[string]string, error) {
	wanted := map[string]string{}
	for _, name := range slices.Concat(settings(), guardrails()) {
		wanted[name] = name
		if feature, found := strings.CutSuffix(name, "_enabled"); found {
			wanted["enable_"+feature] = name
		}
	}
	found := map[string]string{}
	var name, value string
	err := s.rows(ctx, "SELECT name, value FROM system_views.settings", []any{&name, &value}, func() {
		if key, ok := wanted[name]; ok {
			found[key] = value
		}
	})
	return found, err
}
