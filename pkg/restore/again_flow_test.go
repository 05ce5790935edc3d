package restore_test

import (
	"context"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/backup"
	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/ledger"
	"github.com/casshook/casshook/pkg/restore"
	"github.com/casshook/casshook/pkg/ring/ringtest"
)

// asked is a restore with options of its own.
func asked(t testing.TB, r *ringtest.Ring, edit func(*restore.Options)) (*restore.Report, error) {
	t.Helper()
	opts := options
	edit(&opts)
	return restore.Online(t.Context(), r.Target(), opts, &ringtest.Steps{})
}

func keep(o *restore.Options)       { o.KeepBackup = true }
func onlyOrders(o *restore.Options) { o.Include = []string{"shop.orders"} }

// again adds --again to other options.
func again(edit func(*restore.Options)) func(*restore.Options) {
	return func(o *restore.Options) { edit(o); o.Again = true }
}

// TestAgain: what was restored is restored once more only when that is asked for.
func TestAgain(t *testing.T) {
	t.Parallel()
	p := pointOf(t)
	for name, edit := range map[string]func(*restore.Options){"everything": keep, "a part": onlyOrders} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := p.back(t)
			report, err := asked(t, r, edit)
			require.NoError(t, err)
			require.False(t, report.AlreadyDone)
			for range 2 {
				r.Write("shop", "orders", "tuesday")
				r.Write("shop", "users", "bob")
				report, err = asked(t, r, edit)
				require.NoError(t, err)
				require.True(t, report.AlreadyDone)
				require.Contains(t, report.NothingDone(), "use --again")
				require.Contains(t, r.Content(), "shop.orders: n1 has tuesday")
				report, err = asked(t, r, again(edit))
				require.NoError(t, err)
				require.False(t, report.AlreadyDone)
				require.NotContains(t, r.Content(), "shop.orders: n1 has tuesday")
				require.Equal(t, name == "a part", slices.Contains(r.Content(), "shop.users: n1 has bob"))
			}
			for _, v := range r.Volumes() {
				require.Len(t, v.Restores, 1, "the earlier ones are archived")
			}
		})
	}
}

// TestPlanOfWhatIsDone names the way to do it once more.
func TestPlanOfWhatIsDone(t *testing.T) {
	t.Parallel()
	r := pointOf(t).back(t)
	_, err := asked(t, r, keep)
	require.NoError(t, err)
	_, err = restore.MakePlan(t.Context(), r.Target(), options, &ringtest.Steps{})
	require.Equal(t, flow.Precondition, flow.CodeOf(err))
	require.ErrorContains(t, err, "use --again")
	opts := options
	opts.Again = true
	plan, err := restore.MakePlan(t.Context(), r.Target(), opts, &ringtest.Steps{})
	require.NoError(t, err)
	require.False(t, plan.Resumes)
	require.NotEmpty(t, plan.Tables)
}

// TestAgainWithoutTheBackup: what is no longer there cannot be restored once more.
func TestAgainWithoutTheBackup(t *testing.T) {
	t.Parallel()
	r := pointOf(t).back(t)
	_, err := asked(t, r, func(*restore.Options) {})
	require.NoError(t, err)
	require.Empty(t, r.Backups())
	r.Write("shop", "orders", "tuesday")
	_, err = asked(t, r, again(func(*restore.Options) {}))
	require.Equal(t, flow.Precondition, flow.CodeOf(err))
	require.ErrorContains(t, err, "restore the restore point again")
	require.Contains(t, r.Content(), "shop.orders: n1 has tuesday")
}

// TestAgainFailsAnywhere: the next run ends it, whatever the one before left.
func TestAgainFailsAnywhere(t *testing.T) {
	t.Parallel()
	p := pointOf(t)
	ringtest.FailEach(t, ringtest.Scenario{
		Make: func(t testing.TB) *ringtest.Ring {
			r := p.back(t)
			_, err := asked(t, r, keep)
			require.NoError(t, err)
			r.Write("shop", "orders", "tuesday")
			return r
		},
		Run: func(ctx context.Context, r *ringtest.Ring, o flow.Observer) error {
			opts := options
			opts.KeepBackup, opts.Again = true, true
			_, err := restore.Online(ctx, r.Target(), opts, o)
			return err
		},
		Failed: func(t testing.TB, f ringtest.Failure) {
			require.Error(t, f.Err)
			require.Len(t, f.Backups(), 1)
			if saysUntouched(f.Err) {
				require.Contains(t, f.Content(), "shop.orders: n1 has tuesday", "%v", f.Err)
			}
		},
		Ended: func(t testing.TB, r *ringtest.Ring) {
			require.Equal(t, p.wanted, r.Content())
			require.Len(t, r.Backups(), 1)
			require.Empty(t, r.Locks())
		},
	})
}

