package ring

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/ledger"
)

// listed are nodes that a target lists.
type listed []Node

func (l listed) Nodes(context.Context) ([]Node, error)            { return l, nil }
func (l listed) Credentials(context.Context) (Credentials, error) { return Credentials{}, nil }

// TestConnectVisibleStartsSomeAtATime, as what needs all nodes does.
func TestConnectVisibleStartsSomeAtATime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFakeExec()
		var nodes listed
		var now, most atomic.Int32
		for i := range 3*openAtOnce + 1 {
			n := node(t, fmt.Sprintf("n%02d", i))
			f.nodes[n.Name] = func(ctx context.Context, c Command) error {
				most.Store(max(most.Load(), now.Add(1)))
				time.Sleep(time.Second)
				now.Add(-1)
				return script(hang)(ctx, c)
			}
			nodes = append(nodes, n)
		}
		c, unreachable, err := ConnectVisible(t.Context(), Target{Nodes: nodes, Exec: f})
		require.NoError(t, err)
		require.Empty(t, unreachable)
		require.Len(t, c.Sessions, len(nodes))
		require.EqualValues(t, openAtOnce, most.Load())
		for _, s := range c.Sessions {
			s.cancel()
		}
		c.Close()
	})
}

// TestLook: a node that fails at any point is named with the reason, the others are read,
// and their order stays.
func TestLook(t *testing.T) {
	t.Parallel()
	f := newFakeExec()
	nodes := listed{node(t, "n1"), node(t, "n2"), node(t, "n3"), node(t, "n4"), node(t, "n5")}
	nodes[0].Problem = "stopped: no pod"
	f.argvErr["n2"] = errors.New("no such pod")
	f.nodes["n4"] = told(map[string]func() (any, error){wire.OpInspect: func() (any, error) { return nil, errors.New("no such volume") }})
	whole := func() (any, error) {
		return ledger.Volume{Identity: "v", Restores: []ledger.Restore{{ID: ledger.RestoreID("b", []ledger.Volume{{Identity: "v"}}, ledger.All()), BackupID: "b", Volume: "v", Stage: ledger.Done}}}, nil
	}
	f.nodes["n3"] = told(map[string]func() (any, error){wire.OpInspect: whole})
	f.nodes["n5"] = f.nodes["n3"]
	c, volumes, unreachable, err := Look(t.Context(), Target{Nodes: nodes, Exec: f})
	require.NoError(t, err)
	problems := map[string]string{}
	for _, n := range unreachable {
		problems[n.Name] = n.Problem
	}
	require.Equal(t, map[string]string{"n1": "stopped: no pod", "n2": "agent: no such pod", "n4": "no such volume"}, problems)
	require.Len(t, c.Sessions, 2)
	for i, name := range []string{"n3", "n5"} {
		require.Equal(t, name, c.Sessions[i].Node.Name)
		require.Equal(t, name, volumes[i].Node)
		require.False(t, volumes[i].Restores[0].Scope.Whole, "its id is of all volumes, of which some are not known")
	}
	err = Unreachable(unreachable)
	require.Equal(t, flow.Precondition, flow.CodeOf(err))
	require.ErrorContains(t, err, "node n4: no such volume")
	c.Close()
	for _, n := range []string{"n3", "n4", "n5"} {
		require.Contains(t, f.noted(), "end "+n, "no agent is left")
	}

	c, volumes, unreachable, err = Look(t.Context(), Target{Nodes: listed{nodes[2]}, Exec: f})
	require.NoError(t, err)
	require.Empty(t, unreachable)
	require.True(t, volumes[0].Restores[0].Scope.Whole, "as an earlier release recorded it")
	c.Close()

	ended, stop := context.WithCancelCause(t.Context())
	why := errors.New("enough")
	stop(why)
	_, _, _, err = Look(ended, Target{Nodes: listed{nodes[2]}, Exec: f})
	require.ErrorIs(t, err, why, "that somebody stopped is no problem of the nodes")
}
