package ledger

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/casshook/casshook/pkg/document"
)

// HistoryFile, in casshook's directory, lists what became of the volume's backups.
const HistoryFile = "history.json"

// keptEvents is how many events a volume remembers.
const keptEvents = 100

// Event is the beginning or the removal of a backup.
type Event struct {
	Time     time.Time `json:"time"`
	BackupID string    `json:"backupId"`
	// Owner of the backup.
	Owner string `json:"owner"`
	// Volume is the identity of the volume: what a copy brought along says nothing
	// about this one.
	Volume  string `json:"volume"`
	Removed bool   `json:"removed"`
	// Operation that did it, and its owner.
	Operation Operation `json:"operation"`
	By        string    `json:"by,omitempty"`
}

type history struct {
	Version int     `json:"version"`
	Events  []Event `json:"events"`
}

// History reads what the volume remembers. It is written atomically: one that cannot
// be read is not ours, and says nothing.
func (s Store) History() []Event {
	var h history
	if _, err := ReadIfThere(s.Files, filepath.Join(s.Root, HistoryFile), &h); err != nil {
		return nil
	}
	return slices.DeleteFunc(h.Events, func(e Event) bool { return !document.ValidID(e.BackupID) })
}

// Note adds an event.
func (s Store) Note(e Event) error {
	e.Time = time.Now().UTC()
	events := append(s.History(), e)
	if err := s.Files.MkdirAll(s.Root); err != nil {
		return err
	}
	return Write(s.Files, filepath.Join(s.Root, HistoryFile), history{document.Version, events[max(0, len(events)-keptEvents):]})
}

// ManualOwner is the owner of backups that people make by hand.
const ManualOwner = "manual"

// Selection is the backups that after-backup and on-failure may touch: those of an
// owner, or the one of an id. The zero value is all.
type Selection struct {
	Owner, BackupID string
}

// Has tells whether a backup may be touched. One of an earlier release names no
// owner, and is anybody's.
func (s Selection) Has(b Backup) bool {
	if s.BackupID != "" {
		return b.ID == s.BackupID
	}
	return s.Owner == "" || b.Owner == "" || b.Owner == s.Owner
}

// Missing says why after-backup, which finds none of its backups on the volumes, must
// not succeed: the volume snapshots that were taken since carry none. It is nil where
// an after-backup or on-failure removed the backup, and where a person made none.
func Missing(volumes []Volume, s Selection) error {
	last := lastEvents(volumes, s)
	if last == nil {
		if s.BackupID == "" && (s.Owner == ManualOwner || s.Owner == "") && !holdsBackups(volumes) {
			return nil
		}
		return fmt.Errorf("there is no backup %sand no record of one: %w", s.phrase(), errNoBackupIn)
	}
	how := "was removed by somebody who left no record"
	for _, e := range last {
		switch {
		case e.Removed && (e.Operation == "after-backup" || e.Operation == "on-failure"):
			return nil
		case e.Removed:
			how = fmt.Sprintf("was removed by %s at %s", e.by(), e.Time.Format(time.RFC3339))
		}
	}
	return fmt.Errorf("backup %s %s: %w", last[0].BackupID, how, errNoBackupIn)
}

var errNoBackupIn = errors.New("volume snapshots taken now are no restore point: delete them and make another backup")

func (s Selection) phrase() string {
	if s.BackupID != "" {
		return s.BackupID + " "
	}
	return fmt.Sprintf("of owner %q ", s.Owner)
}

func (e Event) by() string {
	if e.By == "" {
		return fmt.Sprintf("%q", e.Operation)
	}
	return fmt.Sprintf("%q of owner %q", e.Operation, e.By)
}

func holdsBackups(volumes []Volume) bool {
	return slices.ContainsFunc(volumes, func(v Volume) bool { return len(v.Backups) > 0 })
}

// lastEvents are the last ones, by volume, of the newest backup that a selection is
// about.
func lastEvents(volumes []Volume, s Selection) []Event {
	id := s.BackupID
	if id == "" {
		id = newestOf(volumes, s.Owner)
	}
	var last []Event
	for _, v := range volumes {
		for _, e := range slices.Backward(v.events()) {
			if e.BackupID == id {
				last = append(last, e)
				break
			}
		}
	}
	return last
}

// newestOf is the id of the backup that an owner began last.
func newestOf(volumes []Volume, owner string) (id string) {
	var begun time.Time
	for _, v := range volumes {
		for _, e := range v.events() {
			if !e.Removed && e.Owner == owner && !e.Time.Before(begun) {
				id, begun = e.BackupID, e.Time
			}
		}
	}
	return id
}

// events are those of this very volume.
func (v Volume) events() []Event {
	return slices.DeleteFunc(slices.Clone(v.History), func(e Event) bool { return v.Elsewhere(e.Volume) })
}
