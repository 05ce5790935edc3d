package restore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/casshook/casshook/pkg/ledger"

	"golang.org/x/sync/errgroup"

	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/document"
	"github.com/casshook/casshook/pkg/ring"
	"github.com/casshook/casshook/pkg/schema"
)

// stays lists the tables of the plan that are in the ring and stay in it.
func (o *online) stays(views bool) []TablePlan {
	var tables []TablePlan
	for _, t := range o.plan.Tables {
		kept := t.Verdict == string(schema.Keep) || t.Verdict == string(schema.Alter)
		if kept && (views || !t.View) {
			tables = append(tables, t)
		}
	}
	return tables
}

// removeLeftovers deals with what a dead run placed in live directories, before
// the TRUNCATE.
func (o *online) removeLeftovers(ctx context.Context) error {
	args, err := o.leftoverTables(ctx)
	if err != nil {
		return err
	}
	args.Settle = len(o.earlier.Leftovers) > 0
	results, err := ring.CallAll[wire.LeftoverResult](ctx, o.Sessions, wire.OpLeftovers, args)
	for i, r := range results {
		if r.Loaded+r.Removed > 0 {
			o.observer.Progress(fmt.Sprintf("node %s: leftovers in %d tables taken up, %d files removed", o.names()[i], r.Loaded, r.Removed))
		}
	}
	return err
}

// leftoverTables are the tables whose live directories an earlier run may have
// placed files in.
func (o *online) leftoverTables(ctx context.Context) (wire.LeftoverArgs, error) {
	var args wire.LeftoverArgs
	ids, err := o.readLiveIDs(ctx)
	if err != nil {
		return args, err
	}
	backupIDs := o.backupIDs()
	for _, t := range o.stays(true) {
		name := t.TableName
		args.Tables = append(args.Tables, ledger.Load{TableName: t.TableName, LiveID: ids[name], BackupID: backupIDs[name]})
	}
	return args, nil
}

// backupIDs are the ids that tables had when they were backed up.
func (o *online) backupIDs() map[document.TableName]string {
	ids := map[document.TableName]string{}
	for _, t := range o.source.cluster.Tables {
		ids[t.TableName] = t.ID
	}
	return ids
}

func (o *online) readLiveIDs(ctx context.Context) (map[document.TableName]string, error) {
	tables, err := o.CQL.Tables(ctx)
	if err != nil {
		return nil, err
	}
	ids := map[document.TableName]string{}
	for _, t := range tables {
		ids[t.TableName] = t.ID
	}
	return ids, nil
}

// changeSchema drops, alters and creates what differs, all through one
// coordinator, with one wait for agreement a phase. The automatic snapshots are
// listed before, to know which ones are ours.
func (o *online) changeSchema(ctx context.Context) error {
	auto := wire.AutoArgs{RestoreID: o.earlier.ID, Tables: o.touched()}
	if _, err := ring.CallAll[struct{}](ctx, o.Sessions, wire.OpAutoBefore, auto); err != nil {
		return err
	}
	return o.execute(ctx, append(o.cmp.diff.Drops(), rounds(o.cmp.diff.Creates())...))
}

// touched are the tables and views whose data goes: truncated, dropped, or both.
func (o *online) touched() []document.TableName {
	var tables []document.TableName
	for _, c := range o.cmp.diff.Changes {
		relation := c.Ref.Kind == schema.KindTable || c.Ref.Kind == schema.KindView
		if relation && c.Verdict != schema.Create {
			tables = append(tables, document.TableName{Keyspace: c.Ref.Keyspace, Name: c.Ref.Name})
		}
	}
	return tables
}

// rounds sends the first statements of all objects of a phase before the second
// ones, so that a wait serves all objects that need one: a table with dropped
// columns takes several statements, each after the one before is everywhere.
func rounds(steps []schema.Step) []schema.Step {
	phase := map[schema.Phase]int{}
	nth := map[schema.Ref]int{}
	round := make(map[schema.Step]int, len(steps))
	for _, s := range steps {
		if _, ok := phase[s.Phase]; !ok {
			phase[s.Phase] = len(phase)
		}
		round[s] = nth[s.Ref]
		nth[s.Ref]++
	}
	ordered := slices.Clone(steps)
	slices.SortStableFunc(ordered, func(a, b schema.Step) int {
		return cmp.Or(cmp.Compare(phase[a.Phase], phase[b.Phase]), cmp.Compare(round[a], round[b]))
	})
	return ordered
}

