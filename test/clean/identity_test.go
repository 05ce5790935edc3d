//go:build clean

package clean

import (
	"os/exec"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/test/lab/cassandra"
	"github.com/casshook/casshook/test/lab/zoo"
)

// TestIdentity cleans a volume that is the very one of the backup, and that is seen in
// another way than then: what was written since stays, unless somebody asks for that.
func TestIdentity(t *testing.T) {
	w := start(t, cassandra.Options{Version: "5.0.9"}, zoo.Small)
	w.write(t, "CREATE KEYSPACE since WITH replication = {'class': 'NetworkTopologyStrategy', 'dc1': 1}")
	w.write(t, "CREATE TABLE since.t (k int PRIMARY KEY)")
	w.hook(t, "before-backup")
	w.write(t, "INSERT INTO since.t (k) VALUES (1)")
	w.kill(t)
	before := w.names(t)

	// a container without sysfs: the device has no name
	cmd := w.command(t.Context())
	script := `mount -t tmpfs none /sys && exec "$@"`
	hidden := exec.CommandContext(t.Context(), "unshare", slices.Concat([]string{"-m", "/bin/sh", "-c", script, "sh"}, cmd.Args)...)
	out, err := hidden.CombinedOutput()
	require.Error(t, err, "%s", out)
	require.Equal(t, 3, hidden.ProcessState.ExitCode(), "%s", out)
	require.Contains(t, string(out), "--in-place")
	require.Equal(t, before, w.names(t))

	// names that the backup did not have, and a word that overrides nothing
	for _, args := range [][]string{{"--volume-id", "NEW"}, {"--volume-id", "pvc/c1/p1"}, {"--restored"}} {
		code, _, reason := w.clean(t, args...)
		require.Equal(t, 3, code, "%v: %s", args, reason)
		require.Contains(t, reason, "--in-place")
		require.Equal(t, before, w.names(t))
	}

	w.start(t)
	require.Equal(t, 1, w.rows(t, "SELECT * FROM since.t"), "it was written after the backup")
	w.kill(t)
	w.must(t, "--in-place", "--volume-id", "NEW")
	w.start(t)
	require.Zero(t, w.rows(t, "SELECT * FROM since.t"))
}
