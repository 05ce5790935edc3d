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
			"digest files and the checksums of files up to 64 KiB. Only --full reads every byte of\n" +
			"every file and finds flipped bits: Data.db by Cassandra's digest, all other files\n" +
			"(and Data.db without one) by casshook's checksums. Backups before format 1.2 have\n" +
			"none of files over 64 KiB other than Data.db: --full names what it could not compare.",
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
	cmd.Flags().BoolVar(&full, "full", false, "read every byte of every file and compare it with a checksum")
	return cmd
}

// mostNotCovered is how many files are named.
const mostNotCovered = 10

func writeNotCovered(w io.Writer, files []string) {
	for _, file := range files[:min(len(files), mostNotCovered)] {
		fmt.Fprintf(w, "not covered: %s\n", file)
	}
	if len(files) > 0 {
		fmt.Fprintf(w, "%s not covered: the backup has no checksum of them, or Cassandra has written them anew since\n", report.Count(len(files), "file"))
	}
}

func writeVerified(w io.Writer, v *backup.Verified) {
	for i, name := range v.Nodes {
		fmt.Fprintf(w, "node %s: %s verified\n", name, report.Count(v.Tables[i], "table"))
	}
	writeNotCovered(w, v.NotCovered)
	for _, p := range v.Problems {
		fmt.Fprintf(w, "problem: %s\n", p)
	}
	if len(v.Problems) == 0 {
		how := "documents, names, sizes and digest files"
		switch {
		case v.Full && len(v.NotCovered) > 0:
			how = "documents and every byte that has a checksum"
		case v.Full:
			how = "documents and every byte"
		}
		fmt.Fprintf(w, "backup %s is intact: %s match\n", v.BackupID, how)
	}
}
