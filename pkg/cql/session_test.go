package cql

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/apache/cassandra-gocql-driver/v2"
	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/ring"
)

func TestLogin(t *testing.T) {
	t.Parallel()
	wrong := ring.Credentials{Username: "admin", Password: "swordfish"}
	tests := []struct {
		name        string
		user        string
		credentials ring.Credentials
		want        string
	}{
		{"right", "admin", ring.Credentials{Username: "admin", Password: "hunter2"}, ""},
		{"a ring that asks for none", "", ring.Credentials{}, ""},
		{"a ring that asks for none, given some", "", wrong, ""},
		{"wrong password", "admin", wrong, "Provided username admin and/or password are incorrect"},
		{"none given", "admin", ring.Credentials{}, "authentication required"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newStandIn("5.0.9")
			s.user = tt.user
			session, err := Connect(t.Context(), s, node, tt.credentials)
			if tt.want == "" {
				require.NoError(t, err)
				defer session.Close()
				require.Equal(t, "n1", session.Node)
				_, err = session.Ring(t.Context())
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, "connect to node n1 (10.0.0.1 port 9042) with CQL as user "+fmt.Sprintf("%q", tt.credentials.Username))
			require.ErrorContains(t, err, tt.want)
			require.NotContains(t, err.Error(), wrong.Password)
			require.Equal(t, flow.Precondition, flow.CodeOf(err))
			require.LessOrEqual(t, s.logins, 1, "refused credentials are not tried again: accounts get locked")
		})
	}
}

// A node that has just come up cannot read its own accounts: that is no verdict
// on the credentials.
func TestLoginIsTriedAgainWhenAccountsCannotBeRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStandIn("5.0.9")
		s.refuse = func(login int) *failure {
			if login > 2 {
				return nil
			}
			return &failure{code: gocql.ErrCodeCredentials, message: "Unable to perform authentication: Cannot achieve consistency level QUORUM"}
		}
		session, err := Connect(t.Context(), s, node, ring.Credentials{Username: s.user, Password: s.password})
		require.NoError(t, err)
		session.Close()
	})
}

func TestConnectGivesUp(t *testing.T) {
	tests := []struct {
		name string
		s    func(*standIn)
		want string
	}{
		{"no listener", func(s *standIn) { s.dialErr = errors.New("connection refused") }, "connection refused"},
		{"a node that is silent after the login", func(s *standIn) {
			s.answers["SELECT * FROM system.local WHERE key='local'"] = always(silence{})
		}, "no session within 1m0s"},
		{"a node that cuts every connection", func(s *standIn) {
			s.answers["SELECT * FROM system.local WHERE key='local'"] = always(cut{})
		}, "could not retrieve control host info"},
		{"no CQL in version 4 of the protocol", func(s *standIn) {
			s.refuse = func(int) *failure {
				return &failure{code: gocql.ErrCodeProtocol, message: "Invalid or unsupported protocol version (4)"}
			}
		}, "unsupported protocol version 4"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStandIn("5.0.9")
				tt.s(s)
				_, err := Connect(t.Context(), s, node, ring.Credentials{Username: s.user, Password: s.password})
				require.ErrorContains(t, err, tt.want)
				require.Equal(t, flow.Precondition, flow.CodeOf(err))
			})
		})
	}
}

func TestConnectEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStandIn("5.0.9")
		s.answers["SELECT * FROM system.local WHERE key='local'"] = always(silence{})
		ctx, cancel := context.WithCancelCause(t.Context())
		ended := make(chan error)
		go func() {
			_, err := Connect(ctx, s, node, ring.Credentials{Username: s.user, Password: s.password})
			ended <- err
		}()
		synctest.Wait()
		cancel(errors.New("interrupted"))
		synctest.Wait() // no time passes: the end is at once
		select {
		case err := <-ended:
			require.ErrorContains(t, err, "interrupted")
		default:
			t.Fatal("Connect goes on although nobody waits for it")
		}
	})
}

func TestASessionOutlivesTheContextOfItsLogin(t *testing.T) {
	t.Parallel()
	s := newStandIn("5.0.9")
	ctx, cancel := context.WithCancel(t.Context())
	session, err := Connect(ctx, s, node, ring.Credentials{Username: s.user, Password: s.password})
	require.NoError(t, err)
	defer session.Close()
	cancel()
	_, err = session.Ring(t.Context())
	require.NoError(t, err, "undos run after the flow's context has ended")
}

func TestExec(t *testing.T) {
	t.Parallel()
	s := newStandIn("5.0.9")
	session := login(t, s)
	const create = "CREATE TABLE shop.t (id int PRIMARY KEY)"
	s.set(create, always(schemaChange{"CREATED", "TABLE", "shop"}))
	s.set("TRUNCATE TABLE shop.t", always(void{}))
	driver := len(s.queries)
	require.NoError(t, session.Exec(t.Context(), create))
	require.NoError(t, session.Exec(t.Context(), "TRUNCATE TABLE shop.t"))
	require.EqualValues(t, 2, session.Statements())
	require.Len(t, s.queries[driver:], 2, "the driver asks nothing on its own after a change of the schema")
	require.Equal(t, gocql.All, s.queries[driver].consistency)
}

