package schema

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Parse classifies every row and takes it apart. The error lists every row that
// it could not understand, and every difference between rows and extras; there
// is no partial result, since what is not understood would be lost.
func Parse(rows []Row, extras Extras) (*Schema, error) {
	s := &Schema{byRef: map[Ref]*Object{}}
	var problems []error
	for i, row := range rows {
		o, err := parseRow(row)
		if err == nil && s.Lookup(o.Ref) != nil {
			err = errors.New("it is listed twice")
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("parse schema row %d, %s %s of %s: %w", i+1, row.Type, row.Name, row.Keyspace, err))
			continue
		}
		s.add(o)
	}
	problems = append(problems, s.addTriggers(extras.Triggers)...)
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	if err := errors.Join(slices.Concat(s.checkParents(), s.checkIndexes(extras.Indexes), s.checkTables(extras.Tables))...); err != nil {
		return nil, &DisagreementError{err}
	}
	s.link()
	return s, nil
}

// DisagreementError says that DESCRIBE, which Cassandra answers from memory, names
// other objects than the tables of system_schema: so a disk that was full while the
// schema changed leaves a node.
type DisagreementError struct{ err error }

// Error names every difference, and what helps.
func (e *DisagreementError) Error() string {
	return fmt.Sprintf("%v: Cassandra's schema in memory and on disk disagree, as after a full disk: free space, then restart the nodes, again if once is not enough", e.err)
}

// Unwrap gives the differences.
func (e *DisagreementError) Unwrap() error { return e.err }

// parsers by the type column of DESCRIBE.
func parser(rowType string) (Kind, func(*Object, string) error) {
	switch rowType {
	case "keyspace":
		return KindKeyspace, parseKeyspace
	case "type":
		return KindType, parseType
	case "function":
		return KindFunction, parseFunction
	case "aggregate":
		return KindAggregate, parseAggregate
	case "table":
		return KindTable, parseTable
	case "index":
		return KindIndex, parseIndex
	case "materialized_view":
		return KindView, parseView
	}
	return "", nil
}

// parseRow parses one row and checks that its statement names the same object
// as its columns do.
func parseRow(row Row) (*Object, error) {
	kind, parse := parser(row.Type)
	if parse == nil {
		return nil, fmt.Errorf("unknown type of object %q", row.Type)
	}
	want, err := rowRef(kind, row)
	if err != nil {
		return nil, err
	}
	o := &Object{Ref: Ref{Kind: kind}, Statement: row.Statement}
	if err := parse(o, row.Statement); err != nil {
		return nil, err
	}
	if o.Ref != want {
		return nil, fmt.Errorf("the statement creates %s", o.Ref.Describe())
	}
	return o, checkName(o.Ref)
}

// Longest names that Cassandra takes: of keyspaces, and of tables, views and
// indexes, whose directories have 33 characters more.
const (
	longestKeyspace = 48
	longestRelation = 222
)

// checkName refuses names that Cassandra gives to nothing that has a directory
// (org.apache.cassandra.schema.SchemaConstants.PATTERN_WORD_CHARS): they would be
// paths.
func checkName(ref Ref) error {
	if !wordName(ref.Keyspace, longestKeyspace) {
		return fmt.Errorf("%.60q is no name of a keyspace", ref.Keyspace)
	}
	switch ref.Kind {
	case KindTable, KindView, KindIndex:
		if !wordName(ref.Name, longestRelation) {
			return fmt.Errorf("%.240q is no name of %s", ref.Name, article(ref.Kind))
		}
	}
	return nil
}

func article(kind Kind) string {
	if kind == KindIndex {
		return "an index"
	}
	return "a " + string(kind)
}

func wordName(name string, longest int) bool {
	for i := range len(name) {
		if !wordByte(name[i]) {
			return false
		}
	}
	return name != "" && len(name) <= longest
}

// rowRef reads the name of a row's object from its columns.
func rowRef(kind Kind, row Row) (Ref, error) {
	keyspace, err := Unquote(row.Keyspace)
	if err != nil {
		return Ref{}, err
	}
	if kind == KindKeyspace {
		return KeyspaceRef(keyspace), nil
	}
	c, err := newCursor(row.Name)
	if err != nil {
		return Ref{}, err
	}
	ref := Ref{Kind: kind, Keyspace: keyspace}
	if ref.Name, err = c.name(); err != nil {
		return Ref{}, err
	}
	if kind == KindFunction || kind == KindAggregate {
		args, err := c.group("(")
		if err != nil {
			return Ref{}, err
		}
		ref.Args = typeText(args)
	}
	if !c.done() {
		return Ref{}, fmt.Errorf("unexpected text after the name %s", c.where())
	}
	return ref, nil
}

// typeText writes types as DESCRIBE does: a space after each comma only.
func typeText(tokens []token) string {
	var b strings.Builder
	for i, t := range tokens {
		// frozen<x> and 'custom.Type' need no space; a name after a name would.
		if i > 0 && (tokens[i-1].is(",") || t.kind != tokenSymbol && tokens[i-1].kind != tokenSymbol) {
			b.WriteByte(' ')
		}
		if t.isName() {
			b.WriteString(quoteToken(t))
		} else {
			b.WriteString(t.canonical())
		}
	}
	return b.String()
}

// quoteToken keeps an unquoted word unquoted, since it may be a keyword.
func quoteToken(t token) string {
	if t.kind == tokenName {
		return Quote(t.name())
	}
	return t.name()
}

