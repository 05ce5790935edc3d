package restore_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/backup"
	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/restore"
	"github.com/casshook/casshook/pkg/ring/ringtest"
)

// stuck is a restore that fails for ever in a step: the statement is refused.
func stuck(t *testing.T) (*ringtest.Ring, string) {
	r := ringtest.New(t, 2)
	r.Write("shop", "orders", "monday")
	r.Write("shop", "users", "ann")
	result, err := backup.Before(t.Context(), r.Target(), backup.Options{}, &ringtest.Steps{})
	require.NoError(t, err)
	r.Execute("DROP TABLE shop.users")
	r.Write("shop", "orders", "tuesday")
	r.Refuse("CREATE TABLE shop.users")
	_, err = restoreViews(t, r, viewOptions())
	require.Equal(t, flow.HalfWay, flow.CodeOf(err), "%v", err)
	return r, result.BackupID
}

// hooks are run again, and want the abandoned backup to stay.
func hooks(t *testing.T, r *ringtest.Ring, kept string) {
	for range 2 {
		result, err := backup.Before(t.Context(), r.Target(), backup.Options{}, &ringtest.Steps{})
		require.NoError(t, err)
		require.Subset(t, r.Backups(), []string{kept, result.BackupID})
		removed, err := backup.After(t.Context(), r.Target(), backup.AfterOptions{Operation: "after-backup"}, &ringtest.Steps{})
		require.NoError(t, err)
		require.Equal(t, []string{result.BackupID}, removed.Backups)
		require.Equal(t, []string{kept}, r.Backups())
	}
}

func TestAbandon(t *testing.T) {
	t.Parallel()
	r, id := stuck(t)
	_, err := backup.Before(t.Context(), r.Target(), backup.Options{}, &ringtest.Steps{})
	require.ErrorContains(t, err, "--abandon")
	_, err = backup.Discard(t.Context(), r.Target(), backup.DiscardOptions{BackupID: id}, &ringtest.Steps{})
	require.Equal(t, flow.Precondition, flow.CodeOf(err), "first it is given up")
	before := r.Content()
	result, err := restore.Abandon(t.Context(), r.Target(), &ringtest.Steps{})
	require.NoError(t, err)
	require.Equal(t, id, result.BackupID)
	require.Equal(t, "everything", result.Scope)
	require.Contains(t, result.State, "nothing was loaded")
	require.Equal(t, before, r.Content(), "it changes no data")
	hooks(t, r, id)
	_, err = restore.Abandon(t.Context(), r.Target(), &ringtest.Steps{})
	require.Equal(t, flow.Precondition, flow.CodeOf(err), "there is nothing left to give up")
	removed, err := backup.Discard(t.Context(), r.Target(), backup.DiscardOptions{BackupID: id}, &ringtest.Steps{})
	require.NoError(t, err)
	require.Equal(t, []string{id}, removed.Backups)
	require.Empty(t, r.Backups())
	require.Empty(t, ownTags(r), "nor its snapshots, nor those that the restore caused")
	_, err = backup.Discard(t.Context(), r.Target(), backup.DiscardOptions{BackupID: id}, &ringtest.Steps{})
	require.Equal(t, flow.Precondition, flow.CodeOf(err), "no volume has it")
}

// An abandoned restore can be taken up again, and is then no longer abandoned.
func TestAbandonedRestoreGoesOn(t *testing.T) {
	t.Parallel()
	r, id := stuck(t)
	_, err := restore.Abandon(t.Context(), r.Target(), &ringtest.Steps{})
	require.NoError(t, err)
	_, err = restoreViews(t, r, viewOptions())
	require.Equal(t, flow.HalfWay, flow.CodeOf(err))
	_, err = backup.Before(t.Context(), r.Target(), backup.Options{}, &ringtest.Steps{})
	require.Equal(t, flow.Precondition, flow.CodeOf(err), "it was taken up again")
	r.Refuse("")
	report, err := restoreViews(t, r, viewOptions())
	require.NoError(t, err)
	require.Equal(t, id, report.BackupID)
	require.Empty(t, r.Backups())
}

// One object is left out, all else is restored, verified and reported.
func TestSkip(t *testing.T) {
	t.Parallel()
	r, id := stuck(t)
	opts := viewOptions()
	opts.Skip = []string{"shop.users"}
	report, err := restoreViews(t, r, opts)
	require.Equal(t, flow.Differences, flow.CodeOf(err), "%v", err)
	require.ErrorContains(t, err, "not restored: shop.users")
	require.Contains(t, report.Differences, "shop.users was not restored: --skip")
	require.Contains(t, r.Content(), "shop.orders: n1 has monday")
	require.Empty(t, r.Locks())
	hooks(t, r, id)
	_, err = backup.Discard(t.Context(), r.Target(), backup.DiscardOptions{BackupID: id}, &ringtest.Steps{})
	require.NoError(t, err)
}

// A backup on restored volumes that nobody wants.
func TestDiscardOnRestoredVolumes(t *testing.T) {
	t.Parallel()
	r := makePoint(t).wrecked(t)
	_, err := backup.Before(t.Context(), r.Target(), backup.Options{}, &ringtest.Steps{})
	require.Equal(t, flow.Precondition, flow.CodeOf(err))
	_, err = restore.Abandon(t.Context(), r.Target(), &ringtest.Steps{})
	require.Equal(t, flow.Precondition, flow.CodeOf(err), "no restore was begun")
	before := r.Content()
	_, err = backup.Discard(t.Context(), r.Target(), backup.DiscardOptions{BackupID: r.Backups()[0]}, &ringtest.Steps{})
	require.NoError(t, err)
	require.Equal(t, before, r.Content())
	require.Contains(t, r.Tags(), foreign)
	_, err = backup.Before(t.Context(), r.Target(), backup.Options{}, &ringtest.Steps{})
	require.NoError(t, err)
}
