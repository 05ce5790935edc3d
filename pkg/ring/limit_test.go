package ring

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/document"
	"github.com/casshook/casshook/pkg/ledger"
)

// TestOpenAllStartsSomeAtATime: agents are copied to hundreds of nodes through one
// API server.
func TestOpenAllStartsSomeAtATime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFakeExec()
		var nodes []Node
		var now, most atomic.Int32
		for i := range 3*openAtOnce + 1 {
			n := node(t, fmt.Sprintf("n%d", i))
			f.nodes[n.Name] = func(ctx context.Context, c Command) error {
				most.Store(max(most.Load(), now.Add(1)))
				time.Sleep(time.Second) // it is copied
				now.Add(-1)
				return script(hang)(ctx, c)
			}
			nodes = append(nodes, n)
		}
		sessions, err := OpenAll(t.Context(), f, nodes)
		require.NoError(t, err)
		require.EqualValues(t, openAtOnce, most.Load())
		for i, s := range sessions {
			require.Equal(t, nodes[i].Name, s.Node.Name)
		}
		// At the barrier all of them are needed at once.
		var together atomic.Int32
		_, err = Each(sessions, func(int, *Session) (struct{}, error) {
			together.Add(1)
			time.Sleep(time.Second)
			require.EqualValues(t, len(sessions), together.Load())
			return struct{}{}, nil
		})
		require.NoError(t, err)
		for _, s := range sessions {
			s.cancel() // they do not end by themselves
		}
		CloseAll(sessions)
	})
}

// answer is an agent that gives events and an answer, each after a while.
func answer(every time.Duration, events int) func(context.Context, Command) error {
	return script(func(ctx context.Context, s *scripted) error {
		r, err := s.request()
		if err != nil {
			return err
		}
		for range events {
			time.Sleep(every)
			if err := s.out.Encode(wire.Response{ID: r.ID, Event: &wire.Event{Kind: wire.EventProgress}}); err != nil {
				return err
			}
		}
		time.Sleep(every)
		if err := s.out.Encode(wire.Response{ID: r.ID, Result: json.RawMessage(`{}`)}); err != nil {
			return err
		}
		return hang(ctx, s)
	})
}

func TestRequestThatMakesNoProgressIsGivenUp(t *testing.T) {
	t.Parallel()
	limit := callLimit(wire.OpInspect, struct{}{})
	stuck := "node n1: inspect: no progress for " + limit.String() + ", although the agent is alive: storage or Cassandra may hang"
	for _, tt := range []struct {
		name   string
		every  time.Duration
		events int
		want   string
	}{
		{"answers in time", limit - time.Second, 0, ""},
		{"gives a sign of life in time, each time", limit - time.Second, 5, ""},
		{"is silent", limit + time.Second, 0, stuck},
		{"is silent after a sign of life", limit + time.Second, 1, stuck},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFakeExec()
				f.nodes["n1"] = answer(tt.every, tt.events)
				s, err := OpenSession(t.Context(), f, node(t, "n1"))
				require.NoError(t, err)
				err = s.Call(t.Context(), wire.OpInspect, struct{}{}, nil)
				s.cancel()
				s.Close()
				if tt.want == "" {
					require.NoError(t, err)
					return
				}
				require.EqualError(t, err, tt.want)
			})
		})
	}
}

// TestSilentAgentIsGivenUp: agents that send nothing any more, whatever they are asked.
func TestSilentAgentIsGivenUp(t *testing.T) {
	t.Parallel()
	const silent = "no heartbeat from the agent for 45s: its node hangs, the agent is stopped, or the connection is lost"
	request := func(s *scripted) { _, _ = s.request() }
	for name, agent := range map[string]func(*scripted){
		"at once":                   func(*scripted) {},
		"amid a request":            request,
		"after it took no requests": func(*scripted) { time.Sleep(wire.Heartbeat * 3 / 2) },
		"after an event": func(s *scripted) {
			request(s)
			_ = s.out.Encode(wire.Response{ID: 2, Event: &wire.Event{Kind: wire.EventProgress}})
		},
		"amid a line": func(s *scripted) { request(s); _, _ = io.WriteString(s.raw, `{"id":2,"res`) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFakeExec()
				f.nodes["n1"] = script(func(ctx context.Context, s *scripted) error {
					agent(s)
					s.mute.Store(true)
					return hang(ctx, s)
				})
				s, err := OpenSession(t.Context(), f, node(t, "n1"))
				require.NoError(t, err)
				began := time.Now()
				require.EqualError(t, s.Call(t.Context(), wire.OpLoad, wire.LoadArgs{Wait: time.Hour}, nil), "node n1: load: "+silent)
				require.Less(t, time.Since(began), wire.Silence+2*wire.Heartbeat+1)
				require.EqualError(t, s.Call(t.Context(), wire.OpLock, wire.LockArgs{}, nil), "node n1: lock: "+silent, "at once")
				require.EqualError(t, s.Go(), silent)
				require.Less(t, time.Since(began), wire.Silence+2*wire.Heartbeat+1)
				s.Close()
				require.Equal(t, []string{"start n1", "end n1"}, f.noted(), "it is not waited for")
			})
		})
	}
}

// TestSlowListenerIsNoSilence: whoever is told of events may take its time.
func TestSlowListenerIsNoSilence(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFakeExec()
		f.nodes["n1"] = answer(time.Second, 2)
		s, err := OpenSession(t.Context(), f, node(t, "n1"))
		require.NoError(t, err)
		require.NoError(t, s.CallEvents(t.Context(), wire.OpLoad, wire.LoadArgs{Wait: time.Hour}, nil, func(wire.Event) { time.Sleep(2 * wire.Silence) }))
		s.cancel()
		s.Close()
	})
}

// TestSilentHello: an agent that starts and says nothing.
func TestSilentHello(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFakeExec()
		f.nodes["n1"] = func(ctx context.Context, _ Command) error { <-ctx.Done(); return ctx.Err() }
		_, err := OpenSession(t.Context(), f, node(t, "n1"))
		require.ErrorContains(t, err, "node n1: hello: no progress for "+callLimit(wire.OpHello, nil).String())
	})
}

// TestCallLimits: what a person allowed to last is not cut short.
func TestCallLimits(t *testing.T) {
	t.Parallel()
	const asked = 7 * time.Hour
	tables := make([]ledger.Load, 10)
	for name, tt := range map[string]struct {
		op   string
		args any
		more time.Duration
	}{
		"a snapshot is waited for":       {wire.OpSnapshot, wire.SnapshotArgs{Wait: asked, Tables: []document.TableRef{}}, asked},
		"a load is waited for":           {wire.OpLoad, wire.LoadArgs{Wait: asked}, asked},
		"every keyspace is flushed":      {wire.OpFlush, wire.FlushArgs{Keyspaces: make([]string, 50)}, 50 * 45 * time.Second},
		"every table is settled":         {wire.OpLeftovers, wire.LeftoverArgs{Tables: tables}, 10 * 10 * time.Minute},
		"every byte is read":             {wire.OpVerify, wire.VerifyArgs{Full: true}, callLimit(wire.OpVerify, wire.VerifyArgs{})},
		"all files are described":        {wire.OpWrite, wire.WriteArgs{}, 30 * time.Minute},
		"what is unknown here has one":   {"later", struct{}{}, time.Minute},
		"Cassandra's answer is in facts": {wire.OpFacts, struct{}{}, 45 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Greater(t, callLimit(tt.op, tt.args), tt.more)
		})
	}
}
