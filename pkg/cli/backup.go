package cli

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/casshook/casshook/pkg/backup"
	"github.com/casshook/casshook/pkg/report"
)

func (a *app) beforeBackup() *cobra.Command {
	opts := backup.Options{CreatedBy: "casshook " + Release}
	cmd := &cobra.Command{
		Use:   "before-backup",
		Short: "Freeze the whole ring under one tag and describe it on every volume",
		Long: "before-backup snapshots all nodes at once, writes the schema, the grants and a\n" +
			"description of every SSTable on every volume, and keeps them there until\n" +
			"after-backup. Whatever copies the volumes in between is a restore point.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			target, err := a.target()
			if err != nil {
				return err
			}
			result, err := backup.Before(cmd.Context(), target, opts, a.steps())
			if err != nil {
				return err
			}
			return a.print(result, func(w io.Writer) { writeBackup(w, result) })
		},
	}
	f := cmd.Flags()
	f.Float64Var(&opts.MinFree, "min-free", 0.05, "fraction of every volume that must be free")
	f.DurationVar(&opts.Wait, "snapshot-timeout", 10*time.Minute, "how long a snapshot is waited for that gives no answer")
	f.DurationVar(&opts.ParkedFor, "keep-earlier", 0, "do not replace a backup younger than this, whose volume snapshots may be under way")
	return cmd
}

func writeBackup(w io.Writer, r *backup.Result) {
	t := report.Table{Header: []string{"NODE", "HOST ID", "SSTABLES", "SIZE", "VIA"}}
	for _, n := range r.Nodes {
		t.Add(n.Name, n.HostID, n.SSTables, report.Bytes(n.Bytes), n.Via)
	}
	t.Write(w)
	fmt.Fprintf(w, "backup %s: %d tables, skew %.2f ms between the nodes' starts, %.2f ms from the first start to the last end\n",
		r.BackupID, r.Tables, r.Skew.StartMS, r.Skew.TotalMS)
}

func (a *app) afterBackup(name, short string) *cobra.Command {
	return &cobra.Command{
		Use: name, Short: short, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			target, err := a.target()
			if err != nil {
				return err
			}
			removed, err := backup.After(cmd.Context(), target, name, a.steps())
			if err != nil {
				return err
			}
			return a.print(removed, func(w io.Writer) {
				if len(removed.Backups) == 0 {
					fmt.Fprintln(w, "nothing to remove")
					return
				}
				fmt.Fprintf(w, "removed %s: %d snapshot directories\n", strings.Join(removed.Backups, ", "), removed.Snapshots)
			})
		},
	}
}
