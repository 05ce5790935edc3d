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