func (s *Schema) addTriggers(triggers []Trigger) (problems []error) {
	for _, t := range triggers {
		if systemKeyspace(t.Keyspace) {
			continue
		}
		o := &Object{
			Ref:          Ref{Kind: KindTrigger, Keyspace: t.Keyspace, Table: t.Table, Name: t.Name},
			Base:         TableRef(t.Keyspace, t.Table),
			TriggerClass: t.Class,
		}
		if s.Lookup(o.Ref) != nil || t.Class == "" {
			problems = append(problems, fmt.Errorf("parse %s: it is listed twice or has no class", o.Ref.Describe()))
			continue
		}
		if err := errors.Join(checkName(o.Ref), checkName(o.Base)); err != nil {
			problems = append(problems, fmt.Errorf("parse %s: %w", o.Ref.Describe(), err))
			continue
		}
		s.add(o)
	}
	return problems
}

// checkParents finds objects whose keyspace or table has no row.
func (s *Schema) checkParents() (problems []error) {
	for _, o := range s.Objects {
		if s.Lookup(KeyspaceRef(o.Ref.Keyspace)) == nil {
			problems = append(problems, fmt.Errorf("parse %s: its keyspace is missing", o.Ref.Describe()))
		}
		if o.Base != (Ref{}) && s.Lookup(o.Base) == nil {
			problems = append(problems, fmt.Errorf("parse %s: its %s is missing", o.Ref.Describe(), o.Base.Describe()))
		}
	}
	return problems
}

// checkIndexes compares the index rows with system_schema.indexes. An index may
// be on a view too, which DESCRIBE does not print.
func (s *Schema) checkIndexes(indexes []Index) (problems []error) {
	if len(indexes) == 0 {
		return nil
	}
	kinds := map[Ref]string{}
	for _, i := range indexes {
		if !systemKeyspace(i.Keyspace) {
			kinds[Ref{Kind: KindIndex, Keyspace: i.Keyspace, Name: i.Name}] = i.Kind
		}
	}
	for ref, kind := range kinds {
		o := s.Lookup(ref)
		if o == nil {
			problems = append(problems, fmt.Errorf("parse %s: it is in system_schema.indexes but not in DESCRIBE", ref.Describe()))
		} else if o.Index.Custom != (kind == "CUSTOM") {
			problems = append(problems, fmt.Errorf("parse %s: kind %s does not match its statement", ref.Describe(), kind))
		}
	}
	for _, o := range s.Objects {
		if _, found := kinds[o.Ref]; o.Ref.Kind == KindIndex && !found {
			problems = append(problems, fmt.Errorf("parse %s: it is in DESCRIBE but not in system_schema.indexes", o.Ref.Describe()))
		}
	}
	return sortErrors(problems)
}

// checkTables compares the table rows with system_schema.tables and completes
// what is known of compact tables.
func (s *Schema) checkTables(tables []TableFlags) (problems []error) {
	if len(tables) == 0 {
		return nil
	}
	seen := map[Ref]bool{}
	for _, t := range tables {
		ref := TableRef(t.Keyspace, t.Table)
		seen[ref] = true
		o := s.Lookup(ref)
		switch {
		case systemKeyspace(t.Keyspace):
		case o == nil:
			problems = append(problems, fmt.Errorf("parse %s: it is in system_schema.tables but not in DESCRIBE", ref.Describe()))
		case o.Relation.Compact && slices.Contains(t.Flags, "super"):
			o.Relation.NotPlain = "it is a super column family"
		}
	}
	for _, o := range s.Objects {
		if o.Ref.Kind == KindTable && !seen[o.Ref] {
			problems = append(problems, fmt.Errorf("parse %s: it is in DESCRIBE but not in system_schema.tables", o.Ref.Describe()))
		}
	}
	return sortErrors(problems)
}

func sortErrors(errs []error) []error {
	slices.SortFunc(errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errs
}

// link turns the names that objects mention into references.
func (s *Schema) link() {
	type key struct{ keyspace, name string }
	types, functions := map[key][]Ref{}, map[key][]Ref{}
	for _, o := range s.Objects {
		at := key{o.Ref.Keyspace, o.Ref.Name}
		switch o.Ref.Kind {
		case KindType:
			types[at] = append(types[at], o.Ref)
		case KindFunction:
			functions[at] = append(functions[at], o.Ref)
		}
	}
	for _, o := range s.Objects {
		for _, t := range o.types {
			o.uses(types[key{o.Ref.Keyspace, t.name()}])
		}
		for _, t := range o.functions {
			o.uses(functions[key{o.Ref.Keyspace, t.name()}])
		}
		o.types, o.functions = nil, nil
		if o.Ref.Kind == KindView {
			o.filters = filtersOthers(o, s.Lookup(o.Base))
		}
	}
}

func (o *Object) uses(refs []Ref) {
	for _, ref := range refs {
		if ref != o.Ref && !slices.Contains(o.Uses, ref) {
			o.Uses = append(o.Uses, ref)
		}
	}
}

// systemKeyspace tells whether Cassandra itself owns the keyspace:
// org.apache.cassandra.schema.SchemaConstants of 4.0 to 5.0. A user's keyspace
// may have "system" in its name.
func systemKeyspace(keyspace string) bool {
	switch keyspace {
	case "system", "system_schema", "system_auth", "system_distributed", "system_traces",
		"system_views", "system_virtual_schema", "system_cluster_metadata":
		return true
	}
	return false
}
