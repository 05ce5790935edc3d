package schema

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// Scope says which part of a ring a restore may touch.
type Scope struct {
	include, exclude []pattern
	components       []string
	names            []relationName // of backup and live, tables and views
}

// pattern is a glob on keyspace and table; both parts in the syntax of
// path.Match, on unquoted names, case-sensitive.
type pattern struct{ text, keyspace, table string }

type relationName struct{ keyspace, name string }

// DefaultComponents are keyspaces that components of the platform own: Reaper's
// and Stargate's, as K8ssandra names them. Their owners recreate them.
func DefaultComponents() []string { return []string{"reaper_db", "data_endpoint_auth"} }

// newScope reads the globs. The refusals are those that name nothing.
func newScope(opts CompareOptions, backup, live *Schema) (*Scope, []Refusal) {
	s := &Scope{components: opts.Components}
	if s.components == nil {
		s.components = DefaultComponents()
	}
	var refusals []Refusal
	s.include, refusals = parsePatterns("include", opts.Include)
	exclude, more := parsePatterns("exclude", opts.Exclude)
	s.exclude, refusals = exclude, append(refusals, more...)
	inBackup := relationNames(backup)
	s.names = slices.Concat(inBackup, relationNames(live))
	for _, p := range s.include {
		if !p.finds(inBackup, backup.Keyspaces()) {
			refusals = append(refusals, Refusal{Object: "include " + p.text, Reason: "matches nothing in the backup"})
		}
	}
	for _, p := range s.exclude {
		if !p.finds(s.names, slices.Concat(backup.Keyspaces(), live.Keyspaces())) {
			refusals = append(refusals, Refusal{Object: "exclude " + p.text, Reason: "matches nothing"})
		}
	}
	return s, refusals
}

// Select lists the tables and views of a backup that the globs of the options
// select, and all that would be selected without any. The error is a *RefusalError.
func Select(backup *Schema, opts CompareOptions) (selected, all []Ref, err error) {
	nothing := &Schema{}
	s, refusals := newScope(opts, backup, nothing)
	refusals = slices.DeleteFunc(refusals, func(r Refusal) bool { return r.Reason == "matches nothing" }) // in the live schema it may
	if len(refusals) > 0 {
		return nil, nil, &RefusalError{Refusals: refusals}
	}
	everything, _ := newScope(CompareOptions{Components: opts.Components}, backup, nothing)
	for _, o := range backup.Objects {
		if o.Relation == nil {
			continue
		}
		if s.Contains(o.Ref.Keyspace, o.Ref.Name) {
			selected = append(selected, o.Ref)
		}
		if everything.Contains(o.Ref.Keyspace, o.Ref.Name) {
			all = append(all, o.Ref)
		}
	}
	return selected, all, nil
}

func relationNames(s *Schema) []relationName {
	var out []relationName
	for _, o := range s.Objects {
		if o.Relation != nil {
			out = append(out, relationName{o.Ref.Keyspace, o.Ref.Name})
		}
	}
	return out
}

func parsePatterns(flag string, texts []string) (out []pattern, refusals []Refusal) {
	for _, text := range texts {
		p := pattern{text: text, table: "*"}
		keyspace, table, found := strings.Cut(text, ".")
		p.keyspace = keyspace
		if found {
			p.table = table
		}
		_, badKeyspace := path.Match(p.keyspace, "")
		_, badTable := path.Match(p.table, "")
		if badKeyspace != nil || badTable != nil || p.keyspace == "" || p.table == "" {
			refusals = append(refusals, Refusal{Object: flag + " " + text, Reason: "is not a keyspace.table glob"})
			continue
		}
		out = append(out, p)
	}
	return out, refusals
}

// finds tells whether the pattern matches anything that may be in scope.
func (p pattern) finds(names []relationName, keyspaces []string) bool {
	for _, n := range names {
		if !systemKeyspace(n.keyspace) && p.matches(n) {
			return true
		}
	}
	return p.table == "*" && slices.ContainsFunc(keyspaces, func(k string) bool {
		return !systemKeyspace(k) && p.matchesKeyspace(k)
	})
}

