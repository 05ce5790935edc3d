package restore

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/document"
	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/ledger"
	"github.com/casshook/casshook/pkg/ring"
)

// online is a restore into a running ring.
type online struct {
	run
	// liveIDs are the ids of all tables after the schema was changed.
	liveIDs map[document.TableName]string
	// evidence is what the load found, by session.
	evidence [][]ledger.Load
	views    viewProblems
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
		{Name: "inspecting the volumes", Do: o.look},
		{Name: "checking the ring", Do: o.resumed(o.ReadRing)},
		{Name: "taking the lock", Do: o.takeLock, Undo: o.Unlock},
	}, o.UnderLock(slices.Concat(o.prepare(), o.loadSteps(), o.endSteps())...)...)
	err = flow.Run(ctx, append(steps, flow.Step{Name: "releasing the lock", Do: o.Unlock}), observer)
	return o.report, err
}

// look reads the volumes before the ring is asked for anything, so that a ring which is
// not whole after a run that stopped half-way is told so. They are read again under the
// lock.
func (o *online) look(ctx context.Context) error {
	volumes, err := o.Inspect(ctx)
	if err != nil {
		return err
	}
	o.seen = volumes
	return o.lookCleaned(ctx)
}

func (o *online) takeLock(ctx context.Context) error {
	return o.Lock(ctx, "after-restore", o.opts.Backup, 0)
}

// loadSteps make the data that of the backup. They are passed over once all data
// is loaded. None has an undo: a restore goes on, it does not go back.
func (o *online) loadSteps() []flow.Step {
	foreign := flow.Step{Name: "checking the live directories", Skip: o.isLoaded, Do: o.resumed(o.checkForeign)}
	archive := flow.Step{Name: "archiving the earlier restore", Skip: func() bool { return !o.opts.Again || o.isLoaded() }, Do: o.archive}
	return []flow.Step{
		foreign,
		archive,
		o.step("staging the snapshots", ledger.Staged, o.stage),
		o.step("removing leftovers of an earlier run", ledger.Staged, o.removeLeftovers),
		o.step("changing the schema", ledger.Schema, o.changeSchema),
		o.step("truncating", ledger.Truncated, o.truncate),
		o.step("loading", ledger.Loading, o.load),
		o.step("comparing views with their tables", ledger.Loading, o.checkViews),
		o.step("recording that all tables are loaded", ledger.Loading, o.markLoaded),
	}
}

// endSteps complete what is loaded. They can be repeated: they look at what is
// there and never truncate or drop.
func (o *online) endSteps() []flow.Step {
	return []flow.Step{
		{Name: "building views", Skip: o.isDone, Do: o.journalled("building views", ledger.Views, o.createViews), Destroys: true},
		{Name: "restoring grants", Skip: o.isDone, Do: o.journalled("restoring grants", ledger.Views, o.restoreGrants)},
		{Name: "verifying", Skip: o.isDone, Do: o.verifyAndRecord},
		{Name: "cleaning up", Skip: o.skips, Do: o.end, Destroys: true},
		{Name: "recording what was not restored", Skip: func() bool { return !o.skips() }, Do: o.endWithout, Destroys: true},
	}
}

// step is a step of the load: journalled before it starts and after it ends, and
// half-way when it fails.
func (o *online) step(name string, stage ledger.Stage, do func(context.Context) error) flow.Step {
	return flow.Step{Name: name, Skip: o.isLoaded, Do: o.journalled(name, stage, do), Destroys: stage.Destroys()}
}

func (o *online) journalled(name string, stage ledger.Stage, do func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		if err := o.journal(ctx, name, stage, false); err != nil {
			return flow.Fail(flow.HalfWay, err)
		}
		if err := do(ctx); err != nil {
			return flow.Fail(flow.HalfWay, err)
		}
		return flow.Fail(flow.HalfWay, o.journal(ctx, name, stage, true))
	}
}

func (o *online) journal(ctx context.Context, step string, stage ledger.Stage, ended bool) error {
	args := wire.JournalArgs{RestoreID: o.earlier.ID, BackupID: o.source.id, Scope: o.earlier.scope,
		Entry: ledger.Entry{Time: time.Now().UTC(), Step: step, Stage: stage, Ended: ended}}
	_, err := ring.CallAll[struct{}](ctx, o.Sessions, wire.OpJournal, args)
	return err
}

// archive puts the record of a restore aside that is done once more.
func (o *online) archive(ctx context.Context) error {
	_, err := ring.CallAll[struct{}](ctx, o.Sessions, wire.OpArchive, wire.ArchiveArgs{RestoreID: o.earlier.ID})
	return err
}

func (o *online) verifyAndRecord(ctx context.Context) error {
	if err := o.verify(ctx); err != nil {
		return err
	}
	return flow.Fail(flow.HalfWay, o.journal(ctx, "verifying", ledger.Verified, true))
}

func (o *online) stage(ctx context.Context) error {
	args := wire.StageArgs{RestoreID: o.earlier.ID, BackupID: o.source.id, Tables: o.scope()}
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
	args := wire.FinishArgs{RestoreID: o.earlier.ID, BackupID: o.source.id, Report: report, Scope: o.earlier.scope, KeepBackup: o.opts.KeepBackup || !o.earlier.scope.Whole, LiveIDs: ids}
	o.finish, err = ring.CallAll[wire.FinishResult](ctx, o.Sessions, wire.OpFinish, args)
	if err != nil {
		return flow.Fail(flow.HalfWay, fmt.Errorf("the restore is done and verified, but the cleanup failed: %w", err))
	}
	nothing := func(r wire.FinishResult) bool { return r == wire.FinishResult{} }
	if o.isDone() && !slices.ContainsFunc(o.finish, func(r wire.FinishResult) bool { return !nothing(r) }) {
		o.report.AlreadyDone = true
	}
	return nil
}
