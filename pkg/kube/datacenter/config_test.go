package datacenter

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestConfiguredDirectories(t *testing.T) {
	t.Parallel()
	yaml := map[string]any{"hints_directory": "/h", "saved_caches_directory": "/s", "commitlog_directory": "/l", "cdc_raw_directory": "/c"}
	want := Config{Hints: "/h", SavedCaches: "/s", CommitLog: "/l", CQLPort: 9042}
	require.Equal(t, want, ReadConfig(map[string]any{"cassandra-yaml": yaml}), "Cassandra makes no directory for what is off")
	yaml["cdc_enabled"], want.CDC = true, "/c"
	require.Equal(t, want, ReadConfig(map[string]any{"cassandra-yaml": yaml}))
}

// TestStartConfig: what may keep a node from starting on a volume that was cleaned.
func TestStartConfig(t *testing.T) {
	t.Parallel()
	c := ReadConfig(map[string]any{
		"cassandra-yaml":   map[string]any{"num_tokens": int64(8), "storage_compatibility_mode": "NONE"},
		"cassandra-env-sh": map[string]any{"additional-jvm-opts": []any{"-Dx=y", "-Dcassandra.autorepair.enable=true"}},
	})
	require.Equal(t, 8, c.NumTokens)
	require.Equal(t, "NONE", c.Compatibility)
	require.True(t, c.AutoRepair)
	c = ReadConfig(map[string]any{"jvm-server-options": map[string]any{"additional-jvm-opts": []any{"-Dcassandra.autorepair.enable=false"}}})
	require.False(t, c.AutoRepair)
	require.Zero(t, c.NumTokens)
}
