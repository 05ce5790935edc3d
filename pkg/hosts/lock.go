package hosts

import (
	"context"

	"github.com/casshook/casshook/pkg/ring"
)

// Acquire implements ring.Locker: on hosts the lock files on the volumes are the
// only lock.
func (t *Target) Acquire(ctx context.Context, sessions []*ring.Session, claim ring.Claim) (ring.Held, error) {
	return ring.LockVolumes(ctx, sessions, claim)
}
