package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/report"
	"github.com/casshook/casshook/pkg/restore"
)

func restoreFlags(f *pflag.FlagSet, opts *restore.Options) {
	f.StringVar(&opts.Backup, "backup", "", "id of the backup; the newest that is complete on every volume when left out")
	f.BoolVar(&opts.InPlace, "in-place", false, "allow the volumes that the backup was made on: what was written since is lost")
	f.StringSliceVar(&opts.Include, "include", nil, "globs of keyspace.table to restore; nothing else is touched")
	f.StringSliceVar(&opts.Exclude, "exclude", nil, "globs of keyspace.table to leave alone")
	f.BoolVar(&opts.RebuildViews, "rebuild-views", false, "build all views anew instead of loading their snapshots")
	f.BoolVar(&opts.KeepBackup, "keep-backup", false, "leave snapshot and documents on the volumes afterwards, as a restore of a part always does")
	f.BoolVar(&opts.Full, "full", false, "read and verify every byte of data before anything is touched")
	f.BoolVar(&opts.AcceptDifferences, "accept-differences", false, "end the restore although schema or permissions differ from the backup, which is reported; missing data is never accepted")
	f.Float64Var(&opts.MinFree, "min-free", 0.02, "fraction of every volume that must be free")
	f.IntVar(&opts.Workers, "workers", 4, "tables that a node loads at once")
	f.DurationVar(&opts.LoadTimeout, "load-timeout", 30*time.Minute, "how long the load of a table is waited for that gives no answer")
	f.DurationVar(&opts.AgreementTimeout, "agreement-timeout", 2*time.Minute, "how long the nodes have to agree on the schema")
	f.DurationVar(&opts.ViewTimeout, "view-timeout", 30*time.Minute, "how long views have to be built")
}

func (a *app) afterRestore() *cobra.Command {
	var opts restore.Options
	dryRun, page := false, ""
	cmd := &cobra.Command{
		Use:     "after-restore",
		Aliases: []string{"restore"},
		Short:   "Bring the ring back to the backup on its restored volumes",
		Long: "after-restore compares the running ring with the backup on its volumes, verifies\n" +
			"every file, then truncates and loads what is the same and recreates what\n" +
			"differs. In Kubernetes, where the ring is stopped, it puts the backup in place on all\n" +
			"volumes by a Job for each, starts the nodes, and verifies the result.\n" +
			"Kill it and run it again: it goes on where it stopped.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if dryRun {
				return a.runPlan(cmd, opts)
			}
			return a.runRestore(cmd, opts, page)
		},
	}
	restoreFlags(cmd.Flags(), &opts)
	a.offlineFlags(cmd.Flags(), &opts)
	cmd.Flags().StringVar(&page, "report", "", "write a report in one HTML file")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "print the plan and change nothing")
	return cmd
}

func (a *app) planCommand() *cobra.Command {
	var opts restore.Options
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "Show what after-restore would do, table by table, and change nothing",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return a.runPlan(cmd, opts) },
	}
	restoreFlags(cmd.Flags(), &opts)
	a.offlineFlags(cmd.Flags(), &opts)
	return cmd
}

func (a *app) runPlan(cmd *cobra.Command, opts restore.Options) error {
	offline := func(ctx context.Context, s *subject, observer flow.Observer) (string, error) {
		plan, err := restore.MakeOfflinePlan(ctx, s.kube, opts, observer)
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

// runRestore restores all rings; one that fails does not keep the others from it.
func (a *app) runRestore(cmd *cobra.Command, opts restore.Options, page string) error {
	var results []*restore.Report
	end := func(result *restore.Report, err error) (string, error) {
		if result == nil {
			return "", err
		}
		results = append(results, result)
		if page != "" {
			err = errors.Join(err, writePage(pageOf(page, len(results)), result))
		}
		return result.BackupID, a.printWith(err, result, func(w io.Writer) { writeReport(w, result) })
	}
	err := a.each(cmd, work{operation: "after-restore",
		offline: func(ctx context.Context, s *subject, observer flow.Observer) (string, error) {
			return end(restore.Offline(ctx, s.kube, opts, observer))
		},
		do: func(ctx context.Context, s *subject, observer flow.Observer) (string, error) {
			return end(restore.Online(ctx, s.Target, opts, observer))
		}})
	if noDatacenter(err) {
		err = fmt.Errorf("%w; where volumes came back before the datacenter, casshook clean puts the backup in place on them", err)
	}
	return errors.Join(err, a.outputs(restoreOutputs(results)))
}

// pageOf is the page's name for the first ring, with a number for those after it.
func pageOf(page string, n int) string {
	if n == 1 {
		return page
	}
	ext := filepath.Ext(page)
	return fmt.Sprintf("%s-%d%s", strings.TrimSuffix(page, ext), n, ext)
}

func writePlan(w io.Writer, p *restore.Plan) {
	fmt.Fprintf(w, "backup %s of %s\n", p.BackupID, p.Created.Format(time.RFC3339))
	if p.Cleaned {
		fmt.Fprintln(w, "the cleaner put all data in place while the ring was stopped: it will be verified, and not loaded")
	}
	if p.Resumes {
		fmt.Fprintln(w, "an earlier run loaded all data: it will be verified, and not loaded again")
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
	fmt.Fprintf(w, "SSTABLES are those of nodes %s\n", strings.Join(p.Nodes, "/"))
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
