package ring

import (
	"context"
	"time"

	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/startconfig"
)

// StoppedNode is a node whose Cassandra does not run, by its volume.
type StoppedNode struct {
	// Name of the node, as Nodes calls it when it runs.
	Name string
	// Datacenter and Rack as Cassandra calls them; empty where nothing says them.
	Datacenter, Rack string
	// Volume names the volume for people: a PersistentVolumeClaim.
	Volume string
	// Identity is the volume's, as the agent gets it when the node runs.
	Identity string
	// Config is how the node is to be started, as far as is known.
	Config startconfig.Config
}

// CleanTask is what the cleaner does at the volumes of one node.
type CleanTask struct {
	Node StoppedNode
	// Backup to put in place, and HostID that the volume must be of; the newest
	// complete one, and any, when empty.
	Backup, HostID                                      string
	ForgetPeers, InPlace, Restored, Again, DryRun, Full bool
}

// CleanOutcome is how a CleanTask ended.
type CleanOutcome struct {
	Result *wire.CleanResult
	// Err has the exit code of the cleaner.
	Err error
}

// Cleaner reaches the volumes of nodes whose Cassandra does not run.
type Cleaner interface {
	// StoppedNodes lists the nodes with their volumes, sorted by name. It fails
	// where a node runs, or where a volume is missing or in use.
	StoppedNodes(ctx context.Context) ([]StoppedNode, error)
	// Clean runs the cleaner for all tasks at once, and waits for all of them.
	// The outcomes are in the order of the tasks; the error is that they could
	// not be run at all.
	Clean(ctx context.Context, tasks []CleanTask, progress func(node, message string)) ([]CleanOutcome, error)
}

// StoppedRing is a ring that can be restored while it is stopped.
type StoppedRing interface {
	Cleaner
	// Stopped tells whether the ring is stopped, or is to be. A ring of which
	// only a part is stopped is an error.
	Stopped(ctx context.Context) (bool, error)
	// Start starts all nodes and waits until they are up.
	Start(ctx context.Context, progress func(string)) error
}

// Passwords are those of roles where something else keeps them: after a restore
// they are not what its secrets say.
type Passwords interface {
	// Renew has them set again, and waits until that is done.
	Renew(ctx context.Context, progress func(string)) error
}

// Datacenters can be stopped and deleted before a restore.
type Datacenters interface {
	// Stop stops all nodes and waits until none runs.
	Stop(ctx context.Context, progress func(string)) error
	// Deletable says why the datacenters cannot be deleted, before anything is done.
	Deletable(ctx context.Context) error
	// SnapshotVolumes takes a snapshot of every volume, waits until all can be
	// restored, and names them.
	SnapshotVolumes(ctx context.Context, limit time.Duration, progress func(string)) ([]string, error)
	// Delete deletes the datacenters, with their volumes unless these are kept, and
	// waits until all is gone.
	Delete(ctx context.Context, keepVolumes bool, progress func(string)) error
}
