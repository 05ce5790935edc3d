package backup_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/backup"
	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/ring"
	"github.com/casshook/casshook/pkg/ring/ringtest"
)

// edited has the inventory name other places for node n2.
type edited struct {
	inventory
	edit func(*wire.Node)
}

func (e edited) Nodes(ctx context.Context) ([]ring.Node, error) {
	nodes, err := e.inventory.Nodes(ctx)
	if err == nil {
		e.edit(&nodes[1].Node)
	}
	return nodes, err
}

// TestBeforeBackupRefusesFilesThatAreElsewhere: before anything is made, and of every node.
func TestBeforeBackupRefusesFilesThatAreElsewhere(t *testing.T) {
	t.Parallel()
	type world struct {
		*ringtest.Ring
		data, other string
	}
	nothing := func(*wire.Node) {}
	tests := []struct {
		name string
		// make changes node n2 and returns how the inventory describes it.
		make func(t *testing.T, w world) func(*wire.Node)
		want []string
	}{
		{"volume on another file system", func(*testing.T, world) func(*wire.Node) {
			return func(n *wire.Node) { n.Volume = "/proc" }
		}, []string{"DATA is on another file system than the volume /proc"}},
		{"another data directory", func(t *testing.T, w world) func(*wire.Node) {
			return func(n *wire.Node) { n.DataDirs = []string{w.other} }
		}, []string{"Cassandra keeps data in DATA (data_file_directories), which is not listed as a data directory (listed: OTHER)", "OTHER is listed, but Cassandra does not use it"}},
		{"one data directory too few", func(t *testing.T, w world) func(*wire.Node) {
			w.Set("n2", func(s *ring.NodeSettings) { s.DataDirs = append(s.DataDirs, w.other) })
			return nothing
		}, []string{"Cassandra keeps data in OTHER (data_file_directories), which is not listed"}},
		{"one data directory too many", func(t *testing.T, w world) func(*wire.Node) {
			return func(n *wire.Node) { n.DataDirs = append(n.DataDirs, w.other) }
		}, []string{"OTHER is listed, but Cassandra does not use it (data_file_directories: DATA)"}},
		{"system tables elsewhere", func(t *testing.T, w world) func(*wire.Node) {
			w.Set("n2", func(s *ring.NodeSettings) { s.SystemDir = w.other })
			return nothing
		}, []string{"Cassandra keeps data in OTHER (local_system_data_file_directory), which is not listed"}},
		{"a table is a link", func(t *testing.T, w world) func(*wire.Node) {
			dirs, err := filepath.Glob(filepath.Join(w.data, "shop", "orders-*"))
			require.NoError(t, err)
			require.Len(t, dirs, 1)
			require.NoError(t, os.Rename(dirs[0], filepath.Join(w.other, "orders")))
			require.NoError(t, os.Symlink(filepath.Join(w.other, "orders"), dirs[0]))
			return nothing
		}, []string{"DATA/shop/orders-", " is a link to OTHER/orders: a snapshot of the volume does not contain what is there"}},
		{"a keyspace is a link", func(t *testing.T, w world) func(*wire.Node) {
			require.NoError(t, os.Rename(filepath.Join(w.data, "shop"), filepath.Join(w.other, "shop")))
			require.NoError(t, os.Symlink(filepath.Join(w.other, "shop"), filepath.Join(w.data, "shop")))
			return nothing
		}, []string{"DATA/shop is a link to OTHER/shop"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := plainRing(t)
			w := world{r, filepath.Join(r.Root("n2"), "data"), filepath.Join(r.Root("n2"), "other")}
			require.NoError(t, os.Mkdir(w.other, 0o755))
			target := r.Target()
			target.Nodes = edited{target.Nodes, tt.make(t, w)}
			var steps ringtest.Steps
			_, err := backup.Before(t.Context(), target, backup.Options{}, &steps)
			require.Equal(t, flow.Precondition, flow.CodeOf(err), "%v", err)
			for _, want := range tt.want {
				require.ErrorContains(t, err, places(w.data, w.other).Replace(want))
			}
			require.NotContains(t, err.Error(), "n1")
			require.Equal(t, []string{"checking the ring", "checking the storage"}, steps.Begun())
			require.Empty(t, r.Backups())
			require.Equal(t, []string{foreign}, r.Tags())
			require.NoDirExists(t, filepath.Join(r.Root("n1"), "casshook"))
		})
	}
}

