package backup_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/document"
	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/ring/ringtest"
)

// changing has a ring change when a node is asked for something, as often as is said.
func changing(r *ringtest.Ring, what string, times int, change func()) (left *int) {
	left = &times
	r.OnCall(func(c ringtest.Call) ringtest.Fault {
		if c.Kind == ringtest.Agent && c.Node == "n2" && c.What == what && *left > 0 {
			*left--
			change()
		}
		return ringtest.None
	})
	return left
}

// TestRingMovesUnderTheSnapshot: the backup starts over, and its documents have the ring of
// the snapshot that counts.
func TestRingMovesUnderTheSnapshot(t *testing.T) {
	t.Parallel()
	for times, want := range map[int]string{1: "", 2: "", 3: "gave up after 3 snapshots: the ring changed: node 10.0.0.2 (host id 00000000-0000-0000-0000-000000000002) has other tokens"} {
		r := plainRing(t)
		left := changing(r, "snapshot", times, func() { r.Move("n2") })
		steps := &ringtest.Steps{}
		err := before(t.Context(), r, steps)
		require.Zero(t, *left)
		if want != "" {
			require.ErrorContains(t, err, want)
			require.Empty(t, r.Backups())
			require.Equal(t, []string{foreign}, r.Tags())
			require.Empty(t, r.Locks())
			continue
		}
		require.NoError(t, err)
		require.Len(t, steps.Messages, times)
		require.Contains(t, steps.Messages[0], "starting over: the ring changed: node 10.0.0.2")
		require.Len(t, r.Tags(), 2)
		b, err := document.Open(r.Root("n2"), r.Volumes()[1].Backups[0].ID, nil)
		require.NoError(t, err)
		token := "1" + "00"[:times]
		require.Equal(t, []string{token}, b.Node.Member.Tokens)
		for _, m := range b.Cluster.Members {
			if m.HostID == b.Node.Member.HostID {
				require.Equal(t, []string{token}, m.Tokens)
			}
		}
	}
}

// TestRingIsNoLongerWhole: whatever becomes of the ring until the backup is complete, there is
// none of a ring that never was, and nothing is left.
func TestRingIsNoLongerWhole(t *testing.T) {
	t.Parallel()
	const second = "(host id 00000000-0000-0000-0000-000000000002)"
	for _, what := range []string{"snapshot", "write"} {
		for _, tt := range []struct {
			name   string
			change func(*ringtest.Ring)
			want   string
		}{
			{"joined", (*ringtest.Ring).Join, "the ring changed: node 10.0.0.3 (host id 00000000-0000-0000-0000-000000000003) is new"},
			{"replaced", func(r *ringtest.Ring) { r.Replace("n2") }, "node 10.0.0.2 " + second + " is gone; node 10.0.0.2 (host id 0000000a-0000-0000-0000-000000000002) is new"},
			{"down", func(r *ringtest.Ring) { r.Down("n2") }, "node 10.0.0.2 " + second + " is down"},
			{"moved", func(r *ringtest.Ring) { r.Move("n2") }, "node 10.0.0.2 " + second + " has other tokens"},
			{"stopped", (*ringtest.Ring).Stop, "does not run"},
		} {
			if what == "snapshot" && (tt.name == "moved" || tt.name == "replaced") {
				continue // it starts over
			}
			t.Run(tt.name+" during "+what, func(t *testing.T) {
				t.Parallel()
				r := plainRing(t)
				left := changing(r, what, 1, func() { tt.change(r) })
				err := before(t.Context(), r, &ringtest.Steps{})
				require.Zero(t, *left)
				require.ErrorContains(t, err, tt.want)
				require.NotContains(t, []flow.Code{flow.Done, flow.HalfWay}, flow.CodeOf(err))
				r.OnCall(nil)
				require.Empty(t, r.Backups())
				require.Equal(t, []string{foreign}, r.Tags())
				require.Empty(t, r.Locks())
			})
		}
	}
}
