package restore

import (
	"context"
	"slices"

	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/ring"
)

// locked are steps with the lock of a ring whose nodes need not run around them. They
// end when the lock is lost.
func locked(locker ring.Locker, operation, backup string, steps ...flow.Step) []flow.Step {
	var held ring.Held
	take := func(ctx context.Context) (err error) {
		held, err = locker.Acquire(ctx, nil, ring.Claim{Holder: ring.Holder(), Operation: operation, BackupID: backup})
		return err
	}
	giveBack := func(ctx context.Context) error {
		if held == nil {
			return nil
		}
		return held.Release(ctx)
	}
	under := ring.UnderLock(func() ring.Held { return held }, steps...)
	return slices.Concat([]flow.Step{{Name: "taking the lock", Do: take, Undo: giveBack}}, under, []flow.Step{{Name: "releasing the lock", Do: giveBack}})
}
