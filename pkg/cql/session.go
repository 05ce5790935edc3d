// Package cql speaks CQL to one node of a ring, over any dialer: the ring as its
// system tables show it, the schema as DESCRIBE prints it, DDL through one
// coordinator with agreement waited for when the caller asks, and counts.
package cql

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/apache/cassandra-gocql-driver/v2"

	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/ring"
)

// StatementTimeout is how long one statement may take: a DROP KEYSPACE of some
// hundred tables was seen to take over 20 seconds, the client default is 11.
const StatementTimeout = 5 * time.Minute

// Session is a connection to one node, which coordinates all that is sent.
type Session struct {
	// Node is the name of the node.
	Node       string
	session    *gocql.Session
	statements atomic.Int64
}

// Connect logs in at a node.
func Connect(ctx context.Context, dialer ring.Dialer, node ring.Node, credentials ring.Credentials) (*Session, error) {
	cluster := gocql.NewCluster(node.Address)
	cluster.Port = node.CQLPort
	cluster.HostDialer = oneNode{dialer, node}
	cluster.DisableInitialHostLookup = true
	cluster.ProtoVersion = 4
	cluster.NumConns = 1
	cluster.Timeout, cluster.WriteTimeout = StatementTimeout, StatementTimeout
	cluster.ConnectTimeout = 20 * time.Second
	cluster.Consistency = gocql.Quorum
	cluster.MaxWaitSchemaAgreement = time.Nanosecond // the flows wait, once a phase
	cluster.Metadata.CacheMode = gocql.Disabled
	cluster.Logger = quiet{}
	if credentials.Username != "" {
		cluster.Authenticator = gocql.PasswordAuthenticator{Username: credentials.Username, Password: credentials.Password}
	}
	session, err := connect(ctx, cluster)
	if err != nil {
		return nil, flow.Fail(flow.Precondition, fmt.Errorf("connect to node %s (%s port %d) with CQL as user %q: %w",
			node.Name, node.Address, node.CQLPort, credentials.Username, plain(err)))
	}
	return &Session{Node: node.Name, session: session}, nil
}

// connect retries for a short while: a node that has just come up refuses.
func connect(ctx context.Context, cluster *gocql.ClusterConfig) (*gocql.Session, error) {
	const tries = 3
	for i := 1; ; i++ {
		session, err := cluster.CreateSession()
		if err == nil || i == tries || isAuthentication(err) {
			return session, err
		}
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func isAuthentication(err error) bool {
	text := err.Error()
	return strings.Contains(text, "authenticat") || strings.Contains(text, "credentials") || strings.Contains(text, "password")
}

// plain takes the driver's decoration off an error.
func plain(err error) error {
	var req gocql.RequestError
	if errors.As(err, &req) {
		return errors.New(req.Message())
	}
	return err
}

type oneNode struct {
	dialer ring.Dialer
	node   ring.Node
}

// DialHost implements gocql.HostDialer: whatever host the driver asks for, the
// connection goes to our node.
func (d oneNode) DialHost(ctx context.Context, _ *gocql.HostInfo) (*gocql.DialedHost, error) {
	conn, err := d.dialer.DialCQL(ctx, d.node)
	if err != nil {
		return nil, err
	}
	return &gocql.DialedHost{Conn: conn}, nil
}

// quiet drops the driver's log: what matters comes back as errors.
type quiet struct{}

func (quiet) Error(string, ...gocql.LogField)   {}
func (quiet) Warning(string, ...gocql.LogField) {}
func (quiet) Info(string, ...gocql.LogField)    {}
func (quiet) Debug(string, ...gocql.LogField)   {}

// Close ends the connection.
func (s *Session) Close() { s.session.Close() }

// Statements is how many statements were sent.
func (s *Session) Statements() int64 { return s.statements.Load() }

// Exec sends a statement that returns no rows. It does not wait for agreement.
func (s *Session) Exec(ctx context.Context, statement string) error {
	s.statements.Add(1)
	if err := s.session.Query(statement).Consistency(gocql.All).ExecContext(ctx); err != nil {
		return fmt.Errorf("node %s: %s: %w", s.Node, brief(statement), plain(err))
	}
	return nil
}

// brief is a statement short enough for an error: function bodies may be long.
func brief(statement string) string {
	const most = 160
	line := strings.Join(strings.Fields(statement), " ")
	if len(line) > most {
		return line[:most] + "…"
	}
	return line
}

// rows runs a query of the node's own tables and calls row after each scan.
func (s *Session) rows(ctx context.Context, query string, dest []any, row func()) error {
	return s.rowsAt(ctx, gocql.One, query, dest, row)
}

// rowsAt is rows at a consistency level.
func (s *Session) rowsAt(ctx context.Context, c gocql.Consistency, query string, dest []any, row func()) error {
	s.statements.Add(1)
	iter := s.session.Query(query).Consistency(c).IterContext(ctx)
	for iter.Scan(dest...) {
		row()
	}
	if err := iter.Close(); err != nil {
		return fmt.Errorf("node %s: %s: %w", s.Node, brief(query), plain(err))
	}
	return nil
}
