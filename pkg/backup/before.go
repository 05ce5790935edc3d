// Package backup is the hooks around a volume snapshot: before-backup freezes
// the whole ring under one tag and describes it on every volume, after-backup
// and on-failure remove what it left.
package backup

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/document"
	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/ledger"
	"github.com/casshook/casshook/pkg/ring"
)

// Options of before-backup.
type Options struct {
	// CreatedBy is the program and version that the documents name.
	CreatedBy string
	// MinFree is the fraction of every volume that must be free.
	MinFree float64
	// Wait is how long a snapshot whose outcome is unknown is waited for.
	Wait time.Duration
	// MaxSkew is how far apart the nodes may start their snapshots; any distance
	// where 0.
	MaxSkew time.Duration
	// WaitViews is how long views that are being built are waited for; 0 does not wait,
	// and records them.
	WaitViews time.Duration
	// ParkedFor keeps an earlier backup, whose volume snapshot may not have been
	// cut yet, from being replaced while it is younger.
	ParkedFor time.Duration
	// Owner of the backup; empty is a person's.
	Owner string
	// SnapshotTimeout bounds the wait for volume snapshots of an earlier backup, which
	// must stay until they are cut; 0 does not wait.
	SnapshotTimeout time.Duration
}

// Result is what before-backup reports.
type Result struct {
	BackupID string        `json:"backupId"`
	Skew     document.Skew `json:"skew"`
	Nodes    []NodeResult  `json:"nodes"`
	// Tables of the whole ring, views and system tables included.
	Tables int `json:"tables"`
	// Statements is how many CQL statements were sent.
	Statements int64 `json:"statements"`
	// Warnings say what a restore from this backup cannot do, or does otherwise than
	// one may expect.
	Warnings []string `json:"warnings,omitempty"`
}

// NodeResult is one node of the backup.
type NodeResult struct {
	Name     string `json:"name"`
	HostID   string `json:"hostId"`
	SSTables int    `json:"sstables"`
	Bytes    int64  `json:"bytes"`
	Via      string `json:"via"`
}

// snapshotTries is how often a snapshot is taken of which the schema changed, or
// that the nodes did not start together.
const snapshotTries = 3

var errSchemaChanged = errors.New("the schema changed during the snapshot")

type before struct {
	*ring.Cluster
	opts     Options
	observer flow.Observer
	id       string

	described described
	results   []wire.SnapshotResult
	written   []wire.WriteResult
	cluster   document.Cluster
	// asked are the settings of each node.
	asked    []ring.AskedNode
	warnings []string
}

// Before makes a backup of the ring: after it, and until After, a volume snapshot
// of all volumes is a restore point.
func Before(ctx context.Context, target ring.Target, opts Options, observer flow.Observer) (*Result, error) {
	id, err := newID()
	if err != nil {
		return nil, err
	}
	c, err := ring.Connect(ctx, target)
	if err != nil {
		return nil, err
	}
	b := &before{Cluster: c, opts: opts, observer: observer, id: id}
	defer b.Close()
	steps := []flow.Step{
		{Name: "checking the ring", Do: b.ReadRing},
		{Name: "checking the storage", Do: b.checkStorage},
		{Name: "taking the lock", Do: b.takeLock, Undo: b.Unlock},
	}
	err = flow.Run(ctx, append(steps, b.UnderLock(
		flow.Step{Name: "checking the volumes", Do: b.checkVolumes},
		flow.Step{Name: "waiting for views", Skip: func() bool { return b.opts.WaitViews == 0 }, Do: b.waitViews},
		flow.Step{Name: "flushing", Do: b.flush},
		flow.Step{Name: "taking snapshots of all nodes", Do: b.snapshot, Undo: b.remove},
		flow.Step{Name: "writing the documents", Do: b.write},
		flow.Step{Name: "completing the backup", Do: b.complete},
		flow.Step{Name: "parking the lock", Do: b.Park},
	)...), observer)
	if err != nil {
		return nil, err
	}
	return b.result(), nil
}

func newID() (string, error) {
	var random [2]byte
	if _, err := rand.Read(random[:]); err != nil {
		return "", err
	}
	return document.NewID(time.Now(), random), nil
}

func (b *before) takeLock(ctx context.Context) error {
	return b.Lock(ctx, "before-backup", b.id, b.opts.ParkedFor)
}

// clearing is what volumes remember of removals by this run.
func (b *before) clearing(ids ...string) wire.ClearArgs {
	return wire.ClearArgs{BackupIDs: ids, Operation: "before-backup", Owner: owner(b.opts.Owner)}
}

