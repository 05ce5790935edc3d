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

	"github.com/casshook/casshook/pkg/ring"
)

// StatementTimeout is how long one statement may take: a DROP KEYSPACE of some
// hundred tables was seen to take over 20 seconds, the client default is 11.
const StatementTimeout = 5 * time.Minute

// Session is a connection to one node, which coordinates all that is sent.
type Session struct {
	// Node is the name of the node.
	Node       string
	user       string
	session    *gocql.Session
	statements atomic.Int64
	end        context.CancelFunc
}

var (
	_ ring.CQL   = (*Session)(nil)
	_ ring.Login = Login
)

// Close ends the connection.
func (s *Session) Close() {
	s.session.Close()
	s.end()
}

// Statements is how many statements were sent.
func (s *Session) Statements() int64 { return s.statements.Load() }

// Exec sends a statement that returns no rows. It does not wait for agreement.
func (s *Session) Exec(ctx context.Context, statement string) error {
	s.statements.Add(1)
	if err := s.session.Query(statement).Consistency(gocql.All).ExecContext(ctx); err != nil {
		return s.failed(ctx, statement, err)
	}
	return nil
}

// failed says which statement failed, and where ctx has ended, why.
func (s *Session) failed(ctx context.Context, statement string, err error) error {
	if errors.Is(err, ctx.Err()) {
		err = context.Cause(ctx)
	}
	return fmt.Errorf("node %s: %s: %w", s.Node, brief(statement), plain(err))
}

// brief is a statement short enough for an error: function bodies may be long.
func brief(statement string) string {
	const most = 160
	line := strings.Join(strings.Fields(statement), " ")
	if len(line) > most {
		return strings.ToValidUTF8(line[:most], "") + "…"
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
		return s.failed(ctx, query, err)
	}
	return nil
}
