package schema

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Limits are the settings of a target that refuse statements.
type Limits struct {
	// Settings by their names in cassandra.yaml of 4.1 and later. One that is not
	// there, because the target is older or newer, refuses nothing.
	Settings map[string]string
	// Ordinary is set where guardrails hold for the user of the session: for all but
	// superusers (org.apache.cassandra.db.guardrails.Guardrail.enabled of 4.1 and 5.0).
	Ordinary bool
	// Datacenters are those of the target's nodes; nil when they are not known.
	Datacenters []string
}

// Obstacle is a statement of a Diff that the target refuses.
type Obstacle struct {
	Ref Ref
	// Setting and Value are what refuses it; Setting is empty where no setting does.
	Setting, Value string
	// Reason says what it refuses.
	Reason string
}

// limiter collects obstacles.
type limiter struct {
	Limits
	diff  *Diff
	live  *Schema
	found []Obstacle
}

// Obstacles lists the statements of the Diff, and the TRUNCATEs of what stays, that
// the target refuses, so that they are known before anything is dropped. live is the
// schema that the Diff starts from.
func (d *Diff) Obstacles(live *Schema, limits Limits) []Obstacle {
	l := &limiter{Limits: limits, diff: d, live: live}
	for _, ch := range d.Changes {
		if ch.Ref.Kind == KindKeyspace {
			l.datacenters(ch)
		}
	}
	if !limits.Ordinary {
		return l.found
	}
	for _, ch := range d.Changes {
		l.removal(ch)
		switch ch.Verdict {
		case Create, Recreate:
			l.creation(ch.backup)
		case Alter:
			l.options(ch.Ref, ch.set)
		}
	}
	l.counts()
	return l.found
}

func (l *limiter) add(ref Ref, setting, format string, args ...any) {
	l.found = append(l.found, Obstacle{Ref: ref, Setting: setting, Value: l.Settings[setting], Reason: fmt.Sprintf(format, args...)})
}

// off tells whether a switch is off.
func (l *limiter) off(setting string) bool { return strings.EqualFold(l.Settings[setting], "false") }

// threshold is a limit that is set.
func (l *limiter) threshold(setting string) (limit int, set bool) {
	limit, err := strconv.Atoi(l.Settings[setting])
	return limit, err == nil && limit > 0
}

// atMost refuses a number above a limit.
func (l *limiter) atMost(ref Ref, setting string, n int, what string) {
	if limit, set := l.threshold(setting); set && n > limit {
		l.add(ref, setting, "it has %d %s", n, what)
	}
}

// datacenters finds replication in datacenters that the target does not have, which
// Cassandra refuses to everybody, but keeps when a datacenter goes
// (org.apache.cassandra.locator.NetworkTopologyStrategy.validateExpectedOptions).
func (l *limiter) datacenters(ch *Change) {
	replicated, gone := l.replicated(ch), []string{}
	if l.Datacenters == nil || replicated == nil || replicated["class"] != "NetworkTopologyStrategy" {
		return
	}
	for name := range replicated {
		if name != "class" && name != "replication_factor" && !slices.Contains(l.Datacenters, name) {
			gone = append(gone, name)
		}
	}
	if len(gone) > 0 {
		slices.Sort(gone)
		l.add(ch.Ref, "", "its replication names datacenters that have no nodes: %s", strings.Join(gone, ", "))
	}
}

// replicated is the replication that a statement sets; nil when none does.
func (l *limiter) replicated(ch *Change) map[string]string {
	_, set := option(ch.set, "replication")
	if ch.Verdict == Create || ch.Verdict == Recreate || ch.Verdict == Alter && set {
		return ch.backup.Keyspace.Replication
	}
	return nil
}

// removal refuses DROP and TRUNCATE.
func (l *limiter) removal(ch *Change) {
	switch {
	case ch.Ref.Kind == KindTable && ch.live != nil && !ch.Implied && l.off("drop_truncate_table_enabled"):
		l.add(ch.Ref, "drop_truncate_table_enabled", "it must be %s", map[bool]string{true: "dropped", false: "truncated"}[ch.Verdict.gone()])
	case ch.Ref.Kind == KindKeyspace && ch.Verdict.gone() && l.off("drop_keyspace_enabled"):
		l.add(ch.Ref, "drop_keyspace_enabled", "it must be dropped")
	}
}

// creation refuses what creating an object takes.
func (l *limiter) creation(o *Object) {
	switch o.Ref.Kind {
	case KindKeyspace:
		l.options(o.Ref, o.Keyspace.Options)
	case KindTable:
		l.table(o)
	case KindView:
		l.options(o.Ref, o.Relation.Options)
	case KindType:
		l.atMost(o.Ref, "fields_per_udt_fail_threshold", o.fields, "fields")
		l.vectors(o.Ref, o.canonical)
	case KindIndex:
		if l.off("secondary_indexes_enabled") {
			l.add(o.Ref, "secondary_indexes_enabled", "it must be created")
		}
	}
}

