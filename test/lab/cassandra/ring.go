// Package cassandra starts rings of real Cassandra nodes on one machine, for tests and for trying things by hand.
//
// The nodes run from the jars that Maven repositories hold, with a configuration of our own and short cuts for a fast start.
// Each ring has a loopback network of its own (127.a.b.0/24), so several rings live side by side. Inside each node runs a
// stand-in of the Management API (package standin), which the lab uses itself to see whether a ring is up.
//
// On disk, below Options.Dir:
//
//	ring.json            how the ring was started; read by Open
//	username, password   the superuser's credentials, mode 0600
//	inventory.yaml       casshook's description of the ring
//	nodetool/            home of nodetool
//	n1/volume/           data, commitlog, hints, saved_caches, cdc_raw: what a volume snapshot would hold
//	n1/conf/, n1/system.log, n1/pid, n1/api-access.log, n1/api.sock, n1/tmp/
package cassandra

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	standin "github.com/casshook/casshook/test/lab/mgmtapi-standin"
)

// Superuser of a new ring, and its password.
const (
	Superuser         = "cassandra"
	SuperuserPassword = "cassandra"
)

// stopTimeout is how long a node may take to stop after SIGTERM before it is killed.
const stopTimeout = time.Minute

// maxSocketPath is below the 108 bytes of sun_path on Linux.
const maxSocketPath = 100

// state is ring.json.
type state struct {
	Options   Options `json:"options"`
	Net       string  `json:"net"`
	JMXPorts  []int   `json:"jmxPorts"`
	SocketDir string  `json:"socketDir,omitempty"` // when the ring's own directory makes too long a path
	JavaHome  string  `json:"javaHome"`
	Lib       string  `json:"lib"`
	Jamm      string  `json:"jamm"`
	Agent     string  `json:"agent"`
}

// Ring is a set of nodes that form one cluster. Its methods may be called from several goroutines as long as no two of them
// start or stop the same node at once.
type Ring struct {
	dir   string
	state state
	nodes []*Node
}

// Start fetches what is needed, starts all nodes at once and returns when the ring is up (see WaitUp). On an error nothing is
// left running, and Dir stays for a look at the logs.
func Start(ctx context.Context, options Options) (*Ring, error) {
	options, err := options.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("ring options: %w", err)
	}
	r := &Ring{dir: options.Dir}
	if _, err := os.Stat(r.stateFile()); err == nil {
		return nil, fmt.Errorf("start ring: %s holds one already", r.dir)
	}
	if r.state, err = prepare(ctx, options); err != nil {
		return nil, err
	}
	if err := r.build(); err != nil {
		return nil, errors.Join(err, r.Remove(context.WithoutCancel(ctx)))
	}
	if err := r.StartAll(ctx); err != nil {
		return nil, errors.Join(err, r.Kill(context.WithoutCancel(ctx)))
	}
	return r, nil
}

// prepare finds tools, jars, addresses and ports.
func prepare(ctx context.Context, options Options) (state, error) {
	s := state{Options: options}
	var err error
	if s.JavaHome, err = JavaHome(ctx); err != nil {
		return s, err
	}
	if s.Lib, err = Fetch(ctx, options.Version); err != nil {
		return s, err
	}
	jamm, err := filepath.Glob(filepath.Join(s.Lib, "jamm-*.jar"))
	if err != nil || len(jamm) != 1 {
		return s, fmt.Errorf("find jamm in %s: %d files, %w", s.Lib, len(jamm), err)
	}
	s.Jamm = jamm[0]
	cache, err := CacheDir()
	if err != nil {
		return s, err
	}
	if s.Agent, err = standin.Build(ctx, s.JavaHome, filepath.Join(cache, "mgmtapi-standin")); err != nil {
		return s, err
	}
	if s.Net, err = FreeNet(options.Nodes); err != nil {
		return s, err
	}
	s.JMXPorts, err = FreeJMXPorts(options.Nodes)
	return s, err
}

// build writes the ring's directory.
func (r *Ring) build() error {
	if err := os.MkdirAll(filepath.Join(r.dir, "nodetool"), 0o755); err != nil {
		return fmt.Errorf("create ring directory: %w", err)
	}
	if len(filepath.Join(r.dir, "n20", "api.sock")) > maxSocketPath {
		dir, err := os.MkdirTemp("", "casshook-lab-")
		if err != nil {
			return fmt.Errorf("create socket directory: %w", err)
		}
		r.state.SocketDir = dir
	}
	text, err := json.MarshalIndent(r.state, "", "  ")
	if err != nil {
		return fmt.Errorf("render ring.json: %w", err)
	}
	files := []struct {
		path, text string
		mode       fs.FileMode
	}{
		{r.stateFile(), string(text) + "\n", 0o644},
		{r.UsernameFile(), Superuser, 0o600},
		{r.PasswordFile(), SuperuserPassword, 0o600},
		{filepath.Join(r.dir, "nodetool", "logback.xml"), logbackQuiet, 0o644},
	}
	for _, f := range files {
		if err := os.WriteFile(f.path, []byte(f.text), f.mode); err != nil {
			return fmt.Errorf("write ring directory: %w", err)
		}
	}
	r.makeNodes()
	for _, n := range r.nodes {
		if err := n.configure(); err != nil {
			return err
		}
	}
	mode := InventorySocket
	if r.state.Options.API.Disable {
		mode = InventoryNodetool
	}
	return r.WriteInventory(r.InventoryFile(), mode)
}

