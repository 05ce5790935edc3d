package stream

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// uploadLimit is how long the agent may take to be copied and started.
const uploadLimit = 3 * time.Minute

// noexec is the shell's exit code for a program that it may not run.
const noexec = 126

// upload stands between the streams of an exec and those of its caller until the
// agent runs: it answers the script's lines, and passes everything on after that.
type upload struct {
	agents *Agents
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

// upload begins one; cancel ends the exec when the agent does not start.
func (a *Agents) upload(stdin io.Reader, out io.Writer, cancel context.CancelCauseFunc) *upload {
	u := &upload{agents: a, out: out, cancel: cancel, need: make(chan string, 1), started: make(chan struct{}), ended: make(chan struct{})}
	u.stdin, u.writer = io.Pipe()
	u.timer = time.AfterFunc(uploadLimit, func() {
		cancel(fmt.Errorf("the agent was not started within %s", uploadLimit))
	})
	go u.feed(stdin)
	return u
}

// feed writes what the exec reads: the binary if asked for, then the caller's.
func (u *upload) feed(stdin io.Reader) {
	defer u.writer.Close()
	select {
	case machine := <-u.need:
		if err := u.send(machine); err != nil {
			u.fail(err)
			return
		}
	case <-u.started:
	case <-u.ended:
		return
	}
	select {
	case <-u.started:
	case <-u.ended:
		return
	}
	_, err := io.Copy(u.writer, stdin) // an agent that reads no further is no error
	u.mu.Lock()
	u.told = err == nil
	u.mu.Unlock()
}

func (u *upload) send(machine string) error {
	b, err := u.agents.forMachine(machine)
	if err != nil {
		return err
	}
	_, _ = u.writer.Write(b.content) // a script that ends says why itself
	return nil
}

// lineLimit is more than any line of the script.
const lineLimit = 256

// Write implements io.Writer for the stdout of the exec.
func (u *upload) Write(p []byte) (int, error) {
	rest := p
	for !u.begun {
		i := bytes.IndexByte(rest, '\n')
		if i < 0 {
			u.line.Write(rest)
			if u.line.Len() > lineLimit {
				u.unexpected()
			}
			return len(p), nil
		}
		u.line.Write(rest[:i])
		rest = rest[i+1:]
		u.understand()
	}
	if len(rest) > 0 {
		if _, err := u.out.Write(rest); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

// understand acts on one line of the script.
func (u *upload) understand() {
	line := u.line.String()
	machine, needed := strings.CutPrefix(line, "need ")
	switch {
	case line == "start":
		u.begun = true
		u.timer.Stop()
		close(u.started)
	case needed && len(u.need) == 0:
		u.need <- machine
	default:
		u.unexpected()
	}
	u.line.Reset()
}

func (u *upload) unexpected() {
	u.fail(fmt.Errorf("the container's shell answered %.80q", u.line.String()))
}

// fail ends the exec for a reason that its own end would not tell.
func (u *upload) fail(err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.err == nil {
		u.err = err
		u.cancel(err)
	}
}

// cut reports whether the exec ended before the agent was told to. Where a
// connection is lost under SPDY, the streams end as if the process had.
func (u *upload) cut() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return !u.told
}

// end frees the exec's stdin; it is called when the exec is over.
func (u *upload) end() {
	u.timer.Stop()
	close(u.ended)
	u.writer.Close()
}

// why says more about the end of an exec of the agent.
func (u *upload) why(code int, err error) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	switch {
	case u.err != nil:
		return u.err
	case code == noexec:
		return fmt.Errorf("the container may not run programs from /tmp: put the agent into the image or an init container's volume, and name its path: %w", err)
	}
	return err
}
