package cli

import (
	"github.com/spf13/cobra"

	"github.com/casshook/casshook/pkg/backup"
)

func (a *app) onFailure() *cobra.Command {
	opts := backup.AfterOptions{Operation: "on-failure"}
	return &cobra.Command{
		Use: opts.Operation, Short: "Remove the backup from the volumes after the volume snapshots failed", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.runAfter(cmd, opts) },
	}
}
