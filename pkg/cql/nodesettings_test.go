package cql

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/ring"
)

func TestNodeSettings(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		rows [][]any
		want ring.NodeSettings
	}{
		{"4.0 to 5.0", [][]any{{"data_file_directories", "[/a/data, /b/data 1]"}, {"local_system_data_file_directory", nil}, {"commitlog_directory", "/a/commitlog"},
			{"disk_failure_policy", "stop"}, {"cdc_raw_directory", "/a/cdc"}},
			ring.NodeSettings{DataDirs: []string{"/a/data", "/b/data 1"}, CommitLog: "/a/commitlog", DiskFailurePolicy: "stop"}},
		{"system tables elsewhere", [][]any{{"data_file_directories", "[/a]"}, {"local_system_data_file_directory", "/c"}}, ring.NodeSettings{DataDirs: []string{"/a"}, SystemDir: "/c"}},
		{"null as a word", [][]any{{"data_file_directories", "[]"}, {"local_system_data_file_directory", "null"}}, ring.NodeSettings{}},
		{"nothing", nil, ring.NodeSettings{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newStandIn("5.0.9")
			s.tables["system_views.settings"].rows = tt.rows
			got, err := login(t, s).NodeSettings(t.Context())
			require.NoError(t, err)
			require.Equal(t, tt.want, got)
		})
	}
}
