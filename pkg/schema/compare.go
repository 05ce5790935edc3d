package schema

import (
	"cmp"
	"slices"
	"strings"
)

// Verdict says what becomes of one object.
type Verdict string

// The verdicts, as plan shows them.
const (
	Keep     Verdict = "keep"     // same definition
	Alter    Verdict = "alter"    // ALTER can make it the same
	Recreate Verdict = "recreate" // drop and create
	Create   Verdict = "create"   // only in the backup
	Drop     Verdict = "drop"     // not in the backup
)

// gone tells whether the live object goes away.
func (v Verdict) gone() bool { return v == Recreate || v == Drop }

// CompareOptions restrict a comparison and say what it is for.
type CompareOptions struct {
	// Include and Exclude are globs "ks.table" on unquoted names, each part as
	// in path.Match; "ks" alone is "ks.*". They match tables and views. Without
	// Include everything is in scope.
	Include, Exclude []string
	// Components are keyspaces that are out of scope unless an include names
	// them without wildcards; nil means DefaultComponents.
	Components []string
	// Target is the Cassandra that the statements are for.
	Target Target
}

// Change is the verdict on one object.
type Change struct {
	Ref     Ref
	Verdict Verdict
	// Reason is for people; empty for Keep without anything to say.
	Reason string
	// Implied is true when the live object goes with its keyspace or table, and
	// so needs no drop of its own.
	Implied bool
	// PlacementDiffers is set on a keyspace whose live replication is not the
	// backup's. Then nodes of the live keyspace own other rows than the backup's
	// files hold: after ALTER KEYSPACE files must not simply be loaded where
	// they came from unless all nodes own the same ranges as at the backup. In a
	// keyspace that is partly in scope nothing alters it (verdict Keep).
	PlacementDiffers bool

	backup, live *Object
	set          []Option
}

// Diff is what turns a live schema into that of a backup, within a scope.
type Diff struct {
	// Changes has one entry per object in scope, kept ones included: those of
	// the backup in its order, then those that only the live schema has.
	Changes []*Change
	// Scope is what the options selected.
	Scope *Scope

	target Target
	byRef  map[Ref]*Change
}

// Lookup finds the change of an object; nil when the object is out of scope.
func (d *Diff) Lookup(ref Ref) *Change { return d.byRef[ref] }

// comparer is the state of one Compare.
type comparer struct {
	backup, live *Schema
	diff         *Diff
	needed       map[Ref]bool // types and functions that tables in scope use
	refusals     []Refusal
}

// Compare gives a verdict on every object in scope. The error is a
// *RefusalError that lists everything which cannot be touched alone or cannot
// be created; then there is no Diff.
//
// An object whose types or functions are recreated is recreated too, and so are
// indexes, triggers and views of a recreated table. In a keyspace that is only
// partly in scope nothing but the tables and views in scope, their indexes and
// triggers, and missing types and functions they need is touched.
func Compare(backup, live *Schema, opts CompareOptions) (*Diff, error) {
	scope, refusals := newScope(opts, backup, live)
	c := &comparer{
		backup: backup, live: live, refusals: refusals,
		diff:   &Diff{Scope: scope, target: opts.Target, byRef: map[Ref]*Change{}},
		needed: map[Ref]bool{},
	}
	for _, o := range backup.Objects {
		if o.Ref.Kind == KindTable && scope.Contains(o.Ref.Keyspace, o.Ref.Name) {
			c.need(o)
		}
	}
	for _, o := range backup.Objects {
		c.consider(o.Ref)
	}
	for _, o := range live.Objects {
		if backup.Lookup(o.Ref) == nil {
			c.consider(o.Ref)
		}
	}
	for c.spread() {
	}
	c.markImplied()
	c.checkViews()
	c.checkPlain()
	if len(c.refusals) > 0 {
		slices.SortFunc(c.refusals, func(a, b Refusal) int {
			return cmp.Or(strings.Compare(a.Object, b.Object), strings.Compare(a.Reason, b.Reason))
		})
		return nil, &RefusalError{Refusals: slices.Compact(c.refusals)}
	}
	return c.diff, nil
}

// need marks what an object of the backup uses, and what that uses.
func (c *comparer) need(o *Object) {
	for _, ref := range o.Uses {
		if !c.needed[ref] {
			c.needed[ref] = true
			c.need(c.backup.Lookup(ref))
		}
	}
}

// inScope tells whether this side of an object may be touched.
func (c *comparer) inScope(o *Object) bool {
	scope, keyspace := c.diff.Scope, o.Ref.Keyspace
	switch o.Ref.Kind {
	case KindKeyspace:
		return scope.Touches(keyspace)
	case KindTable, KindView:
		return scope.Contains(keyspace, o.Ref.Name)
	case KindIndex, KindTrigger:
		return scope.Contains(keyspace, o.Base.Name)
	default:
		return scope.Full(keyspace) || c.needed[o.Ref]
	}
}

// consider gives the first verdict on an object, from its own definition.
func (c *comparer) consider(ref Ref) {
	ch := &Change{Ref: ref, backup: c.backup.Lookup(ref), live: c.live.Lookup(ref)}
	wanted := ch.backup != nil && c.inScope(ch.backup)
	touchable := ch.live != nil && c.inScope(ch.live)
	if wanted && ch.live != nil && !touchable {
		c.refuse(ref, "is now the name of an object of %s, which is out of scope", ch.live.Base.String())
		return
	}
	if !wanted && (!touchable || c.keepsKeyspace(ref)) {
		return
	}
	switch {
	case !wanted:
		ch.backup = nil
		ch.Verdict, ch.Reason = Drop, "it is not in the backup"
	case ch.live == nil:
		ch.Verdict, ch.Reason = Create, "it is missing now"
	default:
		c.judge(ch)
	}
	c.diff.Changes = append(c.diff.Changes, ch)
	c.diff.byRef[ref] = ch
}