func TestExecErrors(t *testing.T) {
	t.Parallel()
	unavailable := body{}.short(uint16(gocql.All)).int(2).int(1)
	tests := []struct {
		name, statement string
		reply           reply
		want            string
	}{
		{"syntax", "DROP TABEL x", &failure{code: gocql.ErrCodeSyntax, message: "no viable alternative"}, "node n1: DROP TABEL x: no viable alternative"},
		{"invalid", "DROP TABLE x", &failure{code: gocql.ErrCodeInvalid, message: "unconfigured table"}, "node n1: DROP TABLE x: unconfigured table"},
		{"unauthorized", "DROP KEYSPACE k", &failure{code: gocql.ErrCodeUnauthorized, message: "User admin has no DROP permission"}, "node n1: DROP KEYSPACE k: User admin has no DROP permission"},
		{"unavailable", "TRUNCATE TABLE k.t", &failure{gocql.ErrCodeUnavailable, "Cannot achieve consistency level ALL", unavailable}, "node n1: TRUNCATE TABLE k.t: Cannot achieve consistency level ALL"},
		{"overloaded", "TRUNCATE TABLE k.u", &failure{code: gocql.ErrCodeOverloaded, message: "Too many requests"}, "node n1: TRUNCATE TABLE k.u: Too many requests"},
		{"server", "CREATE\n  FUNCTION\tf", &failure{code: gocql.ErrCodeServer, message: "java.lang.NullPointerException"}, "node n1: CREATE FUNCTION f: java.lang.NullPointerException"},
		{"already exists", "CREATE TABLE k.t", &failure{gocql.ErrCodeAlreadyExists, "Cannot add already existing table", body{}.string("k").string("t")}, "Cannot add already existing table"},
		{"cut", "DROP INDEX k.i", cut{}, "node n1: DROP INDEX k.i: "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newStandIn("5.0.9")
			session := login(t, s)
			s.set(tt.statement, always(tt.reply))
			require.ErrorContains(t, session.Exec(t.Context(), tt.statement), tt.want)
			require.Equal(t, 1, s.seen(tt.statement), "a statement that may have been done is not sent again")
			require.EqualValues(t, 1, session.Statements())
		})
	}
}

func TestExecSaysHowLongItWaited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStandIn("5.0.9")
		session := login(t, s)
		defer session.Close()
		s.set("DROP KEYSPACE k", always(silence{}))
		require.EqualError(t, session.Exec(t.Context(), "DROP KEYSPACE k"), "node n1: DROP KEYSPACE k: no answer within 5m0s")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errors.New("the lock was lost"))
		defer cancel()
		require.EqualError(t, session.Exec(ctx, "DROP KEYSPACE k"), "node n1: DROP KEYSPACE k: the lock was lost")
	})
}

func TestBrief(t *testing.T) {
	t.Parallel()
	require.Equal(t, "a b", brief("a\n\t b"))
	long := brief("x" + strings.Repeat("é", 200))
	require.Equal(t, "x"+strings.Repeat("é", 79)+"…", long, "a character is not cut in two")
}

// While a ring starts, its nodes tell of one another. That must not touch the
// connection that a statement of half a minute runs on.
func TestAStatementSurvivesWhatBefallsOtherConnections(t *testing.T) {
	tests := []struct {
		name  string
		event func(*standIn)
	}{
		{"a node comes up", func(s *standIn) { s.nodeUp(ip2) }},
		{"the driver's own connection is cut", func(s *standIn) { s.conns[0].Close() }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStandIn("5.0.9")
				session := login(t, s)
				defer session.Close()
				release := make(chan struct{})
				s.set("DROP KEYSPACE k", func(query) reply { <-release; return schemaChange{"DROPPED", "KEYSPACE", "k"} })
				ended := make(chan error)
				go func() { ended <- session.Exec(t.Context(), "DROP KEYSPACE k") }()
				synctest.Wait()
				tt.event(s)
				time.Sleep(time.Minute)
				close(release)
				require.NoError(t, <-ended)
				_, err := session.Ring(t.Context())
				require.NoError(t, err)
			})
		})
	}
}

func TestTheSessionComesBackAfterACut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStandIn("5.0.9")
		session := login(t, s)
		defer session.Close()
		s.mu.Lock()
		for _, conn := range s.conns {
			conn.Close()
		}
		s.mu.Unlock()
		time.Sleep(time.Minute)
		_, err := session.Ring(t.Context())
		require.NoError(t, err)
	})
}
