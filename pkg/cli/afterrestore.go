package cli

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/report"
	"github.com/casshook/casshook/pkg/restore"
)

func (a *app) afterRestore() *cobra.Command {
	var opts restore.Options
	dryRun, abandon, page := false, false, ""
	cmd := &cobra.Command{
		Use:     "after-restore",
		Aliases: []string{"restore"},
		Short:   "Restore the ring from the backup on its restored volumes",
		Long: "after-restore compares the running ring with the backup on its volumes and verifies\n" +
			"every file. Tables whose schema is unchanged are truncated and reloaded; tables\n" +
			"whose schema changed are dropped and recreated first. In Kubernetes it restores a\n" +
			"stopped ring offline: one Job per volume, then it starts the nodes and verifies\n" +
			"the result. If it is interrupted, run it again to resume.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if abandon {
				return a.runAbandon(cmd)
			}
			if dryRun {
				return a.runPlan(cmd, opts)
			}
			return a.runRestore(cmd, opts, page)
		},
	}
	restoreFlags(cmd.Flags(), &opts)
	cmd.MarkFlagsMutuallyExclusive("in-place", "restored")
	a.offlineFlags(cmd.Flags(), &opts)
	a.startFlag(cmd.Flags())
	cmd.Flags().StringVar(&page, "report", "", "write a report to this HTML file")
	cmd.Flags().BoolVar(&abandon, "abandon", false, "give up a restore that cannot finish: hooks run again, and keep the backup until casshook discard removes it")
	cmd.Flags().StringSliceVar(&opts.Skip, "skip", nil, "leave this keyspace.table alone, which cannot be restored, and restore everything else; ends with exit code 6, and keeps the backup")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "print the plan and change nothing")
	return cmd
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
			err = joinLate(err, writePage(pageOf(page, len(results)), result))
		}
		return result.BackupID, a.printChange(err, result, func(w io.Writer) { writeReport(w, result) })
	}
	// Kasten runs a hook again whose answer it missed: that is no failure. A person
	// who asks for a restore gets none, and must not take it for one.
	nothing := func(result *restore.Report, err error) error {
		if err == nil && result.AlreadyDone && a.output != report.FormatKanister {
			return flow.Failf(flow.Precondition, "%s", result.NothingDone())
		}
		return err
	}
	err := a.each(cmd, work{operation: "after-restore",
		prepare: func(rings int) error { return checkPages(page, rings) },
		offline: func(ctx context.Context, s *subject, observer flow.Observer) (string, error) {
			result, err := restore.Offline(ctx, s.Target, opts, observer)
			return end(result, nothing(result, err))
		},
		do: func(ctx context.Context, s *subject, observer flow.Observer) (string, error) {
			result, err := restore.Online(ctx, s.Target, opts, observer)
			return end(result, nothing(result, err))
		}})
	if noDatacenter(err) {
		err = fmt.Errorf("%w; if the volumes were restored before the datacenter, run casshook clean", err)
	}
	return joinLate(err, a.outputs(restoreOutputs(results)))
}

// runAbandon gives up the restores of all rings that stopped.
func (a *app) runAbandon(cmd *cobra.Command) error {
	return a.each(cmd, work{operation: "after-restore --abandon", running: true, do: func(ctx context.Context, s *subject, observer flow.Observer) (string, error) {
		result, err := restore.Abandon(ctx, s.Target, observer)
		if err != nil {
			return "", err
		}
		return result.BackupID, a.printChange(nil, result, func(w io.Writer) {
			fmt.Fprintf(w, "backup %s (%s): its restore was abandoned after it reached %q: %s.\n"+
				"Hooks run again. The backup stays until casshook discard --backup %s --yes; after-restore takes it up again.\n", result.BackupID, result.Scope, result.Stage, result.State, result.BackupID)
		})
	}})
}

// pageOf is the page's name for the first ring, with a number for those after it.
func pageOf(page string, n int) string {
	if n == 1 {
		return page
	}
	ext := filepath.Ext(page)
	return fmt.Sprintf("%s-%d%s", strings.TrimSuffix(page, ext), n, ext)
}
