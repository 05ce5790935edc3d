package restore_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/backup"
	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/restore"
	"github.com/casshook/casshook/pkg/ring/ringtest"
)

// TestUnknownVolumes: where nothing tells whether volumes are original or restored, nothing
// that was written since is taken before somebody says what they are.
func TestUnknownVolumes(t *testing.T) {
	t.Parallel()
	online := func(ctx context.Context, r *ringtest.Ring, o restore.Options) error {
		_, err := restore.Online(ctx, r.Target(), o, &ringtest.Steps{})
		return err
	}
	offline := func(ctx context.Context, r *ringtest.Ring, o restore.Options) error {
		r.Stop()
		_, err := restore.Offline(ctx, r.Target(), o, &ringtest.Steps{})
		return err
	}
	for how, run := range map[string]func(context.Context, *ringtest.Ring, restore.Options) error{"online": online, "offline": offline} {
		for name, say := range map[string]func(*restore.Options){
			"restored": func(o *restore.Options) { o.Restored = true },
			"in place": func(o *restore.Options) { o.InPlace = true },
		} {
			t.Run(how+" "+name, func(t *testing.T) {
				t.Parallel()
				r := ringtest.New(t, 2)
				r.Write("shop", "orders", "monday")
				_, err := backup.Before(t.Context(), r.Target(), backup.Options{}, &ringtest.Steps{})
				require.NoError(t, err)
				want, kept := r.Content(), r.Backups()
				r.Write("shop", "orders", "tuesday")
				since := r.Content()
				r.Rebind()
				err = run(t.Context(), r, options)
				require.Equal(t, flow.Precondition, flow.CodeOf(err), "%v", err)
				require.ErrorContains(t, err, "--restored")
				require.ErrorContains(t, err, "--in-place")
				require.ErrorContains(t, err, `the same: persistentVolume "1"; different: claim "n1", now "anew-n1"`)
				require.Equal(t, since, r.Content())
				require.Equal(t, kept, r.Backups())
				opts := options
				say(&opts)
				require.NoError(t, run(t.Context(), r, opts))
				require.Equal(t, want, r.Content())
			})
		}
	}
}

// TestRestoredOverridesNothing: original volumes are no restored ones, whoever says so.
func TestRestoredOverridesNothing(t *testing.T) {
	t.Parallel()
	r := ringtest.New(t, 2)
	_, err := backup.Before(t.Context(), r.Target(), backup.Options{}, &ringtest.Steps{})
	require.NoError(t, err)
	r.Write("shop", "orders", "tuesday")
	since := r.Content()
	opts := options
	opts.Restored = true
	_, err = restore.Online(t.Context(), r.Target(), opts, &ringtest.Steps{})
	require.ErrorContains(t, err, "no restore point was restored")
	plan, err := restore.MakePlan(t.Context(), r.Target(), opts, &ringtest.Steps{})
	require.Equal(t, flow.Precondition, flow.CodeOf(err), "%v", plan)
	r.Stop()
	_, err = restore.Offline(t.Context(), r.Target(), opts, &ringtest.Steps{})
	require.Equal(t, flow.Precondition, flow.CodeOf(err))
	require.Equal(t, since, r.Content())
}
