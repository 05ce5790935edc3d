package cli

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/casshook/casshook/pkg/backup"
	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/ledger"
	"github.com/casshook/casshook/pkg/report"
)

func (a *app) afterBackup() *cobra.Command {
	opts := backup.AfterOptions{Operation: "after-backup"}
	return a.afterCommand(&opts, "Remove the backup from the volumes once the volume snapshots are taken")
}

// afterCommand is after-backup or on-failure.
func (a *app) afterCommand(opts *backup.AfterOptions, short string) *cobra.Command {
	cmd := &cobra.Command{
		Use: opts.Operation, Short: short, Args: cobra.NoArgs,
		Long: short + ".\nIt removes backups of its owner only (--owner), or the one that --backup names.",
		RunE: func(cmd *cobra.Command, _ []string) error { return a.runAfter(cmd, *opts) },
	}
	f := cmd.Flags()
	ownerFlag(f, &opts.Owner)
	snapshotTimeout(f, &opts.SnapshotTimeout)
	f.StringVar(&opts.BackupID, "backup", "", "id of the only backup to remove, whoever owns it (default: all of the owner)")
	return cmd
}

func ownerFlag(f *pflag.FlagSet, into *string) {
	f.StringVar(into, "owner", ledger.ManualOwner, "owner of the backup, such as the name of the policy: hooks of other owners leave it alone")
}

func snapshotTimeout(f *pflag.FlagSet, into *time.Duration) {
	number{f, "volume-snapshot-timeout", "how long to wait for VolumeSnapshots to be taken (Kubernetes)"}.timeout(into, 15*time.Minute)
}

// runAfter removes the backups of all rings; one that fails does not keep the others from it.
func (a *app) runAfter(cmd *cobra.Command, opts backup.AfterOptions) error {
	one := func(rings int) error {
		if rings > 1 && opts.BackupID != "" {
			return flow.Failf(flow.Usage, "--backup names a backup of one ring, and there are %d: name the ring with --datacenter", rings)
		}
		return nil
	}
	return a.each(cmd, work{prepare: one, operation: opts.Operation, running: true, do: func(ctx context.Context, s *subject, observer flow.Observer) (string, error) {
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
