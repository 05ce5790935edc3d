package restore

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/document"
	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/ring"
)

// online is a restore into a running ring.
type online struct {
	run
	// liveIDs are the ids of all tables after the schema was changed.
	liveIDs map[document.TableName]string
	// evidence is what the load found, by session.
	evidence [][]wire.TableLoad
	report   *Report
	finish   []wire.FinishResult
}

// Online reconciles a running ring with the backup on its volumes: what is the
// same stays and is truncated and loaded, what differs is altered or recreated.
// It can be killed at any moment and run again; once all data is loaded, a rerun
// only verifies, and once it is done, a rerun changes nothing.
func Online(ctx context.Context, target ring.Target, opts Options, observer flow.Observer) (*Report, error) {
	c, err := ring.Connect(ctx, target)
	if err != nil {
		return nil, err
	}
	o := &online{run: run{Cluster: c, opts: opts, observer: observer}}
	defer o.Close()
	steps := append([]flow.Step{
		{Name: "looking at the volumes", Do: o.lookCleaned},
		{Name: "checking the ring", Do: o.ReadRing},
		{Name: "taking the lock", Do: o.takeLock, Undo: o.Unlock},
	}, o.UnderLock(slices.Concat(o.prepare(), o.loadSteps(), o.endSteps())...)...)
	err = flow.Run(ctx, append(steps, flow.Step{Name: "giving the lock back", Do: o.Unlock}), observer)
	return o.report, err
}

func (o *online) takeLock(ctx context.Context) error {
	return o.Lock(ctx, "after-restore", o.opts.Backup, 0)
}

// loadSteps make the data that of the backup. They are passed over once all data
// is loaded. None has an undo: a restore goes on, it does not go back.
func (o *online) loadSteps() []flow.Step {
	return []flow.Step{
		o.step("staging the snapshots", o.stage),
		o.step("removing leftovers of an earlier run", o.removeLeftovers),
		o.step(wire.StepSchema, o.changeSchema),
		o.step("truncating", o.truncate),
		o.step(wire.StepLoading, o.load),
		o.step("recording that all is loaded", o.markLoaded),
	}
}

// endSteps complete what is loaded. They can be repeated: they look at what is
// there and never truncate or drop.
func (o *online) endSteps() []flow.Step {
	return []flow.Step{
		{Name: "building views", Skip: o.isDone, Do: o.journalled("building views", o.createViews)},
		{Name: "restoring grants", Skip: o.isDone, Do: o.journalled("restoring grants", o.restoreGrants)},
		{Name: "verifying", Skip: o.isDone, Do: o.verify},
		{Name: "removing what the restore left", Do: o.end, Destroys: true},
	}
}

// step is a step of the load: journalled before it starts and after it ends, and
// half-way when it fails.
func (o *online) step(name string, do func(context.Context) error) flow.Step {
	return flow.Step{Name: name, Skip: o.isLoaded, Do: o.journalled(name, do)}
}

func (o *online) journalled(name string, do func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		if err := o.journal(ctx, name, false); err != nil {
			return flow.Fail(flow.HalfWay, err)
		}
		if err := do(ctx); err != nil {
			return flow.Fail(flow.HalfWay, err)
		}
		return flow.Fail(flow.HalfWay, o.journal(ctx, name, true))
	}
}

func (o *online) journal(ctx context.Context, step string, ended bool) error {
	args := wire.JournalArgs{RestoreID: o.earlier.id, BackupID: o.source.id, Entry: wire.JournalEntry{Time: time.Now().UTC(), Step: step, Ended: ended}}
	_, err := ring.CallAll[struct{}](ctx, o.Sessions, wire.OpJournal, args)
	return err
}

func (o *online) stage(ctx context.Context) error {
	args := wire.StageArgs{RestoreID: o.earlier.id, BackupID: o.source.id, Tables: o.scope()}
	_, err := ring.CallProgress[wire.StageResult](ctx, o.Sessions, wire.OpStage, func(int) any { return args }, o.progress("staged %d of %d tables"))
	return err
}

// end marks the restore done on every volume, then removes what it left: staging,
// automatic snapshots that it caused, the backup itself, emptied directories.
func (o *online) end(ctx context.Context) error {
	if o.report == nil {
		o.report = o.earlierReport()
	}
	report, err := o.report.encode()
	if err != nil {
		return err
	}
	tables, err := o.CQL.Tables(ctx)
	if err != nil {
		return err
	}
	ids := make([]string, 0, len(tables))
	for _, t := range tables {
		ids = append(ids, t.ID)
	}
	args := wire.FinishArgs{RestoreID: o.earlier.id, BackupID: o.source.id, Report: report, KeepBackup: o.opts.KeepBackup || o.opts.partial(), LiveIDs: ids}
	o.finish, err = ring.CallAll[wire.FinishResult](ctx, o.Sessions, wire.OpFinish, args)
	if err != nil {
		return flow.Fail(flow.HalfWay, fmt.Errorf("the restore is done and verified, but: %w", err))
	}
	return nil
}
