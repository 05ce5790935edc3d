// Package cleaner restores one node offline: it puts the snapshot of a backup in
// place on the volumes of a node whose Cassandra does not run.
package cleaner

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/casshook/casshook/pkg/agent/storage"
	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/document"
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
	// InPlace allows the very volume that the backup was made on.
	InPlace bool
	// Restored says that the volume came back from a restore point, where nothing
	// on it tells: the backup names it as the storage does, and VolumeID is empty.
	Restored bool
	// Again cleans although this backup was restored on this volume before.
	Again bool
	// AssumeStopped goes on where the file system has no leases, by which a
	// running Cassandra is noticed elsewhere.
	AssumeStopped bool
	// DryRun checks and verifies everything and changes nothing.
	DryRun bool
	// Full reads every byte of the snapshot.
	Full bool
	// Progress is told what goes on; may be nil.
	Progress func(message string)
}

// cleaner is one run of Clean.
type cleaner struct {
	Options
	node *storage.Volumes
	disk disk
	// lease takes a write lease on a file and gives it back.
	lease  func(path string) error
	backup *document.Backup
	// clear are the directories to empty.
	clear []clearDir
	// identity of the volume; "" where it has none yet.
	identity string
	// id and dir are those of this restore.
	id, dir string
	plan    *cleanPlan
	result  wire.CleanResult
}

// errSettled ends a run that has nothing to do.
var errSettled = errors.New("nothing to do")

// Clean puts the snapshot of a backup in place on the volumes of a node whose
// Cassandra does not run: all keyspaces, those of the system included. It
// verifies everything before it changes anything, moves no data, and can be
// killed at any moment and run again. The snapshot and the documents stay.
// ExitCode tells what an error leaves.
func Clean(ctx context.Context, opts Options) (*wire.CleanResult, error) {
	c, err := newCleaner(opts)
	if err != nil {
		return nil, err
	}
	defer c.node.Close()
	return c.run(ctx)
}

// cleanStep is one step; after the first that changes, a failure is half-way.
type cleanStep struct {
	name    string
	do      func(context.Context) error
	changes bool
}

func (c *cleaner) steps() []cleanStep {
	steps := []cleanStep{
		{"reading the documents", c.open, false},
		{"looking at earlier restores", c.checkEarlier, false},
		{"making sure that Cassandra is stopped", c.checkStopped, false},
		{"taking the lock", c.hold, false},
		{"verifying the snapshot", c.verify, false},
		{"looking at what is live", c.look, false},
	}
	if c.DryRun {
		return steps
	}
	return append(steps, []cleanStep{
		{"making sure that Cassandra is still stopped", c.checkStopped, false},
		{"beginning the journal", c.begin, false},
		{"removing what is live", c.remove, true},
		{"putting the snapshot in place", c.place, true},
		{"putting its Data.db files in place", c.placeData, true},
		{"checking what is in place", c.check, true},
		{"writing the marker", c.mark, true},
	}...)
}

func (c *cleaner) run(ctx context.Context) (*wire.CleanResult, error) {
	started := time.Now()
	c.result.Started = started.UTC()
	err := c.runSteps(ctx)
	c.result.Seconds = time.Since(started).Seconds()
	if err != nil && !errors.Is(err, errSettled) {
		return nil, err
	}
	return &c.result, nil
}

func (c *cleaner) runSteps(ctx context.Context) error {
	for _, s := range c.steps() {
		c.say("%s", s.name)
		err := ctx.Err()
		if err == nil {
			err = s.do(ctx)
		}
		switch {
		case err == nil, errors.Is(err, errSettled):
		case s.changes:
			return &exitError{ExitHalfWay, fmt.Errorf("%s: %w; the volume is half cleaned: do not start Cassandra, run the same command again", s.name, explain(err))}
		case ctx.Err() != nil:
			return &exitError{ExitInterrupted, fmt.Errorf("%s: interrupted, nothing was changed", s.name)}
		default:
			return exitWith(ExitFailed, fmt.Errorf("%s: %w", s.name, err))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *cleaner) say(format string, args ...any) {
	if c.Progress != nil {
		c.Progress(fmt.Sprintf(format, args...))
	}
}
