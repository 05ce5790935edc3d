package restore_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/backup"
	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/restore"
	"github.com/casshook/casshook/pkg/ring/ringtest"
)

// A permission on an object that is gone, in the backup or now, neither fails a restore
// nor the hooks after it.
func TestPermissionsOfObjectsThatAreGone(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"in the backup", "now", "on both sides"} {
		r := ringtest.New(t, 2)
		if name != "now" {
			r.Orphan("app", "data/shop/zombie")
			r.Orphan("app", "data/ghost")
		}
		_, err := backup.Before(t.Context(), r.Target(), backup.Options{}, &ringtest.Steps{})
		require.NoError(t, err)
		if name == "in the backup" {
			r.Forget("app", "data/shop/zombie")
			r.Forget("app", "data/ghost")
		} else {
			r.Orphan("app", "data/shop/later")
			r.Orphan("nobody", "data/shop/orders")
		}
		r.Execute("REVOKE SELECT ON TABLE shop.orders FROM app")
		report, err := restoreViews(t, r, viewOptions())
		require.NoError(t, err, name)
		require.Empty(t, report.Differences, name)
		require.Equal(t, 1, r.Statements("GRANT SELECT ON TABLE shop.orders TO app"))
		_, err = backup.Before(t.Context(), r.Target(), backup.Options{}, &ringtest.Steps{})
		require.NoError(t, err, name)
	}
}

// dropAt drops a table when a step begins, as a client may after the load.
type dropAt struct {
	ringtest.Steps
	ring *ringtest.Ring
	step string
}

func (d *dropAt) Begin(step string) {
	if step == d.step {
		d.ring.Execute("DROP TABLE shop.orders")
	}
	d.Steps.Begin(step)
}

// A client that drops a table after the load: the permissions on it are a difference.
func TestPermissionsOfATableDroppedAfterTheLoad(t *testing.T) {
	t.Parallel()
	for _, step := range []string{"building views", "restoring grants", "verifying"} {
		r := ringtest.New(t, 2)
		_, err := backup.Before(t.Context(), r.Target(), backup.Options{}, &ringtest.Steps{})
		require.NoError(t, err)
		report, err := restore.Online(t.Context(), r.Target(), viewOptions(), &dropAt{ring: r, step: step})
		require.Equal(t, flow.Differences, flow.CodeOf(err), "%s: %v", step, err)
		require.ErrorContains(t, err, `the object of "GRANT SELECT ON TABLE shop.orders TO app" does not exist any more`)
		require.NotNil(t, report)
		accepting := viewOptions()
		accepting.AcceptDifferences = true
		_, err = restoreViews(t, r, accepting)
		require.NoError(t, err, step)
	}
}