// owner of a backup; a person where nobody is named.
func owner(name string) string {
	if name == "" {
		return ledger.ManualOwner
	}
	return name
}

// commitLogSettles is how long Cassandra may take to delete what it flushed from the commit
// log.
const commitLogSettles = 5 * time.Second

func (b *before) flush(ctx context.Context) error {
	keyspaces, err := b.CQL.Keyspaces(ctx)
	if err != nil {
		return err
	}
	names := make([]string, 0, len(keyspaces))
	for _, k := range keyspaces {
		names = append(names, k.Name)
	}
	_, err = ring.Each(b.Sessions, func(i int, s *ring.Session) (struct{}, error) {
		args := wire.FlushArgs{Keyspaces: names, CommitLog: b.asked[i].CommitLog, Settle: commitLogSettles, Forgets: b.asked[i].Forgets()}
		return struct{}{}, s.Call(ctx, wire.OpFlush, args, nil)
	})
	return err
}

// snapshot reads the schema, takes the snapshot of all nodes behind a barrier,
// and reads the schema's version again: when it changed, all starts over.
func (b *before) snapshot(ctx context.Context) error {
	if _, err := ring.CallAll[struct{}](ctx, b.Sessions, wire.OpBegin, wire.BeginArgs{BackupID: b.id, Owner: owner(b.opts.Owner)}); err != nil {
		return err
	}
	schemaChanges := 0
	for try := 1; ; try++ {
		changed, err := b.trySnapshot(ctx)
		if err == nil && changed == nil {
			return nil
		}
		if err != nil {
			return err
		}
		if errors.Is(changed, errSchemaChanged) {
			schemaChanges++
		}
		switch {
		case try == snapshotTries && schemaChanges == try:
			return fmt.Errorf("the schema changed during each of %d snapshots: make the backup when nobody changes it: %w", try, changed)
		case try == snapshotTries:
			return fmt.Errorf("gave up after %d snapshots: %w", try, changed)
		}
		b.observer.Progress("starting over: " + changed.Error())
		if err := b.clearSnapshots(ctx); err != nil {
			return err
		}
	}
}

// trySnapshot returns as changed why the snapshot is to be taken again: the schema
// moved, or the ring, or the nodes started too far apart. A table without a snapshot is a
// consequence of the first, or an error of its own.
func (b *before) trySnapshot(ctx context.Context) (changed, err error) {
	if b.described, err = describe(ctx, b.CQL, b.View.Members); err != nil {
		return nil, err
	}
	missing := b.barrier(ctx)
	if missing != nil && !ring.IsMissing(missing) {
		return nil, missing
	}
	version, err := b.CQL.WaitAgreement(ctx, agreementPatience)
	if err != nil {
		return nil, errors.Join(missing, err)
	}
	if version != b.described.version {
		return fmt.Errorf("%w: version %s before, %s after", errSchemaChanged, b.described.version, version), nil
	}
	if changed, err := b.ringChanged(ctx); changed != nil || err != nil {
		return changed, err
	}
	if missing != nil {
		return nil, missing
	}
	return b.tooFarApart(), nil
}

// ringChanged says how the ring is no longer what was read of it, and reads it again.
func (b *before) ringChanged(ctx context.Context) (changed, err error) {
	changed = b.Unchanged(ctx)
	if !errors.Is(changed, ring.ErrChanged) {
		return nil, changed
	}
	return changed, b.ReadAgain(ctx)
}

// tooFarApart says that the nodes did not start their snapshots together.
func (b *before) tooFarApart() error {
	skew := time.Duration(b.described.skew.StartMS * float64(time.Millisecond))
	if b.opts.MaxSkew == 0 || skew <= b.opts.MaxSkew {
		return nil
	}
	return fmt.Errorf("the nodes started their snapshots %s apart, --max-skew allows %s", skew, b.opts.MaxSkew)
}

const agreementPatience = time.Minute

// clearSnapshots removes the tag and begins anew under it.
func (b *before) clearSnapshots(ctx context.Context) error {
	if err := b.remove(ctx); err != nil {
		return err
	}
	_, err := ring.CallAll[struct{}](ctx, b.Sessions, wire.OpBegin, wire.BeginArgs{BackupID: b.id, Owner: owner(b.opts.Owner)})
	return err
}

// remove takes away all that this run made.
func (b *before) remove(ctx context.Context) error {
	_, err := ring.CallAll[wire.ClearResult](ctx, b.Sessions, wire.OpClear, b.clearing(b.id))
	return err
}
