package agent

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/casshook/casshook/pkg/agent/wire"
)

// cassandra is the local node as the agent's operations need it. Two
// implementations: the Management API and nodetool.
type cassandra interface {
	// facts says who the node is and how it sees the ring.
	facts(ctx context.Context) (wire.Facts, error)
	// schemaVersions asks all nodes for their schema version; empty where that
	// would cost more than waiting for gossip.
	schemaVersions(ctx context.Context) (wire.SchemaVersions, error)
	// flush writes the memtables of keyspaces to disk.
	flush(ctx context.Context, keyspaces []string) error
	// open readies the connection, so that what follows starts at once.
	open(ctx context.Context) error
	// snapshot takes a snapshot of keyspaces, of all when none is named; errUnknown
	// when it goes on.
	snapshot(ctx context.Context, tag string, keyspaces ...string) error
	// clearSnapshot removes a snapshot of all keyspaces.
	clearSnapshot(ctx context.Context, tag string) error
	// load takes up the SSTables of one table; see loader.
	loader() loader
}

// errUnknown is a call that the Management API stopped waiting for after 30
// seconds, or that nodetool was killed in, while Cassandra goes on: its outcome is to be found out.
var errUnknown = errors.New("timed out; Cassandra may still be working on it")

func newCassandra(n wire.Node) (cassandra, error) {
	switch {
	case strings.HasPrefix(n.API, "unix://"), strings.HasPrefix(n.API, "http://"):
		return newAPI(n.API), nil
	case n.API != "":
		return nil, fmt.Errorf("node %s: invalid Management API address %q: use unix:///path or http://host:port", n.Name, n.API)
	case len(n.Nodetool) > 0:
		return &nodetool{argv: n.Nodetool}, nil
	}
	return nil, fmt.Errorf("node %s: no Management API address and no nodetool command: set one of them", n.Name)
}
