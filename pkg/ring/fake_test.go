package ring

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/agent"
	"github.com/casshook/casshook/pkg/agent/wire"
)

const patience = 20 * time.Second

// fakeExec runs agents in this process: the real one, or a function that is told
// of the command, by node name.
type fakeExec struct {
	mu    sync.Mutex
	log   []string
	nodes map[string]func(ctx context.Context, c Command) error
	// argvErr fails AgentArgv of nodes by name.
	argvErr map[string]error
}

var _ Exec = (*fakeExec)(nil)

func newFakeExec() *fakeExec {
	return &fakeExec{nodes: map[string]func(context.Context, Command) error{}, argvErr: map[string]error{}}
}

func (f *fakeExec) AgentArgv(_ context.Context, node Node) ([]string, error) {
	return []string{"casshook-agent", "serve"}, f.argvErr[node.Name]
}

func (f *fakeExec) Exec(ctx context.Context, node Node, c Command) error {
	f.note("start " + node.Name)
	defer f.note("end " + node.Name)
	if run := f.nodes[node.Name]; run != nil {
		return run(ctx, c)
	}
	return agent.Serve(ctx, c.Stdin, c.Stdout)
}

func (f *fakeExec) note(line string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.log = append(f.log, line)
}

func (f *fakeExec) noted() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string{}, f.log...)
}

// node is a node with a volume of its own, and no Cassandra that answers.
func node(t *testing.T, name string) Node {
	t.Helper()
	dir := t.TempDir()
	return Node{Node: wire.Node{Name: name, Volume: dir, DataDirs: []string{dir}, API: "unix:///nowhere.sock", VolumeID: "volume of " + name}}
}

// script is an agent that answers hello and then does as it is told.
func script(then func(ctx context.Context, s *scripted) error) func(context.Context, Command) error {
	return func(ctx context.Context, c Command) error {
		raw := inTurn{c.Stdout, make(chan struct{}, 1)}
		s := &scripted{lines: bufio.NewScanner(c.Stdin), out: json.NewEncoder(raw), raw: raw}
		r, err := s.request()
		if err != nil {
			return err
		}
		if err := s.out.Encode(wire.Response{ID: r.ID, Result: json.RawMessage(`{"protocol":1}`)}); err != nil {
			return err
		}
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		go s.beat(ctx)
		return then(ctx, s)
	}
}

// beat sends heartbeats until the agent is mute.
func (s *scripted) beat(ctx context.Context) {
	out := json.NewEncoder(s.raw)
	for {
		select {
		case <-time.After(wire.Heartbeat):
			if s.mute.Load() {
				return
			}
			_ = out.Encode(wire.Response{Event: &wire.Event{Kind: wire.EventBeat}})
		case <-ctx.Done():
			return
		}
	}
}

// inTurn lets one write at a time; a bubble of synctest knows nothing of mutexes.
type inTurn struct {
	io.Writer
	turn chan struct{}
}

func (w inTurn) Write(p []byte) (int, error) {
	w.turn <- struct{}{}
	defer func() { <-w.turn }()
	return w.Writer.Write(p)
}

type scripted struct {
	lines *bufio.Scanner
	out   *json.Encoder
	raw   io.Writer
	// mute is an agent without heartbeats, such as a stopped one.
	mute atomic.Bool
}

// request reads the next request; pings are passed over.
func (s *scripted) request() (wire.Request, error) {
	for s.lines.Scan() {
		var r wire.Request
		if err := json.Unmarshal(s.lines.Bytes(), &r); err != nil || r.Op != wire.OpPing {
			return r, err
		}
	}
	return wire.Request{}, errors.New("stdin closed")
}

// hang reads and answers nothing until it is killed.
func hang(ctx context.Context, _ *scripted) error {
	<-ctx.Done()
	return errors.New("killed")
}

func mustOpen(t *testing.T, f *fakeExec, n Node) *Session {
	t.Helper()
	s, err := OpenSession(t.Context(), f, n)
	require.NoError(t, err)
	t.Cleanup(s.Close)
	return s
}

// soon fails when f takes too long.
func soon(t *testing.T, limit time.Duration, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	select {
	case <-done:
	case <-time.After(limit):
		t.Fatalf("not over after %s", limit)
	}
}
