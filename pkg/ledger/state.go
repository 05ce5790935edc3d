package ledger

import "slices"

// Origin says whether a volume is the one that a backup was made on.
type Origin int

// The origins.
const (
	// Original: the backup was made on this very volume.
	Original Origin = iota
	// Copy: the volume came back with a restore point, or was copied.
	Copy
	// Unknown: what is known of the volume does not tell.
	Unknown
)

// String is the origin as documents name it.
func (o Origin) String() string {
	switch o {
	case Original:
		return "original"
	case Copy:
		return "copy"
	}
	return "unknown"
}

// Extent says how much of a backup a restore was of.
type Extent int

// The extents.
const (
	Whole Extent = iota
	Some
)

// String is the extent as documents name it.
func (e Extent) String() string {
	if e == Whole {
		return "everything"
	}
	return "a part"
}

// State is what the rules look at: one backup on one volume, and the restore of it
// onto this volume that counts.
type State struct {
	Origin   Origin
	Complete bool
	// Stage of the restore that counts, and how much it was of.
	Stage  Stage
	Extent Extent
	// Offline is set where the restore that counts is the cleaner's.
	Offline bool
	// Cleaned is set where the cleaner put the backup in place, whatever came since.
	Cleaned bool
	// Abandoned is set where every restore that stopped was given up, on this volume
	// or on one that it is a copy of.
	Abandoned bool
}

// StateOf is the state of a backup on a volume, as those see it who want to remove
// it or clean it. The restore that counts is one that is not finished before one
// that is, and of those that are done one of everything before one of a part.
func StateOf(v Volume, b Backup) State { return stateAmong(v, b, v.of(b.ID)) }

// StateFor is the state of a backup on a volume, as the restore with an id and a
// scope sees it: only this very restore counts, and what the cleaner did.
func StateFor(v Volume, b Backup, id string, scope Scope) State {
	var counts []Restore
	for _, r := range v.of(b.ID) {
		if r.ID == id || r.Offline && (scope.Whole || r.Stage.Destroys()) {
			counts = append(counts, r)
		}
	}
	return stateAmong(v, b, counts)
}

// StateIn is StateFor where not all volumes of the ring are known, and so no id: the
// scope says which restore it is.
func StateIn(v Volume, b Backup, scope Scope) State {
	for _, r := range v.of(b.ID) {
		if !r.Offline && r.Scope.Covers(scope) && scope.Covers(r.Scope) {
			return StateFor(v, b, r.ID, scope)
		}
	}
	return StateFor(v, b, "", scope)
}

func stateAmong(v Volume, b Backup, restores []Restore) State {
	s := State{Origin: OriginOf(b, v), Complete: b.Complete}
	best := -1
	for i, r := range restores {
		s.Cleaned = s.Cleaned || r.Cleaned != nil
		if !superseded(r, restores) && (best < 0 || rank(r) > rank(restores[best])) {
			best = i
		}
	}
	s.Abandoned = v.abandoned(b.ID) && !slices.ContainsFunc(restores, func(r Restore) bool {
		return r.Stage.Unfinished() && !r.Abandoned && r.Cleaned == nil && !superseded(r, restores)
	})
	if best >= 0 {
		r := restores[best]
		s.Stage, s.Offline = r.Stage, r.Offline
		if !r.Scope.Whole {
			s.Extent = Some
		}
	}
	return s
}

// abandoned tells whether a restore of a backup was given up. That goes with a copy of
// the volume: whoever made the copy did not make it for this backup.
func (v Volume) abandoned(backup string) bool {
	return slices.ContainsFunc(v.Restores, func(r Restore) bool { return r.BackupID == backup && r.Abandoned })
}

func rank(r Restore) int {
	switch {
	case r.Stage.Destroys():
		return 5
	case r.Stage.Unfinished() && !r.Offline:
		return 4
	case r.Stage.Unfinished():
		return 3
	case r.Stage == Done && r.Scope.Whole:
		return 2
	case r.Stage == Done:
		return 1
	}
	return 0
}

// superseded tells whether a later restore of the same backup onto the same volume
// brought back all that this one was to bring, and is done.
func superseded(r Restore, restores []Restore) bool {
	if !r.Stage.Unfinished() {
		return false
	}
	return slices.ContainsFunc(restores, func(other Restore) bool {
		return other.ID != r.ID && other.Stage == Done && other.Scope.Covers(r.Scope) && !other.last().Before(r.last())
	})
}

// Superseded lists the restores that the end of one makes meaningless: those of
// the same backup onto this volume that it brought back all of.
func Superseded(v Volume, by Restore) []Restore {
	var found []Restore
	for _, r := range v.of(by.BackupID) {
		if r.ID != by.ID && !r.Offline && r.Stage != Done && by.Scope.Covers(r.Scope) {
			found = append(found, r)
		}
	}
	return found
}

// CleanedSince tells a volume that the cleaner worked on, and that no restore
// through the running ring has proven since.
func CleanedSince(v Volume) bool {
	return slices.ContainsFunc(v.Restores, func(r Restore) bool {
		return r.Cleaned != nil && v.Here(r) && !superseded(r, v.of(r.BackupID))
	})
}
