package restore

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/ledger"
	"github.com/casshook/casshook/pkg/ring"
)

// Abandoned says what a restore that was given up leaves.
type Abandoned struct {
	BackupID string `json:"backupId"`
	// Restores were given up; Stage is the furthest that any of them came.
	Restores []string     `json:"restores"`
	Stage    ledger.Stage `json:"stage"`
	// Scope of what they were to restore.
	Scope string `json:"scope"`
	// State is what state the tables are in, for people.
	State string `json:"state"`
}

// Abandon gives up the restores that stopped, so that hooks run again. It changes no
// data: the backup stays until it is discarded. It needs no running Cassandra.
func Abandon(ctx context.Context, target ring.Target, observer flow.Observer) (*Abandoned, error) {
	c, err := ring.Connect(ctx, target)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	var found []ledger.Restore
	var volumes []ledger.Volume
	look := func(ctx context.Context) (err error) {
		if volumes, err = c.Inspect(ctx); err != nil {
			return err
		}
		found, err = abandonable(volumes)
		return err
	}
	record := func(ctx context.Context) error {
		for _, r := range found {
			if err := abandon(ctx, c, r); err != nil {
				return flow.Fail(flow.HalfWay, err)
			}
		}
		return nil
	}
	err = flow.Run(ctx, slices.Concat([]flow.Step{
		{Name: "taking the lock", Do: func(ctx context.Context) error { return c.Lock(ctx, "abandon", "", 0) }, Undo: c.Unlock},
	}, c.UnderLock(
		flow.Step{Name: "checking the volumes", Do: look},
		flow.Step{Name: "recording that the restore is abandoned", Do: record, Destroys: true},
	), []flow.Step{{Name: "releasing the lock", Do: c.Unlock}}), observer)
	if err != nil {
		return nil, err
	}
	return abandonedOf(found), nil
}

// abandonable are the restores that stopped, each once. A volume that is half cleaned
// is refused: no node can start on it.
func abandonable(volumes []ledger.Volume) ([]ledger.Restore, error) {
	var found []ledger.Restore
	var half []string
	for _, v := range volumes {
		for _, r := range v.Restores {
			if !v.Here(r) || r.Abandoned || !r.Stage.Unfinished() {
				continue
			}
			if r.Offline && r.Stage.Destroys() {
				half = append(half, v.Node)
			}
			at := slices.IndexFunc(found, func(other ledger.Restore) bool { return other.ID == r.ID })
			if at < 0 {
				found = append(found, r)
			} else {
				found[at].Stage = max(found[at].Stage, r.Stage)
			}
		}
	}
	switch {
	case len(half) > 0:
		return nil, flow.Failf(flow.Precondition, "the volumes of %s are half cleaned, and no node can start on them: run after-restore (or the cleaner) again", strings.Join(half, ", "))
	case len(found) == 0:
		return nil, flow.Failf(flow.Precondition, "no restore stopped half-way on these volumes: there is nothing to abandon")
	}
	return found, nil
}

func abandon(ctx context.Context, c *ring.Cluster, r ledger.Restore) error {
	args := wire.JournalArgs{RestoreID: r.ID, BackupID: r.BackupID, Scope: r.Scope,
		Entry: ledger.Entry{Time: time.Now().UTC(), Step: ledger.AbandonStep, Ended: true}}
	_, err := ring.CallAll[struct{}](ctx, c.Sessions, wire.OpJournal, args)
	return err
}

func abandonedOf(restores []ledger.Restore) *Abandoned {
	a := &Abandoned{BackupID: restores[0].BackupID}
	var scopes []string
	for _, r := range restores {
		a.Restores, scopes = append(a.Restores, r.ID), append(scopes, r.Scope.String())
		a.Stage = max(a.Stage, r.Stage)
	}
	a.Scope = strings.Join(scopes, "; ")
	switch {
	case a.Stage < ledger.Loading:
		a.State = "its tables may be dropped, created anew or empty; nothing was loaded into them"
	case a.Stage < ledger.Loaded:
		a.State = "its tables may be empty, or hold some of their data"
	default:
		a.State = "the data of its tables is loaded; views and permissions may lack, and nothing was verified"
	}
	return a
}

// skips tells a restore that leaves something out.
func (o *online) skips() bool { return len(o.opts.Skip) > 0 && !o.isDone() }

// endWithout ends a restore that left something out: it is abandoned, so that hooks run
// again and keep the backup, which is the only one to hold what was left out.
func (o *online) endWithout(ctx context.Context) error {
	r := ledger.Restore{ID: o.earlier.ID, BackupID: o.source.id, Scope: o.earlier.scope}
	if err := abandon(ctx, o.Cluster, r); err != nil {
		return flow.Fail(flow.HalfWay, err)
	}
	text := fmt.Sprintf("not restored: %s; all else was restored and verified. Backup %s stays until casshook discard removes it", strings.Join(o.opts.Skip, ", "), o.source.id)
	return flow.Failf(flow.Differences, "%s", text)
}
