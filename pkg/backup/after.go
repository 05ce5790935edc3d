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
	// Owner of the backups that may be removed; empty is a person's.
	Owner string
	// BackupID is the only one to remove, whoever owns it.
	BackupID string
	// SnapshotTimeout bounds the wait for volume snapshots that are being cut,
	// where the target knows of them; 0 does not wait.
	SnapshotTimeout time.Duration
}

func (o AfterOptions) selection() ledger.Selection {
	return ledger.Selection{Owner: owner(o.Owner), BackupID: o.BackupID}
}

// after is one run of after-backup or on-failure on one ring.
type after struct {
	*ring.Cluster
	opts     AfterOptions
	observer flow.Observer

	volumes []ledger.Volume
	// own are the ids to remove, by volume.
	own [][]string
	// other is a backup of another owner, whose lock stays parked.
	other   string
	removed *Removed
}

// After removes the snapshots and documents of its owner, or of one id, from every
// node, once the volume snapshots are cut, and gives the lock back. It needs no
// running Cassandra. Backups of others stay as they are, and so does a lock that is
// parked for them. after-backup fails where its backup is gone and it was none of
// these two hooks that removed it.
func After(ctx context.Context, target ring.Target, opts AfterOptions, observer flow.Observer) (*Removed, error) {
	c, err := ring.Connect(ctx, target)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	a := &after{Cluster: c, opts: opts, observer: observer, removed: &Removed{Backups: []string{}}}
	if err := a.look(ctx); err != nil {
		return a.removed, err
	}
	if a.nothing() && a.other != "" {
		return a.removed, a.fate()
	}
	err = flow.Run(ctx, slices.Concat([]flow.Step{
		{Name: "taking the lock", Do: func(ctx context.Context) error { return c.Lock(ctx, opts.Operation, a.other, 0) }, Undo: c.Unlock},
	}, c.UnderLock(
		flow.Step{Name: "checking the volumes", Do: a.look},
		flow.Step{Name: "waiting for the volume snapshots", Do: func(ctx context.Context) error {
			return waitVolumeSnapshots(ctx, target.VolumeSnapshots, removal{a.volumes, a.own, opts.SnapshotTimeout, observer.Progress})
		}},
		flow.Step{Name: "removing the backup", Do: a.remove},
	), []flow.Step{
		{Name: "releasing the lock", Do: a.release},
	}), observer)
	return a.removed, err
}

// look finds what is to be removed.
func (a *after) look(ctx context.Context) (err error) {
	if a.volumes, err = a.Inspect(ctx); err != nil {
		return err
	}
	selection := a.opts.selection()
	if a.own, err = removable(a.volumes, ledger.Remove, selection); err != nil {
		return err
	}
	a.other = ""
	for _, v := range a.volumes {
		for _, b := range v.Backups {
			if !selection.Has(b) && b.ID > a.other {
				a.other = b.ID
			}
		}
	}
	return nil
}

func (a *after) nothing() bool { return len(slices.Concat(a.own...)) == 0 }

// fate is whether finding nothing is success.
func (a *after) fate() error {
	if a.opts.Operation == "on-failure" {
		return nil
	}
	return flow.Fail(flow.Precondition, ledger.Missing(a.volumes, a.opts.selection()))
}

func (a *after) remove(ctx context.Context) (err error) {
	a.removed, err = removeOwn(ctx, a.Cluster, removal{volumes: a.volumes, own: a.own}, wire.ClearArgs{Operation: a.opts.Operation, Owner: owner(a.opts.Owner)})
	if err == nil && a.nothing() {
		return a.fate()
	}
	return err
}

// release gives the lock back, or parks it again for the backup of another owner.
func (a *after) release(ctx context.Context) error {
	if a.other != "" {
		return a.Park(ctx)
	}
	return a.Unlock(ctx)
}

// clockSlack is how far the clock of the run that made the backup may be ahead of
// the one that dates volume snapshots: one that is taken for an older one would be
// cut from volumes whose backup is gone. Waiting for one too many costs nothing.
const clockSlack = time.Hour

// removal is what is to be removed: the ids by volume, and how long it may wait.
type removal struct {
	volumes  []ledger.Volume
	own      [][]string
	limit    time.Duration
	progress func(string)
}

// waitVolumeSnapshots waits until the volume snapshots that were begun since the
// earliest of the backups that are to be removed are cut: until then they must stay.
func waitVolumeSnapshots(ctx context.Context, waiter ring.VolumeSnapshots, r removal) error {
	if waiter == nil || r.limit == 0 {
		return nil
	}
	var since time.Time
	found := false
	for i, v := range r.volumes {
		for _, b := range v.Backups {
			if !slices.Contains(r.own[i], b.ID) || ledger.OriginOf(b, v) == ledger.Copy {
				continue
			}
			if !found || b.Started.Before(since) {
				since = b.Started
			}
			found = true
		}
	}
	if !found {
		return nil
	}
	return waiter.WaitVolumeSnapshots(ctx, since.Add(-clockSlack), r.limit, r.progress)
}

// removeOwn removes the backups that removable lists, by volume.
func removeOwn(ctx context.Context, c *ring.Cluster, what removal, args wire.ClearArgs) (*Removed, error) {
	removed := &Removed{Backups: []string{}}
	for _, id := range slices.Concat(what.own...) {
		if !slices.Contains(removed.Backups, id) {
			removed.Backups = append(removed.Backups, id)
		}
	}
	results, err := ring.Each(c.Sessions, func(i int, s *ring.Session) (wire.ClearResult, error) {
		var r wire.ClearResult
		args := args
		args.BackupIDs = what.own[i]
		for _, o := range what.volumes[i].Orphans {
			if o.Documents == "" {
				args.Orphans = append(args.Orphans, o.Tag)
			}
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

// removable lists by volume the ids that may be removed: backups that were made on
// these very volumes, and what is none because it was never completed. It refuses
// where any is the only good data, whoever owns it.
func removable(volumes []ledger.Volume, op ledger.Operation, selection ledger.Selection) ([][]string, error) {
	own := make([][]string, len(volumes))
	var refused []error
	for i, v := range volumes {
		for _, b := range v.Backups {
			if selection.BackupID != "" && !selection.Has(b) {
				continue
			}
			s := ledger.StateOf(v, b)
			if a := ledger.Next(ledger.Request{Operation: op}, s); a.Refuses() {
				refused = append(refused, fmt.Errorf("node %s: %s", v.Node, reason(a, v, b)))
				continue
			} else if a == ledger.Leave {
				continue
			}
			if selection.Has(b) {
				own[i] = append(own[i], b.ID)
			}
		}
	}
	if len(refused) > 0 {
		return nil, flow.Fail(flow.Precondition, errors.Join(refused...))
	}
	return own, nil
}

// unknown says what to do where nothing tells whether a backup is the only good data.
func unknown(v ledger.Volume, b ledger.Backup) string {
	return fmt.Sprintf("cannot tell whether backup %s of %s was made on this volume, or came with a restored copy (%s): "+
		"if a restore point was restored, run after-restore --restored; if the data on the volume is live, remove the backup with casshook discard --backup %s",
		b.ID, b.Started.Format(time.RFC3339), ledger.Explain(b, v), b.ID)
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
	if a == ledger.RefuseUnknown {
		return unknown(v, b)
	}
	return fmt.Sprintf("the volume was restored and carries backup %s of %s, whose after-restore has not run: "+
		"its snapshot is the only good data; run after-restore first", b.ID, b.Started.Format(time.RFC3339))
}
