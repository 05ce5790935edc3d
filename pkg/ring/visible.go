package ring

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/ledger"
)

// ConnectVisible starts the agents at all nodes that can be reached, and returns the
// others, each with its Problem. It is for what only reads: it fails only where the
// nodes cannot be listed.
func ConnectVisible(ctx context.Context, target Target) (*Cluster, []Node, error) {
	list := target.Nodes.Nodes
	if target.Visible != nil {
		list = target.Visible
	}
	nodes, err := list(ctx)
	if err != nil {
		return nil, nil, flow.Fail(flow.Precondition, err)
	}
	sessions := make([]*Session, len(nodes))
	openEach(nodes, func(i int) {
		if nodes[i].Problem != "" {
			return
		}
		s, err := OpenSession(ctx, target.Exec, nodes[i])
		if err != nil {
			nodes[i].Problem = problemOf(nodes[i].Name, err)
			return
		}
		sessions[i] = s
	})
	c, unreachable := &Cluster{Target: target}, []Node(nil)
	for i, n := range nodes {
		if n.Problem != "" {
			unreachable = append(unreachable, n)
		} else {
			c.Sessions = append(c.Sessions, sessions[i])
		}
	}
	return c, unreachable, nil
}

// problemOf is an error of a node without the node's name, which stands beside it.
func problemOf(node string, err error) string {
	return strings.TrimPrefix(err.Error(), "node "+node+": ")
}

// Look is ConnectVisible, and what lies on the volumes, in the order of the sessions. A
// node whose volume cannot be read is among those that cannot be reached.
func Look(ctx context.Context, target Target) (*Cluster, []ledger.Volume, []Node, error) {
	c, unreachable, err := ConnectVisible(ctx, target)
	if err != nil {
		return nil, nil, nil, err
	}
	volumes, failed, _ := AskVisible[ledger.Volume](ctx, c, wire.OpInspect, struct{}{}) // each has its problem
	if ctx.Err() != nil {
		c.Close()
		return nil, nil, nil, context.Cause(ctx)
	}
	unreachable = append(unreachable, failed...)
	for i, s := range c.Sessions {
		volumes[i].Node = s.Node.Name
	}
	if len(unreachable) == 0 { // the id of a restore is made of all volumes
		volumes = ledger.Resolve(volumes)
	}
	return c, volumes, unreachable, nil
}

// AskVisible sends a request to all nodes and gives the answers of those that answered,
// whose sessions remain. The sessions of the others are closed, and each of these has its
// Problem; the error is theirs.
func AskVisible[R any](ctx context.Context, c *Cluster, op string, args any) ([]R, []Node, error) {
	problems := make([]string, len(c.Sessions))
	answers, failure := Each(c.Sessions, func(i int, s *Session) (r R, err error) {
		if err = s.Call(ctx, op, args, &r); err != nil {
			problems[i] = problemOf(s.Node.Name, err)
		}
		return r, err
	})
	var kept, ended []*Session
	var given []R
	var failed []Node
	for i, s := range c.Sessions {
		if problems[i] == "" {
			kept, given = append(kept, s), append(given, answers[i])
			continue
		}
		node := s.Node
		node.Problem = problems[i]
		ended, failed = append(ended, s), append(failed, node)
	}
	CloseAll(ended)
	c.Sessions = kept
	return given, failed, failure
}

// Unreachable is the error of nodes that have a Problem; nil without any.
func Unreachable(nodes []Node) error {
	var problems []error
	for _, n := range nodes {
		problems = append(problems, fmt.Errorf("node %s: %s", n.Name, n.Problem))
	}
	return flow.Fail(flow.Precondition, errors.Join(problems...))
}