// TestBeforeBackupSaysWhatItCouldNotCompare: a node that CQL does not reach is judged by its
// directories.
func TestBeforeBackupSaysWhatItCouldNotCompare(t *testing.T) {
	t.Parallel()
	r := plainRing(t)
	other := filepath.Join(r.Root("n2"), "other")
	require.NoError(t, os.Mkdir(other, 0o755))
	refuse := func(c ringtest.Call) ringtest.Fault {
		if c.Kind == ringtest.CQL && c.What == "node by node: settings of n2" {
			return ringtest.Refuse
		}
		return ringtest.None
	}
	r.OnCall(refuse)
	target := r.Target()
	plain := target.Nodes
	target.Nodes = edited{plain, func(n *wire.Node) { n.DataDirs = append(n.DataDirs, other) }}
	_, err := backup.Before(t.Context(), target, backup.Options{}, &ringtest.Steps{})
	require.ErrorContains(t, err, "data directory "+other+" has no table of this ring: Cassandra does not use it")
	require.Equal(t, flow.Precondition, flow.CodeOf(err))
	target.Nodes = edited{plain, func(n *wire.Node) { n.DataDirs = []string{other} }}
	_, err = backup.Before(t.Context(), target, backup.Options{}, &ringtest.Steps{})
	require.ErrorContains(t, err, "not found in "+other+": Cassandra keeps it elsewhere")
	target.Nodes = plain
	result, err := backup.Before(t.Context(), target, backup.Options{}, &ringtest.Steps{})
	require.NoError(t, err)
	require.Len(t, result.Warnings, 2)
	require.Contains(t, result.Warnings[1], "node n2: the commit log was not looked at for flushes that failed")
	require.Contains(t, result.Warnings[0], "node n2: the data directories were not compared with Cassandra's: ")
}

// TestBeforeBackupLooksForFlushesThatFailed: where disk failures do not stop Cassandra, it says
// so, and refuses what the commit log shows.
func TestBeforeBackupLooksForFlushesThatFailed(t *testing.T) {
	t.Parallel()
	r := plainRing(t)
	for _, node := range []string{"n1", "n2"} {
		r.Set(node, func(s *ring.NodeSettings) { s.DiskFailurePolicy = "ignore" })
	}
	result, err := backup.Before(t.Context(), r.Target(), backup.Options{}, &ringtest.Steps{})
	require.NoError(t, err)
	require.Len(t, result.Warnings, 1)
	require.Contains(t, result.Warnings[0], "disk_failure_policy is ignore on n1, n2: Cassandra goes on after a flush that failed")
	require.NoError(t, after("after-backup")(t.Context(), r, &ringtest.Steps{}))

	for _, id := range []string{"1", "2", "3"} {
		require.NoError(t, os.WriteFile(filepath.Join(r.Root("n2"), "commitlog", "CommitLog-7-"+id+".log"), nil, 0o600))
	}
	_, err = backup.Before(t.Context(), r.Target(), backup.Options{}, &ringtest.Steps{})
	require.ErrorContains(t, err, "node n2: the commit log in "+filepath.Join(r.Root("n2"), "commitlog")+" still has 1 segments from before the flush")
	require.Equal(t, flow.Precondition, flow.CodeOf(err))
	require.Empty(t, r.Backups())
	require.Equal(t, []string{foreign}, r.Tags())

	r.Set("n2", func(s *ring.NodeSettings) { s.DiskFailurePolicy = "stop" })
	result, err = backup.Before(t.Context(), r.Target(), backup.Options{}, &ringtest.Steps{})
	require.NoError(t, err)
	require.Len(t, result.Warnings, 2)
	require.Contains(t, result.Warnings[0], "disk_failure_policy is ignore on n1:")
	require.Contains(t, result.Warnings[1], "node n2: the commit log in ")
}

// places puts in the directories of node n2.
func places(data, other string) *strings.Replacer {
	return strings.NewReplacer("DATA", data, "OTHER", other)
}
