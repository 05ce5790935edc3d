package cli

import (
	"context"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/casshook/casshook/pkg/backup"
	"github.com/casshook/casshook/pkg/flow"
)

func (a *app) discard() *cobra.Command {
	var opts backup.DiscardOptions
	yes := false
	cmd := &cobra.Command{
		Use:   "discard",
		Short: "Remove a backup that nobody wants, even if it is the only good data",
		Long: "discard removes one backup from the volumes, with all that restores of it left: one\n" +
			"whose restore was abandoned, or one on restored volumes that nobody wants to\n" +
			"restore. Nothing brings it back from these volumes.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case opts.BackupID == "":
				return flow.Failf(flow.Usage, "which backup? name it with --backup (casshook list shows them)")
			case !yes:
				return flow.Failf(flow.Usage, "discard removes backup %s for good: confirm with --yes", opts.BackupID)
			}
			return a.each(cmd, work{operation: "discard", running: true, do: func(ctx context.Context, s *subject, observer flow.Observer) (string, error) {
				removed, err := backup.Discard(ctx, s.Target, opts, observer)
				if err != nil {
					return "", err
				}
				return strings.Join(removed.Backups, ", "), a.printChange(nil, removed, func(w io.Writer) { writeRemoved(w, removed) })
			}})
		},
	}
	cmd.Flags().StringVar(&opts.BackupID, "backup", "", "id of the backup")
	snapshotTimeout(cmd.Flags(), &opts.SnapshotTimeout)
	cmd.Flags().BoolVar(&yes, "yes", false, "confirm that the backup is removed for good")
	return cmd
}
