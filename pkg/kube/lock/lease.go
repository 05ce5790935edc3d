package lock

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/casshook/casshook/pkg/kube/api"
	"github.com/casshook/casshook/pkg/kube/objects"
	"github.com/casshook/casshook/pkg/ledger"
)

// verdict on a Lease that is there.
type verdict int

const (
	take    verdict = iota // nobody's, or ours
	refuse                 // somebody's
	observe                // somebody's who may be dead
)

// watch is what was seen of a Lease that another holds.
type watch struct {
	holder string
	// renewed is the renewal that was seen first.
	renewed time.Time
	// waited is how long no other was seen, by the time that was waited here.
	waited, limit time.Duration
}

// judge decides on a Lease, nil for none.
func (l *lease) judge(o *coordinationv1.Lease, w *watch) (verdict, error) {
	switch {
	case o == nil:
		return take, nil
	case o.Labels[objects.ManagedByLabel] != objects.OwnName:
		return refuse, fmt.Errorf("the lease %s/%s is not casshook's (no label %s=%s): remove or rename it", l.namespace, l.name, objects.ManagedByLabel, objects.OwnName)
	case !l.trusted(o), l.holds(o):
		return take, nil
	case o.Annotations[objects.ParkedAnnotation] == "true":
		return l.judgeParked(o)
	case o.Spec.HolderIdentity == nil || *o.Spec.HolderIdentity == "":
		return take, nil
	}
	return l.judgeHeld(o, w)
}

// trusted tells a Lease of these datacenters from one that came back with a
// restore point. A ring that grew or shrank has one of them still.
func (l *lease) trusted(o *coordinationv1.Lease) bool {
	named := strings.Split(o.Annotations[objects.DatacentersAnnotation], ",")
	return slices.ContainsFunc(l.uids, func(uid string) bool { return slices.Contains(named, uid) })
}

func (l *lease) judgeParked(o *coordinationv1.Lease) (verdict, error) {
	since := renewed(o)
	if !ledger.TooYoung(since, l.claim.ParkedFor, l.client.Clock.Now()) {
		return take, nil
	}
	return refuse, fmt.Errorf("parked since %s by %s (backup %s); kept for at least %s, since its volume snapshots may still be running: wait, or run on-failure",
		since.UTC().Format(time.RFC3339), o.Annotations[objects.OperationAnnotation], o.Annotations[objects.BackupAnnotation], l.claim.ParkedFor)
}

func (l *lease) judgeHeld(o *coordinationv1.Lease, w *watch) (verdict, error) {
	why := fmt.Errorf("%s holds it for %s since %s", *o.Spec.HolderIdentity, o.Annotations[objects.OperationAnnotation], acquired(o).UTC().Format(time.RFC3339))
	if w.holder == "" {
		*w = watch{holder: *o.Spec.HolderIdentity, renewed: renewed(o), limit: believed(o)}
	}
	switch {
	case w.holder != *o.Spec.HolderIdentity, !w.renewed.Equal(renewed(o)):
		return refuse, fmt.Errorf("%w and is still running: wait for it to end", why)
	case w.waited < w.limit:
		return observe, why
	}
	return take, nil
}

// believed is how long a holder is believed to live that renews nothing.
func believed(o *coordinationv1.Lease) time.Duration {
	if o.Spec.LeaseDurationSeconds == nil {
		return leaseDuration
	}
	return min(max(time.Duration(*o.Spec.LeaseDurationSeconds)*time.Second, renewEvery), 2*leaseDuration)
}

func renewed(o *coordinationv1.Lease) time.Time { return at(o.Spec.RenewTime) }

func acquired(o *coordinationv1.Lease) time.Time { return at(o.Spec.AcquireTime) }

func at(t *metav1.MicroTime) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.Time
}

// keep renews the Lease until end, whatever becomes of the flow's context: undoing
// is work too.
func (l *lease) keep(ctx context.Context) {
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	stopped := make(chan struct{})
	l.stop, l.stopped = stop, stopped
	go func() {
		defer close(stopped)
		failing := time.Duration(0)
		for l.client.Clock.Wait(ctx, renewEvery) == nil {
			if failing = l.renewOrTell(ctx, failing); failing < 0 {
				return
			}
		}
	}()
}

// end ends the renewal and waits for it.
func (l *lease) end() {
	l.stop()
	<-l.stopped
}

// renewOrTell renews once. It returns for how long that has failed by now, and
// less than 0 when the Lease is lost. Failures are tolerated for the duration; after
// it another run may take the Lease, so that the work ends as if one had.
func (l *lease) renewOrTell(ctx context.Context, failing time.Duration) time.Duration {
	started := l.client.Clock.Now()
	err := l.renew(ctx)
	switch {
	case err == nil:
		return 0
	case ctx.Err() != nil:
		return failing
	case l.isLost():
		l.hold.Lose(l.lost())
		l.client.Notify("%v", l.lost())
		return -1
	}
	before := failing
	failing += renewEvery + max(0, l.client.Clock.Now().Sub(started))
	if before < leaseDuration && failing >= leaseDuration {
		err = fmt.Errorf("the lock of the ring (lease %s/%s) could not be renewed for %s: %w", l.namespace, l.name, failing, err)
		l.hold.Lose(err)
		l.client.Notify("%v", err)
	}
	return failing
}

func (l *lease) isLost() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last == nil
}

// renew writes a new time of renewal, once.
func (l *lease) renew(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	leases := l.client.Typed.CoordinationV1().Leases(l.namespace)
	return api.Once(ctx, func(ctx context.Context) error {
		o := l.last.DeepCopy()
		now := metav1.NewMicroTime(l.client.Clock.Now())
		o.Spec.RenewTime = &now
		written, err := leases.Update(ctx, o, metav1.UpdateOptions{})
		if apierrors.IsConflict(err) { // an annotation, an answer that was lost, or another holder
			if o, err = leases.Get(ctx, l.name, metav1.GetOptions{}); err == nil && l.holds(o) {
				o.Spec.RenewTime = &now
				written, err = leases.Update(ctx, o, metav1.UpdateOptions{})
			} else if err == nil {
				l.last, l.taker = nil, holderOf(o)
				return l.lost()
			}
		}
		if api.Absent(err) {
			l.last = nil
		}
		if err == nil {
			l.last = written
		}
		return err
	})
}

// holderOf names who holds a Lease, and for what; "" for none, or nobody.
func holderOf(o *coordinationv1.Lease) string {
	if o == nil || o.Spec.HolderIdentity == nil || *o.Spec.HolderIdentity == "" {
		return ""
	}
	return fmt.Sprintf("%s for %s", *o.Spec.HolderIdentity, o.Annotations[objects.OperationAnnotation])
}
