package ledger

import "strings"

// Operation is what somebody wants to do with a backup on a volume.
type Operation string

// The operations that the rules know.
const (
	BeforeBackup Operation = "before-backup"
	// Remove is after-backup and on-failure.
	Remove Operation = "after-backup, on-failure"
	Verify Operation = "verify"
	// Discard removes a backup that nobody wants.
	Discard Operation = "discard"
	// AfterRestore is plan and after-restore on a running ring.
	AfterRestore Operation = "after-restore"
	// Clean is the cleaner, alone or driven by after-restore of a stopped ring.
	Clean Operation = "clean"
)

// Request is an operation with the flags that the rules know.
type Request struct {
	Operation
	InPlace, Again bool
	// Restored says that the volumes came back with a restore point. It counts only
	// where nothing else tells.
	Restored bool
}

// Requests lists all requests, as the table of rules shows them.
func Requests() []Request {
	requests := []Request{{Operation: BeforeBackup}, {Operation: Remove}, {Operation: Verify}, {Operation: Discard}}
	for _, op := range []Operation{AfterRestore, Clean} {
		for _, again := range []bool{false, true} {
			requests = append(requests, Request{Operation: op, Again: again}, Request{Operation: op, InPlace: true, Again: again}, Request{Operation: op, Restored: true, Again: again})
		}
	}
	return requests
}

// String is the request as it is typed.
func (r Request) String() string {
	text := string(r.Operation)
	if r.InPlace {
		text += " --in-place"
	}
	if r.Restored {
		text += " --restored"
	}
	if r.Again {
		text += " --again"
	}
	return text
}

// Action is what becomes of an operation.
type Action string

// The actions. Those that begin with "refuse" change nothing.
const (
	// Replace removes the backup and makes a new one.
	Replace Action = "replace it"
	// Delete removes the backup.
	Delete Action = "remove it"
	// Leave leaves the backup where it is, and goes on.
	Leave Action = "leave it"
	// Check compares documents and files.
	Check Action = "verify it"
	// Begin restores from the beginning.
	Begin Action = "restore"
	// Resume goes on with a restore that stopped: it loads what it was to load.
	Resume Action = "resume, load again"
	// Prove only verifies: all data is in place, and clients may have written.
	Prove Action = "verify only"
	// Nothing: the restore is done. A hook ends with 0, a person gets 3.
	Nothing Action = "nothing: done before"
	// Place puts the backup in place by the cleaner.
	Place Action = "clean"

	RefuseIncomplete Action = "refuse: not complete"
	RefuseOriginal   Action = "refuse: original volume, needs --in-place"
	RefuseUnknown    Action = "refuse: original or restored copy unknown"
	RefuseUnrestored Action = "refuse: run after-restore first"
	RefusePart       Action = "refuse: only a part was restored"
	RefuseHalfWay    Action = "refuse: a restore stopped half-way"
	RefuseCleaning   Action = "refuse: half cleaned, clean again"
	RefuseAgain      Action = "refuse: restored before, needs --again"
	// RefuseMixed is about a ring, and stands in no row of the table.
	RefuseMixed Action = "refuse: only some volumes were cleaned"
)

// Refuses tells an action that changes nothing because it must not.
func (a Action) Refuses() bool { return strings.HasPrefix(string(a), "refuse") }

// Next is the rule: what becomes of a request on a backup in a state. Where nothing tells
// what the volume is, and nobody says it, only that is done which is right on both.
func Next(r Request, s State) Action {
	if s.Origin != Unknown {
		return next(r, s)
	}
	original, copied := s, s
	original.Origin, copied.Origin = Original, Copy
	switch asOriginal, asCopy := next(r, original), next(r, copied); {
	case r.InPlace, asOriginal == asCopy:
		return asOriginal
	case r.Restored:
		return asCopy
	}
	return RefuseUnknown
}

// next is the rule where it is known what the volume is.
func next(r Request, s State) Action {
	switch r.Operation {
	case BeforeBackup:
		return removal(s, Replace)
	case Remove:
		return removal(s, Delete)
	case Discard:
		return discarding(s)
	}
	switch {
	case !s.Complete:
		return RefuseIncomplete
	case r.Operation == Verify:
		return Check
	case r.Operation == Clean:
		return cleaning(r, s)
	}
	return restoring(r, s)
}

// removal decides whether a backup may go. It may not where it is the only good
// data: of a volume that came back and was not restored as a whole, or of one
// whose live data a restore has begun to replace.
func removal(s State, action Action) Action {
	switch {
	case s.Offline && s.Stage.Destroys():
		return RefuseCleaning
	case s.Abandoned && (s.Stage != Done || s.Extent != Whole):
		return Leave
	case s.Stage.Unfinished() && !s.Offline:
		return RefuseHalfWay
	case !s.Complete, s.Origin == Original, s.Stage == Done && s.Extent == Whole:
		return action
	case s.Stage == Done:
		return RefusePart
	}
	return RefuseUnrestored
}

// discarding decides whether somebody may throw a backup away, whatever it is good
// for: not under a restore that stopped, which must be given up first.
func discarding(s State) Action {
	switch {
	case s.Offline && s.Stage.Destroys():
		return RefuseCleaning
	case s.Stage.Unfinished() && !s.Offline && !s.Abandoned:
		return RefuseHalfWay
	}
	return Delete
}

// restoring decides what a restore through the running ring does. Once all data is
// loaded nothing is loaded again unless that is asked for: clients may have
// written.
func restoring(r Request, s State) Action {
	switch {
	case s.Offline && s.Stage.Destroys():
		return RefuseCleaning
	case s.Stage == Done && !r.Again:
		return Nothing
	case s.Offline && s.Stage.Unfinished() && !r.Again:
		return Prove
	case s.Origin == Original && !r.InPlace:
		return RefuseOriginal
	}
	return loading(r, s)
}

// loading decides whether a restore that may change the volume loads anything.
func loading(r Request, s State) Action {
	switch {
	case s.Stage.Destroys():
		return Resume
	case s.Stage.Unfinished() && !r.Again:
		return Prove
	}
	return Begin
}

// cleaning decides what the cleaner does.
func cleaning(r Request, s State) Action {
	switch {
	case s.Origin == Original && !r.InPlace:
		return RefuseOriginal
	case s.Cleaned && !r.Again:
		return Nothing
	case s.Stage >= Loaded && !r.Again:
		return RefuseAgain
	}
	return Place
}
