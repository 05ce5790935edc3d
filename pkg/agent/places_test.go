package agent

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/agent/storage"
	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/document"
)

func TestPlacesOfFiles(t *testing.T) {
	t.Parallel()
	const system = "07070707070740078007070707070707"
	for name, tt := range map[string]struct {
		// edit changes the volume, what the agent is told of it, and what Cassandra says.
		edit                  func(t *testing.T, v *volume, n *wire.Node, a *wire.StorageArgs)
		problems, notCompared []string
	}{
		"in order": {},
		"other spellings": {edit: func(t *testing.T, v *volume, _ *wire.Node, a *wire.StorageArgs) {
			require.NoError(t, os.Symlink(v.root, v.root+"-link"))
			a.DataDirs = []string{v.root + "-link/data1", v.root + "/data0/"}
			a.SystemDir = v.data[0]
		}},
		"listed twice": {edit: func(_ *testing.T, v *volume, n *wire.Node, _ *wire.StorageArgs) {
			n.DataDirs = append(n.DataDirs, v.data[0]+"/")
		}, problems: []string{"DATA0/ is the same directory as DATA0"}},
		"not below the volume": {edit: func(t *testing.T, v *volume, n *wire.Node, _ *wire.StorageArgs) {
			n.Volume = v.data[0]
		}, notCompared: []string{"data directory DATA1 is not below the volume DATA0"}},
		"the beginning of another name": {edit: func(t *testing.T, v *volume, n *wire.Node, _ *wire.StorageArgs) {
			n.Volume = v.root + "/dat"
			require.NoError(t, os.Mkdir(n.Volume, 0o755))
		}, notCompared: []string{"DATA0 is not below", "DATA1 is not below"}},
		"a restore": {edit: func(_ *testing.T, _ *volume, n *wire.Node, a *wire.StorageArgs) {
			n.Volume, a.OnVolume = "/proc", false
		}},
		"another file system": {edit: func(_ *testing.T, _ *volume, n *wire.Node, _ *wire.StorageArgs) {
			n.Volume = "/proc"
		}, problems: []string{"DATA0 is on another file system than the volume /proc", "DATA1 is on another"}},
		"named directories that cannot be seen": {edit: func(_ *testing.T, _ *volume, _ *wire.Node, a *wire.StorageArgs) {
			a.DataDirs = []string{"/in/a/container", "data"}
		}, notCompared: []string{"which the agent cannot see where it runs: /in/a/container, data"}},
		"more of them": {edit: func(_ *testing.T, _ *volume, _ *wire.Node, a *wire.StorageArgs) {
			a.DataDirs = []string{"/in/a/container", "/in/a/container/1", "/in/a/container/2"}
		}, problems: []string{"Cassandra keeps data in /in/a/container, /in/a/container/1, /in/a/container/2, which the agent cannot see"}},
		"one of them": {edit: func(_ *testing.T, _ *volume, _ *wire.Node, a *wire.StorageArgs) {
			a.DataDirs[1] = "/in/a/container"
		}, problems: []string{"Cassandra keeps data in /in/a/container, which the agent cannot see"}},
		"a link for an index": {edit: func(t *testing.T, v *volume, _ *wire.Node, _ *wire.StorageArgs) {
			require.NoError(t, os.Symlink("/elsewhere", v.table(0, "ks", "a", tableOne)+"/.a_v_idx"))
		}, problems: []string{"DATA0/ks/a-" + tableOne + "/.a_v_idx is a link to /elsewhere"}},
		"a link for an SSTable": {edit: func(t *testing.T, v *volume, _ *wire.Node, _ *wire.StorageArgs) {
			require.NoError(t, os.Symlink("/elsewhere", v.table(1, "ks", "a", tableOne)+"/nb-7-big-Data.db"))
		}, problems: []string{"nb-7-big-Data.db is a link to /elsewhere"}},
		"a link for snapshots": {edit: func(t *testing.T, v *volume, _ *wire.Node, _ *wire.StorageArgs) {
			require.NoError(t, os.Symlink("/elsewhere", v.table(1, "ks", "a", tableOne)+"/snapshots"))
		}, problems: []string{"/snapshots is a link to /elsewhere"}},
		"links that are nobody's business": {edit: func(t *testing.T, v *volume, _ *wire.Node, _ *wire.StorageArgs) {
			require.NoError(t, os.Symlink("/elsewhere", v.table(1, "ks", "a", tableOne)+"/backups"))
			require.NoError(t, os.Symlink("/elsewhere", v.data[0]+"/ks/dropped-"+tableTwo))
		}},
		"not asked": {edit: func(_ *testing.T, _ *volume, _ *wire.Node, a *wire.StorageArgs) {
			a.DataDirs, a.Unknown = nil, "it is not reachable"
		}, notCompared: []string{"not compared with Cassandra's: it is not reachable"}},
		"not asked, nothing there": {edit: func(t *testing.T, v *volume, _ *wire.Node, a *wire.StorageArgs) {
			a.DataDirs, a.Unknown = nil, "it is not reachable"
			require.NoError(t, os.RemoveAll(v.data[1]+"/ks"))
			require.NoError(t, os.RemoveAll(v.data[0]+"/system"))
		}, problems: []string{"directory system/local-" + system + " not found in DATA0, DATA1: Cassandra keeps it elsewhere", "DATA1 has no table of this ring"},
			notCompared: []string{"not compared"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := newVolume(t, 2)
			v.sstable(v.table(0, "ks", "a", tableOne), "nb-1-big")
			v.table(1, "ks", "a", tableOne)
			v.table(0, "system", "local", system)
			n := v.node("")
			args := wire.StorageArgs{DataDirs: append([]string{}, v.data...), OnVolume: true,
				Tables: []document.TableRef{ref("ks", "a", tableOne), ref("system", "local", system)}}
			if tt.edit != nil {
				tt.edit(t, v, &n, &args)
			}
			before := tree(t, v.root)
			r, err := ask[wire.StorageResult](open(t, n), wire.OpStorage, args)
			require.NoError(t, err)
			for _, list := range []struct{ want, got []string }{{tt.problems, r.Problems}, {tt.notCompared, r.NotCompared}} {
				require.Len(t, list.got, len(list.want), "%q", list.got)
				for i, want := range list.want {
					require.Contains(t, list.got[i], expand(v, want))
				}
			}
			require.Equal(t, before, tree(t, v.root), "nothing is made")
		})
	}
}

// TestATableOnAFileSystemOfItsOwn: below a data directory, a mount is not in its snapshot.
func TestATableOnAFileSystemOfItsOwn(t *testing.T) {
	t.Parallel()
	p := &places{node: &node{Volumes: storage.Volumes{Node: wire.Node{DataDirs: []string{"/"}}}}}
	require.False(t, p.straight("/", "/proc"))
	require.Len(t, p.Problems, 1)
	require.Contains(t, p.Problems[0], "/proc is on another file system than its data directory /")
}

func expand(v *volume, text string) string {
	return strings.NewReplacer("DATA0", v.data[0], "DATA1", v.data[1]).Replace(text)
}
