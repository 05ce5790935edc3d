package lock

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/kube/internal/kubetest"
	"github.com/casshook/casshook/pkg/kube/objects"
	"github.com/casshook/casshook/pkg/ring"
)

const leases = "coordination.k8s.io"

// putLease is a lease that another run left, as a change of one that is held.
func putLease(w *kubetest.World, edit func(*coordinationv1.Lease)) {
	w.T.Helper()
	holder, seconds := "other-1", int32(45)
	at := metav1.NewMicroTime(w.Client.Now().Add(-time.Hour)) // old by whatever clock
	l := &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Namespace: "db", Name: "casshook-prod", Labels: objects.OwnLabels(), Annotations: map[string]string{
			"casshook.io/operation": "before-backup", "casshook.io/backup-id": "b1", "casshook.io/parked": "false", "casshook.io/datacenter-uids": "uid-dc1"}},
		Spec: coordinationv1.LeaseSpec{HolderIdentity: &holder, LeaseDurationSeconds: &seconds, AcquireTime: &at, RenewTime: &at},
	}
	edit(l)
	w.Put(leases, "leases", l)
}

func leaseIn(w *kubetest.World) *coordinationv1.Lease {
	w.T.Helper()
	l := &coordinationv1.Lease{}
	if !w.Read(leases, "leases", "casshook-prod", l) {
		return nil
	}
	return l
}

func mine() ring.Claim {
	return ring.Claim{Holder: "me-1", Operation: "after-restore", BackupID: "b2", ParkedFor: 10 * time.Minute}
}

func parked(age time.Duration) func(*coordinationv1.Lease) {
	return func(l *coordinationv1.Lease) {
		l.Annotations["casshook.io/parked"], l.Spec.HolderIdentity = "true", nil
		at := metav1.NewMicroTime(l.Spec.RenewTime.Add(time.Hour - age))
		l.Spec.RenewTime = &at
	}
}

