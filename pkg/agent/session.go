// Package agent does at a node what only works there: it talks to the local
// Cassandra (Management API, or nodetool), reads and writes the documents on
// the volume, and links SSTables. It runs as casshook-agent, serves one executor
// over stdin and stdout (package wire), and needs only the standard library.
package agent

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/casshook/casshook/pkg/agent/storage"
	"github.com/casshook/casshook/pkg/agent/wire"
)

// Release is the version that the agent reports; set by the linker's -X. which
// cannot set a constant.
var Release = "dev"

// Main is Serve for a process that is nothing but this agent: it gives up root for the
// user that Cassandra's files belong to, and ends itself where what runs does not.
func Main(ctx context.Context, in io.Reader, out io.Writer) error {
	const failed = 1
	return serve(ctx, in, out, serving{wire.Silence, process{become: storage.Become, end: func() { os.Exit(failed) }}})
}

// Serve answers requests from in on out until in closes, falls silent for
// wire.Silence, or ctx ends. What runs then is cancelled and waited for.
func Serve(ctx context.Context, in io.Reader, out io.Writer) error {
	return serve(ctx, in, out, serving{silence: wire.Silence})
}

// serving is how an agent serves.
type serving struct {
	silence time.Duration
	process process
}

func serve(ctx context.Context, in io.Reader, out io.Writer, how serving) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	s := &server{out: json.NewEncoder(out), release: make(chan struct{}, 1), gone: ctx.Done(), process: how.process}
	endAfter(ctx, lastGrace, how.process.end)
	defer s.close()
	requests := newQueue()
	readEnded := make(chan error, 1)
	heard := wire.Listen(in, how.silence, func() { cancel(fmt.Errorf("no message from the executor for %s", how.silence)) })
	go func() { readEnded <- s.read(heard, requests) }()
	go s.beat()
	for {
		select {
		case <-requests.arrived:
			req, overtaken, ok := requests.pop()
			if !ok {
				continue
			}
			done := make(chan struct{})
			go func() { s.answer(ctx, req, overtaken); close(done) }()
			if err := waitFor(ctx, done, readEnded, cancel); err != nil {
				return ignoreEOF(err)
			}
			requests.done()
		case err := <-readEnded:
			return ignoreEOF(err)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// waitFor waits until a request is answered; when the executor goes first, the
// request is cancelled and still waited for, so that nothing is left half-known.
func waitFor(ctx context.Context, done <-chan struct{}, readEnded <-chan error, cancel context.CancelCauseFunc) error {
	select {
	case <-done:
		return nil
	case err := <-readEnded:
		cancel(errors.New("the executor closed the stream"))
		<-done
		if err == nil {
			err = io.EOF
		}
		return err
	case <-ctx.Done():
		<-done
		return context.Cause(ctx)
	}
}

func ignoreEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

type server struct {
	mu      sync.Mutex
	out     *json.Encoder
	release chan struct{}
	// gone is closed when the executor is: nobody reads what is sent any more.
	gone    <-chan struct{}
	node    *node
	process process
}

func (s *server) close() {
	if s.node != nil {
		s.node.Close()
	}
}

// beat tells the executor that the agent is alive, whatever it is doing.
func (s *server) beat() {
	ticker := time.NewTicker(wire.Heartbeat)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			s.send(wire.Response{Event: &wire.Event{Kind: wire.EventBeat}})
		case <-s.gone:
			return
		}
	}
}

// read decodes lines; pings and releases are handled at once, requests queue.
func (s *server) read(in io.Reader, requests *queue) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(make([]byte, 64<<10), wire.MaxLine)
	for lines.Scan() {
		var req wire.Request
		if err := json.Unmarshal(lines.Bytes(), &req); err != nil {
			return fmt.Errorf("read request: %w", err)
		}
		switch req.Op {
		case wire.OpPing:
		case wire.OpGo:
			select {
			case s.release <- struct{}{}:
			default: // a second one: released already
			}
		default:
			if err := requests.push(req); err != nil {
				return err
			}
		}
	}
	if err := lines.Err(); err != nil {
		return err
	}
	return io.EOF
}

// send returns when the response is written, or the executor is gone: a cut stream
// may block for ever, and must not keep the agent alive.
func (s *server) send(r wire.Response) {
	written := make(chan struct{})
	go func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		defer close(written)
		_ = s.out.Encode(r) // a closed stdout is noticed by the reader
	}()
	select {
	case <-written:
	case <-s.gone:
	}
}

// call is one request while it runs.
type call struct {
	s  *server
	id int
	// overtaken is closed when the executor sends the next request, and so has
	// given this one up.
	overtaken <-chan struct{}
}

func (c call) event(e wire.Event) { c.s.send(wire.Response{ID: c.id, Event: &e}) }

func (c call) progress(message string, done, total int) {
	c.event(wire.Event{Kind: wire.EventProgress, Message: message, Done: done, Total: total})
}

func (s *server) answer(ctx context.Context, req wire.Request, overtaken <-chan struct{}) {
	result, err := s.dispatch(ctx, req, call{s, req.ID, overtaken})
	if err != nil {
		e := &wire.Error{Message: err.Error()}
		var known *wire.Error
		if errors.As(err, &known) {
			e.Kind = known.Kind
		}
		s.send(wire.Response{ID: req.ID, Error: e})
		return
	}
	data, err := json.Marshal(result)
	if err != nil {
		s.send(wire.Response{ID: req.ID, Error: &wire.Error{Message: err.Error()}})
		return
	}
	s.send(wire.Response{ID: req.ID, Result: data})
}

func (s *server) dispatch(ctx context.Context, req wire.Request, c call) (any, error) {
	if req.Op == wire.OpHello {
		return with(req, s.hello)
	}
	if s.node == nil {
		return nil, fmt.Errorf("operation %q before %q", req.Op, wire.OpHello)
	}
	handle, ok := s.node.operations(ctx, c)[req.Op]
	if !ok {
		return nil, fmt.Errorf("unknown operation %q", req.Op)
	}
	return handle(req)
}

// with decodes the arguments of a request strictly and calls f.
func with[A, R any](req wire.Request, f func(A) (R, error)) (any, error) {
	var args A
	if len(req.Args) > 0 {
		dec := json.NewDecoder(bytes.NewReader(req.Args))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&args); err != nil {
			return nil, fmt.Errorf("arguments of %s: %w", req.Op, err)
		}
	}
	if err := checkNames(args); err != nil {
		return nil, fmt.Errorf("arguments of %s: %w", req.Op, err)
	}
	return f(args)
}

func (s *server) hello(h wire.Hello) (wire.HelloResult, error) {
	result := wire.HelloResult{Protocol: wire.Protocol, Release: Release, PID: os.Getpid()}
	if h.Protocol != wire.Protocol {
		return result, fmt.Errorf("protocol mismatch: executor %d, agent %d; use the same release for both", h.Protocol, wire.Protocol)
	}
	if s.node != nil { // its flock would be lost sight of
		return result, fmt.Errorf("repeated %q: this agent already serves node %s", wire.OpHello, s.node.Name)
	}
	n, err := newNode(h)
	if err != nil {
		return result, err
	}
	if err := n.dropRoot(s.process.become); err != nil {
		return result, err
	}
	s.node = n
	return result, nil
}
