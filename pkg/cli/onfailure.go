package cli

import (
	"github.com/spf13/cobra"

	"github.com/casshook/casshook/pkg/backup"
)

func (a *app) onFailure() *cobra.Command {
	opts := backup.AfterOptions{Operation: "on-failure"}
	return a.afterCommand(&opts, "Remove the backup from the volumes after the volume snapshots failed")
}
