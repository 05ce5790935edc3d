package cassandra

import (
	"math/big"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"
)

func rendered(t *testing.T, o Options) map[string]any {
	t.Helper()
	o.Dir = "/lab"
	o, err := o.withDefaults()
	require.NoError(t, err)
	text := cassandraYAML(config{
		options: o, node: 2, address: "127.9.8.2", seeds: []string{"127.9.8.1", "127.9.8.2"},
		volume: "/lab/n2/volume", dataDirs: []string{"/lab/n2/volume/data", "/lab/n2/volume/data1"},
	})
	keys := map[string]any{}
	require.NoError(t, yaml.UnmarshalStrict([]byte(text), &keys))
	return keys
}

func TestCassandraYAML(t *testing.T) {
	t.Parallel()
	keys := rendered(t, Options{Version: "5.0.9", Nodes: 2, YAML: map[string]string{"cdc_enabled": "true", "num_tokens": "8"}})
	require.Equal(t, "lab", keys["cluster_name"])
	require.Equal(t, []any{"/lab/n2/volume/data", "/lab/n2/volume/data1"}, keys["data_file_directories"])
	require.Equal(t, "/lab/n2/volume/commitlog", keys["commitlog_directory"])
	require.Equal(t, "127.9.8.2", keys["listen_address"])
	require.Equal(t, "100ms", keys["commitlog_sync_period"])
	require.Equal(t, true, keys["materialized_views_enabled"])
	require.Equal(t, true, keys["sasi_indexes_enabled"])
	require.Equal(t, true, keys["cdc_enabled"], "added key")
	require.EqualValues(t, 8, keys["num_tokens"], "overridden key")
	require.NotContains(t, keys, "storage_compatibility_mode")
	require.NotContains(t, keys, "enable_sasi_indexes")
}

func TestCassandraYAMLOf40(t *testing.T) {
	t.Parallel()
	keys := rendered(t, Options{Version: "4.0.19", Features: Features{DisableSASI: true}})
	require.EqualValues(t, 100, keys["commitlog_sync_period_in_ms"])
	require.Equal(t, false, keys["enable_sasi_indexes"])
	require.Equal(t, true, keys["enable_drop_compact_storage"])
	require.NotContains(t, keys, "commitlog_sync_period")
}

func TestCassandraYAMLOfLatest(t *testing.T) {
	t.Parallel()
	keys := rendered(t, Options{Version: "5.0.9", Flavour: Latest})
	require.Equal(t, "NONE", keys["storage_compatibility_mode"])
	require.Equal(t, map[string]any{"selected_format": "bti"}, keys["sstable"])
}

func TestTokensAreEvenAndDistinct(t *testing.T) {
	t.Parallel()
	var all []*big.Int
	for node := 1; node <= 3; node++ {
		for _, text := range tokens(node, 3) {
			token, ok := new(big.Int).SetString(text, 10)
			require.True(t, ok)
			require.True(t, token.IsInt64())
			all = append(all, token)
		}
	}
	slices.SortFunc(all, (*big.Int).Cmp)
	require.Len(t, all, 3*vnodes)
	step := new(big.Int).Sub(all[1], all[0])
	for i := 1; i < len(all); i++ {
		require.Equal(t, step, new(big.Int).Sub(all[i], all[i-1]))
	}
}

func TestOptionsReportEveryProblem(t *testing.T) {
	t.Parallel()
	_, err := Options{Version: "4.1.10", Flavour: Latest, Nodes: 21, HeapMB: 1, MultipleDataDirs: -1}.withDefaults()
	for _, part := range []string{"needs Cassandra 5.0", "21 nodes", "heap", "-1 data directories", "no directory"} {
		require.ErrorContains(t, err, part)
	}
	_, err = Options{Version: "6", Flavour: "x", Dir: "d"}.withDefaults()
	require.ErrorContains(t, err, `version "6"`)
	require.ErrorContains(t, err, `flavour "x"`)
}