func (o *online) execute(ctx context.Context, steps []schema.Step) error {
	for i, s := range steps {
		if err := o.CQL.Exec(ctx, s.Statement); err != nil {
			return fmt.Errorf("%s: %w", s.Ref.Describe(), err)
		}
		o.observer.Progress(fmt.Sprintf("%d of %d statements: %s %s", i+1, len(steps), s.Verdict, s.Ref.Describe()))
		if i == len(steps)-1 || !together(s, steps[i+1]) {
			if err := o.WaitAgreement(ctx, o.opts.AgreementTimeout); err != nil {
				return err
			}
		}
	}
	return nil
}

// together tells whether a statement may be sent right after another. Statements
// overtake each other on the way to the other nodes: what is of another kind, or
// of the same object, may need what came before (seen on 5.0.9: "Columns not
// found in schema table" after CREATE and ALTER without a wait).
func together(a, b schema.Step) bool {
	return a.Phase == b.Phase && a.Ref.Kind == b.Ref.Kind && a.Ref != b.Ref
}

// truncations at once; each is a flush and a snapshot on every replica.
const truncations = 4

// truncate empties every table that stays. Its views are emptied with it. The
// time of the TRUNCATE shields the table from hints and the commit log.
func (o *online) truncate(ctx context.Context) error {
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(truncations)
	for _, t := range o.stays(false) {
		group.Go(func() error {
			return o.CQL.Exec(groupCtx, "TRUNCATE TABLE "+schema.TableRef(t.Keyspace, t.Name).String())
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	if len(o.earlier.Leftovers) > 0 {
		args, err := o.leftoverTables(ctx)
		if err != nil {
			return err
		}
		args.Sweep = o.earlier.Leftovers
		if _, err := ring.CallAll[wire.LeftoverResult](ctx, o.Sessions, wire.OpLeftovers, args); err != nil {
			return err
		}
	}
	_, err := ring.CallAll[struct{}](ctx, o.Sessions, wire.OpAutoAfter, wire.AutoArgs{RestoreID: o.earlier.ID})
	return err
}

// load has every node load its own files, all nodes at once.
func (o *online) load(ctx context.Context) error {
	var err error
	if o.liveIDs, err = o.readLiveIDs(ctx); err != nil {
		return err
	}
	backupIDs := o.backupIDs()
	argsOf := func(i int) any {
		args := wire.LoadArgs{RestoreID: o.earlier.ID, BackupID: o.source.id, Workers: o.opts.Workers, Wait: o.opts.LoadTimeout}
		for _, t := range o.plan.Tables {
			name := t.TableName
			if t.SSTables[i] == 0 {
				continue
			}
			args.Tables = append(args.Tables, ledger.Load{TableName: t.TableName, BackupID: backupIDs[name], LiveID: o.liveIDs[name], SSTables: t.SSTables[i]})
		}
		return args
	}
	results, err := ring.CallProgress[wire.LoadResult](ctx, o.Sessions, wire.OpLoad, argsOf, o.progress("loaded %d of %d tables"))
	if err != nil {
		return err
	}
	for _, r := range results {
		o.evidence = append(o.evidence, r.Tables)
	}
	return o.checkEvidence()
}

// checkEvidence compares what every node loaded with what the backup holds.
func (o *online) checkEvidence() error {
	var problems []error
	for i, tables := range o.evidence {
		taken := map[document.TableName]int{}
		for _, t := range tables {
			taken[t.TableName] = t.Taken
		}
		for _, t := range o.plan.Tables {
			if got := taken[t.TableName]; got != t.SSTables[i] {
				problems = append(problems, fmt.Errorf("node %s: Cassandra took %d of %d SSTables of %s.%s", o.names()[i], got, t.SSTables[i], t.Keyspace, t.Name))
			}
		}
	}
	return errors.Join(problems...)
}

// markLoaded records on every volume that a rerun must not load again: clients
// may write from now on.
func (o *online) markLoaded(ctx context.Context) error {
	_, err := ring.Each(o.Sessions, func(i int, s *ring.Session) (struct{}, error) {
		args := wire.MarkLoadedArgs{RestoreID: o.earlier.ID, BackupID: o.source.id, Tables: o.evidence[i]}
		return struct{}{}, s.Call(ctx, wire.OpMarkLoaded, args, nil)
	})
	return err
}
