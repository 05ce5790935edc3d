package ring

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/casshook/casshook/pkg/agent/wire"
)

// volumeLock is the lock files on all volumes of a ring, with which the agents
// hold their flocks.
type volumeLock struct {
	*Hold
	sessions []*Session
	claim    Claim
	// unheld is closed when the lock is no longer to be held.
	unheld context.CancelFunc
}

var _ Held = (*volumeLock)(nil)

// LockVolumes takes the lock files on all volumes, one after the other in the
// order of the sessions, which is that of the host ids; when one is held by
// another, those taken before are given back. An agent changes nothing on its
// volume without. Targets with a lock of their own take it before this one.
func LockVolumes(ctx context.Context, sessions []*Session, claim Claim) (Held, error) {
	l := &volumeLock{Hold: NewHold(ctx), claim: claim, unheld: func() {}}
	for _, s := range sessions {
		if err := l.call(ctx, s, wire.LockAcquire); err != nil {
			return nil, errors.Join(fmt.Errorf("take the lock: %w", err), l.giveBack(ctx))
		}
		l.sessions = append(l.sessions, s)
	}
	l.watch(ctx)
	return l, nil
}

// watch loses the lock with the first session that ends: an agent's flock ends with
// its process.
func (l *volumeLock) watch(ctx context.Context) {
	held, unheld := context.WithCancel(context.WithoutCancel(ctx))
	l.unheld = unheld
	for _, s := range l.sessions {
		go func() {
			select {
			case <-s.closed:
				if held.Err() != nil {
					return
				}
				l.Lose(fmt.Errorf("the lock on the volume of node %s is lost: %w", s.Node.Name, s.whyClosed()))
			case <-held.Done():
			}
		}()
	}
}

// giveBackTimeout bounds giving locks back when the flow's own context may be gone.
const giveBackTimeout = 30 * time.Second

func (l *volumeLock) giveBack(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), giveBackTimeout)
	defer cancel()
	return l.Release(ctx)
}

func (l *volumeLock) call(ctx context.Context, s *Session, action string) error {
	return s.Call(ctx, wire.OpLock, wire.LockArgs{
		Action: action, Holder: l.claim.Holder, Operation: l.claim.Operation, BackupID: l.claim.BackupID, ParkedFor: l.claim.ParkedFor,
	}, nil)
}

// Park implements Held.
func (l *volumeLock) Park(ctx context.Context) error {
	l.unheld()
	_, err := Each(l.sessions, func(_ int, s *Session) (struct{}, error) {
		return struct{}{}, l.call(ctx, s, wire.LockPark)
	})
	return err
}

// Release implements Held. What is given back is not asked for again: it may be
// another's by then.
func (l *volumeLock) Release(ctx context.Context) error {
	l.unheld()
	given, err := Each(l.sessions, func(_ int, s *Session) (bool, error) {
		err := l.call(ctx, s, wire.LockRelease)
		return err == nil, err
	})
	var left []*Session
	for i, s := range l.sessions {
		if !given[i] {
			left = append(left, s)
		}
	}
	l.sessions = left
	return err
}
