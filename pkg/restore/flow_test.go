package restore_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/backup"
	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/ledger"
	"github.com/casshook/casshook/pkg/restore"
	"github.com/casshook/casshook/pkg/ring/ringtest"
)

// foreign is a snapshot of somebody else's, on the restored volumes too.
const foreign = "nightly"

var options = restore.Options{
	Workers: 1, AgreementTimeout: time.Minute, LoadTimeout: time.Minute, ViewTimeout: time.Minute, Peers: restore.PeersAuto,
}

// restorePoint is volumes with a backup, and what was in it.
type restorePoint struct {
	image  ringtest.Image
	wanted []string
}

func makePoint(t testing.TB) restorePoint {
	t.Helper()
	r := ringtest.New(t, 2)
	r.Write("shop", "orders", "monday")
	r.Write("shop", "users", "ann")
	r.Tag("shop", "orders", foreign)
	_, err := backup.Before(t.Context(), r.Target(), backup.Options{}, &ringtest.Steps{})
	require.NoError(t, err)
	return restorePoint{r.Snapshot(), r.Content()}
}

// wrecked is a ring on those volumes after more went wrong: a table is gone, another
// has other columns, a third is new, and permissions changed.
func (p restorePoint) wrecked(t testing.TB) *ringtest.Ring {
	r := ringtest.New(t, 2)
	r.Return(p.image, false)
	for _, statement := range []string{
		"DROP TABLE shop.users", "CREATE TABLE shop.users (k int PRIMARY KEY, other text)", "CREATE TABLE shop.later (k int PRIMARY KEY)",
		"REVOKE SELECT ON TABLE shop.orders FROM app", "GRANT MODIFY ON TABLE shop.orders TO app",
	} {
		r.Execute(statement)
	}
	r.Write("shop", "orders", "lost")
	r.Write("shop", "users", "lost")
	return r
}

// stopped is a ring on those volumes that does not run.
func (p restorePoint) stopped(t testing.TB) *ringtest.Ring {
	r := p.wrecked(t)
	r.Stop()
	return r
}

func online(ctx context.Context, r *ringtest.Ring, o flow.Observer) error {
	_, err := restore.Online(ctx, r.Target(), options, o)
	return err
}

// bySight is after-restore in Kubernetes, which goes by the state of the ring.
func bySight(ctx context.Context, r *ringtest.Ring, o flow.Observer) error {
	if r.Running() {
		return online(ctx, r, o)
	}
	_, err := restore.Offline(ctx, r.Target(), options, o)
	return err
}

// saysUntouched are the codes that deny any change.
func saysUntouched(err error) bool {
	return slices.Contains([]flow.Code{flow.Failed, flow.Usage, flow.Precondition, flow.Corrupt, flow.Locked}, flow.CodeOf(err))
}

// failed looks at a restore that failed, of which before is how the ring was.
func (p restorePoint) failed(t testing.TB, f ringtest.Failure, before []string) {
	t.Helper()
	require.Error(t, f.Err)
	require.Contains(t, f.Tags(), foreign)
	now := f.Content()
	if saysUntouched(f.Err) {
		require.Equal(t, before, now, "%v", f.Err)
	}
	if !slices.Equal(p.wanted, now) {
		require.Len(t, f.Backups(), 1)
		require.NotContains(t, f.Backups()[0], "?", "the only good data")
	}
	if f.Killed || f.AgentDied() {
		return
	}
	require.Empty(t, f.Locks())
}

// ended looks at a restore that ended.
func (p restorePoint) ended(t testing.TB, r *ringtest.Ring) {
	t.Helper()
	require.Equal(t, p.wanted, r.Content())
	require.Empty(t, r.Backups(), "it is not needed any more")
	require.Equal(t, []string{foreign}, ownTags(r), "nor are the snapshots that the restore caused")
	require.Empty(t, r.Locks())
	for _, v := range r.Volumes() {
		require.True(t, slices.ContainsFunc(v.Restores, doneRestore), "%+v", v.Restores)
	}
}

func doneRestore(r ledger.Restore) bool { return r.Stage == ledger.Done && r.Scope.Whole }

// ownTags leaves out what Cassandra kept of the wreck, which nobody asked to be removed.
func ownTags(r *ringtest.Ring) []string {
	return slices.DeleteFunc(r.Tags(), func(tag string) bool { return strings.HasPrefix(tag, "dropped-") })
}

// TestOnlineFailsAnywhere: the next run ends the restore, whatever the one before left.
func TestOnlineFailsAnywhere(t *testing.T) {
	t.Parallel()
	p := makePoint(t)
	before := p.wrecked(t).Content()
	ringtest.FailEach(t, ringtest.Scenario{
		Make: p.wrecked, Run: online, Ended: p.ended,
		Failed: func(t testing.TB, f ringtest.Failure) {
			p.failed(t, f, before)
			if !f.Killed && slices.Contains(f.Steps.Begun(), "taking the lock") {
				require.Equal(t, []string{"taking the lock"}, f.Steps.Undone(), "a restore goes on, it does not go back")
			}
		},
	})
}

// TestOfflineFailsAnywhere: the same for a ring that is stopped. No node starts on
// volumes of which one is not cleaned.
func TestOfflineFailsAnywhere(t *testing.T) {
	t.Parallel()
	p := makePoint(t)
	before := p.stopped(t).Content()
	ringtest.FailEach(t, ringtest.Scenario{
		Make: p.stopped, Run: bySight,
		Ended: func(t testing.TB, r *ringtest.Ring) {
			p.ended(t, r)
			require.Positive(t, r.Renewed(), "the secrets' passwords")
		},
		Failed: func(t testing.TB, f ringtest.Failure) {
			p.failed(t, f, before)
			if f.Running() {
				require.Equal(t, p.wanted, f.Content(), "it was started")
			}
		},
	})
}
