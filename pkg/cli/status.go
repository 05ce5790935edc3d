package cli

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/casshook/casshook/pkg/ledger"

	"github.com/spf13/cobra"

	"github.com/casshook/casshook/pkg/backup"
	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/report"
)

func (a *app) status() *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "Show the backups, restores and locks on every volume", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.statuses(cmd, "status", func(nodes []backup.NodeStatus, err error) error {
				return a.printWith(err, nodes, func(w io.Writer) { writeStatus(w, nodes) })
			})
		},
	}
}

// statuses reads what lies on the volumes of every ring. Where no node can be looked at,
// show is told the error beside the nodes.
func (a *app) statuses(cmd *cobra.Command, operation string, show func([]backup.NodeStatus, error) error) error {
	return a.each(cmd, work{operation: operation, running: true, silent: true, do: func(ctx context.Context, s *subject, _ flow.Observer) (string, error) {
		nodes, err := backup.Status(ctx, s.Target)
		if len(nodes) == 0 {
			return "", err
		}
		return "", show(nodes, err)
	}})
}

func writeStatus(w io.Writer, nodes []backup.NodeStatus) {
	t := report.Table{Header: []string{"NODE", "WHAT", "ID", "STATE"}}
	for _, n := range nodes {
		if n.Problem != "" {
			t.Add(n.Name, "node", "", n.Problem)
			continue
		}
		t.Add(n.Name, "volume", n.Identity, fmt.Sprintf("%s of %s free", report.Bytes(int64(n.Free)), report.Bytes(int64(n.Total))))
		if l := n.Lock; l != nil {
			t.Add(n.Name, "lock", l.Operation, lockState(l))
		}
		for _, b := range n.Backups {
			state := "not complete"
			if b.Complete {
				state = "complete"
			}
			state += map[ledger.Origin]string{ledger.Copy: ", of another volume", ledger.Unknown: ", of this or another volume (unknown)"}[ledger.OriginOf(b, n.Volume)]
			if b.Problem != "" {
				state += ", " + b.Problem
			}
			t.Add(n.Name, "backup", b.ID, state)
		}
		for _, o := range n.Orphans {
			t.Add(n.Name, "snapshot", o.Tag, orphanState(o))
		}
		for _, r := range n.Restores {
			t.Add(n.Name, "restore", r.ID, restoreOn(n, r))
		}
		for _, r := range n.Archived {
			t.Add(n.Name, "archived", r.ID, restoreOn(n, r)+", done again since")
		}
	}
	t.Write(w)
}

func orphanState(o ledger.Orphan) string {
	state := fmt.Sprintf("in %d table directories, ", o.Directories)
	if o.Documents != "" {
		return state + "of a backup of another volume: its documents are in " + o.Documents
	}
	return state + "of no backup; the next hook removes it"
}

// restoreOn says how far a restore came, of which volume and backup.
func restoreOn(n backup.NodeStatus, r ledger.Restore) string {
	state := restoreState(r)
	if !r.Finished.IsZero() {
		state += " at " + r.Finished.UTC().Format(time.RFC3339)
	}
	if !n.Here(r) {
		state += ", of another volume"
	}
	return state + " (backup " + r.BackupID + ")"
}

// lockState says who has a lock, and whether anybody still does.
func lockState(l *ledger.Lock) string {
	since := l.Since.Format(time.RFC3339)
	switch {
	case l.Parked:
		return fmt.Sprintf("parked by %s since %s", l.Holder, since)
	case l.Dead:
		return fmt.Sprintf("taken by %s at %s, which is dead: the next operation takes it over", l.Holder, since)
	}
	return fmt.Sprintf("held by %s since %s", l.Holder, since)
}

// restoreState says how far a restore of a volume came.
func restoreState(r ledger.Restore) string {
	switch {
	case r.Stage == ledger.Done && r.Scope.Whole:
		return "done"
	case r.Stage == ledger.Done && len(r.Scope.Tables) == 0:
		return "done, of everything or of a part (not recorded)"
	case r.Stage == ledger.Done:
		return "done, a part: " + r.Scope.String()
	case r.Cleaned != nil:
		return "put in place by the cleaner at " + r.Cleaned.Time.UTC().Format(time.RFC3339)
	case r.Offline && r.Stage.Destroys():
		return "partly cleaned: do not start the node, run clean again"
	case r.Stage.Unfinished() && !r.Stage.Destroys():
		return "loaded, not verified"
	case len(r.Steps) > 0:
		return "stopped at: " + r.Steps[len(r.Steps)-1].Step
	}
	return "begun"
}
