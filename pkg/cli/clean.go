package cli

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/report"
	"github.com/casshook/casshook/pkg/restore"
)

func (a *app) clean() *cobra.Command {
	var opts restore.Options
	dryRun := false
	cmd := &cobra.Command{
		Use:   "clean [PVC...]",
		Short: "Restore stopped nodes offline: one Job per volume",
		Long: "clean restores the volumes of a datacenter that is stopped or does not exist yet. It\n" +
			"runs one Job per volume and removes it afterwards. Without names it cleans all\n" +
			"volumes of all rings in the namespace. Clean all volumes of a ring before any of its\n" +
			"nodes starts. For a stopped datacenter, after-restore does all of this, then starts\n" +
			"the datacenter and verifies the result.",
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, claims []string) error { return a.runClean(cmd, claims, opts, dryRun) },
	}
	f := cmd.Flags()
	f.StringVar(&opts.Backup, "backup", "", "id of the backup (default: the newest that is complete on every volume)")
	f.BoolVar(&opts.InPlace, "in-place", false, "roll back the original volumes, not restored ones; all writes since the backup are lost")
	f.BoolVar(&opts.Restored, "restored", false, aboutRestored)
	cmd.MarkFlagsMutuallyExclusive("in-place", "restored")
	f.BoolVar(&opts.Full, "full", false, "read and verify every byte of data before changing anything")
	f.BoolVar(&dryRun, "dry-run", false, "check and verify everything; change nothing")
	a.offlineFlags(f, &opts)
	return cmd
}

func (a *app) runClean(cmd *cobra.Command, claims []string, opts restore.Options, dryRun bool) error {
	if a.place.inventory != "" {
		return flow.Failf(flow.Usage, "clean is for Kubernetes only; on hosts, run casshook-agent clean on each node (docs/cleaner.md)")
	}
	if err := a.checkClean(claims); err != nil {
		return err
	}
	if len(claims) > 0 {
		return a.cleanLoose(cmd.Context(), claims, opts, dryRun)
	}
	subjects, err := a.subjects(cmd.Context())
	if noDatacenter(err) {
		return a.cleanLoose(cmd.Context(), nil, opts, dryRun)
	}
	if err != nil {
		return err
	}
	for i, s := range subjects {
		volumes := restore.Volumes{Cleaner: s.Stopped, Locker: s.Locker, Cluster: s.ClusterName, Place: s.Place}
		err := a.cleanVolumes(cmd.Context(), volumes, opts, dryRun)
		if err != nil && i > 0 && !dryRun {
			err = afterChange(err) // the rings before this one are cleaned
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// checkClean finds wrong usage before anything is looked for.
func (a *app) checkClean(claims []string) error {
	switch {
	case a.place.image == "" && a.place.namespace != "":
		return flow.Failf(flow.Usage, "clean runs Jobs: set --image to the casshook image")
	case len(claims) > 0 && a.place.datacenter != "":
		return flow.Failf(flow.Usage, "the names of claims say what to clean: leave out --datacenter")
	}
	return checkClaims(claims)
}

// cleanLoose cleans the named volumes, or those of a namespace without datacenters.
func (a *app) cleanLoose(ctx context.Context, claims []string, opts restore.Options, dryRun bool) error {
	client, err := a.connect()
	if err != nil {
		return err
	}
	loose, err := client.VolumeClaims(ctx, claims)
	if err != nil {
		return err
	}
	place, err := client.Place(ctx, a.place.namespace)
	if err != nil {
		return err
	}
	return a.cleanVolumes(ctx, restore.Volumes{Cleaner: loose, Place: place, Part: len(claims) > 0}, opts, dryRun)
}

func (a *app) cleanVolumes(ctx context.Context, volumes restore.Volumes, opts restore.Options, dryRun bool) error {
	result, err := restore.CleanVolumes(ctx, volumes, dryRun, opts, a.steps())
	if err != nil {
		return err
	}
	if dryRun {
		return a.print(result, func(w io.Writer) { writeCleaned(w, result) })
	}
	return a.printChange(nil, result, func(w io.Writer) { writeCleaned(w, result) })
}

// writeCleaned is for people.
func writeCleaned(w io.Writer, c *restore.Cleaned) {
	if c.Visible != nil {
		writeVisible(w, c.BackupID, c.Visible)
		return
	}
	t := &report.Table{Header: []string{"VOLUME", "NODE", "STATE", "TABLES", "FILES", "BYTES", "REMOVED", "LINKED", "PEERS"}}
	for i, r := range c.Results {
		remembered := "kept"
		if r.PeersForgotten {
			remembered = "forgotten"
		}
		t.Add(c.Volumes[i], r.Node, r.State, fmt.Sprint(r.Tables), fmt.Sprint(r.Files), report.Bytes(r.Bytes), fmt.Sprint(r.Removed), fmt.Sprint(r.Linked), remembered)
	}
	t.Write(w)
	for i, r := range c.Results {
		writeOdd(w, c.Volumes[i], r)
	}
	if len(c.Others) > 0 {
		fmt.Fprintf(w, "warning: the backup also includes %s: clean their volumes before any node starts\n", strings.Join(c.Others, ", "))
	}
	if c.DryRun {
		fmt.Fprintf(w, "backup %s is complete on %s; nothing was changed\n", c.BackupID, report.Count(len(c.Results), "volume"))
		return
	}
	fmt.Fprintf(w, "backup %s is in place on %s: start the datacenter, then run after-restore to verify it\n", c.BackupID, report.Count(len(c.Results), "volume"))
}

// writeOdd names what was found on a volume that the backup does not know.
func writeOdd(w io.Writer, volume string, r *wire.CleanResult) {
	for _, e := range r.TablesEmptied {
		fmt.Fprintf(w, "%s: not in the backup, emptied: %s (%s)\n", volume, e.Path, report.Count(e.Files, "file"))
	}
	for _, path := range r.Foreign {
		fmt.Fprintf(w, "%s: unknown, kept: %s\n", volume, path)
	}
}
