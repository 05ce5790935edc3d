package ledger

import (
	"slices"

	"github.com/casshook/casshook/pkg/document"
)

// Scope is what of a backup a restore brings back: all of it, or a set of tables
// and views. It is the set that --include and --exclude resolve to, never their
// text. The zero value is a part whose tables nobody recorded, as releases before
// 0.2 did not.
type Scope struct {
	Whole  bool                 `json:"whole,omitempty"`
	Tables []document.TableName `json:"tables,omitempty"`
}

// All is the scope of a restore of everything.
func All() Scope { return Scope{Whole: true} }

// Part is the scope of a restore of some tables. Where these are everything that
// a restore of all would bring back, it is All.
func Part(tables, all []document.TableName) Scope {
	tables, all = sorted(tables), sorted(all)
	if slices.Equal(tables, all) {
		return All()
	}
	return Scope{Tables: tables}
}

func sorted(tables []document.TableName) []document.TableName {
	tables = slices.Clone(tables)
	slices.SortFunc(tables, document.TableName.Compare)
	return slices.Compact(tables)
}

// unknown tells a part whose tables were not recorded.
func (s Scope) unknown() bool { return !s.Whole && len(s.Tables) == 0 }

// Covers tells whether a restore of this scope brings back all of another. What
// was not recorded is covered by the whole only, and covers nothing.
func (s Scope) Covers(other Scope) bool {
	switch {
	case s.Whole:
		return true
	case other.Whole, other.unknown():
		return false
	}
	return !slices.ContainsFunc(other.Tables, func(t document.TableName) bool { return !slices.Contains(s.Tables, t) })
}

// Meets tells whether two scopes have a table in common, as far as is known.
func (s Scope) Meets(other Scope) bool {
	if s.Whole || other.Whole || s.unknown() || other.unknown() {
		return true
	}
	return slices.ContainsFunc(s.Tables, func(t document.TableName) bool { return slices.Contains(other.Tables, t) })
}

// String names the scope for people, in the syntax of --include.
func (s Scope) String() string {
	switch {
	case s.Whole:
		return "everything"
	case s.unknown():
		return "a part"
	}
	text := ""
	for i, t := range s.Tables {
		if i > 0 {
			text += ","
		}
		text += t.String()
	}
	return text
}
