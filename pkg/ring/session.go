package ring

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/flow"
)

// Session is one agent process at one node, which serves the whole flow: one
// process start a node and hook, however many operations it takes.
type Session struct {
	Node Node

	requests io.WriteCloser
	writeMu  sync.Mutex
	callMu   sync.Mutex
	next     int
	replies  chan wire.Response
	ended    chan struct{}
	endErr   error
	cancel   context.CancelFunc
	calls    int
}

// Open starts the agent at a node. Close ends it.
func Open(ctx context.Context, target Exec, node Node) (*Session, error) {
	argv, err := target.AgentArgv(ctx, node)
	if err != nil {
		return nil, fmt.Errorf("node %s: agent: %w", node.Name, err)
	}
	stdin, requests := io.Pipe()
	replies, stdout := io.Pipe()
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s := &Session{Node: node, requests: requests, replies: make(chan wire.Response), ended: make(chan struct{}), cancel: cancel}
	go func() {
		err := target.Exec(run, node, Command{Argv: argv, Stdin: stdin, Stdout: stdout})
		s.endErr = err
		stdin.CloseWithError(io.ErrClosedPipe)
		stdout.CloseWithError(io.EOF)
		close(s.ended)
	}()
	go s.read(run, replies)
	go s.beat(run)
	var result wire.HelloResult
	if err := s.Call(ctx, wire.OpHello, wire.Hello{Protocol: wire.Protocol, Node: node.Node}, &result); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func (s *Session) read(ctx context.Context, from io.Reader) {
	dec := json.NewDecoder(bufio.NewReaderSize(from, 64<<10))
	for {
		var r wire.Response
		if err := dec.Decode(&r); err != nil {
			_, _ = io.Copy(io.Discard, from)
			return
		}
		select {
		case s.replies <- r:
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
			if s.write(wire.Request{Op: wire.OpPing}) != nil {
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

func (s *Session) write(r wire.Request) error {
	line, err := json.Marshal(r)
	if err != nil {
		return err
	}
	s.writeMu.Lock()
	defer s.writeMu.Unlock()
	_, err = s.requests.Write(append(line, '\n'))
	return err
}

// Call sends one request, waits for its end and decodes its result.
func (s *Session) Call(ctx context.Context, op string, args, result any) error {
	return s.CallEvents(ctx, op, args, result, nil)
}

// CallEvents is Call with a function that is told of every event.
func (s *Session) CallEvents(ctx context.Context, op string, args, result any, onEvent func(wire.Event)) error {
	s.callMu.Lock()
	defer s.callMu.Unlock()
	data, err := json.Marshal(args)
	if err != nil {
		return err
	}
	s.next++
	s.calls++
	id := s.next
	if err := s.write(wire.Request{ID: id, Op: op, Args: data}); err != nil {
		return s.lost(op, err)
	}
	for {
		select {
		case r := <-s.replies:
			if r.ID != id {
				continue // of a request that was given up
			}
			if r.Event != nil {
				if onEvent != nil {
					onEvent(*r.Event)
				}
				continue
			}
			return s.settle(r, result)
		case <-s.ended:
			return s.lost(op, s.endErr)
		case <-ctx.Done():
			return fmt.Errorf("node %s: %s: %w", s.Node.Name, op, context.Cause(ctx))
		}
	}
}

// Go releases a node that waits behind the barrier.
func (s *Session) Go() error { return s.write(wire.Request{Op: wire.OpGo}) }

// Calls is how many requests were sent.
func (s *Session) Calls() int { return s.calls }

func (s *Session) lost(op string, err error) error {
	if err == nil {
		err = errors.New("the agent ended")
	}
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
	case <-time.After(closeGrace):
	}
	s.cancel()
	<-s.ended
}

// IsMissing reports a snapshot that lacks tables, or has more than the schema.
func IsMissing(err error) bool {
	var e *wire.Error
	return errors.As(err, &e) && e.Kind == wire.KindMissing
}
