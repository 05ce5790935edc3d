package ringtest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"slices"
	"sync"
	"time"

	"github.com/casshook/casshook/pkg/agent"
	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/ring"
)

var (
	_ ring.Nodes           = seams{}
	_ ring.Exec            = seams{}
	_ ring.Dialer          = seams{}
	_ ring.VolumeSnapshots = seams{}
	_ ring.Passwords       = passwords{}
)

// errStopped is a call to a ring that does not run.
var errStopped = errors.New("the ring does not run")

// runs is an error where no node runs.
func (r *Ring) runs() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stopped || r.gone {
		return errStopped
	}
	return nil
}

// Nodes implements ring.Nodes.
func (s seams) Nodes(context.Context) ([]ring.Node, error) {
	var found []ring.Node
	err := s.do(Target, "", "nodes", func() error {
		if err := s.runs(); err != nil {
			return err
		}
		found = s.described()
		return nil
	})
	return found, err
}

// described are the nodes, whether or not they run.
func (r *Ring) described() []ring.Node {
	var found []ring.Node
	for i, n := range r.nodes {
		found = append(found, ring.Node{Node: n.Node, Address: fmt.Sprintf("10.0.0.%d", i+1), CQLPort: 9042})
	}
	return found
}

// Credentials implements ring.Nodes.
func (s seams) Credentials(context.Context) (ring.Credentials, error) {
	return ring.Credentials{Username: "cassandra", Password: "x"}, s.do(Target, "", "credentials", func() error { return nil })
}

// DialCQL implements ring.Dialer. The coordinator needs no connection: what is written
// comes back.
func (s seams) DialCQL(ctx context.Context, node ring.Node) (net.Conn, error) {
	conn, server := net.Pipe()
	go func() {
		_, _ = io.Copy(server, server)
		_ = server.Close()
	}()
	return conn, s.do(CQL, node.Name, "dial", ctx.Err)
}

// WaitVolumeSnapshots implements ring.VolumeSnapshots: none is under way.
func (s seams) WaitVolumeSnapshots(context.Context, time.Time, time.Duration, func(string)) error {
	return s.do(Target, "", "wait for volume snapshots", func() error { return nil })
}

type passwords seams

// Renew implements ring.Passwords.
func (p passwords) Renew(context.Context, func(string)) error {
	return p.do(Target, "", "renew passwords", func() error {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.renewed++
		return nil
	})
}

// agentName begins the command that is not run as a process.
const agentName = "casshook-agent"

// AgentArgv implements ring.Exec.
func (s seams) AgentArgv(_ context.Context, node ring.Node) ([]string, error) {
	return []string{agentName, "serve"}, s.do(Exec, node.Name, "agent argv", func() error { return nil })
}

// Exec implements ring.Exec: the agent runs in this process, what else is asked for as
// a process of its own.
func (s seams) Exec(ctx context.Context, node ring.Node, cmd ring.Command) error {
	if s.note(Exec, node.Name, "run") != None {
		return &ring.ExecError{Node: node.Name, Argv: cmd.Argv, Code: 1, Err: ErrFault}
	}
	if cmd.Argv[0] != agentName {
		return run(ctx, node, cmd)
	}
	ctx, die := context.WithCancel(ctx)
	defer die()
	l := &line{ring: s.Ring, node: node.Name, out: cmd.Stdout, lost: map[int]bool{}, die: die}
	stdin, requests := io.Pipe()
	answers, stdout := io.Pipe()
	var pump sync.WaitGroup
	pump.Go(func() { answers.CloseWithError(l.pumpAnswers(answers)) })
	go func() { requests.CloseWithError(l.pumpRequests(cmd.Stdin, requests)) }() // until its stdin ends
	err := agent.Serve(ctx, stdin, stdout)
	stdin.Close()
	stdout.Close()
	pump.Wait()
	if err != nil {
		return &ring.ExecError{Node: node.Name, Argv: cmd.Argv, Code: 1, Err: err}
	}
	return nil
}

// run runs a command on this machine. Its stdin is not waited for.
func run(ctx context.Context, node ring.Node, cmd ring.Command) error {
	var tail bytes.Buffer
	c := exec.CommandContext(ctx, cmd.Argv[0], cmd.Argv[1:]...)
	c.Stdout, c.Stderr = cmd.Stdout, &tail
	stdin, err := c.StdinPipe()
	if err != nil {
		return err
	}
	go func() {
		if cmd.Stdin != nil {
			_, _ = io.Copy(stdin, cmd.Stdin)
		}
		_ = stdin.Close()
	}()
	if err = c.Run(); err == nil {
		return nil
	}
	failed := &ring.ExecError{Node: node.Name, Argv: cmd.Argv, Code: -1, Tail: tail.String(), Err: err}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		failed.Code = exit.ExitCode()
	}
	return failed
}

// line is between an executor and its agent, and loses what it is told to.
type line struct {
	ring *Ring
	node string
	mu   sync.Mutex
	out  io.Writer
	lost map[int]bool
	die  context.CancelFunc
}

func (l *line) pumpRequests(from io.Reader, to io.Writer) error {
	in := bufio.NewReader(from)
	for {
		text, err := in.ReadBytes('\n')
		if err != nil {
			return io.EOF
		}
		var r wire.Request
		if err := json.Unmarshal(text, &r); err != nil {
			return err
		}
		switch l.faultOf(r) {
		case Refuse:
			if err := l.write(wire.Response{ID: r.ID, Error: &wire.Error{Message: r.Op + ": " + ErrFault.Error()}}); err != nil {
				return err
			}
			continue
		case Lose:
			l.mu.Lock()
			l.lost[r.ID] = true
			l.mu.Unlock()
		}
		if _, err := io.Copy(to, bytes.NewReader(text)); err != nil {
			return err
		}
	}
}

// faultOf asks what becomes of a request; pings and releases are none.
func (l *line) faultOf(r wire.Request) Fault {
	if slices.Contains([]string{wire.OpPing, wire.OpGo}, r.Op) {
		return None
	}
	what := r.Op
	if r.Op == wire.OpLock {
		var args wire.LockArgs
		_ = json.Unmarshal(r.Args, &args)
		what += " " + args.Action
	}
	if r.Op == wire.OpJournal {
		var args wire.JournalArgs
		_ = json.Unmarshal(r.Args, &args)
		what += fmt.Sprintf(" %s ended=%v", args.Entry.Step, args.Entry.Ended)
	}
	return l.ring.note(Agent, l.node, what)
}

func (l *line) pumpAnswers(from io.Reader) error {
	answers := json.NewDecoder(from)
	for {
		var r wire.Response
		if err := answers.Decode(&r); err != nil {
			return err
		}
		l.mu.Lock()
		lost := l.lost[r.ID]
		l.mu.Unlock()
		if lost && r.Event == nil {
			l.die()
			return io.ErrUnexpectedEOF
		}
		if err := l.write(r); err != nil {
			return err
		}
	}
}

func (l *line) write(r wire.Response) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return json.NewEncoder(l.out).Encode(r)
}
