package cassandra

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// Node is one node of a ring. Its exported fields do not change while the ring exists.
type Node struct {
	// Name is n1, n2, …
	Name string
	// Address is the node's own loopback address, for CQL, gossip and the API on TCP.
	Address string
	// CQLPort is 9042.
	CQLPort int
	// JMXPort is on 127.0.0.1.
	JMXPort int
	// VolumeRoot holds what would be on the node's volume, and nothing else.
	VolumeRoot string
	// DataDirs are the data_file_directories, all below VolumeRoot.
	DataDirs []string
	// APISocket is the unix socket of the stand-in of the Management API; empty when that is disabled.
	APISocket string
	// APIURL is the stand-in on TCP; empty when it is disabled.
	APIURL string
	// Nodetool is an argv to which a command of nodetool is appended.
	Nodetool []string
	// LogFile gets what the node writes to stdout and stderr.
	LogFile string

	number int // from 1
	dir    string
	socket string // the stand-in's, also when the API is disabled
	ring   *Ring
}

func (r *Ring) newNode(number int) *Node {
	name := "n" + strconv.Itoa(number)
	dir := filepath.Join(r.dir, name)
	n := &Node{
		Name:       name,
		Address:    address(r.state.Net, number),
		CQLPort:    cqlPort,
		JMXPort:    r.state.JMXPorts[number-1],
		VolumeRoot: filepath.Join(dir, "volume"),
		LogFile:    filepath.Join(dir, "system.log"),
		number:     number,
		dir:        dir,
		socket:     filepath.Join(dir, "api.sock"),
		ring:       r,
	}
	if r.state.SocketDir != "" {
		n.socket = filepath.Join(r.state.SocketDir, name+".sock")
	}
	if !r.state.Options.API.Disable {
		n.APISocket = n.socket
		n.APIURL = fmt.Sprintf("http://%s:%d", n.Address, apiPort)
	}
	for k := range r.state.Options.MultipleDataDirs {
		dir := "data"
		if k > 0 {
			dir += strconv.Itoa(k)
		}
		n.DataDirs = append(n.DataDirs, filepath.Join(n.VolumeRoot, dir))
	}
	n.Nodetool = nodetool(r.state, filepath.Join(r.dir, "nodetool"), n.JMXPort)
	return n
}

// PID is the node's process, 0 when it is not running.
func (n *Node) PID() int {
	pid, err := readPID(n.pidFile())
	if err != nil || !alive(pid, n.mark()) {
		return 0
	}
	return pid
}

// Running says whether the node's process is there; it may still be starting.
func (n *Node) Running() bool { return n.PID() != 0 }

func (n *Node) pidFile() string { return filepath.Join(n.dir, "pid") }

// mark is what only this node's command line contains.
func (n *Node) mark() string { return "file://" + n.dir + "/conf/cassandra.yaml" }

func (n *Node) conf(name string) string { return filepath.Join(n.dir, "conf", name) }

// configure writes the node's directories and configuration.
func (n *Node) configure() error {
	for _, dir := range append([]string{filepath.Join(n.dir, "conf"), filepath.Join(n.dir, "tmp")}, n.DataDirs...) {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("create directory of %s: %w", n.Name, err)
		}
	}
	var seeds []string
	for _, other := range n.ring.nodes {
		seeds = append(seeds, other.Address)
	}
	options := n.ring.state.Options
	files := map[string]string{
		"cassandra.yaml": cassandraYAML(config{
			options: options, node: n.number, address: n.Address,
			seeds: seeds, volume: n.VolumeRoot, dataDirs: n.DataDirs,
		}),
		"cassandra-rackdc.properties": rackdc(n.number),
		"logback.xml":                 logback,
	}
	for name, text := range files {
		if err := os.WriteFile(n.conf(name), []byte(text), 0o644); err != nil {
			return fmt.Errorf("configure %s: %w", n.Name, err)
		}
	}
	return n.SetAPI(options.API)
}

// start launches the node's process and returns without waiting for it to be up.
func (n *Node) start() error {
	if n.Running() {
		return fmt.Errorf("start %s: already running", n.Name)
	}
	log, err := os.OpenFile(n.LogFile, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return fmt.Errorf("open log of %s: %w", n.Name, err)
	}
	defer func() { _ = log.Close() }()
	argv := n.command()
	cmd := exec.Command(argv[0], argv[1:]...) //nolint:noctx // lives as long as the ring, not as a call
	cmd.Dir, cmd.Stdout, cmd.Stderr = n.dir, log, log
	pid, err := launch(cmd, n.ring.state.Options.Detached)
	if err != nil {
		return fmt.Errorf("launch %s: %w", n.Name, err)
	}
	if err := os.WriteFile(n.pidFile(), []byte(strconv.Itoa(pid)+"\n"), 0o644); err != nil {
		return errors.Join(fmt.Errorf("write pid of %s: %w", n.Name, err), syscall.Kill(pid, syscall.SIGKILL))
	}
	return nil
}

func (n *Node) end(ctx context.Context, signal syscall.Signal) error {
	pid, err := readPID(n.pidFile())
	if err != nil {
		return err
	}
	if err := end(ctx, pid, n.mark(), signal); err != nil {
		return fmt.Errorf("end %s: %w", n.Name, err)
	}
	if err := os.Remove(n.pidFile()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove pid of %s: %w", n.Name, err)
	}
	return nil
}

// logTail is for errors.
func (n *Node) logTail() string {
	text, err := os.ReadFile(n.LogFile)
	if err != nil {
		return err.Error()
	}
	return tail(strings.ToValidUTF8(string(text), "?"), 40)
}
