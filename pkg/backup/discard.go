package backup

import (
	"context"
	"slices"
	"time"

	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/ledger"
	"github.com/casshook/casshook/pkg/ring"
)

// DiscardOptions of discard.
type DiscardOptions struct {
	// BackupID is the backup to remove.
	BackupID string
	// SnapshotTimeout bounds the wait for volume snapshots that are being cut, where
	// the target knows of them; 0 does not wait.
	SnapshotTimeout time.Duration
}

// Discard removes one backup that nobody wants from every volume, with all that
// restores of it left, once the volume snapshots are cut. It asks nobody whether that
// is the only good data, but for a restore that stopped: that must be given up first.
// It needs no running Cassandra.
func Discard(ctx context.Context, target ring.Target, opts DiscardOptions, observer flow.Observer) (*Removed, error) {
	id := opts.BackupID
	c, err := ring.Connect(ctx, target)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	var volumes []ledger.Volume
	var own [][]string
	removed := &Removed{Backups: []string{}}
	look := func(ctx context.Context) (err error) {
		if volumes, err = c.Inspect(ctx); err != nil {
			return err
		}
		if !slices.ContainsFunc(volumes, func(v ledger.Volume) bool { _, there := v.Backup(id); return there }) {
			return flow.Failf(flow.Precondition, "no volume has backup %s", id)
		}
		for i := range volumes {
			volumes[i].Backups = slices.DeleteFunc(volumes[i].Backups, func(b ledger.Backup) bool { return b.ID != id })
		}
		own, err = removable(volumes, ledger.Discard, ledger.Selection{})
		return err
	}
	wait := func(ctx context.Context) error {
		return waitVolumeSnapshots(ctx, target.VolumeSnapshots, removal{volumes, own, opts.SnapshotTimeout, observer.Progress})
	}
	discard := func(ctx context.Context) error {
		results, err := ring.CallAll[wire.ClearResult](ctx, c.Sessions, wire.OpClear, wire.ClearArgs{BackupIDs: []string{id}, Restores: true, Operation: "discard", Owner: ledger.ManualOwner})
		for _, r := range results {
			removed.Snapshots += r.Snapshots
		}
		removed.Backups = []string{id}
		return flow.Fail(flow.HalfWay, err)
	}
	err = flow.Run(ctx, slices.Concat([]flow.Step{
		{Name: "taking the lock", Do: func(ctx context.Context) error { return c.Lock(ctx, "discard", id, 0) }, Undo: c.Unlock},
	}, c.UnderLock(
		flow.Step{Name: "checking the volumes", Do: look},
		flow.Step{Name: "waiting for the volume snapshots", Do: wait},
		flow.Step{Name: "discarding the backup", Do: discard, Destroys: true},
	), []flow.Step{{Name: "releasing the lock", Do: c.Unlock}}), observer)
	if err != nil {
		return nil, err
	}
	return removed, nil
}