func (p pattern) matchesKeyspace(keyspace string) bool {
	found, err := path.Match(p.keyspace, keyspace)
	return err == nil && found
}

func (p pattern) matches(n relationName) bool {
	found, err := path.Match(p.table, n.name)
	return err == nil && found && p.matchesKeyspace(n.keyspace)
}

// Contains tells whether the table or view is in scope.
func (s *Scope) Contains(keyspace, relation string) bool {
	n := relationName{keyspace, relation}
	matches := func(p pattern) bool { return p.matches(n) }
	included := len(s.include) == 0 || slices.ContainsFunc(s.include, matches)
	return s.open(keyspace) && included && !slices.ContainsFunc(s.exclude, matches)
}

// Full tells whether everything in the keyspace is in scope, so that it may be
// created, altered and dropped as a whole: some include names the keyspace with
// all its tables, or there is none, and no exclude takes a table from it.
func (s *Scope) Full(keyspace string) bool {
	included := len(s.include) == 0 || slices.ContainsFunc(s.include, func(p pattern) bool {
		return p.table == "*" && p.matchesKeyspace(keyspace)
	})
	if !included || !s.open(keyspace) {
		return false
	}
	for _, p := range s.exclude {
		takes := func(n relationName) bool { return n.keyspace == keyspace && p.matches(n) }
		if p.table == "*" && p.matchesKeyspace(keyspace) || slices.ContainsFunc(s.names, takes) {
			return false
		}
	}
	return true
}

// Touches tells whether anything in the keyspace is in scope.
func (s *Scope) Touches(keyspace string) bool {
	return s.Full(keyspace) || slices.ContainsFunc(s.names, func(n relationName) bool {
		return n.keyspace == keyspace && s.Contains(n.keyspace, n.name)
	})
}

// open tells whether the keyspace may be in scope at all: no system keyspace
// ever, a component's only when an include names it without wildcards.
func (s *Scope) open(keyspace string) bool {
	if systemKeyspace(keyspace) {
		return false
	}
	named := slices.ContainsFunc(s.include, func(p pattern) bool { return p.keyspace == keyspace })
	return named || !slices.Contains(s.components, keyspace)
}

// LeftOut lists the keyspaces of components that the globs select, or that nothing
// excludes, and that are left alone all the same.
func (s *Scope) LeftOut(schemas ...*Schema) []string {
	var found []string
	for _, of := range schemas {
		for _, keyspace := range of.componentKeyspaces(s.components) {
			matches := func(p pattern) bool { return p.matchesKeyspace(keyspace) }
			excluded := func(p pattern) bool { return p.table == "*" && matches(p) }
			selected := (len(s.include) == 0 || slices.ContainsFunc(s.include, matches)) && !slices.ContainsFunc(s.exclude, excluded)
			if selected && !s.open(keyspace) && !slices.Contains(found, keyspace) {
				found = append(found, keyspace)
			}
		}
	}
	return found
}

// ComponentKeyspaces lists the keyspaces that components own, in order.
func (s *Schema) ComponentKeyspaces() []string { return s.componentKeyspaces(DefaultComponents()) }

func (s *Schema) componentKeyspaces(components []string) []string {
	return slices.DeleteFunc(s.Keyspaces(), func(keyspace string) bool { return !slices.Contains(components, keyspace) })
}

// Refusal is one reason why a comparison, or a restore after it, must not go on.
type Refusal struct {
	// Object names what is refused.
	Object string
	// Reason goes on after the name.
	Reason string
}

// RefusalError lists everything that cannot be done with the given scope.
type RefusalError struct{ Refusals []Refusal }

// Error names every refusal on a line of its own.
func (e *RefusalError) Error() string {
	lines := make([]string, len(e.Refusals))
	for i, r := range e.Refusals {
		lines[i] = r.Object + " " + r.Reason
	}
	return fmt.Sprintf("compare schemas: refused: %s", strings.Join(lines, "\n"))
}
