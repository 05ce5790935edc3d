package ringtest

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/ring"
)

// Rival is a ring at which two runs want the lock.
type Rival struct {
	// Ours and Theirs lock the same ring, for different runs that both live.
	Ours, Theirs ring.Locker
	// Sessions opens sessions for a run, with agents at the same volumes each time.
	Sessions func() []*ring.Session
}

func ours() ring.Claim {
	return ring.Claim{Holder: "ours-1", Operation: "before-backup", BackupID: "b1"}
}

func theirs(parkedFor time.Duration) ring.Claim {
	return ring.Claim{Holder: "theirs-1", Operation: "after-backup", BackupID: "b2", ParkedFor: parkedFor}
}

// LockerContract is what every ring.Locker must do.
func LockerContract(t *testing.T, open func(t *testing.T) Rival) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, Rival){
		"keeps another run off until it is released": lockIsHeld,
		"can be parked":                  lockIsParked,
		"ends contexts with a session":   lockEndsWithASession,
		"leaves what it does not hold":   lockOfOthersStays,
		"is held longer than the flow's": lockOutlivesItsContext,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t))
		})
	}
}

func acquire(t *testing.T, l ring.Locker, sessions []*ring.Session, claim ring.Claim) ring.Held {
	t.Helper()
	held, err := l.Acquire(t.Context(), sessions, claim)
	require.NoError(t, err)
	return held
}

func refused(t *testing.T, l ring.Locker, sessions []*ring.Session, claim ring.Claim) {
	t.Helper()
	held, err := l.Acquire(t.Context(), sessions, claim)
	require.Error(t, err)
	require.Nil(t, held)
	require.Equal(t, flow.Locked, flow.CodeOf(err), err)
}

func lockIsHeld(t *testing.T, r Rival) {
	first, second := r.Sessions(), r.Sessions()
	held := acquire(t, r.Ours, first, ours())
	refused(t, r.Theirs, second, theirs(0))
	ctx, cancel := held.Context(t.Context())
	defer cancel()
	require.NoError(t, ctx.Err(), "a run that was refused takes nothing away")
	require.NoError(t, held.Release(t.Context()))
	require.NoError(t, held.Release(t.Context()), "a lock that is not held is no error")
	require.NoError(t, acquire(t, r.Theirs, second, theirs(0)).Release(t.Context()))
}

func lockIsParked(t *testing.T, r Rival) {
	first, second := r.Sessions(), r.Sessions()
	require.NoError(t, acquire(t, r.Ours, first, ours()).Park(t.Context()))
	ring.CloseAll(first) // the run ends
	refused(t, r.Theirs, second, theirs(time.Hour))
	held := acquire(t, r.Theirs, second, theirs(0))
	third := r.Sessions()
	refused(t, r.Ours, third, ours())
	require.NoError(t, held.Release(t.Context()))
	require.NoError(t, acquire(t, r.Ours, third, ours()).Release(t.Context()))
}

func lockEndsWithASession(t *testing.T, r Rival) {
	sessions := r.Sessions()
	held := acquire(t, r.Ours, sessions, ours())
	parent, stop := context.WithCancel(t.Context())
	ofParent, cancel := held.Context(parent)
	defer cancel()
	ctx, cancel := held.Context(t.Context())
	defer cancel()
	stop()
	<-ofParent.Done()
	require.NoError(t, ctx.Err(), "it is still held")
	sessions[len(sessions)-1].Close()
	<-ctx.Done()
	require.ErrorContains(t, context.Cause(ctx), "lost", "an agent that ended has no lock")
}

func lockOfOthersStays(t *testing.T, r Rival) {
	first, second := r.Sessions(), r.Sessions()
	old := acquire(t, r.Ours, first, ours())
	require.NoError(t, old.Release(t.Context()))
	held := acquire(t, r.Theirs, second, theirs(0))
	require.NoError(t, old.Release(t.Context()))
	refused(t, r.Ours, first, ours())
	require.NoError(t, held.Release(t.Context()))
}

// lockOutlivesItsContext: undos need it.
func lockOutlivesItsContext(t *testing.T, r Rival) {
	ctx, cancel := context.WithCancel(t.Context())
	first, second := r.Sessions(), r.Sessions()
	held, err := r.Ours.Acquire(ctx, first, ours())
	require.NoError(t, err)
	cancel()
	under, done := held.Context(t.Context())
	defer done()
	require.NoError(t, under.Err())
	refused(t, r.Theirs, second, theirs(0))
	require.NoError(t, held.Release(t.Context()))
}
