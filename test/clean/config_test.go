//go:build clean

package clean

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/startconfig"
	"github.com/casshook/casshook/test/lab/cassandra"
	"github.com/casshook/casshook/test/lab/zoo"
)

// TestConfiguration cleans a node that ran with automatic repair: each configuration with
// which it would not start is refused, and nothing on the volume has changed.
func TestConfiguration(t *testing.T) {
	t.Setenv("JDK_JAVA_OPTIONS", startconfig.AutoRepairProperty)
	w := start(t, cassandra.Options{Version: "5.0.9", YAML: map[string]string{"auto_repair": "{enabled: true}"}}, zoo.Small)
	want := w.digest(t)
	w.hook(t, "before-backup")
	w.kill(t)
	before := w.names(t)
	files, err := filepath.Glob(filepath.Join(filepath.Dir(w.node.VolumeRoot), "*", "cassandra.yaml"))
	require.NoError(t, err)
	require.Len(t, files, 1)
	own, err := os.ReadFile(files[0])
	require.NoError(t, err)
	edited := func(key, line string) string {
		pattern := regexp.MustCompile(`(?m)^` + key + `: .*$`)
		require.Regexp(t, pattern, string(own))
		path := filepath.Join(t.TempDir(), "cassandra.yaml")
		require.NoError(t, os.WriteFile(path, pattern.ReplaceAll(own, []byte(line)), 0o600))
		return path
	}
	for _, tt := range []struct {
		reason string
		args   []string
	}{
		{"set num_tokens to", []string{"--auto-repair", "--config", edited("num_tokens", "num_tokens: 8")}},
		{"set num_tokens to", []string{"--auto-repair", "--config", edited("num_tokens", "# num_tokens: 16")}},
		{"configured with cluster_name", []string{"--auto-repair", "--config", edited("cluster_name", "cluster_name: 'another'")}},
		{startconfig.AutoRepairProperty, []string{"--config", edited("auto_repair", "auto_repair: {enabled: false}")}},
		{"which is older", []string{"--cassandra-version", "4.1.10"}},
		{"use Cassandra 5.0.8", []string{"--cassandra-version", "5.0.2"}},
	} {
		code, _, reason := w.clean(t, append(tt.args, "--in-place")...)
		require.Equal(t, 3, code, tt.args)
		require.Contains(t, reason, tt.reason)
		require.Equal(t, before, w.names(t))
	}
	r := w.must(t, "--in-place", "--config", files[0], "--cassandra-version", "5.0.9")
	require.Empty(t, r.NotCompared)
	w.start(t)
	w.same(t, want)
}
