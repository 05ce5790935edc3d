package restore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/casshook/casshook/pkg/document"
	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/schema"
)

const (
	// viewPoll is how often views are asked for.
	viewPoll = 300 * time.Millisecond
	// viewSettle is how long the rows of a view that is built, and that this run did
	// not create, may differ from those of its base: writes of clients are on their way.
	viewSettle = 20 * time.Second
	// viewLooks is how often a view is compared before it is rebuilt.
	viewLooks = 3
)

// viewProblems are views that are not what they must be, for verify to name.
type viewProblems struct {
	// unbuilt views lack data.
	unbuilt []error
	// differ are views that are built, and have other rows than their base gives.
	differ []error
}

// checkViews compares the views that were loaded from their own snapshots with their
// bases, which are loaded, too. One that differs was cut at another moment than its
// base, or while it was being built: it is dropped, and built from its base.
func (o *online) checkViews(ctx context.Context) error {
	for _, c := range o.cmp.diff.Changes {
		if c.Ref.Kind != schema.KindView || c.Verdict != schema.Keep && c.Verdict != schema.Alter {
			continue
		}
		missing := ""
		for range viewLooks {
			var err error
			if missing, err = o.rowsDiffer(ctx, c.Ref); err != nil || missing == "" {
				break // what cannot be counted is named later
			}
			if err := flow.Sleep(ctx, viewPoll); err != nil {
				return err
			}
		}
		if missing == "" {
			continue
		}
		c.Verdict, c.Reason = schema.Recreate, "its snapshot does not match its base table: "+missing
		o.plan.Warnings = append(o.plan.Warnings, fmt.Sprintf("%s is rebuilt: %s", c.Ref.Describe(), c.Reason))
		drop := schema.Step{Ref: c.Ref, Verdict: schema.Recreate, Phase: schema.PhaseDrops, Statement: o.cmp.live.Lookup(c.Ref).Drop()}
		if err := o.execute(ctx, []schema.Step{drop}); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// createViews creates the views that are missing, now that their bases are full, one
// after the other: DDL in a keyspace whose view waits to be built locks the schema of
// a node (5.0.9). Then every view in scope must be built and complete, whatever made
// it. What is not is named at the end, since what comes after it can go on.
func (o *online) createViews(ctx context.Context) error {
	live, err := liveSchema(ctx, o.CQL)
	if err != nil {
		return err
	}
	created := map[schema.Ref]bool{}
	for _, s := range o.cmp.diff.Views() {
		if live.Lookup(s.Ref) != nil {
			continue
		}
		if len(o.views.unbuilt) > 0 {
			o.views.unbuilt = append(o.views.unbuilt, fmt.Errorf("%s was not created, since another view is still being built", s.Ref.Describe()))
			continue
		}
		created[s.Ref] = true
		if err := o.execute(ctx, []schema.Step{s}); err != nil {
			return err
		}
		if err := o.awaitView(ctx, s.Ref, true); err != nil {
			return err
		}
	}
	return o.awaitOthers(ctx, live, created)
}

// awaitOthers waits for the views that were there before.
func (o *online) awaitOthers(ctx context.Context, live *schema.Schema, created map[schema.Ref]bool) error {
	for _, c := range o.cmp.diff.Changes {
		if c.Ref.Kind != schema.KindView || c.Verdict == schema.Drop || created[c.Ref] || live.Lookup(c.Ref) == nil {
			continue
		}
		if err := o.awaitView(ctx, c.Ref, false); err != nil {
			return err
		}
	}
	return nil
}

// awaitView waits until the nodes say that a view is built, then for its last
// asynchronous writes, by counting at ALL. A view that does not get there is no
// error, but a problem to name.
func (o *online) awaitView(ctx context.Context, view schema.Ref, created bool) error {
	limit, building := o.opts.ViewTimeout, false
	w := flow.Waiting{For: view.Describe() + " to be built", Limit: limit, Every: viewPoll, Progress: o.observer.Progress}
	err := flow.Wait(ctx, w, func(ctx context.Context) (string, error) {
		builds, err := o.CQL.ViewBuilds(ctx)
		if err != nil {
			return "", err
		}
		name, members := document.TableName{Keyspace: view.Keyspace, Name: view.Name}, o.View.Members
		if created && !builds.Built(name, members) || builds.Building(name, members) {
			building = true
			return "not every node has built it", nil
		}
		return "", nil
	})
	if errors.Is(err, flow.ErrLimit) {
		o.views.unbuilt = append(o.views.unbuilt, fmt.Errorf("%s is not complete: not every node has built it after %s", view.Describe(), limit))
		return nil
	}
	if err != nil {
		return err
	}
	if !created && !building {
		limit = min(limit, viewSettle)
	}
	w = flow.Waiting{For: view.Describe() + " to be complete", Limit: limit, Every: viewPoll, Progress: o.observer.Progress}
	err = flow.Wait(ctx, w, func(ctx context.Context) (string, error) {
		missing, err := o.rowsDiffer(ctx, view)
		if err != nil && ctx.Err() == nil {
			return fmt.Sprintf("its rows cannot be counted: %v", err), nil
		}
		return missing, err
	})
	if errors.Is(err, flow.ErrLimit) {
		o.views.differ = append(o.views.differ, fmt.Errorf("%s is not complete: %w", view.Describe(), err))
		return nil
	}
	return err
}

// rowsDiffer says how many rows a view has that is not complete; "" when it has those
// that its base table gives.
func (o *online) rowsDiffer(ctx context.Context, view schema.Ref) (string, error) {
	object := o.cmp.backup.Lookup(view)
	query, err := schema.ExpectedViewRows(object, o.cmp.backup.Lookup(object.Base))
	if err != nil {
		return "", err
	}
	want, err := o.CQL.Count(ctx, query)
	if err != nil {
		return "", err
	}
	got, err := o.CQL.Count(ctx, "SELECT count(*) FROM "+view.String())
	if err != nil {
		return "", err
	}
	if got != want {
		return fmt.Sprintf("it has %d rows, but its base table should give %d", got, want), nil
	}
	return "", nil
}

// rebuildUnbuilt has the views built from their bases that were being built when the
// backup was made: half of one would be taken for all of it.
func (cmp *comparison) rebuildUnbuilt(unbuilt []document.TableName) {
	for _, name := range unbuilt {
		c := cmp.diff.Lookup(schema.ViewRef(name.Keyspace, name.Name))
		if c != nil && (c.Verdict == schema.Keep || c.Verdict == schema.Alter) {
			c.Verdict, c.Reason = schema.Recreate, "it was being built when the backup was made"
		}
	}
}
