//go:build kube && full

package e2e

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	kastenstandin "github.com/casshook/casshook/test/lab/kasten-standin"
	"github.com/casshook/casshook/test/lab/site"
)

// emptyBlueprint keeps Kasten from its built-in one, and does nothing.
const emptyBlueprint = `apiVersion: cr.kanister.io/v1alpha1
kind: Blueprint
metadata: {name: empty, namespace: kasten-io}
actions:
  backupPrehook: {phases: []}
---
apiVersion: config.kio.kasten.io/v1alpha1
kind: BlueprintBinding
metadata: {name: empty, namespace: kasten-io}
spec:
  blueprintRef: {name: empty, namespace: kasten-io}
  resources:
    matchAll:
    - type: {operator: In, values: [{group: cassandra.datastax.com, resource: cassandradatacenters}]}
---
apiVersion: config.kio.kasten.io/v1alpha1
kind: Policy
metadata: {name: cassandra, namespace: kasten-io}
spec:
  frequency: '@onDemand'
  selector: {matchExpressions: [{key: k10.kasten.io/appNamespace, operator: In, values: [%[1]s]}]}
  actions:
  - action: backup
    backupParameters: {profile: {name: none, namespace: kasten-io}}
`

// restoreAction restores without StatefulSets, as the field does.
const restoreAction = `apiVersion: actions.kio.kasten.io/v1alpha1
kind: RestoreAction
metadata: {generateName: restore-, namespace: %[1]s}
spec:
  subject: {apiVersion: apps.kio.kasten.io/v1alpha1, kind: RestorePoint, name: newest, namespace: %[1]s}
  targetNamespace: %[1]s
  filters: {excludeResources: [{group: apps, resource: statefulsets}]}
`

// TestVolumesAlone is the ground that casshook stands on: three nodes over three racks, a policy run that does nothing but
// VolumeSnapshots, the datacenter deleted and with it its volumes, and a restore that brings the same ring back.
func TestVolumesAlone(t *testing.T) {
	t.Parallel()
	w := open(t, "volumes")
	d := w.create(t, site.Datacenter{Name: "dc1", Cluster: "volumes", Racks: []string{"r1", "r2", "r3"}, Size: 3})
	k := w.kasten(t, file(t, fmt.Sprintf(emptyBlueprint, w.namespace)+"---\n"+fmt.Sprintf(restoreAction, w.namespace)))

	dc, err := w.Read(t.Context(), d)
	require.NoError(t, err)
	hosts := site.HostIDs(dc)
	require.Len(t, hosts, 3)
	session, stop := w.session(t, d)
	execute(t, session, "CREATE KEYSPACE shop WITH replication = {'class': 'NetworkTopologyStrategy', 'dc1': 3}",
		"CREATE TABLE shop.orders (id int PRIMARY KEY, city text)")
	require.NoError(t, w.Agree(t.Context(), d))
	for i := range 100 {
		execute(t, session, fmt.Sprintf("INSERT INTO shop.orders (id, city) VALUES (%d, 'Rome')", i))
	}
	require.NoError(t, w.Flush(t.Context(), d, "shop", "orders"))
	stop()

	claims, err := w.Claims(t.Context(), d)
	require.NoError(t, err)
	require.Len(t, claims, 3)
	results, err := k.RunPolicy(t.Context(), k.Catalog.Policies["cassandra"])
	require.NoError(t, err)
	require.Len(t, results, 1)
	snapshots, err := w.Dynamic.Resource(volumeSnapshots()).Namespace(w.namespace).List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	require.Len(t, snapshots.Items, len(claims), "one of each claim")
	require.Contains(t, names(results[0].Events), "backupPrehook cassandradatacenters.cassandra.datastax.com/dc1")

	require.NoError(t, w.Delete(t.Context(), d, removeLimit), "the datacenter takes its claims along")

	action := k.Catalog.RestoreActions[0]
	action.Spec.Subject.Name = results[0].RestorePoint
	result, err := k.Restore(t.Context(), action)
	require.NoError(t, err)
	require.Equal(t, kastenstandin.Complete, result.State)
	w.ready(t, d)
	dc, err = w.Read(t.Context(), d)
	require.NoError(t, err)
	require.Equal(t, hosts, site.HostIDs(dc))
	session, _ = w.session(t, d)
	require.Equal(t, 100, count(t, session, "shop.orders"))
}
