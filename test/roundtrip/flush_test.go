//go:build ring && full

package roundtrip

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/test/lab/cassandra"
)

// TestAFlushThatCassandraForgot: with disk_failure_policy ignore, rows that a flush could not write are read, but in no SSTable. A
// backup is refused until a restart has replayed the commit log.
func TestAFlushThatCassandraForgot(t *testing.T) {
	for version, size := range map[string][2]string{"4.0.19": {"commitlog_segment_size_in_mb", "1"}, "5.0.9": {"commitlog_segment_size", "1MiB"}} {
		t.Run(version, func(t *testing.T) {
			w := start(t, cassandra.Options{Version: version, Nodes: 1, YAML: map[string]string{"disk_failure_policy": "ignore", size[0]: size[1]}})
			w.exec(t, "CREATE KEYSPACE f WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}", "CREATE TABLE f.t (id int PRIMARY KEY, v text)")
			write := func(from, to int) {
				t.Helper()
				for i := from; i < to; i++ {
					require.NoError(t, w.session.Query("INSERT INTO f.t (id, v) VALUES (?, ?)", i, strings.Repeat("x", 100<<10)).ExecContext(t.Context()))
				}
			}
			flush := func() (string, error) {
				argv := slices.Clone(w.ring.Node(1).Nodetool)
				out, err := exec.CommandContext(t.Context(), argv[0], append(argv[1:], "flush")...).CombinedOutput()
				return string(out), err
			}
			const rows = 80
			write(0, rows/2)
			live := w.glob(t, "data/f/t-*")[0]
			require.NoError(t, os.Rename(live, live+".away"))
			require.NoError(t, os.WriteFile(live, nil, 0o600))
			out, err := flush()
			t.Log(out, err)
			require.NoError(t, os.Remove(live))
			require.NoError(t, os.Rename(live+".away", live))
			write(rows/2, rows)
			out, err = flush()
			require.NoError(t, err, out)
			require.Empty(t, w.glob(t, "casshook"))
			want := w.digest(t)
			w.refused(t, 3, "segments from before the flush: a flush failed", "before-backup")
			require.Empty(t, w.glob(t, "data/*/*/snapshots/casshook-*"))

			w.close()
			require.NoError(t, w.ring.Stop(t.Context()))
			require.NoError(t, w.ring.StartAll(t.Context()))
			w.connect(t)
			w.same(t, want)
			r := w.must(t, "before-backup")
			require.Contains(t, r.stdout+r.stderr, "disk_failure_policy is ignore on n1")
			w.exec(t, "TRUNCATE f.t")
			w.must(t, "after-restore", "--in-place")
			w.same(t, want)
		})
	}
}
