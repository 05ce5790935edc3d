//go:build ring && full

package roundtrip

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/test/lab/cassandra"
)

// TestForeignSSTables: somebody copied files of an old snapshot into the live directory before casshook was run.
func TestForeignSSTables(t *testing.T) {
	for _, mode := range []cassandra.InventoryMode{cassandra.InventorySocket, cassandra.InventoryNodetool} {
		t.Run(string(mode), func(t *testing.T) {
			w := start(t, cassandra.Options{Version: "5.0.9", Nodes: 1})
			w.use(t, mode)
			w.exec(t, "CREATE KEYSPACE f WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}",
				"CREATE TABLE f.t (id int PRIMARY KEY, v text)", "CREATE INDEX t_v ON f.t (v)", "INSERT INTO f.t (id, v) VALUES (1, 'last month')")
			argv := slices.Clone(w.ring.Node(1).Nodetool)
			out, err := exec.CommandContext(t.Context(), argv[0], append(argv[1:], "snapshot", "-t", "old", "f")...).CombinedOutput()
			require.NoError(t, err, string(out))
			w.exec(t, "TRUNCATE f.t", "INSERT INTO f.t (id, v) VALUES (2, 'good')")
			want := w.digest(t)
			w.backup(t)
			w.exec(t, "TRUNCATE f.t")
			live := w.glob(t, "data/f/t-*")[0]
			copied := 0
			for _, file := range w.glob(t, "data/f/t-*/snapshots/old/nb-*") {
				content, err := os.ReadFile(file)
				require.NoError(t, err)
				_, component, ok := strings.Cut(filepath.Base(file), "-big-")
				require.True(t, ok)
				require.NoError(t, os.WriteFile(filepath.Join(live, "nb-100-big-"+component), content, 0o644))
				copied++
			}
			require.GreaterOrEqual(t, copied, 8)
			w.refused(t, 3, "--move-foreign", "after-restore", "--in-place")
			r := w.must(t, "after-restore", "--in-place", "--move-foreign")
			require.Contains(t, r.stdout+r.stderr, "moved to casshook/foreign-casshook-")
			require.Len(t, w.glob(t, "casshook/foreign-casshook-*/data0/f/t-*/nb-100-big-*"), copied)
			w.same(t, want)
			require.NoError(t, w.ring.Stop(t.Context()))
			require.NoError(t, w.ring.StartAll(t.Context()))
			w.connect(t)
			w.same(t, want)
			require.Empty(t, w.glob(t, "data/*/*/snapshots/casshook-[0-9]*"))
		})
	}
}
