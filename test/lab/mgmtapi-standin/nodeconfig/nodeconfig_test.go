package nodeconfig_test

import (
	"flag"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"github.com/casshook/casshook/test/lab/mgmtapi-standin/nodeconfig"
)

// plain is what cass-operator makes of a CR without config, and rich of one with all that is understood.
const (
	plain = `{"cluster-info":{"name":"Shop","seeds":"shop-seed-service,shop-dc1-additional-seed-service"},
 "datacenter-info":{"name":"dc1","graph-enabled":0,"solr-enabled":0,"spark-enabled":0}}`
	rich = `{"cluster-info":{"name":"Shop","seeds":"shop-seed-service,shop-dc1-additional-seed-service"},
 "datacenter-info":{"name":"My DC","graph-enabled":0,"solr-enabled":0,"spark-enabled":0},
 "cassandra-yaml":{"authenticator":"PasswordAuthenticator","authorizer":"CassandraAuthorizer","num_tokens":8,
  "enable_materialized_views":true,"user_defined_functions_enabled":true,"commitlog_sync_period_in_ms":2000,
  "memtable":{"configurations":{"default":{"inherits":"skiplist"}}},"concurrent_compactors":null,
  "broadcast_address":"10.9.9.9","seed_provider":"mine","listen_address":"10.9.9.9","native_transport_max_frame_size_in_mb":256},
 "jvm-server-options":{"initial_heap_size":"512M","max_heap_size":"512M","additional-jvm-opts":["-Da=b","-XX:+UseG1GC"],"gc":"x"},
 "jvm17-server-options":{"additional-jvm-opts":["-Dc=d"]},
 "cassandra-env-sh":{"additional-jvm-opts":["-De=f"],"malloc-arena-max":8},
 "dse-yaml":{}}`
)

func env(data, pod, version string, fast bool) func(string) string {
	values := map[string]string{
		"CONFIG_FILE_DATA": data, "POD_IP": pod, "HOST_IP": "192.168.0.1", "RACK_NAME": "r2", "PRODUCT_VERSION": version,
		"PRODUCT_NAME": "cassandra",
	}
	if fast {
		values["LAB_FAST_START"] = "true"
	}
	return func(name string) string { return values[name] }
}

func TestGolden(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		data, pod, version string
		fast               bool
		ignored            []string
	}{
		"plain-5.0": {data: plain, pod: "10.244.0.7", version: "5.0.9"},
		"plain-4.1": {data: plain, pod: "10.244.0.7", version: "4.1.10", fast: true},
		"plain-4.0": {data: plain, pod: "fd00::7", version: "4.0.19"},
		"rich-5.0": {
			data: rich, pod: "10.244.0.7", version: "5.0.9", fast: true,
			ignored: []string{"dse-yaml", "jvm-server-options.gc", "cassandra-env-sh.malloc-arena-max"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in, err := nodeconfig.FromEnv(env(c.data, c.pod, c.version, c.fast))
			require.NoError(t, err)
			files, ignored, err := nodeconfig.Render(in)
			require.NoError(t, err)
			require.Equal(t, c.ignored, ignored)
			var text strings.Builder
			for _, file := range slices.Sorted(maps.Keys(files)) {
				text.WriteString("--- " + file + "\n" + files[file])
			}
			golden(t, name+".txt", text.String())
		})
	}
}

// update rewrites the golden files: go -C test test ./lab/mgmtapi-standin/nodeconfig -args -update
var update = flag.Bool("update", false, "rewrite the golden files")

func golden(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), text)
}

func TestUserKeysWinButForThoseThatMustBe(t *testing.T) {
	t.Parallel()
	in, err := nodeconfig.FromEnv(env(rich, "10.244.0.7", "5.0.9", false))
	require.NoError(t, err)
	files, _, err := nodeconfig.Render(in)
	require.NoError(t, err)
	keys := map[string]any{}
	require.NoError(t, yaml.UnmarshalStrict([]byte(files["cassandra.yaml"]), &keys))
	for key, want := range map[string]any{
		"authenticator": "PasswordAuthenticator", "num_tokens": 8., "enable_materialized_views": true,
		"user_defined_functions_enabled": true, "sasi_indexes_enabled": false, "commitlog_sync_period_in_ms": 2000.,
		"listen_address": "10.244.0.7", "rpc_address": "0.0.0.0", "broadcast_rpc_address": "10.244.0.7", "cluster_name": "Shop",
	} {
		require.Equal(t, want, keys[key], key)
	}
	for _, key := range []string{
		"materialized_views_enabled", "commitlog_sync_period", "concurrent_compactors", "broadcast_address", "data_file_directories",
	} {
		require.NotContains(t, keys, key)
	}
	memtables := keys["memtable"].(map[string]any)["configurations"].(map[string]any)
	require.Equal(t, map[string]any{"inherits": "skiplist"}, memtables["default"], "merged over the default")
	require.Contains(t, memtables, "trie")
	seeds := keys["seed_provider"].([]any)[0].(map[string]any)["parameters"].([]any)[0]
	require.Equal(t, map[string]any{"seeds": "shop-seed-service,shop-dc1-additional-seed-service"}, seeds)
}

func TestFromEnvTellsEveryProblem(t *testing.T) {
	t.Parallel()
	_, err := nodeconfig.FromEnv(func(name string) string { return map[string]string{"PRODUCT_NAME": "dse"}[name] })
	for _, part := range []string{
		"CONFIG_FILE_DATA", "POD_IP", "PRODUCT_NAME", "RACK_NAME is empty", "PRODUCT_VERSION is empty", "cluster-info.name is empty",
		"cluster-info.seeds is empty", "datacenter-info.name is empty",
	} {
		require.ErrorContains(t, err, part)
	}
	in, err := nodeconfig.FromEnv(env(plain, "10.0.0.1", "3.11.19", false))
	require.NoError(t, err)
	_, _, err = nodeconfig.Render(in)
	require.ErrorContains(t, err, "3.11.19")
}

func TestWriteReplacesAFormerStart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, nodeconfig.Write(map[string]string{"a": "long text of old"}, dir))
	require.NoError(t, nodeconfig.Write(map[string]string{"a": "new"}, dir))
	text, err := os.ReadFile(filepath.Join(dir, "a"))
	require.NoError(t, err)
	require.Equal(t, "new", string(text))
	require.Error(t, nodeconfig.Write(map[string]string{"a": ""}, filepath.Join(dir, "none")))
}
