package restore_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/restore"
	"github.com/casshook/casshook/pkg/ring"
	"github.com/casshook/casshook/pkg/ring/ringtest"
)

// TestARestoreRefusesFilesThatAreElsewhere: before the TRUNCATE, since nothing is loaded
// through a link.
func TestARestoreRefusesFilesThatAreElsewhere(t *testing.T) {
	t.Parallel()
	p := pointOf(t)
	r := p.back(t)
	before := r.Content()
	dirs, err := filepath.Glob(filepath.Join(r.Root("n2"), "data", "shop", "orders-*"))
	require.NoError(t, err)
	require.Len(t, dirs, 1)
	require.NoError(t, os.Rename(dirs[0], filepath.Join(r.Root("n2"), "orders")))
	require.NoError(t, os.Symlink(filepath.Join(r.Root("n2"), "orders"), dirs[0]))
	r.Set("n1", func(s *ring.NodeSettings) { s.DataDirs = append(s.DataDirs, r.Root("n1")) })
	for name, run := range map[string]func() error{
		"plan": func() error {
			_, err := restore.MakePlan(t.Context(), r.Target(), options, &ringtest.Steps{})
			return err
		},
		"after-restore": func() error {
			_, err := restore.Online(t.Context(), r.Target(), options, &ringtest.Steps{})
			return err
		},
	} {
		err := run()
		require.Equal(t, flow.Precondition, flow.CodeOf(err), "%s: %v", name, err)
		require.ErrorContains(t, err, "node n2: "+dirs[0]+" is a link to "+r.Root("n2")+"/orders")
		require.ErrorContains(t, err, "node n1: Cassandra keeps data in "+r.Root("n1")+" (data_file_directories), which is not listed")
		require.Empty(t, r.Locks())
		require.Equal(t, before, r.Content())
	}
	require.NoError(t, os.Remove(dirs[0]))
	require.NoError(t, os.Rename(filepath.Join(r.Root("n2"), "orders"), dirs[0]))
	r.Set("n1", func(s *ring.NodeSettings) { s.DataDirs = s.DataDirs[:1] })
	require.NoError(t, online(t.Context(), r, &ringtest.Steps{}))
	require.Equal(t, p.wanted, r.Content())
}
