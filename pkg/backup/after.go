package backup

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/ledger"
	"github.com/casshook/casshook/pkg/ring"
)

// Removed is what after-backup or on-failure took away.
type Removed struct {
	// Backups are the ids removed from at least one volume.
	Backups   []string `json:"backups"`
	Snapshots int      `json:"snapshots"`
	// Orphans are directories of snapshots that no backup knows.
	Orphans int `json:"orphans,omitempty"`
}

// AfterOptions of after-backup and on-failure.
type AfterOptions struct {
	// Operation is its name, which the lock bears.
	Operation string
	// SnapshotTimeout bounds the wait for volume snapshots that are being cut,
	// where the target knows of them; 0 does not wait, as a backup that failed need
	// not.
	SnapshotTimeout time.Duration
}

// After removes our snapshots and documents from every node, once the volume
// snapshots are cut, and gives the lock back. It needs no running Cassandra, and
// it succeeds when there is nothing to do.
func After(ctx context.Context, target ring.Target, opts AfterOptions, observer flow.Observer) (*Removed, error) {
	c, err := ring.Connect(ctx, target)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	var volumes []ledger.Volume
	removed := &Removed{}
	err = flow.Run(ctx, slices.Concat([]flow.Step{
		{Name: "taking the lock", Do: func(ctx context.Context) error { return c.Lock(ctx, opts.Operation, "", 0) }, Undo: c.Unlock},
	}, c.UnderLock(
		flow.Step{Name: "checking the volumes", Do: func(ctx context.Context) (err error) { volumes, err = c.Inspect(ctx); return err }},
		flow.Step{Name: "waiting for the volume snapshots", Do: func(ctx context.Context) error {
			return waitVolumeSnapshots(ctx, target.VolumeSnapshots, volumes, opts.SnapshotTimeout, observer.Progress)
		}},
		flow.Step{Name: "removing the backup", Do: func(ctx context.Context) (err error) {
			removed, err = removeOwn(ctx, c, volumes, ledger.Remove)
			return err
		}},
	), []flow.Step{
		{Name: "releasing the lock", Do: c.Unlock},
	}), observer)
	return removed, err
}

// clockSlack is how far the clock of the run that made the backup may be ahead of
// the one that dates volume snapshots: one that is taken for an older one would be
// cut from volumes whose backup is gone. Waiting for one too many costs nothing.
const clockSlack = time.Hour

// waitVolumeSnapshots waits until the volume snapshots that were begun since the
// earliest of our backups are cut: until then the backup must stay.
func waitVolumeSnapshots(ctx context.Context, waiter ring.VolumeSnapshots, volumes []ledger.Volume, limit time.Duration, progress func(string)) error {
	if waiter == nil || limit == 0 {
		return nil
	}
	var since time.Time
	for _, v := range volumes {
		for _, b := range v.Backups {
			if ledger.OriginOf(b, v.Identity) == ledger.Original && (since.IsZero() || b.Started.Before(since)) {
				since = b.Started
			}
		}
	}
	if since.IsZero() {
		return nil
	}
	return waiter.WaitVolumeSnapshots(ctx, since.Add(-clockSlack), limit, progress)
}

// removeOwn removes the backups that were made on these very volumes, and what is
// no backup because it was never completed. A backup that is the only good data is
// refused, before anything is removed.
func removeOwn(ctx context.Context, c *ring.Cluster, volumes []ledger.Volume, op ledger.Operation) (*Removed, error) {
	removed := &Removed{Backups: []string{}}
	own, err := removable(volumes, op)
	if err != nil {
		return removed, err
	}
	for _, id := range slices.Concat(own...) {
		if !slices.Contains(removed.Backups, id) {
			removed.Backups = append(removed.Backups, id)
		}
	}
	results, err := ring.Each(c.Sessions, func(i int, s *ring.Session) (wire.ClearResult, error) {
		var r wire.ClearResult
		args := wire.ClearArgs{BackupIDs: own[i]}
		for _, o := range volumes[i].Orphans {
			args.Orphans = append(args.Orphans, o.Tag)
		}
		if len(args.BackupIDs)+len(args.Orphans) == 0 {
			return r, nil
		}
		err := s.Call(ctx, wire.OpClear, args, &r)
		return r, err
	})
	for _, r := range results {
		removed.Snapshots += r.Snapshots
		removed.Orphans += r.Orphans
	}
	return removed, err
}

// removable lists by volume the ids that may be removed, or refuses because of
// what may not.
func removable(volumes []ledger.Volume, op ledger.Operation) ([][]string, error) {
	own := make([][]string, len(volumes))
	var refused []error
	for i, v := range volumes {
		for _, b := range v.Backups {
			s := ledger.StateOf(v, b)
			if a := ledger.Next(ledger.Request{Operation: op}, s); a.Refuses() {
				refused = append(refused, fmt.Errorf("node %s: %s", v.Node, reason(a, v, b)))
				continue
			} else if a == ledger.Leave {
				continue
			}
			own[i] = append(own[i], b.ID)
		}
	}
	if len(refused) > 0 {
		return nil, flow.Fail(flow.Precondition, errors.Join(refused...))
	}
	return own, nil
}

// reason says why a backup may not go, and what to do.
func reason(a ledger.Action, v ledger.Volume, b ledger.Backup) string {
	switch a {
	case ledger.RefuseHalfWay:
		var scopes []string
		for _, r := range v.Interrupted() {
			if r.BackupID == b.ID && !r.Scope.Whole {
				scopes = append(scopes, r.Scope.String())
			}
		}
		hint := ""
		if len(v.Backups) > 1 { // it takes the newest by itself
			hint = " --backup " + b.ID
		}
		if len(scopes) > 0 {
			hint += " --include " + strings.Join(scopes, ",")
		}
		if hint != "" {
			hint = " with" + hint
		}
		return fmt.Sprintf("an after-restore of backup %s stopped half-way: its snapshot is the only good data; run after-restore again%s; "+
			"if it cannot end, leave out what fails with --skip, or give it up with --abandon", b.ID, hint)
	case ledger.RefuseCleaning:
		return fmt.Sprintf("the volume is half cleaned with backup %s: its snapshot is the only good data; stop the ring and run after-restore (or the cleaner) again", b.ID)
	case ledger.RefusePart:
		return fmt.Sprintf("only a part of backup %s was restored: its snapshot is the only good data of all other tables; "+
			"run after-restore without --include and --exclude first", b.ID)
	}
	return fmt.Sprintf("the volume was restored and carries backup %s of %s, whose after-restore has not run: "+
		"its snapshot is the only good data; run after-restore first", b.ID, b.Started.Format(time.RFC3339))
}