// keepsKeyspace tells whether the keyspace must stay since only part of it is in
// scope.
func (c *comparer) keepsKeyspace(ref Ref) bool {
	return ref.Kind == KindKeyspace && !c.diff.Scope.Full(ref.Keyspace)
}

// judge compares two definitions.
func (c *comparer) judge(ch *Change) {
	d := differ(ch.backup, ch.live)
	ch.Verdict, ch.PlacementDiffers, ch.set = Keep, d.placement, d.set
	switch {
	case len(d.shape) > 0:
		ch.Verdict, ch.Reason = Recreate, strings.Join(d.shape, "; ")
	case len(d.set) > 0 && c.keepsKeyspace(ch.Ref):
		ch.Reason = optionNames(d.set) + ", left unchanged: only part of the keyspace is in scope"
	case len(d.set) > 0:
		ch.Verdict, ch.Reason = Alter, optionNames(d.set)
	}
	if d.placement {
		ch.Reason += "; replication differs: rows are now on other nodes than at the backup"
	}
}

func optionNames(options []Option) string {
	names := make([]string, len(options))
	for i, o := range options {
		names[i] = o.Name
	}
	if len(names) == 1 {
		return names[0] + " differs"
	}
	return strings.Join(names, ", ") + " differ"
}

// spread recreates what depends on what goes away; true when it changed
// anything.
func (c *comparer) spread() (changed bool) {
	for _, o := range c.live.Objects {
		cause, how := c.cause(o)
		if cause == nil {
			continue
		}
		ch := c.diff.Lookup(o.Ref)
		reason := how + " " + cause.Ref.Describe() + ", which is " + past(cause.Verdict)
		switch {
		case ch == nil || ch.live == nil:
			c.refuse(cause.Ref, "cannot be "+past(cause.Verdict)+": %s is out of scope and uses it", o.Ref.Describe())
		case ch.Verdict == Keep || ch.Verdict == Alter:
			ch.Verdict, ch.Reason, ch.set = Recreate, reason, nil
			changed = true
		}
	}
	return changed
}

// cause finds why a live object cannot stay: what it uses, or is on, goes.
func (c *comparer) cause(o *Object) (cause *Change, how string) {
	for _, ref := range o.Uses {
		if used := c.diff.Lookup(ref); used != nil && used.Verdict.gone() {
			return used, "uses"
		}
	}
	if base := c.diff.Lookup(o.Base); base != nil && base.Verdict.gone() {
		return base, "is on"
	}
	return nil, ""
}

func past(v Verdict) string {
	if v == Drop {
		return "dropped"
	}
	return "recreated"
}

// markImplied finds what goes without a DROP of its own.
func (c *comparer) markImplied() {
	for _, ch := range c.diff.Changes {
		if ch.live == nil || !ch.Verdict.gone() {
			continue
		}
		keyspace := c.diff.Lookup(KeyspaceRef(ch.Ref.Keyspace))
		if ch.Ref.Kind != KindKeyspace && keyspace != nil && keyspace.Verdict == Drop {
			ch.Implied = true
		}
		base := c.diff.Lookup(ch.live.Base)
		if ch.Ref.Kind != KindView && base != nil && base.Verdict.gone() {
			ch.Implied = true
		}
	}
}

// checkViews refuses to part views from their tables: TRUNCATE of a table
// truncates its views, and DROP of it needs them gone
// (org.apache.cassandra.db.ColumnFamilyStore.truncateBlocking,
// cql3.statements.schema.DropTableStatement).
func (c *comparer) checkViews() {
	scope := c.diff.Scope
	for _, o := range slices.Concat(c.backup.Objects, c.live.Objects) {
		if o.Ref.Kind != KindView {
			continue
		}
		view := scope.Contains(o.Ref.Keyspace, o.Ref.Name)
		base := scope.Contains(o.Base.Keyspace, o.Base.Name)
		switch {
		case view && !base:
			c.refuse(o.Ref, "is in scope, but its %s is not", o.Base.Describe())
		case base && !view && c.live.Lookup(o.Ref) == o:
			c.refuse(o.Base, "is in scope, but its %s, which would be truncated with it, is not", o.Ref.Describe())
		}
	}
}

// checkPlain refuses to create tables that CQL cannot create.
func (c *comparer) checkPlain() {
	for _, ch := range c.diff.Changes {
		creates := ch.Verdict == Create || ch.Verdict == Recreate
		if creates && ch.backup.Relation != nil && ch.backup.Relation.NotPlain != "" {
			c.refuse(ch.Ref, "must be created, but CQL cannot create this table: %s", ch.backup.Relation.NotPlain)
		}
	}
}

// NotReplayable lists the tables that no CQL can create again.
func (s *Schema) NotReplayable() []Refusal {
	var found []Refusal
	for _, o := range s.Objects {
		if o.Relation != nil && o.Relation.NotPlain != "" {
			found = append(found, Refusal{Object: o.Ref.Describe(), Reason: o.Relation.NotPlain})
		}
	}
	return found
}

func (c *comparer) refuse(ref Ref, format, arg string) {
	c.refusals = append(c.refusals, Refusal{Object: ref.Describe(), Reason: strings.Replace(format, "%s", arg, 1)})
}
