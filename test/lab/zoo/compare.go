package zoo

import (
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"
)

// Difference is one entry that is not as it was. The name and kind stand in
// both; the Entry of a side that lacks it has nothing else.
type Difference struct {
	Want, Got Entry
	// Reason is absent, new, unreadable, rows or content.
	Reason string
}

// String is one line about the difference.
func (d Difference) String() string {
	return fmt.Sprintf("%s %s: %s (rows %d, want %d)", d.Want.Kind, d.Want.Name, d.Reason, d.Got.Rows, d.Want.Rows)
}

type key struct {
	kind Kind
	name string
}

// Compare lists what differs, in the order of want, then what is only in got.
// Entries that could not be read on either side always differ.
func Compare(want, got Digests) []Difference {
	var list []Difference
	walk(want, got, func(d Difference) {
		if d.Reason != "" {
			list = append(list, d)
		}
	})
	return list
}

// walk visits every entry of both; a Reason says that they differ.
func walk(want, got Digests, visit func(Difference)) {
	have := make(map[key]Entry, len(got))
	for _, e := range got {
		have[key{e.Kind, e.Name}] = e
	}
	seen := make(map[key]bool, len(want))
	for _, w := range want {
		k := key{w.Kind, w.Name}
		seen[k] = true
		g, ok := have[k]
		if !ok {
			visit(Difference{Want: w, Got: Entry{Kind: w.Kind, Name: w.Name}, Reason: "absent"})
			continue
		}
		visit(Difference{Want: w, Got: g, Reason: reason(w, g)})
	}
	for _, g := range got {
		if !seen[key{g.Kind, g.Name}] {
			visit(Difference{Want: Entry{Kind: g.Kind, Name: g.Name}, Got: g, Reason: "new"})
		}
	}
}

func reason(want, got Entry) string {
	switch {
	case want.Err != "" || got.Err != "":
		return "unreadable"
	case want.Rows != got.Rows:
		return "rows"
	case want.SHA256 != got.SHA256:
		return "content"
	}
	return ""
}

// Render writes both as a table, a line for every entry with ✓ or ✗, then the
// number of each, and the errors of what could not be read.
func Render(w io.Writer, want, got Digests) error {
	var equal, differ int
	var errors []string
	tab := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tab, "\tkind\tname\trows\tnow\tdigest\tnow\t") // errors of a tabwriter come from Flush
	walk(want, got, func(d Difference) {
		mark := "✓"
		if d.Reason == "" {
			equal++
		} else {
			mark = "✗"
			differ++
		}
		for _, e := range []Entry{d.Want, d.Got} {
			if e.Err != "" {
				errors = append(errors, fmt.Sprintf("%s %s: %s", e.Kind, e.Name, e.Err))
			}
		}
		fmt.Fprintf(tab, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", mark, d.Want.Kind, d.Want.Name, rows(d.Want), rows(d.Got), short(d.Want), short(d.Got), d.Reason)
	})
	if err := tab.Flush(); err != nil {
		return fmt.Errorf("render digests: %w", err)
	}
	if _, err := fmt.Fprintf(w, "%d as before, %d not\n", equal, differ); err != nil {
		return fmt.Errorf("render digests: %w", err)
	}
	for _, line := range errors {
		if _, err := fmt.Fprintln(w, line); err != nil {
			return fmt.Errorf("render digests: %w", err)
		}
	}
	return nil
}

func rows(e Entry) string {
	if e.SHA256 == "" {
		return "-"
	}
	return strconv.Itoa(e.Rows)
}

func short(e Entry) string {
	switch {
	case e.Err != "":
		return "error"
	case e.SHA256 == "":
		return "-"
	}
	return e.SHA256[:min(8, len(e.SHA256))]
}
