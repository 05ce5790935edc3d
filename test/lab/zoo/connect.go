package zoo

import (
	"context"
	"fmt"
	"time"

	gocql "github.com/apache/cassandra-gocql-driver/v2"
)

// unprepared in front of a statement keeps gocql from preparing it: it looks
// at the first word only. Every text is sent once, and the columns of a
// prepared SELECT may be out of date after DDL.
const unprepared = "/**/ "

// Connect opens a session on one node, which then coordinates everything: DDL
// that is spread over nodes runs into itself. Consistency is ALL, time-outs
// are two minutes since a DROP KEYSPACE may take half of one, timestamps are
// the server's unless a statement has its own, and DDL does not wait for the
// other nodes: the zoo waits once after many statements. Protocol 5 is needed
// to read all expiry times as of one moment.
func Connect(host string, port int, user, password string) (*gocql.Session, error) {
	cluster := gocql.NewCluster(host)
	cluster.Port = port
	cluster.ProtoVersion = 5
	cluster.NumConns = 2
	cluster.Timeout = 2 * time.Minute
	cluster.ConnectTimeout = 30 * time.Second
	cluster.Consistency = gocql.All
	cluster.DefaultTimestamp = false
	cluster.PageSize = 1000
	cluster.DisableInitialHostLookup = true
	cluster.Events.DisableNodeStatusEvents = true
	cluster.Events.DisableTopologyEvents = true
	cluster.Events.DisableSchemaEvents = true
	cluster.Metadata.CacheMode = gocql.Disabled
	cluster.MaxWaitSchemaAgreement = time.Nanosecond
	if user != "" {
		cluster.Authenticator = gocql.PasswordAuthenticator{Username: user, Password: password}
	}
	session, err := cluster.CreateSession()
	if err != nil {
		return nil, fmt.Errorf("connect %s:%d: %w", host, port, err)
	}
	return session, nil
}

// exec sends one statement once.
func exec(ctx context.Context, session *gocql.Session, cql string) error {
	return session.Query(unprepared + cql).ExecContext(ctx)
}

// query is a SELECT that is repeated when a node was slow.
func query(session *gocql.Session, cql string) *gocql.Query {
	return session.Query(unprepared + cql).Idempotent(true).
		RetryPolicy(&gocql.ExponentialBackoffRetryPolicy{NumRetries: 5, Min: 200 * time.Millisecond, Max: 3 * time.Second})
}

// agree waits until all nodes have one version of the schema.
func agree(ctx context.Context, session *gocql.Session) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	for {
		versions, err := schemaVersions(ctx, session)
		if err != nil {
			return fmt.Errorf("read schema versions: %w", err)
		}
		if len(versions) == 1 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for one schema version, have %d: %w", len(versions), ctx.Err())
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func schemaVersions(ctx context.Context, session *gocql.Session) (map[string]bool, error) {
	versions := map[string]bool{}
	for _, from := range []string{"system.local", "system.peers"} {
		iter := query(session, "SELECT schema_version FROM "+from).Consistency(gocql.One).IterContext(ctx)
		var id gocql.UUID
		for iter.Scan(&id) {
			versions[id.String()] = true
		}
		if err := iter.Close(); err != nil {
			return nil, err
		}
	}
	return versions, nil
}

func datacenter(ctx context.Context, session *gocql.Session) (string, error) {
	var dc string
	err := query(session, "SELECT data_center FROM system.local").Consistency(gocql.One).ScanContext(ctx, &dc)
	if err != nil {
		return "", fmt.Errorf("read the name of the datacenter: %w", err)
	}
	return dc, nil
}
