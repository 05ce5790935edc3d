package hosts

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/casshook/casshook/pkg/ring"
)

// Target is a ring of hosts.
type Target struct {
	inventory Inventory
	hosts     map[string]Host
	// agent is the path of the local casshook-agent.
	agent string
	// grace is how long a command has to end after its context did.
	grace time.Duration
	// dial is nil but for tests.
	dial func(ctx context.Context, network, address string) (net.Conn, error)
}

var (
	_ ring.Nodes  = (*Target)(nil)
	_ ring.Exec   = (*Target)(nil)
	_ ring.Dialer = (*Target)(nil)
	_ ring.Locker = (*Target)(nil)
)

// Ring describes the ring to the flows, which need a Login beside it.
func (t *Target) Ring() ring.Target {
	return ring.Target{ClusterName: t.inventory.Cluster, AgreementTimeout: agreementTimeout, Nodes: t, Exec: t, Dialer: t, Locker: t}
}

// agreementTimeout is how long the nodes may disagree on the schema at first, as they do
// for a moment after each change of it.
const agreementTimeout = 30 * time.Second

func newTarget(inv Inventory) (*Target, error) {
	t := &Target{inventory: inv, hosts: map[string]Host{}, grace: stopGrace}
	for _, h := range inv.Nodes {
		t.hosts[h.Name] = h
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	t.agent = filepath.Join(filepath.Dir(self), "casshook-agent")
	return t, nil
}

// UseAgent names the local casshook-agent, instead of the one beside the running
// program.
func (t *Target) UseAgent(path string) { t.agent = path }

// ClusterName is that of the inventory; it may be empty.
func (t *Target) ClusterName() string { return t.inventory.Cluster }

// Nodes implements ring.Nodes.
func (t *Target) Nodes(context.Context) ([]ring.Node, error) {
	nodes := make([]ring.Node, 0, len(t.inventory.Nodes))
	for _, h := range t.inventory.Nodes {
		nodes = append(nodes, h.node())
	}
	return nodes, nil
}

// Credentials implements ring.Nodes.
func (t *Target) Credentials(context.Context) (ring.Credentials, error) {
	files := t.inventory.Credentials
	if files == nil {
		return ring.Credentials{}, nil
	}
	if err := t.checkPlaintext(); err != nil {
		return ring.Credentials{}, err
	}
	user, err := firstLine(files.UsernameFile, unchanged)
	if err != nil {
		return ring.Credentials{}, err
	}
	password, err := firstLine(files.PasswordFile, unread)
	return ring.Credentials{Username: user, Password: password}, err
}

func firstLine(path string, s secrecy) (string, error) {
	content, err := readTrusted(path, s)
	if err != nil {
		return "", fmt.Errorf("credentials: %w", err)
	}
	line, _, _ := strings.Cut(string(content), "\n")
	line = strings.TrimSuffix(line, "\r")
	if line == "" {
		return "", fmt.Errorf("credentials: %s is empty", path)
	}
	return line, nil
}

// AgentArgv implements ring.Exec: the agent of the inventory, or the local one.
func (t *Target) AgentArgv(_ context.Context, node ring.Node) ([]string, error) {
	h := t.hosts[node.Name]
	path := h.Agent
	if path == "" {
		path = t.agent
	}
	if len(h.Prefix) == 0 {
		if _, err := os.Stat(path); err != nil {
			return nil, fmt.Errorf("%w: install casshook-agent beside casshook, or set its path in the inventory", err)
		}
	}
	return []string{path, "serve"}, nil
}

// stopGrace is Target.grace, but for tests.
const stopGrace = 10 * time.Second

// Exec implements ring.Exec: a local process, behind the host's prefix. It returns
// when the process ends, even while Stdin is still open.
func (t *Target) Exec(ctx context.Context, node ring.Node, c ring.Command) error {
	prefix := t.hosts[node.Name].Prefix
	argv := append(append([]string{}, prefix...), c.Argv...)
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	tail := &tailWriter{limit: 2000}
	cmd.Stdout, cmd.Stderr = c.Stdout, tail
	// Ctrl-C goes to all processes of the terminal's group: those at the nodes must outlive it, since they undo. In a session of its
	// own a prefix that asks for a password fails instead of waiting for a terminal.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	killed := false
	cmd.Cancel = func() error {
		killed = true
		return signalGroup(cmd, syscall.SIGTERM)
	}
	cmd.WaitDelay = t.grace
	err := run(cmd, c.Stdin)
	if killed { // what the prefix started must not outlive it
		_ = signalGroup(cmd, syscall.SIGKILL)
	}
	if err == nil {
		return nil
	}
	code := -1
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		code = exit.ExitCode()
	}
	return &ring.ExecError{Node: node.Name, Argv: shown(prefix, c.Argv), Code: code, Tail: withoutSecrets(tail.String(), prefix), Err: err}
}

// signalGroup sends a signal to a command and all that it started.
func signalGroup(cmd *exec.Cmd, s syscall.Signal) error {
	return syscall.Kill(-cmd.Process.Pid, s)
}

// run is cmd.Run with a stdin that is not waited for: exec.Cmd.Stdin would be, and
// the end of a process that died would show only with the next write to it.
func run(cmd *exec.Cmd, stdin io.Reader) error {
	if stdin == nil {
		return cmd.Run()
	}
	pipe, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	go func() {
		_, _ = io.Copy(pipe, stdin) // a process that reads no further is no error
		_ = pipe.Close()
	}()
	return cmd.Wait()
}

// DialCQL implements ring.Dialer.
func (t *Target) DialCQL(ctx context.Context, node ring.Node) (net.Conn, error) {
	dial := t.dial
	if dial == nil {
		dial = (&net.Dialer{}).DialContext
	}
	conn, err := dial(ctx, "tcp", net.JoinHostPort(node.Address, strconv.Itoa(node.CQLPort)))
	if err != nil {
		return nil, err
	}
	if err := t.checkConnection(node.Name, conn); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}

// tailWriter keeps the end of what is written.
type tailWriter struct {
	limit int
	buf   bytes.Buffer
}

func (w *tailWriter) Write(p []byte) (int, error) {
	w.buf.Write(p)
	if extra := w.buf.Len() - w.limit; extra > 0 {
		w.buf.Next(extra)
	}
	return len(p), nil
}

func (w *tailWriter) String() string { return strings.TrimSpace(w.buf.String()) }
