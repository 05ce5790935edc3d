package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/casshook/casshook/pkg/escape"
	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/ledger"
	"github.com/casshook/casshook/pkg/report"
	"github.com/casshook/casshook/pkg/restore"
)

func (a *app) planCommand() *cobra.Command {
	var opts restore.Options
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "Show what after-restore would do to each table; change nothing",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return a.runPlan(cmd, opts) },
	}
	restoreFlags(cmd.Flags(), &opts)
	cmd.MarkFlagsMutuallyExclusive("in-place", "restored")
	a.offlineFlags(cmd.Flags(), &opts)
	return cmd
}

func (a *app) runPlan(cmd *cobra.Command, opts restore.Options) error {
	return a.each(cmd, work{operation: "plan", silent: true, do: func(ctx context.Context, s *subject, observer flow.Observer) (string, error) {
		plan, cleaned, err := makePlan(ctx, s, opts, observer)
		switch {
		case cleaned != nil:
			return "", a.printWith(err, cleaned, func(w io.Writer) { writeCleaned(w, cleaned) })
		case plan != nil:
			return "", a.printWith(err, plan, func(w io.Writer) { writePlan(w, plan) })
		}
		return "", err
	}})
}

// makePlan makes the plan that fits the state of the ring.
func makePlan(ctx context.Context, s *subject, opts restore.Options, observer flow.Observer) (*restore.Plan, *restore.Cleaned, error) {
	if s.kube != nil {
		switch stopped, err := s.Stopped.Stopped(ctx); {
		case err != nil:
			plan, err := restore.PlanVisible(ctx, s.Target, opts, err)
			return plan, nil, err
		case stopped:
			cleaned, err := restore.MakeOfflinePlan(ctx, s.Target, opts, observer)
			return nil, cleaned, err
		}
	}
	plan, err := restore.MakePlan(ctx, s.Target, opts, observer)
	return plan, nil, err
}

func writePlan(w io.Writer, p *restore.Plan) {
	if p.Visible != nil {
		writeVisible(w, p.BackupID, p.Visible)
		return
	}
	fmt.Fprintf(w, "backup %s of %s; snapshot window %s\n", p.BackupID, p.Created.Format(time.RFC3339), p.Skew.Window())
	if p.Cleaned {
		fmt.Fprintln(w, "the data was restored offline: it will be verified, not loaded")
	}
	if p.Resumes {
		fmt.Fprintln(w, "an earlier run loaded all data: it will be verified, not loaded again")
	}
	loads := map[string]restore.TablePlan{}
	for _, t := range p.Tables {
		loads[t.Keyspace+"."+t.Name] = t
	}
	t := report.Table{Header: []string{"VERDICT", "KIND", "NAME", "SSTABLES", "REASON"}}
	for _, o := range p.Objects {
		sstables := ""
		if l, ok := loads[strings.ReplaceAll(o.Name, `"`, "")]; ok && (o.Kind == "table" || o.Kind == "view") {
			sstables = joinInts(l.SSTables)
		}
		t.Add(o.Verdict, o.Kind, o.Name, sstables, o.Reason)
	}
	t.Write(w)
	writeWarnings(w, p.Warnings)
	fmt.Fprintf(w, "SSTABLES are listed for nodes %s\n", strings.Join(p.Nodes, "/"))
}

// writeVisible writes what can be seen of a ring that is not whole.
func writeVisible(w io.Writer, backup string, nodes []restore.VisibleNode) {
	fmt.Fprintln(w, "the ring is not whole: this is what can be seen of it, and no complete plan")
	if backup != "" {
		fmt.Fprintf(w, "backup %s\n", backup)
	}
	t := report.Table{Header: []string{"NODE", "VOLUME", "TABLES", "SSTABLES", "BYTES", "AFTER-RESTORE"}}
	for _, n := range nodes {
		switch {
		case n.Problem != "":
			t.Add(n.Name, "not seen", "", "", "", n.Problem)
		case n.Action == "":
			t.Add(n.Name, "seen", "", "", "", "backups: "+cmp.Or(strings.Join(n.Backups, ", "), "none"))
		default:
			action := n.Action
			if n.Stage != ledger.None {
				action += " (an earlier one stopped or ended at: " + n.Stage.String() + ")"
			}
			t.Add(n.Name, n.Volume, n.Tables, n.SSTables, report.Bytes(n.Bytes), action)
		}
	}
	t.Write(w)
}

func writeWarnings(w io.Writer, warnings []string) {
	for _, warning := range warnings {
		fmt.Fprintf(w, "warning: %s\n", escape.Text(warning))
	}
}

func joinInts(ns []int) string {
	parts := make([]string, len(ns))
	for i, n := range ns {
		parts[i] = fmt.Sprint(n)
	}
	return strings.Join(parts, "/")
}
