//go:build kube

package e2e

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/casshook/casshook/test/lab/site"
)

// byHand is the story of examples/by-hand: the shell scripts in its README as they stand, with the generated hooks in them, and the
// steps that it tells in words. casshook may do there what the generated Role says.
func (e *example) byHand(t *testing.T) {
	dir := t.TempDir()
	e.generate(t, "all", "--kasten-namespace="+e.kastenNamespace, "--out="+dir)
	s := e.shell(t, dir)
	s.must(t, "kubectl", "apply", "-k", "blueprints/rbac")
	e.awaitRights(t)
	s.env = append(s.env, "CASSHOOK="+e.modest(t))
	readme := filepath.Join(dir, "examples", "by-hand", "README.md")
	before, err := e.Read(t.Context(), e.datacenter)
	require.NoError(t, err)

	for _, script := range blocks(t, readme, "Backup", "sh") {
		s.must(t, "sh", "-euc", script)
	}
	e.damage(t, e.datacenter, exampleTables)
	require.NoError(t, e.Delete(t.Context(), e.datacenter, removeLimit))

	snapshots := strings.Fields(s.must(t, "kubectl", "get", "volumesnapshots", "-n", e.namespace, "-o", "name"))
	for _, claim := range listed(t, filepath.Join(dir, "claims.yaml"), "PersistentVolumeClaim") {
		e.claimAgain(t, claim, snapshots)
	}
	for _, datacenter := range listed(t, filepath.Join(dir, "objects.yaml"), "CassandraDatacenter") {
		e.again(t, datacenter)
	}
	e.ready(t, e.datacenter)
	after, err := e.Read(t.Context(), e.datacenter)
	require.NoError(t, err)
	require.Equal(t, site.HostIDs(before), site.HostIDs(after))
	e.damage(t, e.datacenter, exampleTables)

	var plan, script, part []string
	for _, words := range commands(strings.Join(blocks(t, readme, "Restore", "sh"), "")) {
		switch {
		case words[1] == "plan":
			plan = words
		case slices.Contains(words, "--include"):
			part = words
		default:
			script = words
		}
	}
	require.Equal(t, []string{"hooks/cassandra_after_restore.sh", e.namespace}, script)
	require.Equal(t, script, part[:len(script)], "the same for a part")
	require.Contains(t, s.must(t, plan...), "shop.t0")
	s.must(t, script...)
}

// modest is a casshook that runs as the hooks' account.
func (e *example) modest(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "casshook")
	kubeconfig := e.kubeconfigOf(t, e.kastenNamespace, hookAccount)
	require.NoError(t, os.WriteFile(path, []byte("#!/bin/sh\nKUBECONFIG='"+kubeconfig+"' exec casshook \"$@\"\n"), 0o700))
	return path
}

// listed are the objects of a kind that kubectl wrote to a file.
func listed(t *testing.T, path, kind string) []*unstructured.Unstructured {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	lists, err := site.Decode(string(text))
	require.NoError(t, err)
	require.Len(t, lists, 1)
	items, _, err := unstructured.NestedSlice(lists[0].Object, "items")
	require.NoError(t, err)
	var found []*unstructured.Unstructured
	for _, item := range items {
		if object, ok := item.(map[string]any); ok && object["kind"] == kind {
			found = append(found, &unstructured.Unstructured{Object: object})
		}
	}
	require.NotEmpty(t, found)
	return found
}

// claimAgain makes a claim from its snapshot as the README says: the same name and labels, and a data source; no volumeName, status
// or annotations.
func (e *example) claimAgain(t *testing.T, claim *unstructured.Unstructured, snapshots []string) {
	t.Helper()
	var from []any
	for _, snapshot := range snapshots {
		if name := strings.TrimPrefix(snapshot, "volumesnapshot.snapshot.storage.k8s.io/"); strings.HasSuffix(name, "-"+claim.GetName()) {
			from = append(from, name)
		}
	}
	require.Len(t, from, 1, "%v", snapshots)
	claim.SetAnnotations(nil)
	unstructured.RemoveNestedField(claim.Object, "spec", "volumeName")
	unstructured.RemoveNestedField(claim.Object, "spec", "dataSourceRef") // of a claim that was restored before
	require.NoError(t, unstructured.SetNestedMap(claim.Object, map[string]any{
		"apiGroup": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot", "name": from[0]}, "spec", "dataSource"))
	e.again(t, claim)
}

// again creates an object without what the server had set.
func (e *example) again(t *testing.T, object *unstructured.Unstructured) {
	t.Helper()
	delete(object.Object, "status")
	for _, field := range []string{"uid", "resourceVersion", "creationTimestamp", "generation", "managedFields", "finalizers"} {
		unstructured.RemoveNestedField(object.Object, "metadata", field)
	}
	resource, err := e.Resource(object)
	require.NoError(t, err)
	_, err = resource.Create(t.Context(), object, metav1.CreateOptions{})
	require.NoError(t, err)
}
