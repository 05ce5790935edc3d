package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/casshook/casshook/pkg/backup"
	"github.com/casshook/casshook/pkg/flow"
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
			return a.runBefore(cmd, opts)
		},
	}
	f := cmd.Flags()
	f.Float64Var(&opts.MinFree, "min-free", 0.05, "fraction of every volume that must be free")
	f.DurationVar(&opts.Wait, "snapshot-timeout", 10*time.Minute, "how long a snapshot is waited for that gives no answer")
	f.DurationVar(&opts.ParkedFor, "keep-earlier", 0, "do not replace a backup younger than this, whose volume snapshots may be under way")
	return cmd
}

// runBefore backs up all rings or none: when one fails, the backups of those before it are removed again.
func (a *app) runBefore(cmd *cobra.Command, opts backup.Options) error {
	var done []*subject
	var results []*backup.Result
	err := a.each(cmd, work{operation: "before-backup", stop: true, do: func(ctx context.Context, s *subject, observer flow.Observer) (string, error) {
		result, err := backup.Before(ctx, s.Target, opts, observer)
		if err != nil {
			return "", err
		}
		done, results = append(done, s), append(results, result)
		return result.BackupID, nil
	}})
	if err != nil {
		return errors.Join(err, a.undoBefore(cmd.Context(), done))
	}
	if err := a.printBackups(results); err != nil {
		// Nobody learns of a backup whose result is lost.
		return errors.Join(err, a.undoBefore(cmd.Context(), done))
	}
	return nil
}

func (a *app) printBackups(results []*backup.Result) error {
	for _, result := range results {
		if err := a.print(result, func(w io.Writer) { writeBackup(w, result) }); err != nil {
			return err
		}
	}
	return a.outputs(backupOutputs(results))
}

// undoTimeout bounds the removal of each backup, when the command's own context may be gone.
const undoTimeout = 2 * time.Minute

func (a *app) undoBefore(ctx context.Context, done []*subject) error {
	var problems []error
	for _, s := range done {
		if err := a.undoBackup(ctx, s); err != nil {
			problems = append(problems, afterChange(fmt.Errorf("undo of the backup of ring %q: %w", s.name, err)))
		}
	}
	return errors.Join(problems...)
}

func (a *app) undoBackup(ctx context.Context, s *subject) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTimeout)
	defer cancel()
	_, err := backup.After(ctx, s.Target, backup.AfterOptions{Operation: "on-failure"}, a.steps())
	return err
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
