//go:build kube && full

package e2e

import (
	"context"
	"fmt"
	"testing"

	gocql "github.com/apache/cassandra-gocql-driver/v2"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	kastenstandin "github.com/casshook/casshook/test/lab/kasten-standin"
	"github.com/casshook/casshook/test/lab/site"
	"github.com/casshook/casshook/test/lab/zoo"
)

// TestRingOfTwoDatacenters has a ring of two datacenters, which is backed up and restored as one and refused for one of them
// alone; and then a third in another namespace, with which it is refused altogether.
func TestRingOfTwoDatacenters(t *testing.T) {
	t.Parallel()
	w := open(t, "wide")
	dc1 := site.Datacenter{Namespace: w.namespace, Name: "dc1", Cluster: "wide", Size: 1}
	dc2 := site.Datacenter{Namespace: w.namespace, Name: "dc2", Cluster: "wide", Size: 1}
	both := []site.Datacenter{dc1, dc2}
	w.create(t, dc1)
	session, stop := w.session(t, dc1)
	require.NoError(t, w.Create(t.Context(), dc2))
	spread(t, session, "dc1", "dc2")
	w.ready(t, dc2)
	execute(t, session, "CREATE KEYSPACE shop WITH replication = {'class': 'NetworkTopologyStrategy', 'dc1': 1, 'dc2': 1}",
		"CREATE TABLE shop.t0 (id int PRIMARY KEY, name text)", "CREATE TABLE shop.t1 (id int PRIMARY KEY, name text)")
	require.NoError(t, w.Agree(t.Context(), dc1))
	execute(t, session, "INSERT INTO shop.t0 (id, name) VALUES (1, 'one')", "INSERT INTO shop.t1 (id, name) VALUES (1, 'one')")
	want := digest(t, session)
	stop()

	k := w.protect(t, policyHooks)
	point := backup(t, k)
	w.damage(t, dc1, 2)
	for _, d := range both {
		require.NoError(t, w.Delete(t.Context(), d, removeLimit))
	}
	_, err := restore(t, k, point)
	require.NoError(t, err)
	for _, d := range both {
		w.ready(t, d)
	}
	w.untouched(t, want, both...)

	alone := `datacenter ` + w.namespace + `/dc1 belongs to ring "wide" together with dc2`
	w.refused(t, 3, run{args: []string{"before-backup", "--datacenter=dc1"}}, alone)
	bound := w.protect(t, resourceBound)
	bound.Attempts = 1
	results, err := bound.RunPolicy(t.Context(), onlyPolicy(t, bound))
	require.ErrorContains(t, err, "casshook: "+alone)
	require.Equal(t, kastenstandin.Failed, results[0].State)
	w.reachOut(t, dc1)
	w.untouched(t, want, both...)
}

// untouched wants no backup on the volumes, and the content as it was.
func (w *world) untouched(t *testing.T, want zoo.Digests, all ...site.Datacenter) {
	t.Helper()
	for _, d := range all {
		require.Empty(t, w.leftovers(t, d))
		w.same(t, d, want)
	}
}

// spread gives the keyspace of roles a replica in each datacenter, once the last of them is known. Without, nobody can log in at
// the others. k8ssandra-operator cares for that, cass-operator leaves it to people.
func spread(t *testing.T, session *gocql.Session, datacenters ...string) {
	t.Helper()
	replicas := ""
	for _, name := range datacenters {
		replicas += fmt.Sprintf(", '%s': 1", name)
	}
	require.NoError(t, site.Wait(t.Context(), startLimit, "a ring that knows "+datacenters[len(datacenters)-1], func(ctx context.Context) error {
		return session.Query("ALTER KEYSPACE system_auth WITH replication = {'class': 'NetworkTopologyStrategy'" + replicas + "}").ExecContext(ctx)
	}))
}

// reachOut adds a datacenter to the ring that lies in another namespace.
func (w *world) reachOut(t *testing.T, near site.Datacenter) {
	t.Helper()
	far := w.beside(t, "wide-far")
	user, password, err := w.Superuser(t.Context(), near)
	require.NoError(t, err)
	far.secret(t, near.SuperuserSecret(), corev1.SecretTypeOpaque, map[string]string{"username": user, "password": password})
	d := site.Datacenter{Namespace: far.namespace, Name: "dc3", Cluster: near.Cluster, Size: 1, Spec: map[string]any{"additionalSeeds": []any{w.address(t, near)}}}
	require.NoError(t, far.Create(t.Context(), d))
	session, stop := w.session(t, near)
	defer stop()
	spread(t, session, "dc1", "dc2", "dc3")
	far.ready(t, d)
	w.refused(t, 3, run{args: []string{"before-backup"}}, "the ring has a node that this run does not see: "+w.address(t, d))
	require.Empty(t, far.leftovers(t, d))
}
