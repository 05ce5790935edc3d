package backup

import (
	"context"
	"errors"
	"fmt"

	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/ledger"
	"github.com/casshook/casshook/pkg/ring"
)

// checkVolumes refuses volumes that came back with a restore point and were not
// restored yet: their snapshot is the only good data. Leftovers of our own
// earlier runs on these very volumes are removed.
func (b *before) checkVolumes(ctx context.Context) error {
	volumes, err := b.Inspect(ctx)
	if err != nil {
		return err
	}
	if err := ring.CheckSpace(b.Sessions, volumes, b.opts.MinFree); err != nil {
		return err
	}
	if err := checkVolume(volumes); err != nil {
		return err
	}
	own, err := removable(volumes, ledger.BeforeBackup, ledger.Selection{})
	if err != nil {
		return err
	}
	earlier := removal{volumes, own, b.opts.SnapshotTimeout, b.observer.Progress}
	if err := waitVolumeSnapshots(ctx, b.Target.VolumeSnapshots, earlier); err != nil {
		return err
	}
	removed, err := removeOwn(ctx, b.Cluster, earlier, b.clearing())
	if removed.Orphans > 0 {
		b.observer.Progress(fmt.Sprintf("removed %d snapshot directories that no backup knows", removed.Orphans))
	}
	return err
}

// checkVolume refuses a volume where the data has backups whose documents are in
// another place: nobody could say whether they are the only good data.
func checkVolume(volumes []ledger.Volume) error {
	var refused []error
	for _, v := range volumes {
		for _, o := range v.Orphans {
			if o.Documents != "" {
				refused = append(refused, fmt.Errorf("node %s: the data directories have snapshots of backup %s, whose documents are in %s, which is not on the volume that you name; "+
					"name the volume that the backup was made with, or remove the backup with casshook discard and that volume", v.Node, o.Tag, o.Documents))
			}
		}
	}
	return flow.Fail(flow.Precondition, errors.Join(refused...))
}
