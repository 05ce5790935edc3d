package restore_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/restore"
	"github.com/casshook/casshook/pkg/ring"
	"github.com/casshook/casshook/pkg/ring/ringtest"
	"github.com/casshook/casshook/pkg/sstable"
)

// asleep is a stopped ring on the volumes of a restore point, after a disaster.
func (p restorePoint) asleep(t testing.TB, do func(*ringtest.Ring)) *ringtest.Ring {
	r := p.back(t)
	do(r)
	r.Stop()
	return r
}

// TestOfflineBringsBack: whatever happened, and roles and the ids of tables, too.
func TestOfflineBringsBack(t *testing.T) {
	t.Parallel()
	p := pointOf(t, view)
	all := disasters()
	all["a role that went"] = struct {
		do   func(r *ringtest.Ring)
		want map[string]string
	}{do: func(r *ringtest.Ring) { r.Execute("DROP ROLE app") }}
	for name, tt := range all {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := p.asleep(t, tt.do)
			plan, err := restore.MakeOfflinePlan(t.Context(), r.Target(), options, &ringtest.Steps{})
			require.NoError(t, err)
			require.True(t, plan.DryRun)
			require.Len(t, plan.Volumes, 2)
			require.False(t, r.Running(), "a plan changes nothing")
			report, err := restore.Offline(t.Context(), r.Target(), options, &ringtest.Steps{})
			require.NoError(t, err)
			require.Equal(t, p.wanted, r.Content())
			require.Empty(t, report.Differences)
			require.True(t, r.Running())
			require.Equal(t, 1, r.Renewed(), "the passwords of the backup are not those of the secrets")
			require.Empty(t, r.Backups())
			require.Empty(t, r.Locks())
		})
	}
}

// TestOfflineRefusesAtAnyNode: one volume that is not whole keeps all of them as they are.
func TestOfflineRefusesAtAnyNode(t *testing.T) {
	t.Parallel()
	p := pointOf(t)
	r := p.asleep(t, func(r *ringtest.Ring) { r.Write("shop", "orders", "later") })
	files, err := filepath.Glob(filepath.Join(r.Root("n2"), "data", "shop", "users-*", sstable.SnapshotsDir, "*", "*-"+sstable.Data))
	require.NoError(t, err)
	require.NoError(t, os.Truncate(files[0], 1))
	before := r.Content()
	_, err = restore.Offline(t.Context(), r.Target(), options, &ringtest.Steps{})
	require.ErrorContains(t, err, "node n2: ")
	require.Equal(t, flow.Corrupt, flow.CodeOf(err))
	require.Equal(t, before, r.Content())
	require.False(t, r.Running())
	require.False(t, r.Held())
}

// TestOfflineKeepsWhatClientsWroteSince: a retry after the start verifies only.
func TestOfflineKeepsWhatClientsWroteSince(t *testing.T) {
	t.Parallel()
	p := pointOf(t)
	r := p.asleep(t, func(*ringtest.Ring) {})
	opts := options
	opts.KeepBackup = true
	_, err := restore.Offline(t.Context(), r.Target(), opts, &ringtest.Steps{})
	require.NoError(t, err)
	r.Write("shop", "orders", "tuesday")
	_, _ = restore.Online(t.Context(), r.Target(), opts, &ringtest.Steps{})
	require.Contains(t, r.Content(), "shop.orders: n1 has tuesday")
	require.Contains(t, r.Content(), "shop.orders: n1 has monday")
}

// TestPeersAreForgotten at another place than the backup's, or as it is said.
func TestPeersAreForgotten(t *testing.T) {
	t.Parallel()
	p := pointOf(t)
	for _, tt := range []struct {
		name  string
		place ring.Place
		peers restore.Peers
		want  bool
	}{
		{"another namespace", ring.Place{Namespace: "copy"}, restore.PeersAuto, true},
		{"another namespace, and they are kept", ring.Place{Namespace: "copy"}, restore.PeersKeep, false},
		{"the same namespace, and they are not", ring.Place{Namespace: ringtest.Namespace}, restore.PeersForget, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := p.asleep(t, func(*ringtest.Ring) {})
			opts := options
			opts.Peers = tt.peers
			volumes := restore.Volumes{Cleaner: r.Target().Stopped, Locker: r.Target().Locker, Cluster: ringtest.Cluster, Place: tt.place}
			cleaned, err := restore.CleanVolumes(t.Context(), volumes, false, opts, &ringtest.Steps{})
			require.NoError(t, err)
			for _, result := range cleaned.Results {
				require.Equal(t, tt.want, result.PeersForgotten)
			}
			require.False(t, r.Running(), "it starts nothing")
			require.False(t, r.Held())
		})
	}
}

