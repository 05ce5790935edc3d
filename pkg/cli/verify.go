package cli

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/casshook/casshook/pkg/backup"
	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/report"
)

func (a *app) verify() *cobra.Command {
	id, full := "", false
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Verify the documents, files and checksums of a backup on its volumes",
		Long: "verify does not need a running Cassandra. Without --full it compares names, sizes,\n" +
			"digest files and the checksums of small files. Only --full reads every byte of data\nand finds flipped bits.",
		Args: cobra.NoArgs,
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
	cmd.Flags().StringVar(&id, "backup", "", "id of the backup (default: the newest)")
	cmd.Flags().BoolVar(&full, "full", false, "read every Data.db file and compare it with its digest")
	return cmd
}

func writeVerified(w io.Writer, v *backup.Verified) {
	for i, name := range v.Nodes {
		fmt.Fprintf(w, "node %s: %s verified\n", name, report.Count(v.Tables[i], "table"))
	}
	for _, p := range v.Problems {
		fmt.Fprintf(w, "problem: %s\n", p)
	}
	if len(v.Problems) == 0 {
		how := "documents, names, sizes and digest files"
		if v.Full {
			how = "documents and every byte"
		}
		fmt.Fprintf(w, "backup %s is intact: %s match\n", v.BackupID, how)
	}
}
