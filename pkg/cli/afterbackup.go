package cli

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/casshook/casshook/pkg/backup"
	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/report"
)

func (a *app) afterBackup() *cobra.Command {
	opts := backup.AfterOptions{Operation: "after-backup"}
	cmd := &cobra.Command{
		Use: opts.Operation, Short: "Remove the backup from the volumes once the volume snapshots are taken", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.runAfter(cmd, opts) },
	}
	number{cmd.Flags(), "volume-snapshot-timeout", "how long to wait for VolumeSnapshots to be taken (Kubernetes)"}.timeout(&opts.SnapshotTimeout, 15*time.Minute)
	return cmd
}

// runAfter removes the backups of all rings; one that fails does not keep the others from it.
func (a *app) runAfter(cmd *cobra.Command, opts backup.AfterOptions) error {
	return a.each(cmd, work{operation: opts.Operation, running: true, do: func(ctx context.Context, s *subject, observer flow.Observer) (string, error) {
		removed, err := backup.After(ctx, s.Target, opts, observer)
		if err != nil {
			return "", err
		}
		return strings.Join(removed.Backups, ", "), a.printChange(nil, removed, func(w io.Writer) { writeRemoved(w, removed) })
	}})
}

func writeRemoved(w io.Writer, removed *backup.Removed) {
	if removed.Orphans > 0 {
		fmt.Fprintf(w, "removed snapshots that no backup knows, from %d table directories\n", removed.Orphans)
	}
	if len(removed.Backups) == 0 {
		fmt.Fprintln(w, "nothing to remove")
		return
	}
	fmt.Fprintf(w, "removed %s: %s\n", strings.Join(removed.Backups, ", "), report.Count(removed.Snapshots, "snapshot"))
}
