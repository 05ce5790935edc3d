package schema

import (
	"slices"
)

// Phase groups steps. All steps of one phase may be sent one after the other;
// between phases the caller waits for schema agreement.
type Phase string

// The phases in the order of execution. Views come after the data is loaded,
// since a view that exists before it stays empty.
const (
	PhaseDrops      Phase = "drops"
	PhaseKeyspaces  Phase = "keyspaces"
	PhaseTypes      Phase = "types"
	PhaseFunctions  Phase = "functions"
	PhaseAggregates Phase = "aggregates"
	PhaseTables     Phase = "tables"
	PhaseIndexes    Phase = "indexes"
	PhaseTriggers   Phase = "triggers"
	PhaseViews      Phase = "views"
)

// Step is one statement to execute.
type Step struct {
	Ref     Ref
	Verdict Verdict
	Phase   Phase
	// Statement has no closing semicolon.
	Statement string
}

// Drops gives the statements that drop what is dropped or recreated: views,
// triggers, indexes, tables, aggregates, functions, types (users before what
// they use), keyspaces. What goes with its keyspace or table has none.
func (d *Diff) Drops() []Step {
	var out []Step
	for _, kind := range []Kind{KindView, KindTrigger, KindIndex, KindTable, KindAggregate, KindFunction, KindType, KindKeyspace} {
		var objects []*Object
		for _, ch := range d.Changes {
			if ch.Ref.Kind == kind && ch.Verdict.gone() && !ch.Implied {
				objects = append(objects, ch.live)
			}
		}
		objects = usedFirst(objects)
		slices.Reverse(objects)
		for _, o := range objects {
			out = append(out, Step{Ref: o.Ref, Verdict: d.byRef[o.Ref].Verdict, Phase: PhaseDrops, Statement: o.Drop()})
		}
	}
	return out
}

// Creates gives the statements that alter and create everything but views, phase
// by phase. The ALTER statements of tables and kept views stand in PhaseTables.
// A table with dropped columns has several steps, which must stay together and in
// order, and before the indexes of the table.
func (d *Diff) Creates() []Step {
	var out []Step
	for _, group := range []struct {
		phase Phase
		kind  Kind
	}{
		{PhaseKeyspaces, KindKeyspace},
		{PhaseTypes, KindType},
		{PhaseFunctions, KindFunction},
		{PhaseAggregates, KindAggregate},
		{PhaseTables, KindTable},
		{PhaseIndexes, KindIndex},
		{PhaseTriggers, KindTrigger},
	} {
		out = append(out, d.alters(group.phase, group.kind)...)
		if group.kind == KindTable {
			out = append(out, d.alters(group.phase, KindView)...)
		}
		out = append(out, d.creates(group.phase, group.kind)...)
	}
	return out
}

// Views gives the statements that create views, for after the load.
func (d *Diff) Views() []Step { return d.creates(PhaseViews, KindView) }

func (d *Diff) alters(phase Phase, kind Kind) []Step {
	var out []Step
	for _, ch := range d.Changes {
		if ch.Ref.Kind == kind && ch.Verdict == Alter {
			out = append(out, Step{Ref: ch.Ref, Verdict: Alter, Phase: phase, Statement: ch.backup.alter(ch.set)})
		}
	}
	return out
}

func (d *Diff) creates(phase Phase, kind Kind) []Step {
	var out []Step
	for _, o := range usedFirst(d.created(kind)) {
		for _, statement := range o.Create(d.target) {
			out = append(out, Step{Ref: o.Ref, Verdict: d.byRef[o.Ref].Verdict, Phase: phase, Statement: statement})
		}
	}
	return out
}

// created lists the backup's objects that are created or recreated; of all kinds
// when none is given.
func (d *Diff) created(kinds ...Kind) []*Object {
	var out []*Object
	for _, ch := range d.Changes {
		creates := ch.Verdict == Create || ch.Verdict == Recreate
		if creates && (len(kinds) == 0 || slices.Contains(kinds, ch.Ref.Kind)) {
			out = append(out, ch.backup)
		}
	}
	return out
}

// usedFirst orders objects so that each comes after those it uses, and leaves
// the order alone otherwise.
func usedFirst(objects []*Object) []*Object {
	var out []*Object
	seen := map[Ref]bool{}
	byRef := map[Ref]*Object{}
	for _, o := range objects {
		byRef[o.Ref] = o
	}
	var visit func(o *Object)
	visit = func(o *Object) {
		if o == nil || seen[o.Ref] {
			return
		}
		seen[o.Ref] = true
		for _, ref := range o.Uses {
			visit(byRef[ref])
		}
		out = append(out, o)
	}
	for _, o := range objects {
		visit(o)
	}
	return out
}
