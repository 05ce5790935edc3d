// Package ledger is the one place that knows what lies on a volume and what may
// be done about it: the backups, the restores with their scope and their stage,
// the lock, and the rules by which hooks, restores and the cleaner decide. It is
// pure, but for one file that reads and writes the records of restores. Its rules
// are printed into docs/states.md. It needs only the standard library.
package ledger

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/casshook/casshook/pkg/document"
)

// Volume is what lies on one node's volume.
type Volume struct {
	// Node is the name of the node, for messages. Whoever collects the volumes of
	// a ring sets it.
	Node     string `json:"-"`
	Identity string `json:"identity"`
	// Attributes are all that is known of the volume.
	Attributes document.Attributes `json:"attributes,omitempty"`
	Free       uint64              `json:"free"`
	Total      uint64              `json:"total"`
	Backups    []Backup            `json:"backups"`
	Restores   []Restore           `json:"restores"`
	// Archived are records of restores that were done again since. They are for
	// people: no rule looks at them.
	Archived []Restore `json:"archived,omitempty"`
	// Orphans are Cassandra's snapshots that bear the ID of a backup and have no
	// documents: what Cassandra added when the run that asked for it was gone.
	Orphans []Orphan `json:"orphans,omitempty"`
	Lock    *Lock    `json:"lock,omitempty"`
	// History is what became of the volume's backups.
	History []Event `json:"history,omitempty"`
}

// Orphan is a snapshot that is no backup.
type Orphan struct {
	Tag string `json:"tag"`
	// Directories of tables that have it.
	Directories int `json:"directories"`
	// Documents is where its documents are, if that is another directory than the
	// volume that was named: the snapshot is somebody's backup then.
	Documents string `json:"documents,omitempty"`
}

// Backup is the directory of a backup on a volume.
type Backup struct {
	ID string `json:"id"`
	// Complete is set where the backup claims to be complete, by its COMPLETE.
	Complete bool `json:"complete"`
	// Volume is the identity of the volume that the backup was made on.
	Volume string `json:"volume"`
	// Attributes are all that was known of that volume; earlier releases recorded none.
	Attributes document.Attributes `json:"attributes,omitempty"`
	Started    time.Time           `json:"started"`
	// Owner made it, such as a policy; empty in backups of earlier releases.
	Owner string `json:"owner,omitempty"`
	// WindowMS is how long its snapshots took, from the first start to the last end on
	// all nodes; 0 where that cannot be read.
	WindowMS float64 `json:"windowMs,omitempty"`
	// Problem says why its documents cannot be read.
	Problem string `json:"problem,omitempty"`
}

// Restore is the record of a restore that ran, or runs, on a volume.
type Restore struct {
	ID       string `json:"id"`
	BackupID string `json:"backupId"`
	// Volume is the identity of the volume that was restored. A record of another
	// volume came here with a copy of it and says nothing about this one.
	Volume string `json:"volume"`
	// Attributes are all that was known of that volume.
	Attributes document.Attributes `json:"attributes,omitempty"`
	Scope      Scope               `json:"scope"`
	Stage      Stage               `json:"stage"`
	// Offline is set by the cleaner, which works while Cassandra is stopped. It
	// ends at Loaded: the restore through the running ring verifies what it did.
	Offline bool `json:"offline,omitempty"`
	// Steps that were begun, with those that ended marked.
	Steps []Entry `json:"steps,omitempty"`
	// Finished is when a restore was done.
	Finished time.Time `json:"finished,omitzero"`
	// Report is the report of a restore that is done.
	Report json.RawMessage `json:"report,omitempty"`
	// Evidence is what the load recorded.
	Evidence []Load `json:"evidence,omitempty"`
	// Cleaned is set where the cleaner put the backup in place.
	Cleaned *Cleaned `json:"cleaned,omitempty"`
	// Abandoned is set where somebody gave the restore up, and nothing was done since.
	Abandoned bool `json:"abandoned,omitempty"`
}

// AbandonStep is the step of the journal entry that gives a restore up. A later entry
// of any other step takes it up again.
const AbandonStep = "abandoned"

// Entry is a line of a restore's journal.
type Entry struct {
	Time time.Time `json:"time"`
	Step string    `json:"step"`
	// Stage that the restore enters with the step.
	Stage Stage `json:"stage,omitzero"`
	Ended bool  `json:"ended"`
}

// Load is one table to load, and afterwards what the load found.
type Load struct {
	document.TableName
	// BackupID is the id of the table in the backup, LiveID the one it has now.
	BackupID string `json:"backupId"`
	LiveID   string `json:"liveId"`
	SSTables int    `json:"sstables"`
	// Taken SSTables are no longer where they were put; Found of them have their
	// inode in a live directory, the others were compacted already.
	Taken int `json:"taken"`
	Found int `json:"found"`
}

// Cleaned says that the cleaner put a backup in place on a volume. That says
// nothing about the other nodes: a restore is done when it was verified.
type Cleaned struct {
	Version  int       `json:"version"`
	BackupID string    `json:"backupId"`
	Volume   string    `json:"volume"`
	Node     string    `json:"node"`
	HostID   string    `json:"hostId"`
	Time     time.Time `json:"time"`
	// PeersForgotten is set where system.peers was left empty.
	PeersForgotten bool  `json:"peersForgotten"`
	Tables         int   `json:"tables"`
	Files          int   `json:"files"`
	Bytes          int64 `json:"bytes"`
}

// last is when a restore was seen to work last. One that is done may verify once
// more, when the cleaner was there in between: then its last step counts.
func (r Restore) last() time.Time {
	if r.Cleaned != nil {
		return r.Cleaned.Time
	}
	last := r.Finished
	for _, e := range r.Steps {
		if e.Time.After(last) {
			last = e.Time
		}
	}
	return last
}

// of lists the restores of a backup onto this very volume.
func (v Volume) of(backup string) []Restore {
	var found []Restore
	for _, r := range v.Restores {
		if r.BackupID == backup && v.Here(r) {
			found = append(found, r)
		}
	}
	return found
}

// Backup finds a backup on the volume.
func (v Volume) Backup(id string) (Backup, bool) {
	for _, b := range v.Backups {
		if b.ID == id {
			return b, true
		}
	}
	return Backup{ID: id}, false
}

// Cleaned is what the cleaner recorded when it put a backup in place; nil when it
// did not.
func (v Volume) Cleaned(backup string) *Cleaned {
	for _, r := range v.of(backup) {
		if r.Cleaned != nil {
			return r.Cleaned
		}
	}
	return nil
}

// Interrupted lists the restores onto this volume, of any backup, that stopped
// while live data was not whole or not proven; what the cleaner ended, or somebody gave
// up, is not one.
func (v Volume) Interrupted() []Restore {
	var found []Restore
	for _, r := range v.Restores {
		if v.Here(r) && r.Stage.Unfinished() && r.Cleaned == nil && !r.Abandoned {
			found = append(found, r)
		}
	}
	return found
}

// Brief is the volume without what makes it long: journals, evidence, reports.
func (v Volume) Brief() Volume {
	v.Restores, v.Archived = brief(v.Restores), brief(v.Archived)
	v.History = nil
	return v
}

func brief(restores []Restore) []Restore {
	restores = slices.Clone(restores)
	for i := range restores {
		restores[i].Steps, restores[i].Evidence, restores[i].Report = nil, nil, nil
	}
	return restores
}
