//go:build ring

package roundtrip

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/test/lab/cassandra"
	"github.com/casshook/casshook/test/lab/zoo"
)

// zooTest is a ring and the way that casshook reaches it.
type zooTest struct {
	name    string
	options cassandra.Options
	mode    cassandra.InventoryMode
	scale   zoo.Scale
	// again is another way for a second round, in place.
	again cassandra.InventoryMode
}

// TestZoo takes the whole zoo through backup, disaster and restore, on every
// version and flavour, and wants every digest to be what it was.
func TestZoo(t *testing.T) {
	t.Parallel()
	tests := []zooTest{
		{"5.0 default", cassandra.Options{Version: "5.0.9"}, cassandra.InventorySocket, zoo.Small, ""},
		{"5.0 latest", cassandra.Options{Version: "5.0.9", Flavour: cassandra.Latest}, cassandra.InventoryTCP, zoo.Small, ""},
		{"4.1", cassandra.Options{Version: "4.1.10"}, cassandra.InventorySocket, zoo.Small, ""},
		{"4.0 by nodetool", cassandra.Options{Version: "4.0.19", MultipleDataDirs: 2}, cassandra.InventoryNodetool, zoo.Small, cassandra.InventorySocket},
	}
	for _, tt := range append(tests, moreZoos()...) {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := start(t, tt.options)
			w.use(t, tt.mode)
			version, err := zoo.ParseVersion(tt.options.Version)
			require.NoError(t, err)
			o := zoo.Options{Session: w.session, Version: version, Flavour: string(tt.options.Flavour), Nodes: max(1, tt.options.Nodes),
				Scale: tt.scale, Flush: w.ring.Flush, Agree: w.ring.Agree, Without: []string{zoo.RoleDamage}}
			_, err = zoo.Create(t.Context(), o)
			require.NoError(t, err)
			want := w.digest(t)

			w.backup(t)
			_, err = zoo.Damage(t.Context(), o)
			require.NoError(t, err)
			require.Greater(t, len(zoo.Compare(want, w.digest(t))), len(want)/2, "the disaster must be one")
			w.replaceVolumes(t)
			foreign := w.glob(t, "data*/*/*/snapshots/dropped-*")
			require.NotEmpty(t, foreign)

			w.must(t, "after-restore")
			w.same(t, want)
			require.Equal(t, foreign, w.glob(t, "data*/*/*/snapshots/dropped-*"), "automatic snapshots of others stay, ours go")
			require.Empty(t, w.glob(t, "data*/*/*/snapshots/casshook-*"))
			require.Empty(t, w.glob(t, "data*/*/*/*2000000*"), "nothing is left under the names that we placed files under")

			w.refused(t, 3, "nothing was done", "after-restore")
			w.same(t, want)
			w.close()
			time.Sleep(commitLogSync)
			require.NoError(t, w.ring.Kill(t.Context()))
			require.NoError(t, w.ring.StartAll(t.Context()))
			w.connect(t)
			w.same(t, want)

			if tt.again != "" {
				w.use(t, tt.again)
				w.backup(t)
				w.exec(t, "TRUNCATE zoo.users", "TRUNCATE zoo.collections", "DROP TABLE zoo.tuples")
				w.must(t, "after-restore", "--in-place")
				w.same(t, want)
			}
		})
	}
}
