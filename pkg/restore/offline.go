package restore

import (
	"context"

	"github.com/casshook/casshook/pkg/cluster"
	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/ring"
)

// offline is a restore of a ring that is stopped.
type offline struct {
	shelf
	target ring.Offline
	lock   ring.Held
}

func newOffline(target ring.Offline, opts Options, observer flow.Observer) *offline {
	return &offline{target: target, shelf: shelf{volumes: target, opts: opts, observer: observer, cluster: target.ClusterName(), place: target.Placed()}}
}

// Offline restores a ring that is stopped: it puts the backup in place on all
// volumes, starts the nodes, and proves the result as a restore into the running
// ring does. Roles, grants, table ids, views and indexes come back as they were. It
// can be killed at any moment and run again.
func Offline(ctx context.Context, target ring.Offline, opts Options, observer flow.Observer) (*Report, error) {
	if opts.partial() {
		return nil, flow.Failf(flow.Usage, "a restore of a part needs the running ring: set stopped to false and wait until it is up, or leave --include and --exclude out")
	}
	o := newOffline(target, opts, observer)
	err := flow.Run(ctx, []flow.Step{
		{Name: "taking the lock", Do: o.takeLock, Undo: o.unlock},
		{Name: "looking at the volumes", Do: o.look},
		{Name: "putting the backup in place", Do: o.clean},
		{Name: "starting the nodes", Do: o.start},
		{Name: "giving the lock back", Do: o.unlock},
	}, observer)
	if err != nil {
		return nil, err
	}
	return Online(ctx, target, opts, observer)
}

// MakeOfflinePlan looks at all volumes and says what Offline would do, without
// changing anything.
func MakeOfflinePlan(ctx context.Context, target ring.Offline, opts Options, observer flow.Observer) (*Cleaned, error) {
	return CleanVolumes(ctx, Volumes{Shelf: target, Cluster: target.ClusterName(), Place: target.Placed()}, true, opts, observer)
}

func (o *offline) takeLock(ctx context.Context) (err error) {
	o.lock, err = o.target.Acquire(ctx, nil, ring.Claim{Holder: cluster.Holder(), Operation: "after-restore", BackupID: o.opts.Backup})
	return err
}

func (o *offline) unlock(ctx context.Context) error {
	if o.lock == nil {
		return nil
	}
	return o.lock.Release(ctx)
}

// start starts the nodes, of which every one was cleaned.
func (o *offline) start(ctx context.Context) error {
	return flow.Fail(flow.HalfWay, o.target.Start(ctx, o.observer.Progress))
}