func TestAcquire(t *testing.T) {
	t.Parallel()
	renewAfter := func(waits int) func(*kubetest.World) {
		return func(w *kubetest.World) {
			seen := 0
			kubetest.ClockOf(w.Client).OnWait = func() {
				if seen++; seen == waits {
					w.Edit(leases, "leases", "casshook-prod", func(o map[string]any) { kubetest.In(o, "spec")["renewTime"] = "2020-01-01T00:00:00.000000Z" })
				}
			}
		}
	}
	none := func(*kubetest.World) {}
	for _, c := range []struct {
		name    string
		lease   func(*coordinationv1.Lease) // nil for none
		then    func(*kubetest.World)
		claim   func(*ring.Claim)
		refusal string
		waited  time.Duration
	}{
		{name: "free"},
		{name: "ours", lease: func(l *coordinationv1.Lease) { *l.Spec.HolderIdentity = "me-1" }},
		{name: "of a dead run", lease: func(*coordinationv1.Lease) {}, waited: 45 * time.Second},
		{name: "of a dead run with a shorter duration", lease: func(l *coordinationv1.Lease) { *l.Spec.LeaseDurationSeconds = 10 }, waited: 10 * time.Second},
		{name: "of a dead run that claims a year", lease: func(l *coordinationv1.Lease) { *l.Spec.LeaseDurationSeconds = 31536000 }, waited: 90 * time.Second},
		{name: "of a live run", lease: func(*coordinationv1.Lease) {}, then: renewAfter(3), waited: 3 * time.Second,
			refusal: "other-1 holds it for before-backup since 2026-11-21T09:00:00Z and is still running"},
		{name: "of a live run whose clock is ahead", lease: func(l *coordinationv1.Lease) {
			at := metav1.NewMicroTime(l.Spec.RenewTime.Add(48 * time.Hour))
			l.Spec.RenewTime = &at
		}, then: renewAfter(3), waited: 3 * time.Second, refusal: "and is still running"},
		{name: "of a dead run whose clock was ahead", lease: func(l *coordinationv1.Lease) {
			at := metav1.NewMicroTime(l.Spec.RenewTime.Add(48 * time.Hour))
			l.Spec.RenewTime = &at
		}, waited: 45 * time.Second},
		{name: "changed but not renewed", lease: func(*coordinationv1.Lease) {}, waited: 45 * time.Second, then: func(w *kubetest.World) {
			kubetest.ClockOf(w.Client).OnWait = func() {
				w.Edit(leases, "leases", "casshook-prod", func(o map[string]any) { kubetest.In(o, "metadata", "annotations")["x"] = w.Client.Now().String() })
			}
		}},
		{name: "taken by a third while we look", lease: func(*coordinationv1.Lease) {}, waited: 2 * time.Second, refusal: "third-1 holds it", then: func(w *kubetest.World) {
			kubetest.ClockOf(w.Client).OnWait = func() {
				if w.Client.Now().Second() == 2 {
					w.Edit(leases, "leases", "casshook-prod", func(o map[string]any) { kubetest.In(o, "spec")["holderIdentity"] = "third-1" })
				}
			}
		}},
		{name: "given back while we look", lease: func(*coordinationv1.Lease) {}, waited: time.Second, then: func(w *kubetest.World) {
			kubetest.ClockOf(w.Client).OnWait = func() { w.Remove(leases, "leases", "casshook-prod") }
		}},
		{name: "parked just now", lease: parked(9 * time.Minute), refusal: "by before-backup (backup b1); kept for at least 10m0s"},
		{name: "parked in the future", lease: parked(-time.Minute), refusal: "by before-backup (backup b1)"},
		{name: "parked long ago", lease: parked(10 * time.Minute)},
		{name: "parked a second ahead, and that does not matter", lease: parked(-time.Second), claim: func(c *ring.Claim) { c.ParkedFor = 0 }},
		{name: "parked an hour ahead, and that does not matter", lease: parked(-time.Hour), claim: func(c *ring.Claim) { c.ParkedFor = 0 }},
		{name: "parked, and that does not matter", lease: parked(0), claim: func(c *ring.Claim) { c.ParkedFor = 0 }},
		{name: "came back with a restore point, parked", lease: func(l *coordinationv1.Lease) {
			parked(0)(l)
			l.Annotations["casshook.io/datacenter-uids"] = "uid-of-old"
		}},
		{name: "came back with a restore point, held", lease: func(l *coordinationv1.Lease) { l.Annotations["casshook.io/datacenter-uids"] = "uid-of-old,uid-2" }},
		{name: "of a ring that grew", lease: func(l *coordinationv1.Lease) {
			parked(0)(l)
			l.Annotations["casshook.io/datacenter-uids"] = "uid-dc1,uid-dc2"
		}, refusal: "(backup b1)"},
		{name: "not ours at all", lease: func(l *coordinationv1.Lease) { l.Labels = nil }, refusal: "the lease db/casshook-prod is not casshook's"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := kubetest.NewWorld(t)
			w.PutDatacenter("prod", "dc1", 1)
			target, claim := lockerOf(w), mine()
			if c.lease != nil {
				putLease(w, c.lease)
			}
			if c.claim != nil {
				c.claim(&claim)
			}
			if c.then == nil {
				c.then = none
			}
			c.then(w)
			started := w.Client.Now()
			held, err := target.Acquire(t.Context(), nil, claim)
			require.Equal(t, c.waited, w.Client.Now().Sub(started))
			if c.refusal != "" {
				require.ErrorContains(t, err, `take the lock of the ring "prod": `)
				require.ErrorContains(t, err, c.refusal)
				require.Equal(t, flow.Locked, flow.CodeOf(err))
				return
			}
			require.NoError(t, err)
			l := leaseIn(w)
			require.Equal(t, "me-1", *l.Spec.HolderIdentity)
			require.Equal(t, map[string]string{"casshook.io/operation": "after-restore", "casshook.io/backup-id": "b2", "casshook.io/parked": "false",
				"casshook.io/datacenter-uids": "uid-dc1"}, l.Annotations)
			require.Equal(t, objects.OwnLabels(), l.Labels)
			require.NoError(t, held.Release(t.Context()))
			require.Nil(t, leaseIn(w))
			require.NoError(t, held.Release(t.Context()), "a lock that is not held is no error")
		})
	}
}

func TestAcquireEndsWithTheContext(t *testing.T) {
	t.Parallel()
	w := kubetest.NewWorld(t)
	w.PutDatacenter("prod", "dc1", 1)
	target := lockerOf(w)
	putLease(w, func(*coordinationv1.Lease) {})
	ctx, cancel := context.WithCancel(t.Context())
	kubetest.ClockOf(w.Client).OnWait = cancel
	_, err := target.Acquire(ctx, nil, mine())
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, "other-1", *leaseIn(w).Spec.HolderIdentity)
}

