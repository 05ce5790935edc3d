package ring

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/casshook/casshook/pkg/ledger"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/document"
	"github.com/casshook/casshook/pkg/flow"
)

const testID = "casshook-20261121T101530Z-4f2a"

func TestSessionWithARealAgent(t *testing.T) {
	t.Parallel()
	f := newFakeExec()
	s := mustOpen(t, f, node(t, "n1"))
	var v ledger.Volume
	require.NoError(t, s.Call(t.Context(), wire.OpInspect, struct{}{}, &v))
	require.Equal(t, "volume of n1", v.Identity)
	require.NoError(t, s.Call(t.Context(), wire.OpLock, wire.LockArgs{Action: wire.LockAcquire, Holder: "me"}, nil))
	require.Equal(t, 3, s.Calls())
	err := s.Call(t.Context(), "reboot", nil, nil)
	require.EqualError(t, err, `node n1: unknown operation "reboot"`)
	require.Equal(t, flow.Failed, flow.CodeOf(err))
	err = s.Call(t.Context(), wire.OpInspect, struct{}{}, new(int))
	require.ErrorContains(t, err, "node n1: result: json")
	s.Close()
	s.Close()
	require.Equal(t, []string{"start n1", "end n1"}, f.noted())
	require.EqualError(t, s.Call(t.Context(), wire.OpInspect, struct{}{}, &v), "node n1: inspect: the agent ended")
	require.EqualError(t, s.Go(), "the agent ended")
}

func TestOpenRefusals(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		run  func(context.Context, Command) error
		want []string
	}{
		{"cannot run", func(context.Context, Command) error {
			return &ExecError{Node: "n1", Argv: []string{"casshook-agent", "serve"}, Code: 127, Tail: "not found", Err: errors.New("exit status 127")}
		}, []string{"node n1: hello: node n1: run casshook-agent serve: exit status 127: not found"}},
		{"ends at once", func(context.Context, Command) error { return nil }, []string{"node n1: hello: the agent ended"}},
		{"another protocol", func(_ context.Context, c Command) error {
			if _, err := c.Stdin.Read(make([]byte, 1)); err != nil { // an agent answers what it was asked
				return err
			}
			_, err := io.WriteString(c.Stdout, `{"id":1,"error":{"message":"use both of one release"}}`+"\n")
			return err
		}, []string{"node n1: use both of one release"}},
		{"garbage, and why", func(_ context.Context, c Command) error {
			_, _ = io.WriteString(c.Stdout, "sh: casshook-agent: not found\n")
			return errors.New("exit status 127")
		}, []string{"node n1: hello: cannot read the agent's response: invalid character 's'", "exit status 127"}},
		{"garbage, and on", func(ctx context.Context, c Command) error {
			_, _ = io.WriteString(c.Stdout, "Welcome!\n")
			_, err := io.Copy(c.Stdout, c.Stdin)
			return err
		}, []string{"node n1: hello: cannot read the agent's response"}},
		{"dies amid a line", func(_ context.Context, c Command) error {
			_, _ = io.WriteString(c.Stdout, `{"id":1,"res`)
			return errors.New("signal: killed")
		}, []string{"node n1: hello: signal: killed"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFakeExec()
			f.nodes["n1"] = tt.run
			soon(t, closeGrace/2, func() {
				_, err := OpenSession(t.Context(), f, node(t, "n1"))
				for _, want := range tt.want {
					require.ErrorContains(t, err, want)
				}
			})
			require.Equal(t, []string{"start n1", "end n1"}, f.noted())
		})
	}
}

func TestEventsAndKinds(t *testing.T) {
	t.Parallel()
	f := newFakeExec()
	f.nodes["n1"] = script(func(_ context.Context, s *scripted) error {
		for _, kind := range []string{wire.KindLocked, wire.KindCorrupt, wire.KindRefused, wire.KindMissing} {
			r, err := s.request()
			if err != nil {
				return err
			}
			for i := range 2 {
				_ = s.out.Encode(wire.Response{ID: r.ID, Event: &wire.Event{Kind: wire.EventProgress, Done: i}})
			}
			_ = s.out.Encode(wire.Response{ID: r.ID, Error: &wire.Error{Kind: kind, Message: "no: " + kind}})
		}
		_, err := s.request()
		return err
	})
	s := mustOpen(t, f, node(t, "n1"))
	for _, want := range []flow.Code{flow.Locked, flow.Corrupt, flow.Precondition, flow.Failed} {
		var events []wire.Event
		err := s.CallEvents(t.Context(), "op", nil, nil, func(e wire.Event) { events = append(events, e) })
		require.ErrorContains(t, err, "node n1: no: ")
		require.Equal(t, want, flow.CodeOf(err))
		require.Equal(t, want == flow.Failed, IsMissing(err))
		require.Equal(t, []wire.Event{{Kind: wire.EventProgress}, {Kind: wire.EventProgress, Done: 1}}, events)
	}
}

