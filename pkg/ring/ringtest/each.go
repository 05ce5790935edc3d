package ringtest

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/flow"
)

// Steps is an observer that remembers what a flow did.
type Steps struct {
	mu    sync.Mutex
	names []string
	// Messages are the progress.
	Messages []string
}

var _ flow.Observer = (*Steps)(nil)

// undoing begins the names of undos.
const undoing = "undoing: "

// Begin implements flow.Observer.
func (s *Steps) Begin(step string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.names = append(s.names, step)
}

// End implements flow.Observer.
func (s *Steps) End(string, time.Duration, error) {}

// Progress implements flow.Observer.
func (s *Steps) Progress(message string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Messages = append(s.Messages, message)
}

// Begun are the steps that were begun, in order.
func (s *Steps) Begun() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(s.names), func(name string) bool { return strings.HasPrefix(name, undoing) })
}

// Undone are the steps that were undone, in order.
func (s *Steps) Undone() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var undone []string
	for _, name := range s.names {
		if step, ok := strings.CutPrefix(name, undoing); ok {
			undone = append(undone, step)
		}
	}
	return undone
}

// Scenario is a flow at a ring.
type Scenario struct {
	// Make makes the ring.
	Make func(t testing.TB) *Ring
	// Run is the flow. It is run to its end without a fault first.
	Run func(ctx context.Context, r *Ring, observer flow.Observer) error
	// Failed looks at the ring after a run of which a call failed, or which was
	// killed at it. Then the flow is run again.
	Failed func(t testing.TB, f Failure)
	// Ended looks at the ring after a run without a fault.
	Ended func(t testing.TB, r *Ring)
}

// Failure is a run that failed.
type Failure struct {
	*Ring
	Steps *Steps
	Err   error
	// Killed says that nothing was done any more after the call, no undo either.
	Killed bool
	// Call is the one at which it failed, Fault how.
	Call  Call
	Fault Fault
}

// AgentDied tells whether the call is one that ended the agent of a node.
func (f Failure) AgentDied() bool { return f.Call.Kind == Agent && f.Fault == Lose }

// FailEach runs a scenario with each of its calls failing in each way, one at a time.
// Of calls that all nodes get only those to the last node fail, and none that the flow can
// do without.
func FailEach(t *testing.T, s Scenario) {
	t.Helper()
	r := s.Make(t)
	r.OnCall(nil)
	require.NoError(t, s.Run(t.Context(), r, &Steps{}))
	made := r.Calls()
	s.Ended(t, r)
	last := r.nodes[len(r.nodes)-1].Name
	for _, call := range made {
		if call.Node != "" && call.Node != last || strings.HasPrefix(call.What, further) {
			continue
		}
		t.Run(call.name(), func(t *testing.T) {
			t.Parallel()
			s.fail(t, Failure{Call: call, Fault: Refuse})
			if call.Changes() { // between these it does not matter when it is killed
				s.fail(t, Failure{Call: call, Fault: Lose})
				s.fail(t, Failure{Call: call, Fault: Lose, Killed: true})
			}
		})
	}
}

// fail runs the scenario with one failure, and then without.
func (s Scenario) fail(t *testing.T, f Failure) {
	t.Helper()
	f.Ring, f.Steps = s.Make(t), &Steps{}
	dead := false
	f.OnCall(func(c Call) Fault {
		switch {
		case dead:
			return Refuse
		case c != f.Call:
			return None
		}
		dead = f.Killed
		return f.Fault
	})
	f.Err = s.Run(t.Context(), f.Ring, f.Steps)
	f.OnCall(nil)
	if f.Killed {
		f.HolderDied()
	}
	s.Failed(t, f)
	again := &Steps{}
	require.NoError(t, s.Run(t.Context(), f.Ring, again), "the run after: %v", f.Err)
	s.Ended(t, f.Ring)
}

// name is that of a test.
func (c Call) name() string {
	text := strings.Join(strings.Fields(c.String()), " ")
	return text[:min(len(text), 60)]
}

// Changes tells a call that changes something. Losing the answer of another is not to be
// told from refusing it.
func (c Call) Changes() bool {
	switch c.Kind {
	case Agent:
		return !slices.Contains([]string{"hello", "facts", "inspect", "open", "verify", "storage", "schema-versions", "flush"}, c.What)
	case CQL:
		word, _, _ := strings.Cut(c.What, " ")
		return slices.Contains([]string{"CREATE", "ALTER", "DROP", "TRUNCATE", "GRANT", "REVOKE"}, word)
	case Stopped:
		return !slices.Contains([]string{"stopped", "nodes", "look", "deletable"}, c.What)
	}
	return c.Kind == Lock
}
