package ring

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/casshook/casshook/pkg/flow"
)

// Claim is what a lock is taken for.
type Claim struct {
	// Holder names this run: host, process id and a random part.
	Holder    string
	Operation string
	BackupID  string
	// ParkedFor keeps a parked lock from being taken over while it is younger.
	ParkedFor time.Duration
}

// Locker makes sure that only one operation works on a ring.
type Locker interface {
	// Acquire takes the lock of the ring or fails with code Locked. A parked
	// lock is taken over when it is old enough.
	Acquire(ctx context.Context, sessions []*Session, claim Claim) (Held, error)
}

// Held is a lock that this run holds.
type Held interface {
	// Context is parent, which ends also when the lock is lost: another run may
	// work on the ring then. The cause says how it was lost.
	Context(parent context.Context) (context.Context, context.CancelFunc)
	// Park keeps the lock without a holder between before- and after-backup.
	Park(ctx context.Context) error
	// Release gives the lock back; a lock that is not held is no error.
	Release(ctx context.Context) error
}

// Hold is the part of a Held that ends contexts.
type Hold struct {
	life context.Context
	lose context.CancelCauseFunc
}

// NewHold begins with the lock held. It outlives ctx.
func NewHold(ctx context.Context) *Hold {
	life, lose := context.WithCancelCause(context.WithoutCancel(ctx))
	return &Hold{life, lose}
}

// Lose says that the lock is lost. The first cause counts.
func (h *Hold) Lose(cause error) { h.lose(cause) }

// Context implements Held.
func (h *Hold) Context(parent context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(parent)
	if h.life.Err() != nil {
		cancel(context.Cause(h.life))
	}
	stop := context.AfterFunc(h.life, func() { cancel(context.Cause(h.life)) })
	return ctx, func() {
		stop()
		cancel(nil)
	}
}

// UnderLock has each step run under a context that ends with the lock, which held
// names when the step begins. A step in which the lock is lost fails, with code Locked
// unless it gives another.
func UnderLock(held func() Held, steps ...flow.Step) []flow.Step {
	guarded := slices.Clone(steps)
	for i, step := range steps {
		guarded[i].Do = func(ctx context.Context) error {
			lock := held()
			under, cancel := lock.Context(ctx)
			defer cancel()
			err := context.Cause(under)
			if err == nil {
				err = step.Do(under)
			}
			now, cancel := lock.Context(ctx) // under may not know yet
			defer cancel()
			if now.Err() == nil || ctx.Err() != nil {
				return err
			}
			return lostIn(err, context.Cause(now))
		}
	}
	return guarded
}

// lostIn is the error of a step in which the lock was lost.
func lostIn(err, cause error) error {
	switch {
	case err == nil:
		err = cause
	case !errors.Is(err, cause):
		err = fmt.Errorf("%w: %w", cause, err)
	}
	if flow.CodeOf(err) == flow.Interrupted { // by the lock's end, and by nobody
		return flow.Recode(flow.Locked, err)
	}
	return flow.Fail(flow.Locked, err)
}
