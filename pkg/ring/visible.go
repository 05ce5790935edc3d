package ring

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/casshook/casshook/pkg/flow"
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
	var wg sync.WaitGroup
	for i, n := range nodes {
		if n.Problem != "" {
			continue
		}
		wg.Go(func() {
			s, err := OpenSession(ctx, target.Exec, n)
			if err != nil {
				nodes[i].Problem = strings.TrimPrefix(err.Error(), "node "+n.Name+": ")
				return
			}
			sessions[i] = s
		})
	}
	wg.Wait()
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

// Unreachable is the error of nodes that have a Problem; nil without any.
func Unreachable(nodes []Node) error {
	var problems []error
	for _, n := range nodes {
		problems = append(problems, fmt.Errorf("node %s: %s", n.Name, n.Problem))
	}
	return flow.Fail(flow.Precondition, errors.Join(problems...))
}
