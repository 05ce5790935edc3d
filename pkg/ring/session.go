package ring

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/flow"
)

// Session is one agent process at one node, which serves the whole flow: one
// process start a node and hook, however many operations it takes.
type Session struct {
	Node Node

	// grace is how long the agent has to end by itself.
	grace time.Duration

	requests io.WriteCloser
	// lines go to the agent one by one; the stream may block at any time.
	lines  chan []byte
	callMu sync.Mutex
	calls  atomic.Int32

	waitMu  sync.Mutex
	waiting *waiter

	// closed is closed when no reply will come any more, for the reason readErr,
	// and ended when the agent's process has.
	closed  chan struct{}
	readErr error
	ended   chan struct{}
	endErr  error
	cancel  context.CancelFunc
}

// waiter is a call that waits for its replies, until it is gone.
type waiter struct {
	id      int
	replies chan wire.Response
	gone    chan struct{}
}

// OpenSession starts the agent at a node. Close ends it.
func OpenSession(ctx context.Context, target Exec, node Node) (*Session, error) {
	argv, err := target.AgentArgv(ctx, node)
	if err != nil {
		return nil, fmt.Errorf("node %s: agent: %w", node.Name, err)
	}
	stdin, requests := io.Pipe()
	replies, stdout := io.Pipe()
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s := &Session{Node: node, grace: closeGrace, requests: requests, lines: make(chan []byte), closed: make(chan struct{}), ended: make(chan struct{}), cancel: cancel}
	go func() {
		err := target.Exec(run, node, Command{Argv: argv, Stdin: stdin, Stdout: stdout})
		s.endErr = err
		stdin.CloseWithError(io.ErrClosedPipe)
		stdout.CloseWithError(io.EOF)
		close(s.ended)
	}()
	go s.read(replies, func() {
		stdout.CloseWithError(errSilent)
		cancel()
	})
	go s.send(run)
	go s.beat(run)
	var result wire.HelloResult
	if err := s.Call(ctx, wire.OpHello, wire.Hello{Protocol: wire.Protocol, Node: node.Node}, &result); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// read hands replies to the call that waits for them. It never stops reading,
// since an agent that cannot write does not end. The agent is copied to its node first:
// it can only be silent after its first byte. Should it live after all, it ends by itself:
// its stdin closes, or is silent.
func (s *Session) read(from io.Reader, silent func()) {
	first := make([]byte, 1)
	n, _ := from.Read(first)
	lines := bufio.NewScanner(io.MultiReader(bytes.NewReader(first[:n]), wire.Listen(from, wire.Silence, silent)))
	lines.Buffer(make([]byte, 64<<10), wire.MaxLine)
	lines.Split(wholeLines)
	var err error
	for err == nil && lines.Scan() {
		var r wire.Response
		if err = json.Unmarshal(lines.Bytes(), &r); err == nil {
			s.deliver(r)
		}
	}
	if err = errors.Join(err, lines.Err()); err != nil {
		s.readErr = fmt.Errorf("cannot read the agent's response: %w", err)
	}
	if errors.Is(err, errSilent) {
		s.readErr = errSilent
	}
	close(s.closed)
	_, _ = io.Copy(io.Discard, from)
}

// errSilent is an agent that misses its heartbeats.
var errSilent = fmt.Errorf("no heartbeat from the agent for %s: its node hangs, the agent is stopped, or the connection is lost", wire.Silence)

// wholeLines is bufio.ScanLines without a last line that has no end: the agent died.
func wholeLines(data []byte, atEOF bool) (advance int, token []byte, err error) {
	if atEOF && bytes.IndexByte(data, '\n') < 0 {
		return len(data), nil, nil
	}
	return bufio.ScanLines(data, atEOF)
}

// deliver passes over replies to a call that was given up.
func (s *Session) deliver(r wire.Response) {
	s.waitMu.Lock()
	w := s.waiting
	s.waitMu.Unlock()
	if w == nil || w.id != r.ID {
		return
	}
	select {
	case w.replies <- r:
	case <-w.gone:
	}
}

// send writes the lines to the agent.
func (s *Session) send(ctx context.Context) {
	for {
		select {
		case line := <-s.lines:
			if _, err := s.requests.Write(line); err != nil {
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

func (s *Session) beat(ctx context.Context) {
	ticker := time.NewTicker(wire.Heartbeat)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			if s.write(ctx.Done(), wire.Request{Op: wire.OpPing}) != nil {
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

// errBlocked is a line that the agent did not take.
var errBlocked = errors.New("the agent does not accept requests")

// write sends a line unless giveUp is closed before the stream takes it.
func (s *Session) write(giveUp <-chan struct{}, r wire.Request) error {
	line, err := json.Marshal(r)
	if err != nil {
		return err
	}
	select {
	case s.lines <- append(line, '\n'):
		return nil
	case <-s.closed:
		return s.whyClosed()
	case <-giveUp:
		return errBlocked
	}
}

// whyClosed says why no reply will come any more. An agent that prints what is no
// answer often says more with its end.
func (s *Session) whyClosed() error {
	switch {
	case errors.Is(s.readErr, errSilent):
		return s.readErr
	case s.readErr != nil:
		select {
		case <-s.ended:
			return errors.Join(s.readErr, s.endErr)
		case <-time.After(time.Second):
			return s.readErr
		}
	}
	<-s.ended
	if s.endErr != nil {
		return s.endErr
	}
	return errors.New("the agent ended")
}

// Call sends one request, waits for its end and decodes its result.
func (s *Session) Call(ctx context.Context, op string, args, result any) error {
	return s.CallEvents(ctx, op, args, result, nil)
}

// CallEvents is Call with a function that is told of every event. A request of which an
// agent, though alive, gives neither an event nor an answer for as long as callLimit says
// is given up.
func (s *Session) CallEvents(ctx context.Context, op string, args, result any, onEvent func(wire.Event)) error {
	s.callMu.Lock()
	defer s.callMu.Unlock()
	data, err := json.Marshal(args)
	if err != nil {
		return err
	}
	limit := callLimit(op, args)
	ctx, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	silence := time.AfterFunc(limit, func() {
		giveUp(fmt.Errorf("no progress for %s, although the agent is alive: storage or Cassandra may hang", limit))
	})
	defer silence.Stop()
	id := int(s.calls.Add(1))
	w := &waiter{id: id, replies: make(chan wire.Response), gone: make(chan struct{})}
	s.waitMu.Lock()
	s.waiting = w
	s.waitMu.Unlock()
	defer close(w.gone)
	if err := s.write(ctx.Done(), wire.Request{ID: id, Op: op, Args: data}); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return s.lost(op, err)
	}
	for {
		select {
		case r := <-w.replies:
			if r.Event != nil {
				silence.Reset(limit)
				if onEvent != nil {
					onEvent(*r.Event)
				}
				continue
			}
			return s.settle(r, result)
		case <-s.closed:
			return s.lost(op, s.whyClosed())
		case <-ctx.Done():
			return s.lost(op, context.Cause(ctx))
		}
	}
}

// Go releases a node that waits behind the barrier.
func (s *Session) Go() error {
	late := make(chan struct{})
	timer := time.AfterFunc(wire.Silence, func() { close(late) })
	defer timer.Stop()
	return s.write(late, wire.Request{Op: wire.OpGo})
}

// Calls is how many requests were sent.
func (s *Session) Calls() int { return int(s.calls.Load()) }

func (s *Session) lost(op string, err error) error {
	return fmt.Errorf("node %s: %s: %w", s.Node.Name, op, err)
}

func (s *Session) settle(r wire.Response, result any) error {
	if r.Error != nil {
		err := fmt.Errorf("node %s: %w", s.Node.Name, r.Error)
		switch r.Error.Kind {
		case wire.KindLocked:
			return flow.Fail(flow.Locked, err)
		case wire.KindCorrupt:
			return flow.Fail(flow.Corrupt, err)
		case wire.KindRefused:
			return flow.Fail(flow.Precondition, err)
		}
		return err
	}
	if result == nil {
		return nil
	}
	if err := json.Unmarshal(r.Result, result); err != nil {
		return fmt.Errorf("node %s: result: %w", s.Node.Name, err)
	}
	return nil
}

// closeGrace is how long an agent has to end by itself after its stdin closed.
const closeGrace = 10 * time.Second

// Close ends the agent by closing its stdin, and kills it if it does not go.
func (s *Session) Close() {
	s.requests.Close()
	select {
	case <-s.ended:
	case <-time.After(s.grace):
	}
	s.cancel()
	<-s.ended
}

// IsMissing reports a snapshot that lacks tables, or has more than the schema.
func IsMissing(err error) bool {
	var e *wire.Error
	return errors.As(err, &e) && e.Kind == wire.KindMissing
}
