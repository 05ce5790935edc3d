// Package cleaner restores one node offline: it puts the snapshot of a backup in
// place on the volumes of a node whose Cassandra does not run.
package cleaner

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/casshook/casshook/pkg/agent/storage"
	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/document"
	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/ledger"
)

// Options say which node's volumes are cleaned, and how.
type Options struct {
	// Volume is the root of the volume that carries the documents.
	Volume string
	// Data are the data directories in the order that Cassandra has them;
	// <volume>/data when empty.
	Data []string
	// CommitLog, Hints, SavedCaches and CDC are emptied. Where empty they are
	// commitlog, hints, saved_caches and cdc_raw of the volume.
	CommitLog, Hints, SavedCaches, CDC string
	// Backup is the backup to put in place; the newest complete one when empty.
	Backup string
	// ForgetPeers leaves system.peers and its kin empty, so that the node finds
	// no other ring than that of its seeds.
	ForgetPeers bool
	// VolumeID is the volume's identity; that of its id file when empty.
	VolumeID string
	// HostID is the host id that the node is to have; not compared when empty.
	HostID string
	// ConfigFile is the cassandra.yaml that the node is to start with, and Release its
	// Cassandra's; compared with the backup where given. AutoRepair says that it
	// starts with automatic repair, whatever the files say.
	ConfigFile, Release string
	AutoRepair          bool
	// InPlace allows the very volume that the backup was made on.
	InPlace bool
	// Restored says that the volume came back from a restore point, where nothing
	// on it tells: the backup names it as the storage does, and VolumeID is empty.
	Restored bool
	// Again cleans although this backup was restored on this volume before.
	Again bool
	// AssumeStopped goes on where file system does not support leases, by which a
	// running Cassandra is noticed elsewhere.
	AssumeStopped bool
	// DryRun checks and verifies everything and changes nothing.
	DryRun bool
	// Full reads every byte of the snapshot.
	Full bool
	// Become gives the process another user and group before anything is changed, if it
	// runs as root; nil where the process is not the cleaner's.
	Become func(uid, gid int) error
	// Progress is told what goes on; may be nil.
	Progress func(message string)
}

// cleaner is one run of Clean.
type cleaner struct {
	Options
	node *storage.Volumes
	disk disk
	// lease takes a write lease on a file and gives it back.
	lease  func(ctx context.Context, path string) error
	backup *document.Backup
	// clear are the directories to empty.
	clear []clearDir
	// volume is what lay on it when the run began.
	volume ledger.Volume
	// identity of the volume; "" where it has none yet.
	identity string
	// id and dir are those of this restore.
	id, dir string
	plan    *cleanPlan
	// begun is set once the journal says that the volume is half cleaned.
	begun  bool
	result wire.CleanResult
}

// Clean puts the snapshot of a backup in place on the volumes of a node whose
// Cassandra does not run: all keyspaces, those of the system included. It
// verifies everything before it changes anything, moves no data, and can be
// killed at any moment and run again. The snapshot and the documents stay.
// flow.CodeOf tells what an error leaves.
func Clean(ctx context.Context, opts Options) (*wire.CleanResult, error) {
	c, err := newCleaner(opts)
	if err != nil {
		return nil, err
	}
	defer c.node.Close()
	return c.run(ctx)
}

// steps change nothing before "starting the journal".
func (c *cleaner) steps() []flow.Step {
	steps := []flow.Step{
		{Name: "reading the documents", Do: c.open},
		{Name: "comparing the configuration", Do: c.compareConfig},
		{Name: "checking earlier restores", Do: c.checkEarlier},
		{Name: "checking that Cassandra is stopped", Skip: c.settled, Do: c.checkStopped},
		{Name: "taking the lock", Skip: c.settled, Do: c.hold},
		{Name: "verifying the snapshot", Skip: c.settled, Do: c.verify},
		{Name: "planning", Skip: c.settled, Do: c.look},
	}
	if c.DryRun {
		return steps
	}
	return append(steps, []flow.Step{
		{Name: "giving up root", Skip: c.settled, Do: c.dropRoot},
		{Name: "checking that Cassandra is still stopped", Skip: c.settled, Do: c.checkStopped},
		{Name: "starting the journal", Skip: c.settled, Do: c.begin},
		{Name: "removing live files", Skip: c.settled, Do: c.remove, Destroys: true},
		{Name: "linking the snapshot", Skip: c.settled, Do: c.place},
		{Name: "linking the Data.db files", Skip: c.settled, Do: c.placeData},
		{Name: "checking the result", Skip: c.settled, Do: c.check},
		{Name: "writing the marker", Skip: c.settled, Do: c.mark},
	}...)
}

// settled tells that there is nothing to do.
func (c *cleaner) settled() bool { return c.result.State == wire.StateUnchanged }

func (c *cleaner) run(ctx context.Context) (*wire.CleanResult, error) {
	started := time.Now()
	c.result.Started = started.UTC()
	o := &observer{say: c.say}
	err := flow.Run(ctx, c.steps(), o)
	c.result.Seconds = time.Since(started).Seconds()
	if err != nil {
		return nil, c.failed(o.step, err)
	}
	return &c.result, nil
}

// failed says which step failed, and in what state the volume is. With its journal
// begun it counts as half cleaned, even where an interruption came before the first
// removal.
func (c *cleaner) failed(step string, err error) error {
	if !strings.HasPrefix(err.Error(), step+": ") { // of an interruption, flow says where it came
		err = fmt.Errorf("%s: %w", step, err)
	}
	switch code := flow.CodeOf(err); {
	case code == flow.HalfWay, code == flow.Interrupted && c.begun:
		return flow.Recode(flow.HalfWay, fmt.Errorf("%w. The volume is half cleaned: do not start Cassandra; run the same command again", explain(err)))
	case code == flow.Interrupted:
		return flow.Recode(code, fmt.Errorf("%s: interrupted; nothing was changed", step))
	}
	return err
}

func (c *cleaner) say(format string, args ...any) {
	if c.Progress != nil {
		c.Progress(fmt.Sprintf(format, args...))
	}
}

// observer says which step begins, and knows it when the run has failed.
type observer struct {
	say  func(format string, args ...any)
	step string
}

var _ flow.Observer = (*observer)(nil)

// Begin implements flow.Observer.
func (o *observer) Begin(step string) {
	o.step = step
	o.say("%s", step)
}

// End implements flow.Observer.
func (o *observer) End(string, time.Duration, error) {}

// Progress implements flow.Observer.
func (o *observer) Progress(message string) { o.say("%s", message) }
