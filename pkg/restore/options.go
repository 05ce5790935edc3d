// Package restore brings a backup back: it finds it on the volumes, verifies all
// of it before anything is touched, plans what is to be done object by object,
// does it step by step with a journal on every volume, and proves the result.
package restore

import (
	"slices"
	"time"

	"github.com/casshook/casshook/pkg/schema"
)

// Options of plan and of the restores.
type Options struct {
	// Backup names the backup; empty means the newest that is complete on every
	// volume.
	Backup string
	// InPlace allows the volumes that the backup was made on.
	InPlace bool
	// Restored says that the volumes were restored from a restore point. It counts
	// only where nothing tells.
	Restored bool
	// Again puts the backup in place once more, or loads it, where the cleaner put
	// it in place before; what was written since is lost.
	Again bool
	// Peers of the nodes of a ring that is stopped.
	Peers Peers
	// Include and Exclude are globs on keyspace.table.
	Include, Exclude []string
	// Skip are tables and views, keyspace.name, that a restore leaves alone since it
	// cannot restore them. It then ends abandoned.
	Skip []string
	// RebuildViews recreates all views instead of loading their snapshots.
	RebuildViews bool
	// KeepBackup leaves snapshot and documents on the volumes at the end; so does
	// a restore of a part.
	KeepBackup bool
	// AcceptDifferences ends the restore although verification found some in the
	// schema or the permissions; data that is missing is never accepted.
	AcceptDifferences bool
	// Full verifies every byte before anything is touched.
	Full bool
	// MoveForeign moves SSTables that Cassandra does not know out of live directories.
	MoveForeign bool
	// MinFree is the fraction of every volume that must be free.
	MinFree float64
	// Workers is how many tables a node loads at once.
	Workers int
	// LoadTimeout is how long a load without an answer is waited for.
	LoadTimeout time.Duration
	// AgreementTimeout is how long the nodes have to agree on the schema.
	AgreementTimeout time.Duration
	// ViewTimeout is how long views have to be built.
	ViewTimeout time.Duration
}

// without is what is left out: what is excluded, and what is skipped with its views.
func (o Options) without(backup *schema.Schema) []string {
	out := slices.Concat(o.Exclude, o.Skip)
	for _, object := range backup.Objects {
		if object.Ref.Kind == schema.KindView && slices.Contains(o.Skip, object.Base.Keyspace+"."+object.Base.Name) {
			out = append(out, object.Ref.Keyspace+"."+object.Ref.Name)
		}
	}
	return out
}

// partial tells whether only a part of the backup is asked for.
func (o Options) partial() bool { return len(o.Include)+len(o.Exclude) > 0 }