func (r *Ring) makeNodes() {
	r.nodes = nil
	for i := range r.state.Options.Nodes {
		r.nodes = append(r.nodes, r.newNode(i+1))
	}
}

// Open returns a ring that was started before, by whatever process, running or not.
func Open(dir string) (*Ring, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("open ring: %w", err)
	}
	r := &Ring{dir: dir}
	text, err := os.ReadFile(r.stateFile())
	if err != nil {
		return nil, fmt.Errorf("open ring: %w", err)
	}
	if err := json.Unmarshal(text, &r.state); err != nil {
		return nil, fmt.Errorf("parse %s: %w", r.stateFile(), err)
	}
	r.state.Options.Dir = dir
	r.makeNodes()
	return r, nil
}

func (r *Ring) stateFile() string { return filepath.Join(r.dir, "ring.json") }

// Dir is the ring's directory, absolute.
func (r *Ring) Dir() string { return r.dir }

// Options are those the ring was started with, completed.
func (r *Ring) Options() Options { return r.state.Options }

// UsernameFile holds the superuser's name.
func (r *Ring) UsernameFile() string { return filepath.Join(r.dir, "username") }

// PasswordFile holds the superuser's password.
func (r *Ring) PasswordFile() string { return filepath.Join(r.dir, "password") }

// Nodes are the ring's nodes, n1 first.
func (r *Ring) Nodes() []*Node { return slices.Clone(r.nodes) }

// Node is node i, the first one being 1.
func (r *Ring) Node(i int) *Node { return r.nodes[i-1] }

// StartAll starts every node that is not running and waits until the ring is up.
func (r *Ring) StartAll(ctx context.Context) error {
	for _, n := range r.nodes {
		if n.Running() {
			continue
		}
		if err := n.start(); err != nil {
			return err
		}
	}
	return r.WaitUp(ctx)
}

// StartNode starts node i and waits until that node itself takes clients; the others may be down.
func (r *Ring) StartNode(ctx context.Context, i int) error {
	n := r.Node(i)
	if err := n.start(); err != nil {
		return err
	}
	return n.waitReady(ctx)
}

// StopNode ends node i in order (SIGTERM); a node that does not end within a minute is killed, which is an error.
func (r *Ring) StopNode(ctx context.Context, i int) error { return r.Node(i).stop(ctx) }

func (n *Node) stop(ctx context.Context) error {
	patience, cancel := context.WithTimeout(ctx, stopTimeout)
	defer cancel()
	err := n.end(patience, syscall.SIGTERM)
	if err != nil {
		return errors.Join(err, n.kill(context.WithoutCancel(ctx)))
	}
	return nil
}

// KillNode ends node i at once (SIGKILL), as a crash would. The last writes may be lost with it, because the commit log is
// synced ten times a second (commitlog_sync: periodic).
func (r *Ring) KillNode(ctx context.Context, i int) error { return r.Node(i).kill(ctx) }

func (n *Node) kill(ctx context.Context) error {
	patience, cancel := context.WithTimeout(ctx, stopTimeout)
	defer cancel()
	return n.end(patience, syscall.SIGKILL)
}

// Stop ends all nodes in order, at the same time.
func (r *Ring) Stop(ctx context.Context) error {
	return r.each(func(n *Node) error { return n.stop(ctx) })
}

// Kill ends all nodes at once with SIGKILL.
func (r *Ring) Kill(ctx context.Context) error {
	return r.each(func(n *Node) error { return n.kill(ctx) })
}

// Remove kills what runs and deletes the ring's directory.
func (r *Ring) Remove(ctx context.Context) error {
	if err := r.Kill(ctx); err != nil {
		return err
	}
	if r.state.SocketDir != "" {
		if err := os.RemoveAll(r.state.SocketDir); err != nil {
			return fmt.Errorf("remove sockets: %w", err)
		}
	}
	if err := os.RemoveAll(r.dir); err != nil {
		return fmt.Errorf("remove ring: %w", err)
	}
	return nil
}

// each runs do for all nodes at once and joins the errors.
func (r *Ring) each(do func(*Node) error) error {
	errs := make(chan error, len(r.nodes))
	for _, n := range r.nodes {
		go func() { errs <- do(n) }()
	}
	var all []error
	for range r.nodes {
		all = append(all, <-errs)
	}
	return errors.Join(all...)
}
