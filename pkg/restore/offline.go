package restore

import (
	"context"

	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/ring"
)

// offline is a restore of a ring that is stopped.
type offline struct {
	cleaner
	ring ring.StoppedRing
}

func newOffline(target ring.Target, opts Options, observer flow.Observer) *offline {
	return &offline{ring: target.Stopped, cleaner: cleaner{volumes: target.Stopped, opts: opts, observer: observer, cluster: target.ClusterName, place: target.Place}}
}

// Offline restores a ring that is stopped: it puts the backup in place on all
// volumes, starts the nodes, and proves the result as a restore into the running
// ring does. Roles, grants, table ids, views and indexes come back as they were. It
// can be killed at any moment and run again.
func Offline(ctx context.Context, target ring.Target, opts Options, observer flow.Observer) (*Report, error) {
	if opts.partial() {
		return nil, flow.Failf(flow.Usage, "a partial restore needs a running ring: set stopped to false and wait until the ring is up, or omit --include and --exclude")
	}
	o := newOffline(target, opts, observer)
	err := flow.Run(ctx, locked(target.Locker, "after-restore", opts.Backup,
		flow.Step{Name: "inspecting the volumes", Do: o.look},
		flow.Step{Name: "putting the backup in place", Do: o.clean},
		flow.Step{Name: "starting the nodes", Do: o.start, Destroys: true}, // every volume is cleaned by now
	), observer)
	if err != nil {
		return nil, err
	}
	opts.Again = false // it is in place now
	report, err := Online(ctx, target, opts, observer)
	return report, flow.AfterChange(err)
}

// MakeOfflinePlan looks at all volumes and says what Offline would do, without
// changing anything.
func MakeOfflinePlan(ctx context.Context, target ring.Target, opts Options, observer flow.Observer) (*Cleaned, error) {
	return CleanVolumes(ctx, Volumes{Cleaner: target.Stopped, Cluster: target.ClusterName, Place: target.Place}, true, opts, observer)
}

// start starts the nodes, of which every one was cleaned.
func (o *offline) start(ctx context.Context) error {
	return flow.Fail(flow.HalfWay, o.ring.Start(ctx, o.observer.Progress))
}
