package cassandra

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	gocql "github.com/apache/cassandra-gocql-driver/v2"
)

const (
	// upTimeout is for a wait whose context has no deadline.
	upTimeout = 5 * time.Minute
	upPause   = 100 * time.Millisecond
)

// WaitUp waits until every node takes clients, sees all nodes as up and normal with one schema version, and lets the superuser
// log in. It gives up when a node's process ends, when ctx does, or after five minutes if ctx has no deadline; the error then
// says what was missing last and shows the ends of the logs.
func (r *Ring) WaitUp(ctx context.Context) error {
	return poll(ctx, r.nodes, func(ctx context.Context) error {
		for _, n := range r.nodes {
			if err := n.sees(ctx, len(r.nodes)); err != nil {
				return err
			}
		}
		for _, n := range r.nodes {
			if err := n.login(ctx); err != nil {
				return err
			}
		}
		return nil
	})
}

func (n *Node) waitReady(ctx context.Context) error {
	return poll(ctx, []*Node{n}, n.ready)
}

// poll repeats check until it returns nil. The nodes are those that must stay alive meanwhile.
func poll(ctx context.Context, nodes []*Node, check func(context.Context) error) error {
	if _, limited := ctx.Deadline(); !limited {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, upTimeout)
		defer cancel()
	}
	for {
		missing := check(ctx)
		if missing == nil {
			return nil
		}
		for _, n := range nodes {
			if !n.Running() {
				return fmt.Errorf("wait for %s: its process has ended, log %s:\n%s", n.Name, n.LogFile, n.logTail())
			}
		}
		select {
		case <-ctx.Done():
			err := fmt.Errorf("wait for nodes: %w; last: %w", ctx.Err(), missing)
			for _, n := range nodes {
				err = errors.Join(err, fmt.Errorf("log %s:\n%s", n.LogFile, n.logTail()))
			}
			return err
		case <-time.After(upPause):
		}
	}
}

func (n *Node) ready(ctx context.Context) error {
	if err := n.ask(ctx, "/api/v0/probes/readiness", nil); err != nil {
		return err
	}
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", net.JoinHostPort(n.Address, strconv.Itoa(n.CQLPort)))
	if err != nil {
		return fmt.Errorf("dial CQL of %s: %w", n.Name, err)
	}
	return conn.Close()
}

// sees checks the node's view of the ring.
func (n *Node) sees(ctx context.Context, size int) error {
	if err := n.ready(ctx); err != nil {
		return err
	}
	var endpoints struct {
		Entity []map[string]string `json:"entity"`
	}
	if err := n.ask(ctx, "/api/v0/metadata/endpoints", &endpoints); err != nil {
		return err
	}
	normal := 0
	for _, e := range endpoints.Entity {
		if e["IS_ALIVE"] == "true" && strings.HasPrefix(orElse(e["STATUS_WITH_PORT"], e["STATUS"]), "NORMAL") {
			normal++
		}
	}
	if normal != size {
		return fmt.Errorf("%s sees %d nodes of %d as up and normal", n.Name, normal, size)
	}
	versions := map[string][]string{}
	if err := n.ask(ctx, "/api/v1/ops/node/schema/versions", &versions); err != nil {
		return err
	}
	if len(versions) != 1 {
		return fmt.Errorf("%s sees %d schema versions", n.Name, len(versions))
	}
	return nil
}

func (n *Node) login(ctx context.Context) error {
	session, err := n.Connect(ctx)
	if err != nil {
		return err
	}
	session.Close()
	return nil
}

// Connect opens a CQL session as the superuser that talks to this node only. The name and password are read from the ring's
// files. The caller closes it.
func (n *Node) Connect(ctx context.Context) (*gocql.Session, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	username, err := os.ReadFile(n.ring.UsernameFile())
	if err != nil {
		return nil, fmt.Errorf("read username: %w", err)
	}
	password, err := os.ReadFile(n.ring.PasswordFile())
	if err != nil {
		return nil, fmt.Errorf("read password: %w", err)
	}
	cluster := gocql.NewCluster(n.Address)
	cluster.Port = n.CQLPort
	cluster.Authenticator = gocql.PasswordAuthenticator{Username: string(username), Password: string(password)}
	cluster.DisableInitialHostLookup = true
	cluster.NumConns = 1
	cluster.Consistency = gocql.One
	cluster.ConnectTimeout = 10 * time.Second
	cluster.Timeout = time.Minute // a DROP KEYSPACE with many tables takes long
	cluster.Logger = gocql.NewLogger(gocql.LogLevelNone)
	session, err := cluster.CreateSession()
	if err != nil {
		return nil, fmt.Errorf("log in to %s: %w", n.Name, err)
	}
	return session, nil
}