func TestPark(t *testing.T) {
	t.Parallel()
	w := kubetest.NewWorld(t)
	w.PutDatacenter("prod", "dc1", 1)
	target := lockerOf(w)
	held, err := target.Acquire(t.Context(), nil, mine())
	require.NoError(t, err)
	require.NoError(t, held.Park(t.Context()))
	require.Equal(t, "true", leaseIn(w).Annotations["casshook.io/parked"])
	require.Nil(t, leaseIn(w).Spec.HolderIdentity)
	_, err = target.Acquire(t.Context(), nil, ring.Claim{Holder: "you", ParkedFor: time.Minute})
	require.Equal(t, flow.Locked, flow.CodeOf(err))
	require.NoError(t, held.Release(t.Context()), "the undo of a later step")
	require.Nil(t, leaseIn(w))
}

// An answer that is lost makes the retry meet its own writing.
func TestLockWhoseAnswersAreLost(t *testing.T) {
	t.Parallel()
	w := kubetest.NewWorld(t)
	w.PutDatacenter("prod", "dc1", 1)
	target := lockerOf(w)
	lose := func(rule string) {
		lost := false
		w.Refuse = func(a kubetest.Asked) *metav1.Status {
			if a.Rule() != rule || lost {
				return nil
			}
			lost = true
			w.Edit(leases, "leases", "casshook-prod", func(o map[string]any) {
				if rule == "update coordination.k8s.io/leases" {
					kubetest.In(o, "metadata", "annotations")["casshook.io/parked"] = "true"
					delete(kubetest.In(o, "spec"), "holderIdentity")
				}
			})
			return kubetest.Status(http.StatusGatewayTimeout, metav1.StatusReasonTimeout, "lost")
		}
	}
	held, err := target.Acquire(t.Context(), nil, mine())
	require.NoError(t, err)
	lose("update coordination.k8s.io/leases")
	require.NoError(t, held.Park(t.Context()))
	require.NoError(t, held.Release(t.Context()))
	require.Nil(t, leaseIn(w))
}

func TestRenewal(t *testing.T) {
	t.Parallel()
	w := kubetest.NewWorld(t)
	w.PutDatacenter("prod", "dc1", 1)
	held, err := lockerOf(w).Acquire(t.Context(), nil, mine())
	require.NoError(t, err)
	clock := kubetest.ClockOf(w.Client)
	before := leaseIn(w).Spec.RenewTime.Time
	clock.Pass(renewEvery)
	clock.Renew <- struct{}{}
	clock.Renew <- struct{}{} // taken when the first is over
	require.True(t, leaseIn(w).Spec.RenewTime.After(before))
	// Somebody annotates it: still ours.
	w.Edit(leases, "leases", "casshook-prod", func(o map[string]any) { kubetest.In(o, "metadata", "annotations")["note"] = "hands off" })
	clock.Renew <- struct{}{}
	clock.Renew <- struct{}{}
	require.Equal(t, "hands off", leaseIn(w).Annotations["note"])
	require.NoError(t, held.Release(t.Context()))
	require.Nil(t, leaseIn(w))
	require.Empty(t, w.Noticed())
}

// A renewal may be under way when the lock is given back.
func TestReleaseMeetsARenewal(t *testing.T) {
	t.Parallel()
	w := kubetest.NewWorld(t)
	w.PutDatacenter("prod", "dc1", 1)
	held, err := lockerOf(w).Acquire(t.Context(), nil, mine())
	require.NoError(t, err)
	renewals := 0
	w.Refuse = func(a kubetest.Asked) *metav1.Status {
		if a.Rule() == "delete coordination.k8s.io/leases" && renewals < 2 {
			renewals++
			w.Edit(leases, "leases", "casshook-prod", func(o map[string]any) { kubetest.In(o, "spec")["renewTime"] = "2026-11-21T10:00:05.000000Z" })
		}
		return nil
	}
	require.NoError(t, held.Release(t.Context()))
	require.Nil(t, leaseIn(w))
	require.Equal(t, 2, renewals)
}

