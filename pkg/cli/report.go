package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/casshook/casshook/pkg/escape"
	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/report"
	"github.com/casshook/casshook/pkg/restore"
)

// verdictOf is the result of a restore in one sentence.
func verdictOf(r *restore.Report) string {
	if r.AlreadyDone {
		return fmt.Sprintf("backup %s was restored onto these volumes at %s: nothing was done", r.BackupID, r.Finished.Format(time.RFC3339))
	}
	verdict := "restored and verified"
	if len(r.Differences) > 0 {
		verdict = "restored, with differences"
	}
	return fmt.Sprintf("backup %s %s: %s on %s, %s to agents, %s", r.BackupID, verdict, report.Count(len(r.Tables), "table"), report.Count(len(r.Nodes), "node"),
		report.Count(r.Calls, "call"), report.Count(int(r.Statements), "statement"))
}

// warningsOf are the warnings of a restore, the advice to repair included.
func warningsOf(r *restore.Report) []string {
	warnings := slices.Clone(r.Warnings)
	if r.RepairAdvised {
		warnings = append(warnings, fmt.Sprintf("the backup is %s old, more than the smallest gc_grace_seconds (%d): run a full repair",
			report.Duration(time.Duration(r.AgeSeconds)*time.Second), r.SmallestGCGrace))
	}
	return warnings
}

func proofs(r *restore.Report) *report.Table {
	t := &report.Table{Header: []string{"", "TABLE", "VERDICT", "SSTABLES", "TAKEN"}}
	for _, p := range r.Tables {
		mark := "✓"
		if !slices.Equal(p.Expected, p.Taken) {
			mark = "✗"
		}
		t.Add(mark, p.Keyspace+"."+p.Name, p.Verdict, joinInts(p.Expected), joinInts(p.Taken))
	}
	return t
}

func writeReport(w io.Writer, r *restore.Report) {
	proofs(r).Write(w)
	writeWarnings(w, warningsOf(r))
	for _, d := range r.Differences {
		fmt.Fprintf(w, "difference: %s\n", escape.Text(d))
	}
	fmt.Fprintf(w, "snapshot window %s\n", r.Skew.Window())
	fmt.Fprintln(w, verdictOf(r))
}

// checkPages finds out whether the reports can be written, before anything begins: a restore takes long, and its report
// cannot be had later. What is there already stays as it is.
func checkPages(page string, rings int) error {
	if page == "" {
		return nil
	}
	var problems []error
	for n := range rings {
		problems = append(problems, checkPage(pageOf(page, n+1)))
	}
	return flow.Fail(flow.Usage, errors.Join(problems...))
}

func checkPage(path string) error {
	_, err := os.Lstat(path)
	isNew := os.IsNotExist(err)
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o666)
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	err = f.Close()
	if isNew {
		err = errors.Join(err, os.Remove(path))
	}
	return err
}

// writePage writes the report as one HTML file.
func writePage(path string, r *restore.Report) error {
	p := report.Page{Title: "casshook: restore of " + r.BackupID, Verdict: verdictOf(r), OK: len(r.Differences) == 0}
	facts := &report.Table{Header: []string{"WHAT", ""}}
	facts.Add("backup made", r.Created.Format(time.RFC3339))
	facts.Add("restore ended", r.Finished.Format(time.RFC3339))
	facts.Add("nodes, in column order", strings.Join(r.Nodes, ", "))
	for _, warning := range warningsOf(r) {
		facts.Add("warning", warning)
	}
	for _, d := range r.Differences {
		facts.Add("difference", d)
	}
	objects := &report.Table{Header: []string{"VERDICT", "KIND", "NAME", "REASON"}}
	for _, o := range r.Objects {
		objects.Add(o.Verdict, o.Kind, o.Name, o.Reason)
	}
	p.Sections = []report.Section{{Title: "Restore", Table: facts}, {Title: "Tables and views", Table: proofs(r)}, {Title: "Schema", Table: objects}}
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	if err := p.HTML(f); err != nil {
		f.Close()
		return fmt.Errorf("report: %w", err)
	}
	return f.Close()
}
