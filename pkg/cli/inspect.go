package cli

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/backup"
	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/report"
)

func (a *app) status() *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "Show what lies on every volume: backups, restores, locks", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.statuses(cmd, "status", func(nodes []backup.NodeStatus) error {
				return a.print(nodes, func(w io.Writer) { writeStatus(w, nodes) })
			})
		},
	}
}

// statuses reads what lies on the volumes of every ring.
func (a *app) statuses(cmd *cobra.Command, operation string, show func([]backup.NodeStatus) error) error {
	return a.each(cmd, work{operation: operation, running: true, silent: true, do: func(ctx context.Context, s *subject, _ flow.Observer) (string, error) {
		nodes, err := backup.Status(ctx, s.Target)
		if err != nil {
			return "", err
		}
		return "", show(nodes)
	}})
}

func writeStatus(w io.Writer, nodes []backup.NodeStatus) {
	t := report.Table{Header: []string{"NODE", "WHAT", "ID", "STATE"}}
	for _, n := range nodes {
		t.Add(n.Name, "volume", n.Identity, fmt.Sprintf("%s of %s free", report.Bytes(int64(n.Free)), report.Bytes(int64(n.Total))))
		if l := n.Lock; l != nil {
			state := "held"
			if l.Parked {
				state = "parked"
			}
			t.Add(n.Name, "lock", l.Operation, fmt.Sprintf("%s by %s since %s", state, l.Holder, l.Since.Format(time.RFC3339)))
		}
		for _, b := range n.Backups {
			state := "not complete"
			if b.Complete {
				state = "complete"
			}
			if b.Volume != n.Identity {
				state += ", of another volume"
			}
			if b.Problem != "" {
				state += ", " + b.Problem
			}
			t.Add(n.Name, "backup", b.ID, state)
		}
		for _, r := range n.Restores {
			state := restoreState(r)
			if r.Volume != n.Identity {
				state += ", of another volume"
			}
			t.Add(n.Name, "restore", r.ID, state+" (backup "+r.BackupID+")")
		}
	}
	t.Write(w)
}

// restoreState says how far a restore of a volume came.
func restoreState(r wire.RestoreSummary) string {
	switch {
	case r.Done:
		return "done"
	case r.Cleaned != nil:
		return "put in place by the cleaner at " + r.Cleaned.Time.UTC().Format(time.RFC3339)
	case r.Offline && len(r.Steps) > 0:
		return "half cleaned: start no node, clean again"
	case r.Loaded:
		return "loaded, not verified"
	case len(r.Steps) > 0:
		return "stopped at: " + r.Steps[len(r.Steps)-1].Step
	}
	return "begun"
}

func (a *app) list() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the backups on the volumes", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.statuses(cmd, "list", func(nodes []backup.NodeStatus) error {
				list := backup.List(nodes)
				return a.print(list, func(w io.Writer) {
					t := report.Table{Header: []string{"BACKUP", "COMPLETE", "NODES", "VOLUMES", "PROBLEMS"}}
					for _, l := range list {
						t.Add(l.ID, l.Complete, len(l.Nodes), l.Volumes, strings.Join(l.Problems, "; "))
					}
					t.Write(w)
				})
			})
		},
	}
}

func (a *app) verify() *cobra.Command {
	id, full := "", false
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Verify a backup on its volumes: documents, files, checksums",
		Long:  "verify needs no running Cassandra. Without --full it compares names, sizes, digest\nfiles and the checksums of small files; --full reads every byte of data and is\nwhat finds a flipped bit.",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.each(cmd, work{operation: "verify", running: true, silent: true, do: func(ctx context.Context, s *subject, observer flow.Observer) (string, error) {
				v, err := backup.Verify(ctx, s.Target, id, full, observer)
				if v == nil {
					return "", err
				}
				return id, a.printWith(err, v, func(w io.Writer) { writeVerified(w, v) })
			}})
		},
	}
	cmd.Flags().StringVar(&id, "backup", "", "id of the backup; the newest when left out")
	cmd.Flags().BoolVar(&full, "full", false, "read every Data.db and compare it with its digest")
	return cmd
}

func writeVerified(w io.Writer, v *backup.Verified) {
	for i, name := range v.Nodes {
		fmt.Fprintf(w, "node %s: %d tables verified\n", name, v.Tables[i])
	}
	for _, p := range v.Problems {
		fmt.Fprintf(w, "problem: %s\n", p)
	}
	if len(v.Problems) == 0 {
		how := "documents, names, sizes and digest files"
		if v.Full {
			how = "documents and every byte"
		}
		fmt.Fprintf(w, "backup %s is whole: %s agree\n", v.BackupID, how)
	}
}