func TestRenewalFails(t *testing.T) {
	t.Parallel()
	w := kubetest.NewWorld(t)
	w.PutDatacenter("prod", "dc1", 1)
	target := lockerOf(w)
	l := target.lease(mine())
	require.NoError(t, l.take(t.Context()))
	w.Refuse = kubetest.Forbid("update coordination.k8s.io/leases")
	failing := time.Duration(0)
	for range 8 {
		failing = l.renewOrTell(t.Context(), failing)
	}
	require.Empty(t, w.Noticed(), "tolerated for the lease's duration")
	for range 8 {
		failing = l.renewOrTell(t.Context(), failing)
	}
	require.Len(t, w.Noticed(), 1)
	require.Contains(t, w.Noticed()[0], "could not be renewed for 45s")
	w.Refuse = nil
	require.Zero(t, l.renewOrTell(t.Context(), failing))
}

// TestUnrenewedLockEndsTheWork: after the lease's duration another run may take it.
func TestUnrenewedLockEndsTheWork(t *testing.T) {
	t.Parallel()
	w := kubetest.NewWorld(t)
	w.PutDatacenter("prod", "dc1", 1)
	held, err := lockerOf(w).Acquire(t.Context(), nil, mine())
	require.NoError(t, err)
	ctx, cancel := held.Context(t.Context())
	defer cancel()
	w.Refuse = kubetest.Forbid("update coordination.k8s.io/leases")
	clock := kubetest.ClockOf(w.Client)
	for range leaseDuration/renewEvery - 1 {
		clock.Renew <- struct{}{}
	}
	require.NoError(t, ctx.Err(), "what fails for a while is tolerated")
	clock.Renew <- struct{}{}
	<-ctx.Done()
	require.ErrorContains(t, context.Cause(ctx), "could not be renewed for 45s")
	w.Refuse = nil
	require.NoError(t, held.Release(t.Context()))
	require.Nil(t, leaseIn(w))
}

// TestSlowRenewalsCount: an attempt that hangs is time in which nothing was renewed.
func TestSlowRenewalsCount(t *testing.T) {
	t.Parallel()
	w := kubetest.NewWorld(t)
	w.PutDatacenter("prod", "dc1", 1)
	l := lockerOf(w).lease(mine())
	require.NoError(t, l.take(t.Context()))
	ctx, cancel := l.hold.Context(t.Context())
	defer cancel()
	w.Refuse = func(kubetest.Asked) *metav1.Status {
		kubetest.ClockOf(w.Client).Pass(20 * time.Second)
		return kubetest.Status(http.StatusGatewayTimeout, metav1.StatusReasonTimeout, "slow")
	}
	failing := l.renewOrTell(t.Context(), 0)
	require.NoError(t, ctx.Err())
	l.renewOrTell(t.Context(), failing)
	<-ctx.Done()
}

func TestLostLock(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		lose func(*kubetest.World)
		want string
	}{
		"taken":   {func(w *kubetest.World) { putLease(w, func(*coordinationv1.Lease) {}) }, "was taken by other-1 for before-backup"},
		"removed": {func(w *kubetest.World) { w.Remove(leases, "leases", "casshook-prod") }, "was taken by another or removed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := kubetest.NewWorld(t)
			w.PutDatacenter("prod", "dc1", 1)
			held, err := lockerOf(w).Acquire(t.Context(), nil, mine())
			require.NoError(t, err)
			ctx, cancel := held.Context(t.Context())
			defer cancel()
			tt.lose(w)
			require.NoError(t, ctx.Err())
			kubetest.ClockOf(w.Client).Renew <- struct{}{}
			<-ctx.Done()
			require.ErrorContains(t, context.Cause(ctx), tt.want, "the work ends")
			there := leaseIn(w)
			require.ErrorContains(t, held.Park(t.Context()), tt.want)
			require.NoError(t, held.Release(t.Context()))
			require.Equal(t, there, leaseIn(w), "another's lock is left alone")

			lost := lockerOf(w).lease(mine())
			w.Remove(leases, "leases", "casshook-prod")
			require.NoError(t, lost.take(t.Context()))
			tt.lose(w)
			require.ErrorContains(t, lost.park(t.Context()), tt.want)
			require.Negative(t, lost.renewOrTell(t.Context(), 0))
			require.Contains(t, w.Noticed()[0], tt.want)
		})
	}
}

func TestLockForbidden(t *testing.T) {
	t.Parallel()
	for _, verb := range []string{"get", "create"} {
		w := kubetest.NewWorld(t)
		w.PutDatacenter("prod", "dc1", 1)
		target := lockerOf(w)
		w.Refuse = kubetest.Forbid(verb + " coordination.k8s.io/leases")
		_, err := target.Acquire(t.Context(), nil, mine())
		require.ErrorContains(t, err, "may not "+verb+" leases in namespace db")
	}
}
