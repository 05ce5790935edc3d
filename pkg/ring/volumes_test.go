package ring

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/casshook/casshook/pkg/ledger"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/flow"
)

// lockOf is the lock file of a session's volume.
func lockOf(t *testing.T, s *Session) *ledger.Lock {
	t.Helper()
	var v ledger.Volume
	require.NoError(t, s.Call(t.Context(), wire.OpInspect, struct{}{}, &v))
	return v.Lock
}

func TestLockVolumes(t *testing.T) {
	t.Parallel()
	f := newFakeExec()
	nodes := []Node{node(t, "n1"), node(t, "n2")}
	open := func() []*Session {
		sessions, err := OpenAll(t.Context(), f, nodes)
		require.NoError(t, err)
		t.Cleanup(func() { CloseAll(sessions) })
		return sessions
	}
	ours, theirs := open(), open()
	held, err := LockVolumes(t.Context(), ours, Claim{Holder: "me", Operation: "before-backup", BackupID: "b1"})
	require.NoError(t, err)
	require.Equal(t, "me", lockOf(t, ours[1]).Holder)
	_, err = LockVolumes(t.Context(), theirs, Claim{Holder: "you"})
	require.Equal(t, flow.Locked, flow.CodeOf(err))
	require.ErrorContains(t, err, "take the lock: node n1: ")

	require.NoError(t, held.Park(t.Context()))
	require.True(t, lockOf(t, ours[1]).Parked)
	CloseAll(ours)
	_, err = LockVolumes(t.Context(), theirs, Claim{Holder: "you", ParkedFor: time.Hour})
	require.Equal(t, flow.Locked, flow.CodeOf(err))
	held, err = LockVolumes(t.Context(), theirs, Claim{Holder: "you"})
	require.NoError(t, err)
	require.NoError(t, held.Release(t.Context()))
	require.NoError(t, held.Release(t.Context()))
	require.Nil(t, lockOf(t, theirs[0]))
}

func TestLockVolumesAreGivenBack(t *testing.T) {
	t.Parallel()
	f := newFakeExec()
	nodes := []Node{node(t, "n1"), node(t, "n2")}
	first := mustOpen(t, f, nodes[1])
	_, err := LockVolumes(t.Context(), []*Session{first}, Claim{Holder: "me"})
	require.NoError(t, err)
	both := []*Session{mustOpen(t, f, nodes[0]), mustOpen(t, f, nodes[1])}
	held, err := LockVolumes(t.Context(), both, Claim{Holder: "you"})
	require.Nil(t, held)
	require.ErrorContains(t, err, "take the lock: node n2: ")
	require.Nil(t, lockOf(t, both[0]), "what was taken before is given back")
}

// TestVolumeLockEndsWithASession: an agent that ended holds no flock any more, so the
// others must stop, whatever they are at.
func TestVolumeLockEndsWithASession(t *testing.T) {
	t.Parallel()
	f := newFakeExec()
	sessions := []*Session{mustOpen(t, f, node(t, "n1")), mustOpen(t, f, node(t, "n2"))}
	held, err := LockVolumes(t.Context(), sessions, Claim{Holder: "me"})
	require.NoError(t, err)
	ctx, cancel := held.Context(t.Context())
	defer cancel()
	require.NoError(t, ctx.Err())
	sessions[1].Close()
	soon(t, patience, func() { <-ctx.Done() })
	require.ErrorContains(t, context.Cause(ctx), "the lock on the volume of node n2 is lost: ")
}

// TestVolumeLockGivenBackIsNotLost: sessions end after it.
func TestVolumeLockGivenBackIsNotLost(t *testing.T) {
	t.Parallel()
	for name, giveBack := range map[string]func(Held, context.Context) error{"released": Held.Release, "parked": Held.Park} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := mustOpen(t, newFakeExec(), node(t, "n1"))
				held, err := LockVolumes(t.Context(), []*Session{s}, Claim{Holder: "me"})
				require.NoError(t, err)
				ctx, cancel := held.Context(t.Context())
				defer cancel()
				require.NoError(t, giveBack(held, t.Context()))
				s.Close()
				synctest.Wait()
				require.NoError(t, ctx.Err())
			})
		})
	}
}
