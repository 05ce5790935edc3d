package cassandra

import (
	"fmt"
	"maps"
	"math/big"
	"path/filepath"
	"slices"
	"strings"
)

// vnodes is the number of tokens per node, as in the cassandra.yaml of 4.0 and later.
const vnodes = 16

// config is what a node's configuration files depend on.
type config struct {
	options  Options
	node     int // from 1
	address  string
	seeds    []string
	volume   string
	dataDirs []string
}

// cassandraYAML renders the node's cassandra.yaml, one key per line in alphabetical order. None of the jars holds one, so
// the keys are ours; the defaults of those left out are compiled into Cassandra.
func cassandraYAML(c config) string {
	keys := CommonKeys(c.options.Version)
	maps.Copy(keys, hostKeys(c))
	maps.Copy(keys, FeatureKeys(c.options.Version, c.options.Features))
	if c.options.Flavour == Latest {
		maps.Copy(keys, LatestKeys())
	}
	maps.Copy(keys, c.options.YAML)
	var text strings.Builder
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		fmt.Fprintf(&text, "%s: %s\n", key, keys[key])
	}
	return text.String()
}

// CommonKeys are the keys of cassandra.yaml that every node of the lab has, on hosts and in pods, each with its value in YAML.
func CommonKeys(version string) map[string]string {
	return map[string]string{
		"num_tokens":               fmt.Sprint(vnodes),
		"auto_snapshot":            "true",
		"partitioner":              "org.apache.cassandra.dht.Murmur3Partitioner",
		"commitlog_sync":           "periodic",
		"disk_failure_policy":      "stop", // as shipped; the compiled default is ignore
		"endpoint_snitch":          "GossipingPropertyFileSnitch",
		"role_manager":             "CassandraRoleManager",
		"memtable_allocation_type": "unslabbed_heap_buffers",
		"concurrent_compactors":    "1",
		versionKey(version, "commitlog_sync_period", "commitlog_sync_period_in_ms"): versionKey(version, "100ms", "100"),
	}
}

// hostKeys are what only a node of a ring on this machine has.
func hostKeys(c config) map[string]string {
	return map[string]string{
		"cluster_name":                    c.options.ClusterName,
		"initial_token":                   `"` + strings.Join(tokens(c.node, c.options.Nodes), ",") + `"`,
		"auto_bootstrap":                  "false",
		"data_file_directories":           "[" + strings.Join(c.dataDirs, ", ") + "]",
		"commitlog_directory":             filepath.Join(c.volume, "commitlog"),
		"hints_directory":                 filepath.Join(c.volume, "hints"),
		"saved_caches_directory":          filepath.Join(c.volume, "saved_caches"),
		"cdc_raw_directory":               filepath.Join(c.volume, "cdc_raw"),
		"listen_address":                  c.address,
		"rpc_address":                     c.address,
		"authenticator":                   "PasswordAuthenticator",
		"authorizer":                      "CassandraAuthorizer",
		"block_for_peers_timeout_in_secs": "-1", // a restart does not wait 10 s for peers that are down
		"seed_provider":                   seedProvider(c.seeds),
	}
}

// versionKey picks between the spelling of 4.1 and later, and that of 4.0.
func versionKey(version, later, in40 string) string {
	if strings.HasPrefix(version, "4.0.") {
		return in40
	}
	return later
}

func seedProvider(seeds []string) string {
	return fmt.Sprintf(`[{class_name: org.apache.cassandra.locator.SimpleSeedProvider, parameters: [{seeds: "%s"}]}]`,
		strings.Join(seeds, ","))
}

// FeatureKeys are the keys of cassandra.yaml that turn features on or off.
func FeatureKeys(version string, f Features) map[string]string {
	disabled := map[string]bool{
		"materialized_views":     f.DisableMaterializedViews,
		"user_defined_functions": f.DisableUserDefinedFunctions,
		"sasi_indexes":           f.DisableSASI,
		"drop_compact_storage":   f.DisableDropCompactStorage,
	}
	keys := map[string]string{}
	for name, off := range disabled {
		keys[versionKey(version, name+"_enabled", "enable_"+name)] = fmt.Sprint(!off)
	}
	return keys
}

// LatestKeys are the settings by which cassandra_latest.yaml of 5.0 writes other files than cassandra.yaml: BTI sstables with
// UUID names, trie memtables, unified compaction and SAI. Without its parameters the compaction class does not start.
func LatestKeys() map[string]string {
	return map[string]string{
		"storage_compatibility_mode":       "NONE",
		"sstable":                          "{selected_format: bti}",
		"uuid_sstable_identifiers_enabled": "true",
		"memtable": "{configurations: {skiplist: {class_name: SkipListMemtable}, " +
			"trie: {class_name: TrieMemtable}, default: {inherits: trie}}}",
		"default_compaction": "{class_name: UnifiedCompactionStrategy, parameters: {scaling_parameters: T4, " +
			"max_sstables_to_compact: 64, target_sstable_size: 1GiB, sstable_growth: 0.3333333333333333, " +
			"min_sstable_size: 100MiB}}",
		"default_secondary_index":         "sai",
		"default_secondary_index_enabled": "true",
	}
}

// tokens spreads the tokens of n nodes evenly over the ring of Murmur3Partitioner, the nodes taking turns.
func tokens(node, n int) []string {
	step := new(big.Int).Div(new(big.Int).Lsh(big.NewInt(1), 64), big.NewInt(int64(n*vnodes)))
	least := new(big.Int).Neg(new(big.Int).Lsh(big.NewInt(1), 63))
	all := make([]string, vnodes)
	for k := range vnodes {
		token := new(big.Int).Mul(step, big.NewInt(int64(k*n+node-1)))
		all[k] = token.Add(token, least).String()
	}
	return all
}

func rackdc(node int) string { return fmt.Sprintf("dc=dc1\nrack=r%d\n", node) }

// logback writes to stdout, which is the node's log file.
const logback = `<configuration>
  <appender name="OUT" class="ch.qos.logback.core.ConsoleAppender">
    <encoder><pattern>%-5level [%thread] %date{ISO8601} %F:%L - %msg%n</pattern></encoder>
  </appender>
  <root level="INFO"><appender-ref ref="OUT"/></root>
</configuration>
`

// logbackQuiet is for nodetool.
const logbackQuiet = `<configuration><root level="OFF"/></configuration>
`
