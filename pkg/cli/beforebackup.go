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
		Short: "Snapshot all nodes at the same moment and describe the backup on every volume",
		Long: "before-backup snapshots all nodes at the same moment. It writes the schema, the\n" +
			"grants and a description of every SSTable to every volume. Until after-backup\n" +
			"removes them, any copy of the volumes is a restore point.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.runBefore(cmd, opts)
		},
	}
	f := cmd.Flags()
	number{f, "min-free", "minimum free fraction of every volume"}.fraction(&opts.MinFree, 0.05)
	number{f, "snapshot-timeout", "how long to wait for a snapshot whose call timed out"}.timeout(&opts.Wait, 10*time.Minute)
	number{f, "max-skew", "how far apart the nodes may start their snapshots before all start over; 0 for any"}.period(&opts.MaxSkew, 5*time.Second)
	number{f, "wait-views", "how long to wait for views that are being built; 0 backs up at once, and a restore rebuilds them"}.period(&opts.WaitViews, 0)
	number{f, "keep-earlier", "keep an earlier backup for this long, since its volume snapshots may still be running"}.period(&opts.ParkedFor, 0)
	ownerFlag(f, &opts.Owner)
	snapshotTimeout(f, &opts.SnapshotTimeout)
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
		return errors.Join(err, a.undoBefore(cmd.Context(), done, results))
	}
	if err := a.printBackups(results); err != nil {
		// Nobody learns of a backup whose result is lost.
		return errors.Join(err, a.undoBefore(cmd.Context(), done, results))
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

func (a *app) undoBefore(ctx context.Context, done []*subject, results []*backup.Result) error {
	var problems []error
	for i, s := range done {
		if err := a.undoBackup(ctx, s, results[i].BackupID); err != nil {
			problems = append(problems, afterChange(fmt.Errorf("undo of the backup of ring %q: %w", s.name, err)))
		}
	}
	return errors.Join(problems...)
}

func (a *app) undoBackup(ctx context.Context, s *subject, id string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTimeout)
	defer cancel()
	_, err := backup.After(ctx, s.Target, backup.AfterOptions{Operation: "on-failure", BackupID: id}, a.steps())
	return err
}

func writeBackup(w io.Writer, r *backup.Result) {
	t := report.Table{Header: []string{"NODE", "HOST ID", "SSTABLES", "SIZE", "VIA"}}
	for _, n := range r.Nodes {
		t.Add(n.Name, n.HostID, n.SSTables, report.Bytes(n.Bytes), n.Via)
	}
	t.Write(w)
	writeWarnings(w, r.Warnings)
	fmt.Fprintf(w, "backup %s: %s; skew %.2f ms between node starts, %.2f ms from first start to last end\n",
		r.BackupID, report.Count(r.Tables, "table"), r.Skew.StartMS, r.Skew.TotalMS)
}
