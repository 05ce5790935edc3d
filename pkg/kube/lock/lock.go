// Package lock keeps operations on a ring apart by a Lease, and shows people how one
// goes by a ConfigMap and Events.
package lock

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/kube/api"
	"github.com/casshook/casshook/pkg/kube/objects"
	"github.com/casshook/casshook/pkg/ring"
)

const (
	// leaseDuration is how long a holder that renews nothing is believed to live;
	// renewEvery is how often a live one renews.
	leaseDuration = 45 * time.Second
	renewEvery    = 5 * time.Second
	// leasePoll is how often a lease is looked at that somebody holds.
	leasePoll = time.Second
	// giveBackTimeout bounds giving the lock back when the flow's own context may
	// be gone.
	giveBackTimeout = 30 * time.Second
)

// Locker locks a ring.
type Locker struct {
	client *api.Client
	of     Ring
}

// Ring is what a lock and a record need to know of a ring.
type Ring struct {
	Namespace, Cluster string
	// Datacenters are the CassandraDatacenters as they were read last.
	Datacenters func() []Datacenter
}

// Datacenter names a CassandraDatacenter.
type Datacenter struct {
	Name, UID string
}

// uids are those of the datacenters, sorted.
func (r Ring) uids() []string {
	var found []string
	for _, d := range r.Datacenters() {
		found = append(found, d.UID)
	}
	slices.Sort(found)
	return found
}

var _ ring.Locker = (*Locker)(nil)

// New makes the lock of a ring.
func New(client *api.Client, of Ring) *Locker { return &Locker{client: client, of: of} }

// Acquire implements ring.Locker: first a Lease, which keeps runs apart before
// they touch a node and where no node runs, then the lock files on the volumes,
// without which no agent changes anything.
func (l *Locker) Acquire(ctx context.Context, sessions []*ring.Session, claim ring.Claim) (ring.Held, error) {
	lease := l.lease(claim)
	if err := lease.take(ctx); err != nil {
		return nil, fmt.Errorf("take the lock of the ring %q: %w", l.of.Cluster, err)
	}
	lease.keep(ctx)
	volumes, err := ring.LockVolumes(ctx, sessions, claim)
	if err != nil {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), giveBackTimeout)
		defer cancel()
		return nil, errors.Join(err, lease.release(ctx))
	}
	return &held{lease: lease, volumes: volumes}, nil
}

// held is both locks.
type held struct {
	lease   *lease
	volumes ring.Held
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
	return errors.Join(h.volumes.Park(ctx), h.lease.park(ctx))
}

// Release implements ring.Held.
func (h *held) Release(ctx context.Context) error {
	return errors.Join(h.volumes.Release(ctx), h.lease.release(ctx))
}

// lease is the Lease of a ring while this run has it.
type lease struct {
	client          *api.Client
	namespace, name string
	claim           ring.Claim
	// uids are those of the ring's datacenters: a Lease that names none of them
	// came back with a restore point.
	uids []string

	stop    context.CancelFunc
	stopped chan struct{}
	// hold ends when the Lease is another's, or may be.
	hold *ring.Hold

	mu sync.Mutex
	// last is the object as this run wrote it last; nil when it is not ours.
	last *coordinationv1.Lease
	// taker is who has it instead; empty where it was removed.
	taker string
}

func (l *Locker) lease(claim ring.Claim) *lease {
	return &lease{client: l.client, namespace: l.of.Namespace, name: objects.RingObject(l.of.Cluster), claim: claim, uids: l.of.uids(),
		stop: func() {}, stopped: closed()}
}

func closed() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}

// take takes the lease, or fails with code Locked. Whoever holds it is watched for
// the lease's duration: one that renews it lives. No clocks are compared for that.
func (l *lease) take(ctx context.Context) error {
	l.hold = ring.NewHold(ctx)
	var w watch
	for {
		now, err := l.read(ctx)
		if err != nil {
			return err
		}
		ours := l.mine(now)
		switch verdict, why := l.judge(now, &w); {
		case verdict == refuse:
			return flow.Fail(flow.Locked, why)
		case verdict == observe:
			if w.waited == 0 {
				l.client.Notify("%v: checking for up to %s whether it is still running", why, w.limit)
			}
			if err := l.client.Clock.Wait(ctx, leasePoll); err != nil {
				return flow.Fail(flow.Locked, fmt.Errorf("%w: %w", why, err))
			}
			w.waited += leasePoll
			continue
		}
		err = l.write(ctx, ours)
		if !apierrors.IsConflict(err) && !apierrors.IsAlreadyExists(err) && !api.Absent(err) {
			return err
		}
		// Another was faster, at most a few times: whoever has it now is refused or
		// watched. A pause keeps two from chasing each other.
		if err := l.client.Clock.Wait(ctx, leasePoll); err != nil {
			return err
		}
	}
}

