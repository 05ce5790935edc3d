package kastenstandin

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// Names of events besides the reserved actions. Tests assert their order.
const (
	EventAttempt       = "attempt"
	EventPreHook       = "preHook"
	EventOnSuccess     = "onSuccess"
	EventOnFailure     = "onFailure"
	EventDiscover      = "discover"
	EventIgnored       = "blueprintIgnored"
	EventNotReached    = "boundButNotReached"
	EventReady         = "workloadReady"
	EventSnapshot      = "snapshot"
	EventSnapshotReady = "snapshotReady"
	EventDropSnapshot  = "deleteSnapshot"
	EventRestorePoint  = "restorePoint"
	EventTransform     = "transform"
	EventStop          = "deleteWorkload"
	EventDropClaim     = "deletePVC"
	EventClaim         = "restorePVC"
	EventCreate        = "create"
	EventOverwrite     = "overwrite"
	EventKeep          = "keep"
	EventSkipHook      = "skipHook"
	EventExport        = "export"
)

// Event is one step. Steps are in the order of their start.
type Event struct {
	Name string `json:"name"`
	// Object is what the step is about, such as statefulsets/web.
	Object string        `json:"object,omitempty"`
	Detail string        `json:"detail,omitempty"`
	Error  string        `json:"error,omitempty"`
	Start  time.Time     `json:"start"`
	Took   time.Duration `json:"took"`
}

// String is "name object".
func (e Event) String() string {
	if e.Object == "" {
		return e.Name
	}
	return e.Name + " " + e.Object
}

// recorder takes the steps of one action and tells them as they end.
type recorder struct {
	mu       sync.Mutex
	events   []*Event
	progress io.Writer
}

// step runs a step and records it.
func (r *recorder) step(name, object string, do func() error) error {
	r.mu.Lock()
	e := &Event{Name: name, Object: object, Start: time.Now()}
	r.events = append(r.events, e)
	r.mu.Unlock()
	err := do()
	r.mu.Lock()
	defer r.mu.Unlock()
	e.Took = time.Since(e.Start)
	mark := "✓"
	if err != nil {
		mark, e.Error = "✗", err.Error()
	}
	r.tell("%s %s (%s)", mark, e, e.Took.Round(time.Millisecond))
	if err != nil {
		return fmt.Errorf("%s: %w", e, err)
	}
	return nil
}

// note records what needs no doing.
func (r *recorder) note(name, object, detail string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, &Event{Name: name, Object: object, Detail: detail, Start: time.Now()})
	r.tell("· %s %s: %s", name, object, detail)
}

func (r *recorder) tell(format string, args ...any) {
	if r.progress != nil {
		fmt.Fprintf(r.progress, format+"\n", args...)
	}
}

// all are the events so far.
func (r *recorder) all() []Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make([]Event, 0, len(r.events))
	for _, e := range r.events {
		out = append(out, *e)
	}
	return out
}
