//go:build kube

package e2e

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	gocql "github.com/apache/cassandra-gocql-driver/v2"

	kastenstandin "github.com/casshook/casshook/test/lab/kasten-standin"
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

// TestThreeNodes is the whole cycle as users run it: three nodes over three racks with the zoo in them, a policy run with
// hooks in pods under exactly the declared RBAC, the datacenter deleted and with it its volumes, a restore without
// StatefulSets, after-restore, and every digest as it was.
func TestThreeNodes(t *testing.T) {
	w := open(t, "three")
	d := w.create(t, site.Datacenter{Name: "dc1", Cluster: "prod", Racks: []string{"r1", "r2", "r3"}, Size: 3})
	k := w.protect(t, policyHooks, "--config="+file(t, "apiVersion: casshook.io/v1\nkind: GenerateConfig\n"+
		"restore: {offline: false}\nhooks: {afterRestore: {flags: {ready-timeout: 15m}}}\n")) // the nodes start one after the other
	require.Contains(t, k.Catalog.Blueprints["casshook-policy-hooks"].Actions["after-restore"].Phases[0].Args["command"], "--ready-timeout=15m")
	session, stop := w.session(t, d)
	_, err := zoo.Create(t.Context(), w.zooOptions(t, d, session))
	require.NoError(t, err)
	want := digest(t, session)
	require.Greater(t, len(want), 100)
	before, err := w.Read(t.Context(), d)
	require.NoError(t, err)

	point := backup(t, k)
	_, err = zoo.Damage(t.Context(), w.zooOptions(t, d, session))
	require.NoError(t, err)
	require.NotEmpty(t, zoo.Compare(want, digest(t, session)))
	stop()
	require.NoError(t, w.Delete(t.Context(), d, removeLimit))

	result, err := restore(t, k, point)
	require.NoError(t, err)
	require.Equal(t, kastenstandin.Complete, result.State)
	w.ready(t, d)
	after, err := w.Read(t.Context(), d)
	require.NoError(t, err)
	require.Equal(t, site.HostIDs(before), site.HostIDs(after))
	session, _ = w.session(t, d)
	same(t, want, digest(t, session), d)

	story := strings.Join(w.story(t, d.Name), "\n")
	t.Log("events:\n" + story)
	for _, reason := range []string{"BackupStarted", "BackupCompleted", "BackupRemovalCompleted", "RestoreStarted", "RestoreCompleted"} {
		require.Contains(t, story, reason)
	}
}
