package cli

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/casshook/casshook/pkg/backup"
	"github.com/casshook/casshook/pkg/flow"
)

func (a *app) verify() *cobra.Command {
	id, full := "", false
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Verify a backup on its volumes: documents, files, checksums",
		Long: "verify needs no running Cassandra. Without --full it compares names, sizes, digest\nfiles and the checksums of small files; --full reads every byte of data and is\n" +
			"what finds a flipped bit.",
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
