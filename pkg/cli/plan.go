package cli

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/casshook/casshook/pkg/flow"
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
	a.offlineFlags(cmd.Flags(), &opts)
	return cmd
}

func (a *app) runPlan(cmd *cobra.Command, opts restore.Options) error {
	offline := func(ctx context.Context, s *subject, observer flow.Observer) (string, error) {
		plan, err := restore.MakeOfflinePlan(ctx, s.Target, opts, observer)
		if err != nil {
			return "", err
		}
		return "", a.print(plan, func(w io.Writer) { writeCleaned(w, plan) })
	}
	return a.each(cmd, work{operation: "plan", silent: true, offline: offline, do: func(ctx context.Context, s *subject, observer flow.Observer) (string, error) {
		plan, err := restore.MakePlan(ctx, s.Target, opts, observer)
		if err != nil {
			return "", err
		}
		return "", a.print(plan, func(w io.Writer) { writePlan(w, plan) })
	}})
}

func writePlan(w io.Writer, p *restore.Plan) {
	fmt.Fprintf(w, "backup %s of %s\n", p.BackupID, p.Created.Format(time.RFC3339))
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

func writeWarnings(w io.Writer, warnings []string) {
	for _, warning := range warnings {
		fmt.Fprintf(w, "warning: %s\n", warning)
	}
}

func joinInts(ns []int) string {
	parts := make([]string, len(ns))
	for i, n := range ns {
		parts[i] = fmt.Sprint(n)
	}
	return strings.Join(parts, "/")
}