// takenAt has another run take the lock at a call.
func takenAt(r *ringtest.Ring, kind, what string) {
	done := false
	r.OnCall(func(c ringtest.Call) ringtest.Fault {
		if !done && c.Kind == kind && c.What == what {
			done = true
			r.TakeLock("other-1")
		}
		return ringtest.None
	})
}

// TestRestoresEndWithTheLock: another run may work at the ring by then. What comes next
// is not begun, and no code denies what was done.
func TestRestoresEndWithTheLock(t *testing.T) {
	t.Parallel()
	p := pointOf(t)
	for _, tt := range []struct {
		name       string
		kind, what string
		stopped    bool
		code       flow.Code
		// never is a call that must not be made.
		never string
	}{
		{"online, while it looks", ringtest.Agent, "verify", false, flow.Locked, "stage"},
		{"online, before it truncates", ringtest.Agent, "stage", false, flow.HalfWay, "TRUNCATE TABLE shop.orders"},
		{"online, while it loads", ringtest.Agent, "load", false, flow.HalfWay, "finish"},
		{"offline, while it looks", ringtest.Stopped, "look", true, flow.Locked, "clean"},
		{"offline, while it cleans", ringtest.Stopped, "clean", true, flow.HalfWay, "start"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := p.back(t)
			run := online
			if tt.stopped {
				r.Stop()
				run = bySight
			}
			before := r.Content()
			takenAt(r, tt.kind, tt.what)
			err := run(t.Context(), r, &ringtest.Steps{})
			require.ErrorContains(t, err, "the lock was taken by other-1")
			if tt.what != "clean" { // all volumes may have refused to begin
				require.Equal(t, tt.code, flow.CodeOf(err), err)
			}
			if saysUntouched(err) {
				require.Equal(t, before, r.Content())
			}
			require.False(t, slices.ContainsFunc(r.Calls(), func(c ringtest.Call) bool {
				return c.What == tt.never && c.Node != "" || c.What == tt.never && c.Kind == ringtest.CQL || c.What == "start"
			}))
			require.True(t, r.Held(), "the other's lock is left alone")
		})
	}
}

// TestBeforeRestoreEndsWithTheLock: nothing is deleted that another run works on.
func TestBeforeRestoreEndsWithTheLock(t *testing.T) {
	t.Parallel()
	for _, what := range []string{"deletable", "stop", "snapshot volume"} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			r := ringtest.New(t, 2)
			takenAt(r, ringtest.Stopped, what)
			_, err := restore.Before(t.Context(), r.Target(), restore.WayDelete, time.Minute, &ringtest.Steps{})
			require.ErrorContains(t, err, "the lock was taken by other-1")
			require.True(t, r.Exists())
			require.Equal(t, what != "deletable", flow.CodeOf(err) == flow.HalfWay, err)
		})
	}
}

// TestOfflineSaysThatItWasDone: a ring that was restored, kept its backup and was stopped
// since comes up with what clients wrote, and the report says that nothing was restored.
func TestOfflineSaysThatItWasDone(t *testing.T) {
	t.Parallel()
	r := pointOf(t).back(t)
	keep := options
	keep.KeepBackup = true
	r.Stop()
	report, err := restore.Offline(t.Context(), r.Target(), keep, &ringtest.Steps{})
	require.NoError(t, err)
	require.False(t, report.AlreadyDone)
	r.Write("shop", "orders", "since")
	content := r.Content()
	r.Stop()
	report, err = restore.Offline(t.Context(), r.Target(), keep, &ringtest.Steps{})
	require.NoError(t, err)
	require.True(t, report.AlreadyDone)
	require.True(t, r.Running())
	require.Equal(t, content, r.Content())
	r.Stop()
	keep.Again = true
	report, err = restore.Offline(t.Context(), r.Target(), keep, &ringtest.Steps{})
	require.NoError(t, err)
	require.False(t, report.AlreadyDone)
	require.NotEqual(t, content, r.Content())
}
