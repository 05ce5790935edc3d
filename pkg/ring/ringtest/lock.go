package ringtest

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/ring"
)

// lease is the lock beside those on the volumes: it keeps runs apart where no node
// runs.
type lease struct {
	claim  ring.Claim
	parked bool
	// hold ends with it.
	hold *ring.Hold
}

var (
	_ ring.Locker = seams{}
	_ ring.Held   = (*held)(nil)
)

// Acquire implements ring.Locker, as in Kubernetes: a lease first, then the volumes.
func (s seams) Acquire(ctx context.Context, sessions []*ring.Session, claim ring.Claim) (ring.Held, error) {
	h := &held{ring: s.Ring, lease: &lease{claim: claim, hold: ring.NewHold(ctx)}}
	if err := s.do(Lock, "", "acquire", h.take); err != nil {
		return nil, errors.Join(err, h.drop())
	}
	volumes, err := ring.LockVolumes(ctx, sessions, claim)
	if err != nil {
		return nil, errors.Join(err, h.drop())
	}
	h.volumes = volumes
	return h, nil
}

// held is both locks.
type held struct {
	ring    *Ring
	lease   *lease
	volumes ring.Held
}

func (h *held) take() error {
	h.ring.mu.Lock()
	defer h.ring.mu.Unlock()
	if now := h.ring.lease; now != nil && !now.parked {
		return flow.Failf(flow.Locked, "%s holds the lock for %s", now.claim.Holder, now.claim.Operation)
	}
	if now := h.ring.lease; now != nil && h.lease.claim.ParkedFor > 0 {
		return flow.Failf(flow.Locked, "parked by %s of backup %s", now.claim.Operation, now.claim.BackupID)
	}
	h.ring.lease = h.lease
	return nil
}

// drop gives the lease back, if it is ours.
func (h *held) drop() error {
	h.ring.mu.Lock()
	defer h.ring.mu.Unlock()
	if h.ring.lease == h.lease {
		h.ring.lease = nil
	}
	return nil
}

// Context implements ring.Held.
func (h *held) Context(parent context.Context) (context.Context, context.CancelFunc) {
	ctx, ofVolumes := h.volumes.Context(parent)
	ctx, ofLease := h.lease.hold.Context(ctx)
	return ctx, func() {
		ofLease()
		ofVolumes()
	}
}

// Park implements ring.Held.
func (h *held) Park(ctx context.Context) error {
	return errors.Join(h.volumes.Park(ctx), h.ring.do(Lock, "", "park", func() error {
		h.ring.mu.Lock()
		defer h.ring.mu.Unlock()
		if h.ring.lease != h.lease {
			return errors.New("the lock was taken by another")
		}
		h.lease.parked = true
		return nil
	}))
}

// Release implements ring.Held.
func (h *held) Release(ctx context.Context) error {
	return errors.Join(h.volumes.Release(ctx), h.ring.do(Lock, "", "release", h.drop))
}

// TakeLock has another run take the lock away, as one that believes the holder dead
// does. It returns how that run gives it back.
func (r *Ring) TakeLock(holder string) (giveBack func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.lease != nil {
		r.lease.hold.Lose(fmt.Errorf("the lock was taken by %s", holder))
	}
	taken := &lease{claim: ring.Claim{Holder: holder, Operation: "another"}}
	r.lease = taken
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.lease == taken {
			r.lease = nil
		}
	}
}

// HolderDied has the lock be nobody's, as it is some time after its holder was killed.
func (r *Ring) HolderDied() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.lease != nil && !r.lease.parked {
		r.lease = nil
	}
}

// Locks are the holders of all locks, on the volumes and beside them, parked ones too.
func (r *Ring) Locks() []string {
	r.t.Helper()
	var found []string
	for _, v := range r.Volumes() {
		if v.Lock != nil {
			found = append(found, fmt.Sprintf("volume %s: %s parked=%v", v.Identity, v.Lock.Operation, v.Lock.Parked))
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.lease != nil {
		found = append(found, fmt.Sprintf("lease: %s parked=%v", r.lease.claim.Operation, r.lease.parked))
	}
	slices.Sort(found)
	return found
}

// Held tells whether somebody holds the lock beside those on the volumes, and did not
// park it.
func (r *Ring) Held() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lease != nil && !r.lease.parked
}
