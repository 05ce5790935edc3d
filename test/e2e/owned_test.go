//go:build kube

package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/casshook/casshook/test/lab/site"
)

func k8ssandraClusters() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: "k8ssandra.io", Version: "v1alpha1", Resource: "k8ssandraclusters"}
}

// own makes a K8ssandraCluster the owner of a datacenter, by the labels that k8ssandra-operator sets, and stands in for that
// operator: whatever the cluster says of stopped, the datacenter soon says, too.
func (w *world) own(t *testing.T, d site.Datacenter, owner string) {
	t.Helper()
	definition, err := os.ReadFile("testdata/k8ssandraclusters.json")
	require.NoError(t, err)
	if err := w.Apply(t.Context(), string(definition)); !apierrors.IsAlreadyExists(err) {
		require.NoError(t, err)
	}
	clusters := w.Dynamic.Resource(k8ssandraClusters()).Namespace(w.namespace)
	require.NoError(t, site.Wait(t.Context(), startLimit, "the API server to know K8ssandraClusters", func(ctx context.Context) error {
		_, err := clusters.List(ctx, metav1.ListOptions{})
		return err
	}))
	require.NoError(t, w.Apply(t.Context(), fmt.Sprintf("apiVersion: k8ssandra.io/v1alpha1\nkind: K8ssandraCluster\nmetadata: {name: %s, namespace: %s}\n"+
		"spec: {cassandra: {serverVersion: 5.0.9, datacenters: [{metadata: {name: %s}, size: %d}]}}\n", owner, w.namespace, d.Name, d.Size)))
	dc, err := w.Read(t.Context(), d)
	require.NoError(t, err)
	require.NoError(t, w.Patch(t.Context(), dc, fmt.Sprintf(`{"metadata": {"labels": {"k8ssandra.io/cluster-name": %q, "k8ssandra.io/cluster-namespace": %q}}}`, owner, w.namespace)))

	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- w.carryOver(ctx, d, owner) }()
	t.Cleanup(func() {
		stop()
		require.ErrorIs(t, <-done, context.Canceled)
	})
}

// carryOver stands in for k8ssandra-operator until ctx ends.
func (w *world) carryOver(ctx context.Context, d site.Datacenter, owner string) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
		}
		cluster, err := w.Dynamic.Resource(k8ssandraClusters()).Namespace(w.namespace).Get(ctx, owner, metav1.GetOptions{})
		if err != nil {
			continue
		}
		dc, err := w.Read(ctx, d)
		if err != nil {
			continue
		}
		want, err := stoppedIn(cluster)
		if err != nil {
			return err
		}
		if is, _, _ := unstructured.NestedBool(dc.Object, "spec", "stopped"); is != want {
			_ = w.Patch(ctx, dc, fmt.Sprintf(`{"spec": {"stopped": %v}}`, want)) // it is tried again
		}
	}
}

// stoppedIn is what a K8ssandraCluster says of its only datacenter.
func stoppedIn(cluster *unstructured.Unstructured) (bool, error) {
	datacenters, _, err := unstructured.NestedSlice(cluster.Object, "spec", "cassandra", "datacenters")
	if err != nil || len(datacenters) != 1 {
		return false, errors.Join(err, fmt.Errorf("%d datacenters", len(datacenters)))
	}
	datacenter, ok := datacenters[0].(map[string]any)
	if !ok {
		return false, errors.New("the datacenter is no object")
	}
	stopped, _, err := unstructured.NestedBool(datacenter, "stopped")
	return stopped, err
}

// launch cleans the volumes by the script that users know. after-restore then finds them as they should be.
func (w *world) launch(t *testing.T, d site.Datacenter) {
	t.Helper()
	dir := t.TempDir()
	w.generate(t, "all", "--out="+dir)
	s := w.shell(t, dir)
	s.env = append(s.env, "CASSHOOK_IMAGE="+image())
	claims, err := w.Claims(t.Context(), d)
	require.NoError(t, err)
	require.Len(t, claims, 2)
	claims = slices.DeleteFunc(claims, func(claim string) bool { return !strings.HasPrefix(claim, "server-data-") })
	require.Len(t, claims, 1)
	launcher := []string{"hooks/clean-up-launcher.sh", claims[0], w.namespace, "--in-place"}
	require.Contains(t, s.must(t, append(launcher, "--dry-run")...), "nothing was changed")
	require.Contains(t, s.must(t, launcher...), "is in place on 1 volume")
	require.Contains(t, s.must(t, launcher...), "unchanged")
}

// twoVolumes is a storage configuration with a volume for the commit log alone, at /commitlog.
func twoVolumes(storageClass string) map[string]any {
	claim := func(size string) map[string]any {
		return map[string]any{"storageClassName": storageClass, "accessModes": []any{"ReadWriteOnce"},
			"resources": map[string]any{"requests": map[string]any{"storage": size}}}
	}
	return map[string]any{"storageConfig": map[string]any{
		"cassandraDataVolumeClaimSpec": claim("2Gi"),
		"additionalVolumes":            []any{map[string]any{"name": "commitlog", "mountPath": "/commitlog", "pvcSpec": claim("1Gi")}},
	}}
}

// TestOwned goes back in place in a datacenter that a K8ssandraCluster owns: what stops and starts it is written there. Its nodes
// have two volumes, which the cleaner works on together.
func TestOwned(t *testing.T) {
	t.Parallel()
	w := open(t, "owned")
	d := w.create(t, site.Datacenter{Name: "dc1", Cluster: "owned", Size: 1, Spec: twoVolumes(w.StorageClass), YAML: map[string]any{"commitlog_directory": "/commitlog"}})
	pods, err := w.Pods(t.Context(), d)
	require.NoError(t, err)
	segments, err := w.Exec(t.Context(), w.namespace, pods[0], "cassandra", "ls", "/commitlog")
	require.NoError(t, err)
	require.Contains(t, segments, "CommitLog-")
	w.own(t, d, "shop")
	want := w.shop(t, d, 3)
	w.must(t, "before-backup")
	w.damage(t, d, 3)
	image := "--image=" + image()

	w.refused(t, 3, run{args: []string{"before-restore", "--delete", "--yes"}}, "K8ssandraCluster")
	w.ready(t, d) // it was not even stopped
	w.must(t, "before-restore", "--stop", "--yes")
	cluster, err := w.Dynamic.Resource(k8ssandraClusters()).Namespace(w.namespace).Get(t.Context(), "shop", metav1.GetOptions{})
	require.NoError(t, err)
	stopped, err := stoppedIn(cluster)
	require.NoError(t, err)
	require.True(t, stopped)
	w.refused(t, 3, run{args: []string{"after-restore", image}}, "use --in-place")
	w.launch(t, d)
	w.must(t, "after-restore", "--in-place", image)
	cluster, err = w.Dynamic.Resource(k8ssandraClusters()).Namespace(w.namespace).Get(t.Context(), "shop", metav1.GetOptions{})
	require.NoError(t, err)
	stopped, err = stoppedIn(cluster)
	require.NoError(t, err)
	require.False(t, stopped)
	w.same(t, d, want)
	require.Empty(t, w.leftovers(t, d))
	w.noJobs(t)
}
