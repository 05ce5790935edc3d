package restore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/document"
	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/ledger"
	"github.com/casshook/casshook/pkg/ring"
)

// run is one run of plan or of a restore.
type run struct {
	*ring.Cluster
	opts     Options
	observer flow.Observer

	volumes []ledger.Volume
	// seen are the volumes before the lock.
	seen    []ledger.Volume
	source  *source
	earlier earlier
	cmp     *comparison
	plan    *Plan
	// warnings are what could not be compared.
	warnings []string
}

// MakePlan says what a restore would do, without changing anything. Where the ring is
// not whole, the plan says what can be seen, node by node, beside the error.
func MakePlan(ctx context.Context, target ring.Target, opts Options, observer flow.Observer) (*Plan, error) {
	r := &run{opts: opts, observer: observer}
	seen := false
	defer func() {
		if r.Cluster != nil {
			r.Close()
		}
	}()
	steps := []flow.Step{
		{Name: "checking the ring", Do: func(ctx context.Context) (err error) {
			if r.Cluster, err = ring.Connect(ctx, target); err != nil {
				return err
			}
			return r.ReadRing(ctx)
		}},
		{Name: "inspecting the volumes", Do: func(ctx context.Context) (err error) {
			r.volumes, err = r.Inspect(ctx)
			seen = err == nil
			return err
		}},
	}
	err := flow.Run(ctx, append(steps, r.prepare()...), observer)
	switch {
	case err != nil && !seen && ctx.Err() == nil:
		return PlanVisible(ctx, target, opts, err)
	case err != nil:
		return nil, err
	case r.plan == nil:
		return nil, r.errDone()
	}
	return r.plan, nil
}

// prepare reads and checks everything and changes nothing.
func (r *run) prepare() []flow.Step {
	return []flow.Step{
		{Name: "reading the documents", Do: r.readDocuments},
		{Name: "checking the storage", Skip: r.isLoaded, Do: r.resumed(r.checkStorage)},
		{Name: "comparing the schemas", Skip: r.isDone, Do: r.resumed(r.makePlan)},
		{Name: "verifying the files", Skip: r.isLoaded, Do: r.resumed(r.verifyFiles)},
	}
}

// resumed is a check that a rerun makes: where an earlier run has begun to replace
// live data, a refusal must not say that nothing was touched.
func (r *run) resumed(check func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		err := check(ctx)
		if stage := r.stopped(); err != nil && stage.Unfinished() {
			return flow.Recode(flow.HalfWay, fmt.Errorf("%w (an earlier run stopped at %q; live data is not whole)", err, stage))
		}
		return err
	}
}

// stopped is where an earlier run of this restore stopped; until the documents are
// read, of any restore of the backup that is asked for.
func (r *run) stopped() ledger.Stage {
	stage := r.earlier.Stage
	if r.source != nil {
		return stage
	}
	for _, v := range slices.Concat(r.seen, r.volumes) {
		for _, restore := range v.Interrupted() {
			if r.opts.Backup == "" || r.opts.Backup == restore.BackupID {
				stage = max(stage, restore.Stage)
			}
		}
	}
	return stage
}

func (r *run) names() []string { return r.View.Names }

func (r *run) readDocuments(ctx context.Context) error {
	if r.volumes == nil {
		var err error
		if r.volumes, err = r.Inspect(ctx); err != nil {
			return err
		}
	}
	id, err := ring.ChooseBackup(r.volumes, r.opts.Backup)
	if err != nil {
		if r.findFinished() {
			return r.checkAgain()
		}
		return err
	}
	opened, err := ring.CallAll[wire.OpenResult](ctx, r.Sessions, wire.OpOpen, wire.OpenArgs{BackupID: id})
	if err != nil {
		return err
	}
	if r.source, err = newSource(id, r.names(), r.View.Facts, opened); err != nil {
		return err
	}
	if err := r.decide(); err != nil || r.isDone() {
		return err
	}
	return r.resumed(func(context.Context) error { return ring.CheckSpace(r.Sessions, r.volumes, r.opts.MinFree) })(ctx)
}

