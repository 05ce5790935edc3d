package backup_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/backup"
	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/ring"
	"github.com/casshook/casshook/pkg/ring/ringtest"
)

// foreign is a snapshot of somebody else's.
const foreign = "nightly"

// plainRing has data, and a snapshot that is not ours.
func plainRing(t testing.TB) *ringtest.Ring {
	r := ringtest.New(t, 2)
	r.Write("shop", "orders", "monday")
	r.Tag("shop", "orders", foreign)
	return r
}

func before(ctx context.Context, r *ringtest.Ring, o flow.Observer) error {
	_, err := backup.Before(ctx, r.Target(), backup.Options{Wait: time.Minute}, o)
	return err
}

// after is after-backup or on-failure.
func after(operation string) func(context.Context, *ringtest.Ring, flow.Observer) error {
	return func(ctx context.Context, r *ringtest.Ring, o flow.Observer) error {
		_, err := backup.After(ctx, r.Target(), backup.AfterOptions{Operation: operation, SnapshotTimeout: time.Minute}, o)
		return err
	}
}

// undone are the steps that have an undo and were begun, the last one first.
func undone(begun []string, undos ...string) []string {
	found := slices.DeleteFunc(slices.Clone(begun), func(step string) bool { return !slices.Contains(undos, step) })
	slices.Reverse(found)
	if len(found) == 0 {
		return nil
	}
	return found
}

// untouched says that the data of the ring and what is not ours are as they were.
func untouched(t testing.TB, r *ringtest.Ring) {
	t.Helper()
	require.Equal(t, plainRing(t).Content(), r.Content())
	require.Contains(t, r.Tags(), foreign)
}

// TestBeforeBackupFailsAnywhere: a backup is there as a whole, or nothing of it is. What
// a killed run leaves is removed by the next.
func TestBeforeBackupFailsAnywhere(t *testing.T) {
	t.Parallel()
	ringtest.FailEach(t, ringtest.Scenario{
		Make: plainRing,
		Run:  before,
		Failed: func(t testing.TB, f ringtest.Failure) {
			untouched(t, f.Ring)
			require.Error(t, f.Err)
			if f.Killed {
				return
			}
			require.Equal(t, undone(f.Steps.Begun(), "taking the lock", "taking snapshots of all nodes"), f.Steps.Undone())
			if f.AgentDied() {
				return // what lies on its volume cannot be undone
			}
			require.NotContains(t, []flow.Code{flow.Done, flow.HalfWay, flow.Differences}, flow.CodeOf(f.Err), f.Err)
			require.Empty(t, f.Backups())
			require.Equal(t, []string{foreign}, f.Tags())
			require.Empty(t, f.Locks())
		},
		Ended: func(t testing.TB, r *ringtest.Ring) {
			untouched(t, r)
			made := r.Backups()
			require.Len(t, made, 1)
			require.Equal(t, []string{made[0], foreign}, r.Tags())
			require.Equal(t, []string{"lease: before-backup parked=true", "volume pvc/n1/1: before-backup parked=true", "volume pvc/n2/1: before-backup parked=true"}, r.Locks())
		},
	})
}

// TestAfterBackupFailsAnywhere: what is left is removed by the next run, and only that.
func TestAfterBackupFailsAnywhere(t *testing.T) {
	t.Parallel()
	for _, operation := range []string{"after-backup", "on-failure"} {
		t.Run(operation, func(t *testing.T) {
			t.Parallel()
			ringtest.FailEach(t, ringtest.Scenario{
				Make: func(t testing.TB) *ringtest.Ring {
					r := plainRing(t)
					require.NoError(t, before(t.Context(), r, &ringtest.Steps{}))
					return r
				},
				Run: after(operation),
				Failed: func(t testing.TB, f ringtest.Failure) {
					untouched(t, f.Ring)
					require.Error(t, f.Err)
					if f.Killed {
						return
					}
					require.Equal(t, undone(f.Steps.Begun(), "taking the lock"), f.Steps.Undone())
					if !slices.Contains(f.Steps.Begun(), "removing the backup") {
						require.NotContains(t, []flow.Code{flow.Done, flow.HalfWay}, flow.CodeOf(f.Err), f.Err)
						require.Len(t, f.Tags(), 2, "the backup is there as it was")
					}
				},
				Ended: func(t testing.TB, r *ringtest.Ring) {
					untouched(t, r)
					require.Empty(t, r.Backups())
					require.Equal(t, []string{foreign}, r.Tags())
					require.Empty(t, r.Locks())
				},
			})
		})
	}
}

