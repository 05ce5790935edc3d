package ring

import (
	"context"
	"time"

	"github.com/casshook/casshook/pkg/document"
	"github.com/casshook/casshook/pkg/schema"
)

// CQL is a connection to one node, which coordinates all that is sent. It is safe
// for concurrent use.
type CQL interface {
	// Ring reads the ring as the node's system tables show it.
	Ring(ctx context.Context) (Topology, error)
	// SchemaVersion is the one of all nodes, or an error that names who disagrees;
	// WaitAgreement waits for it.
	SchemaVersion(ctx context.Context) (string, error)
	WaitAgreement(ctx context.Context, patience time.Duration) (string, error)

	// Describe reads the schema of user keyspaces, in an order that can be replayed,
	// and Extras what DESCRIBE leaves out.
	Describe(ctx context.Context) ([]schema.Row, error)
	Extras(ctx context.Context) (schema.Extras, error)
	// Tables and Keyspaces are of the whole ring, the system's included.
	Tables(ctx context.Context) ([]document.TableRef, error)
	Keyspaces(ctx context.Context) ([]document.Keyspace, error)
	// Settings are those of the node that backups and restores depend on, by the
	// names of the newest Cassandra.
	Settings(ctx context.Context) (map[string]string, error)
	// User is who the session belongs to.
	User(ctx context.Context) (User, error)
	// NodeSettings are those of the node alone.
	NodeSettings(ctx context.Context) (NodeSettings, error)
	Roles(ctx context.Context) ([]string, error)
	Grants(ctx context.Context) ([]schema.Grant, error)

	// Exec sends a statement that returns no rows, at consistency ALL, and does not
	// wait for agreement.
	Exec(ctx context.Context, statement string) error
	// Count runs a query for one number at consistency ALL.
	Count(ctx context.Context, query string) (int64, error)
	// ViewBuilds is what every node says of the views that it builds or has built.
	ViewBuilds(ctx context.Context) (ViewBuilds, error)
	// Statements is how many were sent.
	Statements() int64
	Close()
}

// User is the user of a session.
type User struct {
	Name string
	// Superuser is set for superusers, and for everybody where nobody has to log in:
	// guardrails do not hold for them. It is set where nothing is known of the user, too.
	Superuser bool
	// Limited is set where an ordinary user needs permissions.
	Limited bool
}

// Login connects to a node with CQL.
type Login func(ctx context.Context, dialer Dialer, node Node, credentials Credentials) (CQL, error)

// Topology is the ring as one node's system tables show it.
type Topology struct {
	ClusterName string
	Partitioner string
	// Members are all nodes, the one that was asked first.
	Members []document.Member
	// SchemaVersions maps schema versions to the addresses that have them.
	SchemaVersions map[string][]string
}