// read gets the Lease; nil when there is none.
func (l *lease) read(ctx context.Context) (*coordinationv1.Lease, error) {
	var found *coordinationv1.Lease
	err := l.client.Do(ctx, l.request("get"), func(ctx context.Context) (err error) {
		found, err = l.client.Typed.CoordinationV1().Leases(l.namespace).Get(ctx, l.name, metav1.GetOptions{})
		return err
	})
	if api.Absent(err) {
		return nil, nil
	}
	return found, err
}

func (l *lease) request(verb string) api.Request {
	return api.NewRequest(verb, "leases", l.namespace, l.name)
}

// mine makes of what is there, if anything, the Lease that this run holds.
func (l *lease) mine(now *coordinationv1.Lease) *coordinationv1.Lease {
	o := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: l.name, Namespace: l.namespace}}
	if now != nil {
		o = now.DeepCopy()
	}
	o.Labels = objects.OwnLabels()
	o.Annotations = map[string]string{
		objects.OperationAnnotation: l.claim.Operation, objects.BackupAnnotation: l.claim.BackupID, objects.ParkedAnnotation: "false",
		objects.DatacentersAnnotation: strings.Join(l.uids, ","),
	}
	seconds := int32(leaseDuration / time.Second)
	at := metav1.NewMicroTime(l.client.Clock.Now())
	o.Spec = coordinationv1.LeaseSpec{HolderIdentity: &l.claim.Holder, LeaseDurationSeconds: &seconds, AcquireTime: &at, RenewTime: &at}
	return o
}

// write creates or updates the Lease; an update fails when another wrote it since
// it was read.
func (l *lease) write(ctx context.Context, o *coordinationv1.Lease) error {
	verb := "update"
	if o.ResourceVersion == "" {
		verb = "create"
	}
	leases := l.client.Typed.CoordinationV1().Leases(l.namespace)
	return l.client.Do(ctx, l.request(verb), func(ctx context.Context) error {
		var written *coordinationv1.Lease
		var err error
		if verb == "create" {
			written, err = leases.Create(ctx, o, metav1.CreateOptions{})
		} else {
			written, err = leases.Update(ctx, o, metav1.UpdateOptions{})
		}
		if err == nil {
			l.last = written
		}
		return err
	})
}

// park leaves the Lease without a holder. The time of it is by the API server's
// clock, as is that of the run which reads it.
func (l *lease) park(ctx context.Context) error {
	l.end()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.last == nil {
		return l.lost()
	}
	for {
		now, err := l.read(ctx)
		if err != nil {
			return err
		}
		o := l.mine(now)
		o.Annotations[objects.ParkedAnnotation] = "true"
		o.Spec.HolderIdentity = nil
		if now != nil && maps.Equal(now.Annotations, o.Annotations) { // written, though its answer was lost
			l.last = now
			return nil
		}
		if !l.holds(now) {
			l.taker = holderOf(now)
			return l.lost()
		}
		if err = l.write(ctx, o); !apierrors.IsConflict(err) {
			return err
		}
	}
}

func (l *lease) lost() error {
	if l.taker == "" {
		return fmt.Errorf("the lock of the ring (lease %s/%s) was taken by another or removed", l.namespace, l.name)
	}
	return fmt.Errorf("the lock of the ring (lease %s/%s) was taken by %s", l.namespace, l.name, l.taker)
}

// release deletes the Lease if this run has it; else it is no error.
func (l *lease) release(ctx context.Context) error {
	l.end()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.last == nil {
		return nil
	}
	for {
		now, err := l.read(ctx)
		if err != nil {
			return err
		}
		if now == nil || (!l.holds(now) && now.ResourceVersion != l.last.ResourceVersion) {
			l.last = nil
			return nil
		}
		err = l.client.Do(ctx, l.request("delete"), func(ctx context.Context) error {
			return l.client.Typed.CoordinationV1().Leases(l.namespace).Delete(ctx, l.name, metav1.DeleteOptions{
				Preconditions: &metav1.Preconditions{UID: &now.UID, ResourceVersion: &now.ResourceVersion},
			})
		})
		if apierrors.IsConflict(err) { // a renewal that was under way, or another's by now
			continue
		}
		if err == nil || api.Absent(err) {
			l.last, err = nil, nil
		}
		return err
	}
}

func (l *lease) holds(o *coordinationv1.Lease) bool {
	return o != nil && o.Spec.HolderIdentity != nil && *o.Spec.HolderIdentity == l.claim.Holder
}
