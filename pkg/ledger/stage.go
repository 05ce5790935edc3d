package ledger

import (
	"fmt"
	"slices"
)

// Stage is how far a restore came on a volume: the last stage that it entered. The
// stages are in the order of the work.
type Stage int

// The stages.
const (
	// None: no restore was begun, or it only looked.
	None Stage = iota
	// Staged: the restore's directory holds hard links of the snapshot.
	Staged
	// Schema: objects are dropped, altered and created.
	Schema
	// Truncated: tables are emptied.
	Truncated
	// Loading: files are put into live directories.
	Loading
	// Loaded: all data of the scope is in place. Clients may write from now on.
	Loaded
	// Views: views are built, grants restored.
	Views
	// Verified: the result was compared with the backup.
	Verified
	// Done: the restore is over.
	Done
)

// Stages lists all stages in their order.
func Stages() []Stage {
	return []Stage{None, Staged, Schema, Truncated, Loading, Loaded, Views, Verified, Done}
}

func stageNames() []string {
	return []string{"none", "staged", "schema", "truncated", "loading", "loaded", "views", "verified", "done"}
}

// String is the stage's name in journals and outputs.
func (s Stage) String() string {
	if s < None || s > Done {
		return fmt.Sprintf("stage %d", int(s))
	}
	return stageNames()[s]
}

// Destroys tells whether live data is destroyed in the stage, or is not all back
// yet. A restore that stopped in it leaves the snapshot as the only good data.
func (s Stage) Destroys() bool { return s >= Schema && s < Loaded }

// Unfinished tells whether a restore that stopped in the stage must be run again:
// it changed live data and was not proven.
func (s Stage) Unfinished() bool { return s >= Schema && s < Done }

// MarshalText implements encoding.TextMarshaler.
func (s Stage) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Stage) UnmarshalText(text []byte) error {
	i := slices.Index(stageNames(), string(text))
	if i < 0 {
		return fmt.Errorf("unknown stage of a restore %q", text)
	}
	*s = Stage(i)
	return nil
}

// stageOf is the stage that a journal entry says. Entries of releases before 0.2
// name only the step.
func (e Entry) stageOf() Stage {
	if e.Stage != None {
		return e.Stage
	}
	switch e.Step {
	case "staging the snapshots", "removing leftovers of an earlier run":
		return Staged
	case "changing the schema":
		return Schema
	case "truncating":
		return Truncated
	case "loading", "recording that all is loaded":
		return Loading
	case "building views", "restoring grants":
		return Views
	}
	return None
}

// stageOf is how far a restore came, by its journal and by the markers that it
// wrote. The markers count, since a journal's last line may be lost: views are
// built and verified only where all is loaded.
func stageOf(r Restore, loaded, done bool) Stage {
	stage := None
	for _, e := range r.Steps {
		stage = max(stage, e.stageOf())
	}
	if r.Offline && len(r.Steps) > 0 { // the cleaner changes every live file at once
		stage = max(stage, Truncated)
	}
	switch {
	case done:
		return Done
	case r.Cleaned != nil, loaded:
		return max(stage, Loaded)
	}
	return min(stage, Loading)
}
