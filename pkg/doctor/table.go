package doctor

import (
	"fmt"
	"io"

	"github.com/casshook/casshook/pkg/report"
)

// Write prints the findings as a table: what is not well with its remedy below it,
// all else in one line each, and the sum of it in the last line.
func (d *Diagnosis) Write(w io.Writer) {
	t := report.Table{Header: []string{"", "CHECK", "FINDING"}}
	for _, f := range d.Findings {
		if f.Severity == OK {
			t.Add(f.Severity, f.Check, f.About+": "+f.What)
			continue
		}
		t.Add(f.Severity, f.Check, f.About)
		t.Add("", "", f.What)
		t.Add("", "", "→ "+f.Remedy)
	}
	t.Write(w)
	fmt.Fprintf(w, "%s, %s, %d unknown\n", report.Count(d.Errors, "error"), report.Count(d.Warnings, "warning"), d.Unknown)
}
