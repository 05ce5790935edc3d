package cql

import (
	"context"
	"strings"

	"github.com/casshook/casshook/pkg/ring"
)

// NodeSettings reads settings of the node, whose virtual tables no other node has.
// Releases 4.0 to 5.0 print lists alike: [/a, /b].
func (s *Session) NodeSettings(ctx context.Context) (ring.NodeSettings, error) {
	var found ring.NodeSettings
	var dirs, name, value string
	into := map[string]*string{
		"data_file_directories": &dirs, "local_system_data_file_directory": &found.SystemDir,
		"commitlog_directory": &found.CommitLog, "disk_failure_policy": &found.DiskFailurePolicy,
	}
	err := s.rows(ctx, "SELECT name, value FROM system_views.settings", []any{&name, &value}, func() {
		if to := into[name]; to != nil && value != "null" {
			*to = value
		}
	})
	for _, dir := range strings.Split(strings.Trim(dirs, "[]"), ",") {
		if dir = strings.TrimSpace(dir); dir != "" {
			found.DataDirs = append(found.DataDirs, dir)
		}
	}
	return found, err
}
