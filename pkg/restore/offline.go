package restore

import (
	"context"

	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/ledger"
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
// changing anything. Where not all can be looked at, the plan says what can be seen,
// beside the error.
func MakeOfflinePlan(ctx context.Context, target ring.Target, opts Options, observer flow.Observer) (*Cleaned, error) {
	o := newOffline(target, opts, observer)
	err := flow.Run(ctx, []flow.Step{{Name: "inspecting the volumes", Do: o.look}}, observer)
	switch {
	case err == nil:
		return o.cleaned(true), nil
	case ctx.Err() != nil:
		return nil, err
	case o.failed == nil: // not one was looked at
		plan, err := PlanVisible(ctx, target, opts, err)
		if plan == nil {
			return nil, err
		}
		return &Cleaned{BackupID: plan.BackupID, DryRun: true, Volumes: []string{}, Results: []*wire.CleanResult{}, Visible: plan.Visible}, err
	}
	return &Cleaned{BackupID: opts.Backup, DryRun: true, Volumes: []string{}, Results: []*wire.CleanResult{}, Visible: o.visible()}, err
}

// visible is what the cleaner saw of each volume.
func (c *cleaner) visible() []VisibleNode {
	nodes := make([]VisibleNode, len(c.failed))
	request := ledger.Request{Operation: ledger.Clean, InPlace: c.opts.InPlace, Again: c.opts.Again, Restored: c.opts.Restored}
	for i, err := range c.failed {
		nodes[i].Name = c.nodes[i].Name
		if err != nil {
			nodes[i].Problem = err.Error()
			continue
		}
		r := c.found[i]
		for _, b := range r.Ledger.Backups {
			nodes[i].Backups = append(nodes[i].Backups, b.ID)
		}
		b, _ := r.Ledger.Backup(r.BackupID)
		state := ledger.StateOf(r.Ledger, b)
		nodes[i].Volume, nodes[i].Stage, nodes[i].Action = state.Origin.String(), state.Stage, string(ledger.Next(request, state))
		nodes[i].Tables, nodes[i].Bytes = r.Tables, r.Bytes
	}
	return nodes
}

// start starts the nodes, of which every one was cleaned.
func (o *offline) start(ctx context.Context) error {
	return flow.Fail(flow.HalfWay, o.ring.Start(ctx, o.observer.Progress))
}