// TestAPartFreesNoBackup: hooks refuse to remove what all other tables still need, until
// everything was restored.
func TestAPartFreesNoBackup(t *testing.T) {
	t.Parallel()
	p := pointOf(t)
	r := p.back(t)
	_, err := asked(t, r, onlyOrders)
	require.NoError(t, err)
	kept := r.Backups()
	hooks := func() (errs []error) {
		_, err := backup.Before(t.Context(), r.Target(), backup.Options{}, &ringtest.Steps{})
		errs = append(errs, err)
		for _, operation := range []string{"after-backup", "on-failure"} {
			_, err := backup.After(t.Context(), r.Target(), backup.AfterOptions{Operation: operation}, &ringtest.Steps{})
			errs = append(errs, err)
		}
		return errs
	}
	for _, err := range hooks() {
		require.Equal(t, flow.Precondition, flow.CodeOf(err))
		require.ErrorContains(t, err, "only a part of backup")
		require.ErrorContains(t, err, "n2")
		require.Equal(t, kept, r.Backups())
	}
	_, err = asked(t, r, func(*restore.Options) {})
	require.NoError(t, err)
	require.Equal(t, p.wanted, r.Content())
	for _, err := range hooks() {
		require.NoError(t, err)
	}
}

// stopsAt has a restore fail at an operation of the last node.
func stopsAt(t testing.TB, r *ringtest.Ring, op string, edit func(*restore.Options)) {
	t.Helper()
	r.OnCall(func(c ringtest.Call) ringtest.Fault {
		if c.Kind == ringtest.Agent && c.What == op && c.Node == "n2" {
			return ringtest.Refuse
		}
		return ringtest.None
	})
	_, err := asked(t, r, edit)
	require.Equal(t, flow.HalfWay, flow.CodeOf(err), err)
	r.OnCall(nil)
}

// TestAgainThatStopped goes on without being asked again: that it was done before counts
// no more.
func TestAgainThatStopped(t *testing.T) {
	t.Parallel()
	p := pointOf(t)
	for _, edit := range []func(*restore.Options){keep, onlyOrders} {
		r := p.back(t)
		_, err := asked(t, r, edit)
		require.NoError(t, err)
		r.Write("shop", "orders", "tuesday")
		stopsAt(t, r, wire.OpLoad, again(edit))
		_, err = backup.Before(t.Context(), r.Target(), backup.Options{}, &ringtest.Steps{})
		require.ErrorContains(t, err, "stopped half-way")
		report, err := asked(t, r, edit)
		require.NoError(t, err)
		require.False(t, report.AlreadyDone)
		require.Equal(t, p.wanted, r.Content())
	}
}

// TestAnotherSpellingIsTheSameRestore: it goes on where the first stopped.
func TestAnotherSpellingIsTheSameRestore(t *testing.T) {
	t.Parallel()
	p := pointOf(t)
	r := p.back(t)
	stopsAt(t, r, wire.OpLoad, onlyOrders)
	_, err := asked(t, r, func(o *restore.Options) { o.Include, o.Exclude = []string{"shop.*"}, []string{"shop.use[r]s"} })
	require.NoError(t, err)
	for _, v := range r.Volumes() {
		require.Len(t, v.Restores, 1)
		require.Equal(t, ledger.Done, v.Restores[0].Stage)
		require.Equal(t, "shop.orders", v.Restores[0].Scope.String())
	}
	require.Equal(t, p.wanted, r.Content())
}

