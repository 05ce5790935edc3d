package hosts

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/ring"
)

// lock is the lock of a ring of hosts: a lock file on every volume.
type lock struct {
	sessions []*ring.Session
	claim    ring.Claim
}

// Acquire implements ring.Locker. The files are taken one after the other in the
// order of the sessions, which is that of the host ids; when one is held by
// another, those taken before are given back.
func (t *Target) Acquire(ctx context.Context, sessions []*ring.Session, claim ring.Claim) (ring.Held, error) {
	l := &lock{claim: claim}
	for _, s := range sessions {
		if err := l.call(ctx, s, wire.LockAcquire); err != nil {
			return nil, errors.Join(fmt.Errorf("take the lock: %w", err), l.giveBack(ctx))
		}
		l.sessions = append(l.sessions, s)
	}
	return l, nil
}

// releaseTimeout bounds giving locks back when the flow's own context may be gone.
const releaseTimeout = 30 * time.Second

func (l *lock) giveBack(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout)
	defer cancel()
	return l.Release(ctx)
}

func (l *lock) call(ctx context.Context, s *ring.Session, action string) error {
	return s.Call(ctx, wire.OpLock, wire.LockArgs{
		Action: action, Holder: l.claim.Holder, Operation: l.claim.Operation, BackupID: l.claim.BackupID, ParkedFor: l.claim.ParkedFor,
	}, nil)
}

func (l *lock) all(ctx context.Context, action string) error {
	_, err := ring.Each(l.sessions, func(_ int, s *ring.Session) (struct{}, error) {
		return struct{}{}, l.call(ctx, s, action)
	})
	return err
}

// Park implements ring.Held.
func (l *lock) Park(ctx context.Context) error { return l.all(ctx, wire.LockPark) }

// Release implements ring.Held.
func (l *lock) Release(ctx context.Context) error { return l.all(ctx, wire.LockRelease) }
