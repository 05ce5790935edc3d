package schema

// counts refuses what would be one too many of its kind. What stays and what comes is
// counted together: all drops come before the first creation.
func (l *limiter) counts() {
	l.ring("keyspaces_fail_threshold", "keyspaces", KindKeyspace, KindKeyspace)
	l.ring("tables_fail_threshold", "tables and views", KindTable, KindTable, KindView)
	l.perTable("secondary_indexes_per_table_fail_threshold", "indexes", KindIndex)
	l.perTable("materialized_views_per_table_fail_threshold", "views", KindView)
}

// ring counts over all keyspaces of users. A view counts as a table, but creating one
// is not refused (org.apache.cassandra.cql3.statements.schema.CreateTableStatement).
func (l *limiter) ring(setting, what string, created Kind, counted ...Kind) {
	limit, set := l.threshold(setting)
	if !set {
		return
	}
	n := 0
	for _, o := range l.live.Objects {
		for _, kind := range counted {
			if o.Ref.Kind == kind && l.stays(o) {
				n++
			}
		}
	}
	for _, o := range l.diff.created(created) {
		if n++; n > limit {
			l.add(o.Ref, setting, "it would be number %d of the ring's %s", n, what)
		}
	}
}

// stays tells whether a live object outlives all drops.
func (l *limiter) stays(o *Object) bool {
	ch := l.diff.Lookup(o.Ref)
	return ch == nil || !ch.Verdict.gone()
}

// perTable counts the objects on each table.
func (l *limiter) perTable(setting, what string, kind Kind) {
	limit, set := l.threshold(setting)
	if !set {
		return
	}
	n := map[Ref]int{}
	for _, o := range l.live.Objects {
		if o.Ref.Kind == kind && l.stays(o) {
			n[o.Base]++
		}
	}
	for _, o := range l.diff.created(kind) {
		if n[o.Base]++; n[o.Base] > limit {
			l.add(o.Ref, setting, "it would be number %d of the %s of %s", n[o.Base], what, o.Base.Describe())
		}
	}
}