func (r *run) makePlan(ctx context.Context) error {
	var err error
	if r.cmp, err = compare(ctx, r.CQL, r.source, r.opts, r.View.Facts[0].Release); err != nil {
		return err
	}
	r.cmp.loaded = r.isLoaded()
	if err := r.cmp.checkTarget(r.source, r.View); err != nil {
		return err
	}
	if !r.isLoaded() {
		r.cmp.rebuildUnbuilt(r.source.cluster.UnbuiltViews)
	}
	if r.opts.RebuildViews {
		r.cmp.rebuildViews()
	}
	p := &Plan{
		Warnings:  r.warnings,
		RestoreID: r.earlier.ID, BackupID: r.source.id, Created: r.source.cluster.Created, Skew: r.source.cluster.Skew, Resumes: r.isLoaded() && !r.earlier.Cleaned, Cleaned: r.earlier.Cleaned,
		Objects: r.cmp.objects(), Nodes: r.names(), Tables: r.cmp.loads(r.source, r.names()),
	}
	if missing := r.cmp.missingRoles(r.source); len(missing) > 0 {
		p.Warnings = append(p.Warnings, fmt.Sprintf("roles with permissions in the backup that do not exist: %s", strings.Join(missing, ", ")))
	}
	if r.earlier.Cleaned {
		p.Warnings = append(p.Warnings, fmt.Sprintf("the backup was restored offline at %s: it is verified, not loaded; writes since then are kept (--again loads the backup)",
			r.cleanedAt().UTC().Format(time.RFC3339)))
	}
	if left := r.cmp.diff.Scope.LeftOut(r.cmp.backup, r.cmp.live); len(left) > 0 {
		p.Warnings = append(p.Warnings, fmt.Sprintf("not restored, since components of the platform own them (--include %s restores one of them): keyspaces %s", left[0], strings.Join(left, ", ")))
	}
	if !r.isLoaded() {
		p.Warnings = append(p.Warnings, r.cmp.unproven()...)
	}
	p.Warnings = append(p.Warnings, r.aboutLoads(p)...)
	r.plan = p
	return r.checkTables()
}

// clientsWrite is what becomes of writes during an online restore: nothing in it keeps clients out.
const clientsWrite = "keep clients away until an online restore is done: what they write to a table before its TRUNCATE is lost, later writes stay and mix with the backup " +
	"(counters, too), and a view can be left with rows that its base table does not have"

// aboutLoads is what a load does that people do not expect.
func (r *run) aboutLoads(p *Plan) []string {
	var warnings, views []string
	for _, t := range p.Tables {
		if t.View {
			views = append(views, t.Keyspace+"."+t.Name)
		}
	}
	if len(views) > 0 {
		warnings = append(warnings, "views restored from their own snapshots may differ from their base tables by the writes of the snapshot window ("+r.source.cluster.Skew.Window()+"); "+
			"those whose number of rows differs are rebuilt, --rebuild-views rebuilds them all: "+strings.Join(views, ", "))
	}
	if len(p.Tables) > 0 && !r.isLoaded() {
		warnings = append(warnings, clientsWrite)
	}
	return warnings
}

// checkTables makes sure that every table to load is in every node's documents.
func (r *run) checkTables() error {
	ids := map[string]bool{}
	for _, t := range r.source.cluster.Tables {
		ids[t.Keyspace+"."+t.Name] = true
	}
	var problems []error
	for _, t := range r.plan.Tables {
		if !ids[t.Keyspace+"."+t.Name] {
			problems = append(problems, fmt.Errorf("%s.%s is in the schema of the backup, but not in its list of tables", t.Keyspace, t.Name))
		}
		for i, o := range r.source.opened {
			here := func(s wire.TableSummary) bool { return s.Keyspace == t.Keyspace && s.Name == t.Name }
			if !slices.ContainsFunc(o.Tables, here) {
				problems = append(problems, fmt.Errorf("node %s: %s.%s is missing in the documents", r.names()[i], t.Keyspace, t.Name))
			}
		}
	}
	return flow.Fail(flow.Corrupt, errors.Join(problems...))
}

// scope is the tables of the plan as the agents name them.
func (r *run) scope() []document.TableName {
	tables := make([]document.TableName, 0, len(r.plan.Tables))
	for _, t := range r.plan.Tables {
		tables = append(tables, t.TableName)
	}
	return tables
}

// verifyFiles compares every file in scope with what the backup recorded.
func (r *run) verifyFiles(ctx context.Context) error {
	args := wire.VerifyArgs{BackupID: r.source.id, Full: r.opts.Full, Tables: r.scope()}
	results, err := ring.CallProgress[wire.VerifyResult](ctx, r.Sessions, wire.OpVerify, func(int) any { return args }, r.progress("verified %d of %d tables"))
	if err != nil {
		return err
	}
	return problemsOf(r.names(), results)
}

func problemsOf(names []string, results []wire.VerifyResult) error {
	var problems []error
	for i, res := range results {
		for _, p := range res.Problems {
			problems = append(problems, fmt.Errorf("node %s: %s", names[i], p))
		}
	}
	return flow.Fail(flow.Corrupt, errors.Join(problems...))
}

func (r *run) progress(format string) func(done, total int) {
	return func(done, total int) { r.observer.Progress(fmt.Sprintf(format, done, total)) }
}