func (l *limiter) table(o *Object) {
	r := o.Relation
	l.options(o.Ref, r.Options)
	l.atMost(o.Ref, "columns_per_table_fail_threshold", len(r.Columns), "columns, dropped ones included")
	if r.Compact && l.off("compact_tables_enabled") {
		l.add(o.Ref, "compact_tables_enabled", "it has COMPACT STORAGE")
	}
	if len(r.Dropped) > 0 && l.off("alter_table_enabled") {
		l.add(o.Ref, "alter_table_enabled", "it has dropped columns, which ALTER TABLE must drop again")
	}
	for _, c := range r.Columns {
		l.vectors(o.Ref, canonical(c.Type))
	}
}

// vectors refuses the vectors in a type or statement in canonical CQL.
func (l *limiter) vectors(ref Ref, text string) {
	if !hasVector(text) {
		return
	}
	if l.off("vector_type_enabled") {
		l.add(ref, "vector_type_enabled", "it has a vector")
	}
	c, err := newCursor(text)
	for most := 0; err == nil; c.pos++ {
		if c.done() {
			l.atMost(ref, "vector_dimensions_fail_threshold", most, "dimensions in a vector")
			return
		}
		if n, err := strconv.Atoi(c.tokens[c.pos].text); err == nil {
			most = max(most, n)
		}
	}
}

// options refuses what stands in a WITH clause.
func (l *limiter) options(ref Ref, options []Option) {
	if ref.Kind == KindKeyspace {
		l.replication(ref, options)
		return
	}
	for _, setting := range []string{"table_properties_disallowed", "table_properties_ignored"} {
		listed := strings.FieldsFunc(strings.ToLower(l.Settings[setting]), func(r rune) bool { return !wordByte(byte(r)) })
		for _, o := range options {
			if slices.Contains(listed, o.Name) {
				l.add(ref, setting, "it has the option %s", o.Name)
			}
		}
	}
	if ref.Kind == KindTable {
		l.compaction(ref, options)
	}
}

func (l *limiter) compaction(ref Ref, options []Option) {
	if value, found := option(options, "compression"); found && l.off("uncompressed_tables_enabled") {
		if compression, err := literalMap(value); err == nil && uncompressed(compression) {
			l.add(ref, "uncompressed_tables_enabled", "it is not compressed")
		}
	}
	compaction, _ := option(options, "compaction")
	ttl, _ := option(options, "default_time_to_live")
	if strings.Contains(compaction, "TimeWindowCompactionStrategy") && (ttl == "" || ttl == "0") && l.off("zero_ttl_on_twcs_enabled") {
		l.add(ref, "zero_ttl_on_twcs_enabled", "it has TimeWindowCompactionStrategy without default_time_to_live")
	}
}

// uncompressed reads the ways to have no compression
// (org.apache.cassandra.schema.CompressionParams.fromMap).
func uncompressed(compression map[string]string) bool {
	class, named := compression["class"]
	if old, found := compression["sstable_compression"]; found {
		class, named = old, true
	}
	return strings.EqualFold(compression["enabled"], "false") || named && class == ""
}

// replication refuses the replication of a keyspace.
func (l *limiter) replication(ref Ref, options []Option) {
	value, found := option(options, "replication")
	if !found {
		return
	}
	replication, err := literalMap(value)
	if err != nil {
		return
	}
	if replication["class"] == "SimpleStrategy" && l.off("simplestrategy_enabled") {
		l.add(ref, "simplestrategy_enabled", "it has SimpleStrategy")
	}
	for place, factor := range replication {
		full, err := fullReplicas(factor)
		if place == "class" || err != nil {
			continue
		}
		if low, set := l.threshold("minimum_replication_factor_fail_threshold"); set && full < low {
			l.add(ref, "minimum_replication_factor_fail_threshold", "its replication factor is %d", full)
		}
		if high, set := l.threshold("maximum_replication_factor_fail_threshold"); set && full > high {
			l.add(ref, "maximum_replication_factor_fail_threshold", "its replication factor is %d", full)
		}
	}
}

// fullReplicas reads a replication factor: "3", or "3/1" with one transient replica
// (org.apache.cassandra.locator.ReplicationFactor.fromString).
func fullReplicas(factor string) (int, error) {
	all, transient, found := strings.Cut(factor, "/")
	n, err := strconv.Atoi(strings.TrimSpace(all))
	if err != nil || !found {
		return n, err
	}
	t, err := strconv.Atoi(strings.TrimSpace(transient))
	return n - t, err
}
