// Package ring is the cluster as the flows see it: its nodes, the seams through
// which they are reached, sessions with the agents, the connection to all of it
// (Cluster), and the checks of a ring against itself and against a backup. Hosts
// and Kubernetes implement the seams; the flows know only this package.
package ring

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/casshook/casshook/pkg/agent/wire"
)

// Node is one node as the target describes it.
type Node struct {
	wire.Node
	// Address is the node's own address in the ring, as Cassandra names it.
	Address string
	// CQLPort is the port of the native protocol.
	CQLPort int
	// Problem says why the node cannot be reached; empty where it can.
	Problem string
}

// Credentials are of a Cassandra superuser; both empty where the ring asks none.
type Credentials struct {
	Username, Password string
}

// Command is one process at a node.
type Command struct {
	// Argv never carries names of keyspaces or tables, nor secrets.
	Argv   []string
	Stdin  io.Reader
	Stdout io.Writer
}

// Exec runs a command at a node.
type Exec interface {
	// Exec runs the command until it ends or ctx does, and is safe for
	// concurrent use. A command that fails gives an *ExecError.
	Exec(ctx context.Context, node Node, cmd Command) error
	// AgentArgv is the command that starts the agent at the node, which it puts
	// there first if need be.
	AgentArgv(ctx context.Context, node Node) ([]string, error)
}

// Dialer opens connections to a node's native protocol port.
type Dialer interface {
	// DialCQL is safe for concurrent use.
	DialCQL(ctx context.Context, node Node) (net.Conn, error)
}

// Nodes knows who is in the ring, as far as the target can see.
type Nodes interface {
	// Nodes lists all nodes, or says why it cannot.
	Nodes(ctx context.Context) ([]Node, error)
	// Credentials reads the superuser's credentials.
	Credentials(ctx context.Context) (Credentials, error)
}

// VolumeSnapshots sees the volume snapshots of the ring's volumes.
type VolumeSnapshots interface {
	// WaitVolumeSnapshots waits until those begun since a time are cut.
	WaitVolumeSnapshots(ctx context.Context, since time.Time, limit time.Duration, progress func(string)) error
}

// Place tells two rings of one name apart; empty where nothing else could have
// that name.
type Place struct {
	Namespace string
	// ClusterHash identifies the Kubernetes cluster of the namespace; empty when
	// unknown.
	ClusterHash string
}

// Target describes one ring: what it is, and the seams through which it is
// reached.
type Target struct {
	// ClusterName is the expected name of the cluster; empty when unknown.
	ClusterName string
	Place       Place
	// SettleTimeout is how long nodes that may have come up moments ago have to see
	// one another.
	SettleTimeout time.Duration
	// AgreementTimeout is how long its nodes may disagree on the schema at first; they
	// are asked once where it is 0.
	AgreementTimeout time.Duration

	Nodes  Nodes
	Exec   Exec
	Dialer Dialer
	Locker Locker
	// Login is needed by all that speaks CQL.
	Login Login

	// What follows is nil where the ring has no such thing.

	// Visible lists all nodes whatever state they are in, those that cannot be reached
	// with a Problem; without it, Nodes does.
	Visible func(ctx context.Context) ([]Node, error)

	VolumeSnapshots VolumeSnapshots
	Passwords       Passwords
	Stopped         StoppedRing
	Datacenters     Datacenters
}

// ExecError is a command that could not be run or failed.
type ExecError struct {
	Node string
	Argv []string
	// Code is the exit code, -1 when the command did not end by itself.
	Code int
	// Tail is the end of its stderr.
	Tail string
	Err  error
}

// Error implements error.
func (e *ExecError) Error() string {
	text := fmt.Sprintf("node %s: run %s: %v", e.Node, strings.Join(e.Argv, " "), e.Err)
	if e.Tail != "" {
		text += ": " + e.Tail
	}
	return text
}

// Unwrap gives the cause.
func (e *ExecError) Unwrap() error { return e.Err }
