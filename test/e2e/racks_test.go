//go:build kube && full

package e2e

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	kastenstandin "github.com/casshook/casshook/test/lab/kasten-standin"
	"github.com/casshook/casshook/test/lab/site"
	"github.com/casshook/casshook/test/lab/zoo"
)

// TestThreeNodes is the whole cycle as users run it: three nodes over three racks with the zoo in them, a policy run with
// hooks in pods under exactly the declared RBAC, the datacenter deleted and with it its volumes, a restore without
// StatefulSets, after-restore, and every digest as it was.
func TestThreeNodes(t *testing.T) {
	t.Parallel()
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

// TestOffline is the whole cycle by the generated files: three nodes over three racks with the zoo in them, a policy run, the
// datacenter deleted and with it its volumes, a restore that creates it stopped, and a hook that cleans the volumes before any
// node starts. What clients see is what it was, and the ids of all tables.
func TestOffline(t *testing.T) {
	t.Parallel()
	w := open(t, "offline")
	d := w.create(t, site.Datacenter{Name: "dc1", Cluster: "prod", Racks: []string{"r1", "r2", "r3"}, Size: 3})
	k := w.protect(t, policyHooks)
	session, stop := w.session(t, d)
	_, err := zoo.Create(t.Context(), w.zooOptions(t, d, session))
	require.NoError(t, err)
	want, ids := digest(t, session), tableIDs(t, session)
	before, err := w.Read(t.Context(), d)
	require.NoError(t, err)

	point := backup(t, k)
	_, err = zoo.Damage(t.Context(), w.zooOptions(t, d, session))
	require.NoError(t, err)
	require.NotEmpty(t, zoo.Compare(want, digest(t, session)))
	require.NotEqual(t, ids, tableIDs(t, session))
	stop()
	require.NoError(t, w.Delete(t.Context(), d, removeLimit))

	result, err := restore(t, k, point)
	require.NoError(t, err)
	require.Equal(t, kastenstandin.Complete, result.State)
	after, err := w.Read(t.Context(), d)
	require.NoError(t, err)
	require.Equal(t, site.HostIDs(before), site.HostIDs(after))
	session, _ = w.session(t, d)
	same(t, want, digest(t, session), d)
	require.Equal(t, ids, tableIDs(t, session))
	require.Empty(t, w.leftovers(t, d))
	w.noJobs(t)
}