func TestAgentThatDiesDuringACall(t *testing.T) {
	t.Parallel()
	f := newFakeExec()
	f.nodes["n1"] = script(func(_ context.Context, s *scripted) error {
		_, _ = s.request()
		return errors.New("exit status 137")
	})
	s := mustOpen(t, f, node(t, "n1"))
	require.EqualError(t, s.Call(t.Context(), wire.OpLoad, nil, nil), "node n1: load: exit status 137")
	require.EqualError(t, s.Call(t.Context(), wire.OpLoad, nil, nil), "node n1: load: exit status 137")
}

func TestAnswerBeforeTheEndCounts(t *testing.T) {
	t.Parallel()
	for range 50 {
		f := newFakeExec()
		f.nodes["n1"] = script(func(_ context.Context, s *scripted) error {
			r, _ := s.request()
			return s.out.Encode(wire.Response{ID: r.ID, Error: &wire.Error{Message: "the reason"}})
		})
		s := mustOpen(t, f, node(t, "n1"))
		require.EqualError(t, s.Call(t.Context(), wire.OpLoad, nil, nil), "node n1: the reason")
		s.Close()
	}
}

func TestCallThatIsGivenUp(t *testing.T) {
	t.Parallel()
	f := newFakeExec()
	f.nodes["n1"] = script(func(_ context.Context, s *scripted) error {
		first, err := s.request()
		if err != nil {
			return err
		}
		for i := range 100 { // nobody waits for these any more
			_ = s.out.Encode(wire.Response{ID: first.ID, Event: &wire.Event{Kind: wire.EventProgress, Done: i}})
		}
		second, err := s.request()
		if err != nil {
			return err
		}
		_ = s.out.Encode(wire.Response{ID: first.ID, Result: []byte(`"first"`)})
		_ = s.out.Encode(wire.Response{ID: second.ID, Result: []byte(`"second"`)})
		_, _ = s.request()
		return nil
	})
	s := mustOpen(t, f, node(t, "n1"))
	ctx, cancel := context.WithCancelCause(t.Context())
	err := s.CallEvents(ctx, wire.OpLoad, nil, nil, func(e wire.Event) {
		if e.Done == 3 {
			cancel(errors.New("another node failed"))
		}
	})
	require.EqualError(t, err, "node n1: load: another node failed")
	time.Sleep(50 * time.Millisecond) // replies come that nobody waits for
	var got string
	require.NoError(t, s.Call(t.Context(), wire.OpClear, nil, &got))
	require.Equal(t, "second", got, "not the answer to the call that was given up")
	soon(t, closeGrace/2, s.Close)
}

func TestBarrierThatIsGivenUp(t *testing.T) {
	t.Parallel()
	f := newFakeExec()
	api := readyAPI(t)
	n := node(t, "n1")
	n.API = api
	s := mustOpen(t, f, n)
	require.NoError(t, s.Call(t.Context(), wire.OpLock, wire.LockArgs{Action: wire.LockAcquire, Holder: "me"}, nil))
	ctx, cancel := context.WithCancel(t.Context())
	args := wire.SnapshotArgs{Tag: testID, Tables: []document.TableRef{}}
	err := s.CallEvents(ctx, wire.OpSnapshot, args, nil, func(wire.Event) { cancel() })
	require.ErrorIs(t, err, context.Canceled)
	soon(t, patience/4, func() { // what undoes it does not wait behind the barrier
		require.NoError(t, s.Call(t.Context(), wire.OpClear, wire.ClearArgs{BackupIDs: []string{testID}}, nil))
	})
	err = s.CallEvents(t.Context(), wire.OpSnapshot, args, nil, func(e wire.Event) {
		if e.Kind == wire.EventReady {
			require.NoError(t, s.Go())
		}
	})
	require.NoError(t, err)
}

func TestStreamThatBlocks(t *testing.T) {
	t.Parallel()
	f := newFakeExec()
	f.nodes["n1"] = script(hang)
	s, err := OpenSession(t.Context(), f, node(t, "n1"))
	require.NoError(t, err)
	for range 3 { // the first line is taken from us, the others are not even that
		ctx, cancel := context.WithTimeoutCause(t.Context(), 100*time.Millisecond, errors.New("too late"))
		soon(t, patience/4, func() {
			require.EqualError(t, s.Call(ctx, wire.OpFlush, nil, nil), "node n1: flush: too late")
		})
		cancel()
	}
	require.Equal(t, closeGrace, s.grace)
	s.grace = 500 * time.Millisecond
	began := time.Now()
	s.Close()
	require.GreaterOrEqual(t, time.Since(began), s.grace, "it is given time to end")
	require.Equal(t, []string{"start n1", "end n1"}, f.noted(), "then it is killed")
}

func TestArgumentsThatAreNoJSON(t *testing.T) {
	t.Parallel()
	s := mustOpen(t, newFakeExec(), node(t, "n1"))
	require.ErrorContains(t, s.Call(t.Context(), wire.OpInspect, func() {}, nil), "unsupported type")
}
