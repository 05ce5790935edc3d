//go:build kube

package e2e

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	gocql "github.com/apache/cassandra-gocql-driver/v2"

	"github.com/casshook/casshook/test/lab/site"
	"github.com/casshook/casshook/test/lab/zoo"
)

// zooOptions are those of the zoo on a datacenter; 5.0 nodes of cass-operator follow cassandra_latest.yaml.
func (w *world) zooOptions(t *testing.T, d site.Datacenter, session *gocql.Session) zoo.Options {
	t.Helper()
	version, flavour := d.Version, zoo.FlavourDefault
	if version == "" {
		version, flavour = "5.0.9", zoo.FlavourLatest
	}
	parsed, err := zoo.ParseVersion(version)
	require.NoError(t, err)
	return zoo.Options{
		Session: session, Version: parsed, Flavour: flavour, Nodes: d.Size, Scale: zoo.Small, Without: []string{zoo.RoleDamage},
		Flush: func(ctx context.Context, keyspace, table string) error { return w.Flush(ctx, d, keyspace, table) },
		Agree: func(ctx context.Context) error { return w.Agree(ctx, d) },
	}
}

// digest is of everything that clients see.
func digest(t *testing.T, session *gocql.Session) zoo.Digests {
	t.Helper()
	found, err := zoo.Digest(t.Context(), session)
	require.NoError(t, err)
	return found
}

// same wants two digests to be equal but for the superuser of cass-operator, whose password it sets again, with another
// salt, whenever a datacenter comes back. The secret and the role have one name.
func same(t *testing.T, want, got zoo.Digests, d site.Datacenter) {
	t.Helper()
	for _, difference := range zoo.Compare(want, got) {
		require.Equal(t, "role "+d.SuperuserSecret(), difference.Want.Name, difference)
	}
}
