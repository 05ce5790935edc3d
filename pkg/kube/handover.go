package kube

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// handoverLimit is how long the agent may take to be copied and started.
const handoverLimit = 3 * time.Minute

// noexec is the shell's exit code for a program that it may not run.
const noexec = 126

// handover stands between the streams of an exec and those of its caller until the
// agent runs: it answers the script's lines, and passes everything on after that.
type handover struct {
	agents *agents
	// stdin is what the exec reads.
	stdin  *io.PipeReader
	writer *io.PipeWriter
	out    io.Writer
	cancel context.CancelCauseFunc
	timer  *time.Timer

	// The script's lines, until started is closed.
	line    bytes.Buffer
	need    chan string
	started chan struct{}
	begun   bool
	ended   chan struct{}

	mu  sync.Mutex
	err error
	// told is set when the caller closed the agent's stdin.
	told bool
}

// hand begins a handover; cancel ends the exec when the agent does not start.
func (a *agents) hand(stdin io.Reader, out io.Writer, cancel context.CancelCauseFunc) *handover {
	h := &handover{agents: a, out: out, cancel: cancel, need: make(chan string, 1), started: make(chan struct{}), ended: make(chan struct{})}
	h.stdin, h.writer = io.Pipe()
	h.timer = time.AfterFunc(handoverLimit, func() {
		cancel(fmt.Errorf("the agent was not started within %s", handoverLimit))
	})
	go h.feed(stdin)
	return h
}

// feed writes what the exec reads: the binary if asked for, then the caller's.
func (h *handover) feed(stdin io.Reader) {
	defer h.writer.Close()
	select {
	case machine := <-h.need:
		if err := h.send(machine); err != nil {
			h.fail(err)
			return
		}
	case <-h.started:
	case <-h.ended:
		return
	}
	select {
	case <-h.started:
	case <-h.ended:
		return
	}
	_, err := io.Copy(h.writer, stdin) // an agent that reads no further is no error
	h.mu.Lock()
	h.told = err == nil
	h.mu.Unlock()
}

func (h *handover) send(machine string) error {
	b, err := h.agents.forMachine(machine)
	if err != nil {
		return err
	}
	_, _ = h.writer.Write(b.content) // a script that ends says why itself
	return nil
}

// lineLimit is more than any line of the script.
const lineLimit = 256

// Write implements io.Writer for the stdout of the exec.
func (h *handover) Write(p []byte) (int, error) {
	rest := p
	for !h.begun {
		i := bytes.IndexByte(rest, '\n')
		if i < 0 {
			h.line.Write(rest)
			if h.line.Len() > lineLimit {
				h.unexpected()
			}
			return len(p), nil
		}
		h.line.Write(rest[:i])
		rest = rest[i+1:]
		h.understand()
	}
	if len(rest) > 0 {
		if _, err := h.out.Write(rest); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

// understand acts on one line of the script.
func (h *handover) understand() {
	line := h.line.String()
	machine, needed := strings.CutPrefix(line, "need ")
	switch {
	case line == "start":
		h.begun = true
		h.timer.Stop()
		close(h.started)
	case needed && len(h.need) == 0:
		h.need <- machine
	default:
		h.unexpected()
	}
	h.line.Reset()
}

func (h *handover) unexpected() {
	h.fail(fmt.Errorf("the container's shell answered %.80q", h.line.String()))
}

// fail ends the exec for a reason that its own end would not tell.
func (h *handover) fail(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err == nil {
		h.err = err
		h.cancel(err)
	}
}

// cut reports whether the exec ended before the agent was told to. Where a
// connection is lost under SPDY, the streams end as if the process had.
func (h *handover) cut() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return !h.told
}

// end frees the exec's stdin; it is called when the exec is over.
func (h *handover) end() {
	h.timer.Stop()
	close(h.ended)
	h.writer.Close()
}

// why says more about the end of an exec of the agent.
func (h *handover) why(code int, err error) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.err != nil:
		return h.err
	case code == noexec:
		return fmt.Errorf("the container may not run programs from /tmp: put the agent into the image or an init container's volume, and name its path: %w", err)
	}
	return err
}
