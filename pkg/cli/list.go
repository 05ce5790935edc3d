package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/casshook/casshook/pkg/backup"
	"github.com/casshook/casshook/pkg/report"
)

// windowText is how long snapshots took.
func windowText(ms float64) string {
	if ms == 0 {
		return "unknown"
	}
	return fmt.Sprintf("%.2f ms", ms)
}

func (a *app) list() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the backups on the volumes", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.statuses(cmd, "list", func(nodes []backup.NodeStatus, err error) error {
				if err != nil {
					return err
				}
				for _, n := range nodes {
					if n.Problem != "" {
						fmt.Fprintf(a.stderr, "node %s cannot be read: %s\n", n.Name, n.Problem)
					}
				}
				list := backup.List(nodes)
				return a.print(list, func(w io.Writer) {
					t := report.Table{Header: []string{"BACKUP", "COMPLETE", "NODES", "VOLUMES", "WINDOW", "PROBLEMS"}}
					for _, l := range list {
						t.Add(l.ID, l.Complete, len(l.Nodes), l.Volumes, windowText(l.WindowMS), strings.Join(l.Problems, "; "))
					}
					t.Write(w)
				})
			})
		},
	}
}
