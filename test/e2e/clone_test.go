//go:build kube

package e2e

import (
	"net"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	kastenstandin "github.com/casshook/casshook/test/lab/kasten-standin"
	"github.com/casshook/casshook/test/lab/site"
)

// TestClone restores into another namespace while the original runs: the rings never meet.
func TestClone(t *testing.T) {
	t.Parallel()
	w := open(t, "original")
	d := w.create(t, site.Datacenter{Name: "dc1", Cluster: "prod", Size: 2})
	want := w.shop(t, d, 3)
	there := w.beside(t, "clone")
	config := "--config=" + file(t, "apiVersion: casshook.io/v1\nkind: GenerateConfig\nclone: {namespace: "+there.namespace+"}\n")
	k := w.protect(t, policyHooks, config)
	dir := t.TempDir()
	w.generate(t, "all", config, "--kasten-namespace="+w.kastenNamespace, "--strategy="+policyHooks, "--out="+dir)
	w.shell(t, dir).must(t, "kubectl", "apply", "-f", "examples/clone/access.yaml")
	there.awaitRights(t)
	catalog, err := kastenstandin.LoadCatalog(filepath.Join(dir, "examples", "clone", "restore-"+w.namespace+".yaml"))
	require.NoError(t, err)
	point := backup(t, k)
	w.damage(t, d, 3)
	later := w.content(t, d)

	k.Catalog.RestoreActions = catalog.RestoreActions
	require.Equal(t, there.namespace, k.Catalog.RestoreActions[0].Spec.TargetNamespace)
	result, err := restore(t, k, point)
	require.NoError(t, err)
	require.Equal(t, kastenstandin.Complete, result.State)
	clone := d
	clone.Namespace = there.namespace
	there.same(t, clone, want)
	w.same(t, d, later)
	w.knowsItsOwn(t, d)
	there.knowsItsOwn(t, clone)
	pods, err := there.Pods(t.Context(), clone)
	require.NoError(t, err)
	for _, pod := range pods {
		marker, err := there.Exec(t.Context(), there.namespace, pod, "cassandra", "sh", "-c", "cat /var/lib/cassandra/casshook/restore-*/cleaned.json")
		require.NoError(t, err)
		require.Regexp(t, `"peersForgotten": *true`, marker, "%s: by the namespace alone, which before-backup recorded", pod)
	}
}

// knowsItsOwn wants a ring of two nodes to know each other and nobody else.
func (w *world) knowsItsOwn(t *testing.T, d site.Datacenter) {
	t.Helper()
	pods, err := w.Core.CoreV1().Pods(d.Namespace).List(t.Context(), metav1.ListOptions{LabelSelector: "cassandra.datastax.com/datacenter=" + d.Name})
	require.NoError(t, err)
	require.Len(t, pods.Items, 2)
	session, stop := w.session(t, d)
	defer stop()
	var known []string
	var peer net.IP
	rows := session.Query("SELECT peer FROM system.peers_v2").IterContext(t.Context())
	for rows.Scan(&peer) {
		known = append(known, peer.String())
	}
	require.NoError(t, rows.Close())
	require.Len(t, known, 1)
	require.Contains(t, []string{pods.Items[0].Status.PodIP, pods.Items[1].Status.PodIP}, known[0])
}
