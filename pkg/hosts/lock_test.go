package hosts

import (
	"context"
	"encoding/json"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/ring"
)

// agents answers requests on the lock at every node, and keeps a log of them.
type agents struct {
	mu  sync.Mutex
	log []string
	// refuse is the answer to an acquire at a node.
	refuse map[string]*wire.Error
	// onAcquire is called before the answer.
	onAcquire func(node string)
}

func (a *agents) AgentArgv(context.Context, ring.Node) ([]string, error) { return nil, nil }

func (a *agents) Exec(_ context.Context, node ring.Node, c ring.Command) error {
	requests, answers := json.NewDecoder(c.Stdin), json.NewEncoder(c.Stdout)
	for {
		var req wire.Request
		if err := requests.Decode(&req); err != nil {
			return nil
		}
		answer := wire.Response{ID: req.ID, Result: json.RawMessage("{}")}
		if req.Op == wire.OpLock {
			answer.Error = a.lock(node.Name, req.Args)
		}
		if err := answers.Encode(answer); err != nil {
			return err
		}
	}
}

func (a *agents) lock(node string, raw json.RawMessage) *wire.Error {
	var args wire.LockArgs
	if err := json.Unmarshal(raw, &args); err != nil {
		return &wire.Error{Message: err.Error()}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.log = append(a.log, args.Action+" "+node+" "+args.Holder)
	if args.Action != wire.LockAcquire {
		return nil
	}
	if a.onAcquire != nil {
		a.onAcquire(node)
	}
	return a.refuse[node]
}

func (a *agents) taken() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.log)
}

func openSessions(t *testing.T, a *agents) []*ring.Session {
	t.Helper()
	var nodes []ring.Node
	for _, name := range []string{"n1", "n2", "n3"} {
		nodes = append(nodes, ring.Node{Node: wire.Node{Name: name}})
	}
	sessions, err := ring.OpenAll(t.Context(), a, nodes)
	require.NoError(t, err)
	t.Cleanup(func() { ring.CloseAll(sessions) })
	return sessions
}

func TestLockOnEveryVolume(t *testing.T) {
	t.Parallel()
	a := &agents{}
	sessions := openSessions(t, a)
	held, err := (&Target{}).Acquire(t.Context(), sessions, ring.Claim{Holder: "me"})
	require.NoError(t, err)
	taken := []string{"acquire n1 me", "acquire n2 me", "acquire n3 me"}
	require.Equal(t, taken, a.taken(), "in the order of the sessions, or two runs could wait for each other")
	require.NoError(t, held.Park(t.Context()))
	require.ElementsMatch(t, append(taken, "park n1 me", "park n2 me", "park n3 me"), a.taken())
	require.NoError(t, held.Release(t.Context()))
	require.ElementsMatch(t, []string{"release n1 me", "release n2 me", "release n3 me"}, a.taken()[6:])
}

func TestLockIsGivenBack(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		refusal *wire.Error
		code    flow.Code
	}{
		{"held by another", &wire.Error{Kind: wire.KindLocked, Message: "held by x"}, flow.Locked},
		{"a broken volume is no lock", &wire.Error{Message: "read-only file system"}, flow.Failed},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			a := &agents{refuse: map[string]*wire.Error{"n3": c.refusal}}
			held, err := (&Target{}).Acquire(t.Context(), openSessions(t, a), ring.Claim{Holder: "me"})
			require.Nil(t, held)
			require.ErrorContains(t, err, "take the lock: node n3: "+c.refusal.Message)
			require.Equal(t, c.code, flow.CodeOf(err))
			require.ElementsMatch(t, []string{"release n1 me", "release n2 me"}, a.taken()[3:])
		})
	}
}

func TestLockIsGivenBackWhenInterrupted(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	a := &agents{
		refuse: map[string]*wire.Error{"n2": {Message: "interrupted"}},
		onAcquire: func(node string) {
			if node == "n2" {
				cancel()
			}
		},
	}
	_, err := (&Target{}).Acquire(ctx, openSessions(t, a), ring.Claim{Holder: "me"})
	require.Error(t, err)
	require.Contains(t, a.taken(), "release n1 me")
}
