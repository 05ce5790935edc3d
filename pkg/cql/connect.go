package cql

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/apache/cassandra-gocql-driver/v2"

	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/ring"
)

// connectTimeout is how long a session may take to come about, all tries included.
const connectTimeout = time.Minute

// Login implements ring.Login.
func Login(ctx context.Context, dialer ring.Dialer, node ring.Node, credentials ring.Credentials) (ring.CQL, error) {
	session, err := Connect(ctx, dialer, node, credentials)
	if err != nil {
		return nil, err
	}
	return session, nil
}

// Connect logs in at a node. The session outlives ctx, which ends only the login.
func Connect(ctx context.Context, dialer ring.Dialer, node ring.Node, credentials ring.Credentials) (*Session, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, connectTimeout, fmt.Errorf("no session within %s", connectTimeout))
	defer cancel()
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	detach := context.AfterFunc(ctx, end)
	session, err := connect(ctx, config(oneNode{life, dialer, node}, credentials))
	if !detach() || err != nil {
		end()
		if session != nil {
			session.Close()
		}
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, flow.Fail(flow.Precondition, fmt.Errorf("connect to node %s (%s port %d) with CQL as user %q: %w",
			node.Name, node.Address, node.CQLPort, credentials.Username, plain(err)))
	}
	return &Session{Node: node.Name, user: credentials.Username, session: session, end: end}, nil
}

func config(dialer oneNode, credentials ring.Credentials) *gocql.ClusterConfig {
	cluster := gocql.NewCluster(dialer.node.Address)
	cluster.Port = dialer.node.CQLPort
	cluster.HostDialer = dialer
	cluster.HostFilter = &firstHost{}
	// What happens to other nodes is no reason to touch this connection.
	cluster.Events.DisableNodeStatusEvents = true
	cluster.Events.DisableTopologyEvents = true
	cluster.Events.DisableSchemaEvents = true
	cluster.ProtoVersion = 4
	cluster.NumConns = 1
	cluster.Timeout, cluster.WriteTimeout = StatementTimeout, StatementTimeout
	cluster.ConnectTimeout = 20 * time.Second
	cluster.Consistency = gocql.Quorum
	cluster.MaxWaitSchemaAgreement = 0 // the flows wait, once a phase
	cluster.Metadata.CacheMode = gocql.Disabled
	cluster.Logger = quiet{}
	if credentials.Username != "" {
		cluster.Authenticator = gocql.PasswordAuthenticator{Username: credentials.Username, Password: credentials.Password}
	}
	return cluster
}

// connect retries for a short while: a node that has just come up refuses.
func connect(ctx context.Context, cluster *gocql.ClusterConfig) (*gocql.Session, error) {
	const tries = 3
	for i := 1; ; i++ {
		session, err := cluster.CreateSession()
		if err == nil || i == tries || refusesCredentials(err) {
			return session, err
		}
		if flow.Sleep(ctx, time.Second) != nil {
			return nil, err
		}
	}
}

// refusesCredentials tells a login that no other try would change from one of a
// node that cannot read its accounts yet. The driver keeps only the node's text.
func refusesCredentials(err error) bool {
	text := err.Error()
	if strings.Contains(text, "Unable to perform authentication") {
		return false
	}
	return strings.Contains(text, "authenticat") || strings.Contains(text, "credentials") || strings.Contains(text, "password")
}

// plain takes the driver's decoration off an error.
func plain(err error) error {
	var req gocql.RequestError
	if errors.As(err, &req) {
		return &requestError{req}
	}
	if errors.Is(err, gocql.ErrTimeoutNoResponse) {
		return fmt.Errorf("no answer within %s", StatementTimeout)
	}
	return err
}

// requestError is what a node answered, in its own words alone.
type requestError struct{ gocql.RequestError }

// Error is the node's text.
func (e *requestError) Error() string { return e.Message() }

// oneNode is a gocql.HostDialer: whatever host the driver asks for, the
// connection goes to our node. All connections end with life.
type oneNode struct {
	life   context.Context //nolint:containedctx // the driver gives its own
	dialer ring.Dialer
	node   ring.Node
}

// DialHost implements gocql.HostDialer.
func (d oneNode) DialHost(ctx context.Context, _ *gocql.HostInfo) (*gocql.DialedHost, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(d.life, cancel)()
	conn, err := d.dialer.DialCQL(ctx, d.node)
	if err != nil {
		return nil, err
	}
	context.AfterFunc(d.life, func() { _ = conn.Close() })
	return &gocql.DialedHost{Conn: conn}, nil
}

// firstHost accepts the host that the driver knows first, which is the node that
// it is connected to. So the driver keeps no connections for other nodes, and has
// the host id of ours, without which it would drop the connection as one to a host
// that left as soon as it reads the ring again.
type firstHost struct {
	once sync.Once
	id   string
}

// Accept implements gocql.HostFilter.
func (f *firstHost) Accept(host *gocql.HostInfo) bool {
	f.once.Do(func() { f.id = host.HostID() })
	return host.HostID() == f.id
}

// quiet drops the driver's log: what matters comes back as errors.
type quiet struct{}

func (quiet) Error(string, ...gocql.LogField)   {}
func (quiet) Warning(string, ...gocql.LogField) {}
func (quiet) Info(string, ...gocql.LogField)    {}
func (quiet) Debug(string, ...gocql.LogField)   {}