type inventory = ring.Nodes

// TestATableWithoutASnapshotIsNoChangeOfTheSchema: the error says which node lacks what,
// and where it was looked for.
func TestATableWithoutASnapshotIsNoChangeOfTheSchema(t *testing.T) {
	t.Parallel()
	r := plainRing(t)
	target := r.Target()
	dir := filepath.Join(r.Root("n2"), "other")
	require.NoError(t, os.Mkdir(dir, 0o755))
	r.Set("n2", func(s *ring.NodeSettings) { s.DataDirs = []string{dir} })
	target.Nodes = edited{target.Nodes, func(n *wire.Node) { n.DataDirs = []string{dir} }}
	var steps ringtest.Steps
	_, err := backup.Before(t.Context(), target, backup.Options{Wait: time.Minute}, &steps)
	require.ErrorContains(t, err, "node n2: snapshot casshook-")
	require.ErrorContains(t, err, "missing for 4 of 4 tables: ")
	require.ErrorContains(t, err, " in "+dir)
	require.NotContains(t, err.Error(), "schema changed")
	require.NotContains(t, err.Error(), "n1")
	require.Equal(t, flow.Failed, flow.CodeOf(err))
	require.Empty(t, r.Backups())
}

func TestTheSchemaChangesUnderTheSnapshot(t *testing.T) {
	t.Parallel()
	for _, times := range []int{1, 3} {
		r := plainRing(t)
		changes := 0
		r.OnCall(func(c ringtest.Call) ringtest.Fault {
			if c.Kind == ringtest.Agent && c.Node == "n1" && c.What == wire.OpSnapshot && changes < times {
				changes++
				r.Execute(fmt.Sprintf("CREATE TABLE shop.more%d (\n    k int PRIMARY KEY\n) WITH gc_grace_seconds = 864000;", changes))
			}
			return ringtest.None
		})
		err := before(t.Context(), r, &ringtest.Steps{})
		require.Equal(t, times, changes)
		if times == 1 {
			require.NoError(t, err)
			require.Len(t, r.Backups(), 1)
			continue
		}
		require.ErrorContains(t, err, "the schema changed during each of 3 snapshots: make the backup when nobody changes it: ")
		require.Empty(t, r.Backups())
	}
}

// TestMaxSkew: nodes that do not start together start over, and then it fails.
func TestMaxSkew(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		max       time.Duration
		snapshots int
	}{{0, 1}, {time.Hour, 1}, {-1, 3}} { // nothing is close enough
		r := plainRing(t)
		var seen progressed
		_, err := backup.Before(t.Context(), r.Target(), backup.Options{Wait: time.Minute, MaxSkew: c.max}, &seen)
		require.Equal(t, c.snapshots-1, seen.again, "%+v", c)
		if c.snapshots == 1 {
			require.NoError(t, err)
			continue
		}
		require.Equal(t, flow.Failed, flow.CodeOf(err))
		require.ErrorContains(t, err, "gave up after 3 snapshots: the nodes started their snapshots")
		require.ErrorContains(t, err, "--max-skew allows -1ns")
		untouched(t, r)
		require.Empty(t, r.Backups())
		require.Equal(t, []string{foreign}, r.Tags())
	}
}

// progressed counts how often a snapshot started over.
type progressed struct{ again int }

func (*progressed) Begin(string)                     {}
func (*progressed) End(string, time.Duration, error) {}
func (p *progressed) Progress(message string) {
	if strings.HasPrefix(message, "starting over: ") {
		p.again++
	}
}