// TestMoreTakesOver: a restore of more tables ends what one of fewer left, wherever that
// stopped, and then no hook is held up by it.
func TestMoreTakesOver(t *testing.T) {
	t.Parallel()
	p := pointOf(t)
	for _, op := range []string{wire.OpAutoBefore, wire.OpAutoAfter, wire.OpLoad, wire.OpMarkLoaded} {
		t.Run(op, func(t *testing.T) {
			t.Parallel()
			r := p.back(t)
			r.Write("shop", "orders", "lost")
			stopsAt(t, r, op, onlyOrders)
			_, err := backup.Before(t.Context(), r.Target(), backup.Options{}, &ringtest.Steps{})
			require.Equal(t, flow.Precondition, flow.CodeOf(err))
			require.ErrorContains(t, err, "stopped half-way")
			require.ErrorContains(t, err, "--include shop.orders")
			_, err = asked(t, r, func(*restore.Options) {})
			require.NoError(t, err)
			require.Equal(t, p.wanted, r.Content())
			for _, v := range r.Volumes() {
				require.Len(t, v.Restores, 1, "that a part stopped means nothing any more")
			}
			_, err = backup.Before(t.Context(), r.Target(), backup.Options{}, &ringtest.Steps{})
			require.NoError(t, err)
			require.NotContains(t, r.Tags(), "truncated-orders", "nor are its snapshots left")
		})
	}
}

// during fails every call of a kind while a step runs.
type during struct {
	ringtest.Steps
	step    string
	running bool
}

func (d *during) Begin(step string) {
	d.running = step == d.step
	d.Steps.Begin(step)
}

// TestVerificationThatCannotLook: nothing is known to differ, and the next run verifies.
func TestVerificationThatCannotLook(t *testing.T) {
	t.Parallel()
	p := pointOf(t)
	for _, kind := range []string{ringtest.Agent, ringtest.CQL} {
		r := p.back(t)
		steps := &during{step: "verifying"}
		r.OnCall(func(c ringtest.Call) ringtest.Fault {
			if steps.running && c.Kind == kind {
				return ringtest.Refuse
			}
			return ringtest.None
		})
		_, err := restore.Online(t.Context(), r.Target(), options, steps)
		require.Equal(t, flow.HalfWay, flow.CodeOf(err), "%s: %v", kind, err)
		r.OnCall(nil)
		r.Write("shop", "orders", "since")
		report, err := asked(t, r, func(*restore.Options) {})
		require.NoError(t, err)
		require.Empty(t, report.Differences)
		require.Contains(t, r.Content(), "shop.orders: n1 has since", "nothing was loaded again")
	}
}

// TestNothingLeftToRestore is a mistake in the command.
func TestNothingLeftToRestore(t *testing.T) {
	t.Parallel()
	r := pointOf(t).back(t)
	for code, edit := range map[flow.Code]func(*restore.Options){
		flow.Usage:        func(o *restore.Options) { o.Include, o.Exclude = []string{"shop.orders"}, []string{"shop.orders"} },
		flow.Precondition: func(o *restore.Options) { o.Include = []string{"shop.nosuch"} },
	} {
		_, err := asked(t, r, edit)
		require.Equal(t, code, flow.CodeOf(err), err)
	}
	require.Empty(t, r.Locks())
	for _, v := range r.Volumes() {
		require.Empty(t, v.Restores)
	}
}

// TestTheCleanerTakesOver: where a restore stopped while it loaded and the cleaner then put
// everything in place, what clients write since the start stays.
func TestTheCleanerTakesOver(t *testing.T) {
	t.Parallel()
	p := pointOf(t)
	for _, op := range []string{wire.OpAutoAfter, wire.OpLoad} {
		r := p.back(t)
		stopsAt(t, r, op, func(*restore.Options) {})
		r.Stop()
		target := r.Target()
		volumes := restore.Volumes{Cleaner: target.Stopped, Locker: target.Locker, Cluster: target.ClusterName, Place: target.Place}
		_, err := restore.CleanVolumes(t.Context(), volumes, false, options, &ringtest.Steps{})
		require.NoError(t, err)
		require.NoError(t, target.Stopped.Start(t.Context(), func(string) {}))
		require.Equal(t, p.wanted, r.Content())
		r.Write("shop", "orders", "since")
		_, err = asked(t, r, func(*restore.Options) {})
		require.NoError(t, err)
		require.Contains(t, r.Content(), "shop.orders: n1 has since")
		require.Empty(t, r.Backups(), "it is proven")
	}
}
