//go:build ring && full

package roundtrip

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/test/lab/cassandra"
)

// TestFilesElsewhere: data directories that the inventory does not have, and links and volumes that lead elsewhere, are refused
// before anything is made. System tables in a directory of their own are backed up and restored where it is listed.
func TestFilesElsewhere(t *testing.T) {
	for _, version := range []string{"4.0.19", "5.0.9"} {
		t.Run(version, func(t *testing.T) {
			dir, err := os.MkdirTemp(cassandra.Scratch(), "local")
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
			system := filepath.Join(dir, "system")
			w := start(t, cassandra.Options{Version: version, Nodes: 1, MultipleDataDirs: 2, YAML: map[string]string{"local_system_data_file_directory": system}})
			root, listed := w.ring.Node(1).VolumeRoot, w.ring.Node(1).DataDirs
			w.exec(t, "CREATE KEYSPACE e WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}",
				"CREATE TABLE e.t (id int PRIMARY KEY, v text)", "INSERT INTO e.t (id, v) VALUES (1, 'there')")
			refused := func(reason string, pairs ...string) {
				t.Helper()
				w.refused(t, 3, reason, "before-backup", "--inventory", w.edited(t, pairs...))
				require.NoDirExists(t, filepath.Join(root, "casshook"))
				require.Empty(t, w.glob(t, "data*/*/*/snapshots/casshook-*"))
				found, err := filepath.Glob(filepath.Join(system, "*", "*", "snapshots", "casshook-*"))
				require.NoError(t, err)
				require.Empty(t, found)
			}
			last := "- " + listed[1] + "\n"
			refused("Cassandra keeps data in "+system+" (local_system_data_file_directory), which is not listed", last, last)
			refused("is not listed as a data directory", last, "- "+system+"\n")
			refused("is on another file system than the volume /proc", "volume: "+root+"\n", "volume: /proc\n")
			refused("is listed, but Cassandra does not use it", last, last+"  - "+system+"\n  - "+dir+"\n")

			complete := w.edited(t, last, last+"  - "+system+"\n")
			w.link(t, complete)

			want := w.digest(t)
			r := w.must(t, "before-backup", "--inventory", complete)
			require.Contains(t, r.stdout+r.stderr, "data directory "+system+" is not below the volume "+root)
			w.exec(t, "INSERT INTO e.t (id, v) VALUES (2, 'lost')")
			w.must(t, "after-restore", "--in-place", "--inventory", complete)
			w.same(t, want)
		})
	}
}

// link has Cassandra run with a table that is a link, which before-backup refuses, and puts it back.
func (w *world) link(t *testing.T, inventory string) {
	t.Helper()
	restart := func(change func()) {
		w.close()
		require.NoError(t, w.ring.Stop(t.Context()))
		change()
		require.NoError(t, w.ring.StartAll(t.Context()))
		w.connect(t)
	}
	tables := w.glob(t, "data/e/t-*")
	require.Len(t, tables, 1)
	moved := filepath.Join(t.TempDir(), "t")
	restart(func() {
		require.NoError(t, os.CopyFS(moved, os.DirFS(tables[0])))
		require.NoError(t, os.RemoveAll(tables[0]))
		require.NoError(t, os.Symlink(moved, tables[0]))
	})
	w.refused(t, 3, tables[0]+" is a link to "+moved, "before-backup", "--inventory", inventory)
	require.Empty(t, w.glob(t, "data*/*/*/snapshots/casshook-*"))
	restart(func() {
		require.NoError(t, os.Remove(tables[0]))
		require.NoError(t, os.CopyFS(tables[0], os.DirFS(moved)))
	})
}
