package ringtest

import (
	"errors"
	"fmt"
	"slices"
	"sync"
)

// Kinds of calls.
const (
	Exec    = "exec"    // a command at a node
	Agent   = "agent"   // a request to a node's agent
	CQL     = "cql"     // a statement, or another question to the coordinator
	Lock    = "lock"    // the lock beside those on the volumes
	Target  = "target"  // nodes, credentials, volume snapshots, passwords
	Stopped = "stopped" // a ring that does not run, and its volumes
)

// Call is one call that a flow makes through a seam.
type Call struct {
	// Kind is one of the above, Node "" where the call is not to one node, and What
	// the operation or statement.
	Kind, Node, What string
	// Nth counts those that are alike, from 1 on. Calls to different nodes overtake
	// one another; those to one node do not.
	Nth int
}

// String names the call.
func (c Call) String() string { return fmt.Sprintf("%s %s %s #%d", c.Kind, c.Node, c.What, c.Nth) }

// Fault is what becomes of a call.
type Fault int

// Faults.
const (
	// None is no fault.
	None Fault = iota
	// Refuse does not do what is asked.
	Refuse
	// Lose does it, and loses the answer. An agent ends with it.
	Lose
)

// ErrFault is how a call fails that was made to.
var ErrFault = errors.New("made to fail")

// calls counts and logs the calls, and asks what becomes of each.
type calls struct {
	callMu sync.Mutex
	log    []Call
	count  map[string]int
	fault  func(Call) Fault
}

// OnCall has every later call ask a function what becomes of it, one at a time; nil
// lets all succeed. The counts begin anew.
func (c *calls) OnCall(fault func(Call) Fault) {
	c.hook(fault)
	c.callMu.Lock()
	defer c.callMu.Unlock()
	c.log, c.count = nil, map[string]int{}
}

func (c *calls) hook(fault func(Call) Fault) (before func(Call) Fault) {
	c.callMu.Lock()
	defer c.callMu.Unlock()
	before, c.fault = c.fault, fault
	return before
}

// Calls are those since OnCall, sorted by their first occurrence.
func (c *calls) Calls() []Call {
	c.callMu.Lock()
	defer c.callMu.Unlock()
	return slices.Clone(c.log)
}

// note logs a call and says what becomes of it.
func (c *calls) note(kind, node, what string) Fault {
	c.callMu.Lock()
	defer c.callMu.Unlock()
	call := Call{Kind: kind, Node: node, What: what}
	c.count[call.String()]++
	call.Nth = c.count[call.String()]
	c.log = append(c.log, call)
	if c.fault == nil {
		return None
	}
	return c.fault(call)
}

// do makes a call.
func (c *calls) do(kind, node, what string, f func() error) error {
	fault := c.note(kind, node, what)
	if fault == Refuse {
		return fmt.Errorf("%s %s: %w", kind, what, ErrFault)
	}
	if err := f(); err != nil || fault == None {
		return err
	}
	return fmt.Errorf("%s %s: no answer: %w", kind, what, ErrFault)
}
