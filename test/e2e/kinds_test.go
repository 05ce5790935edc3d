//go:build kube

package e2e

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"

	"github.com/casshook/casshook/test/lab/site"
)

// TestKasten is all that needs Kasten's kinds, of which a cluster has one of each: one after the other.
func TestKasten(t *testing.T) {
	t.Parallel()
	t.Run("Doctor", fixNamespace)
	t.Run("Example", playExamples)
}

// kind is one of Kasten's, or of Kanister's.
type kind struct{ group, name, plural string }

// Kinds of Kanister, whose definition is public.
func blueprints() kind { return kind{"cr.kanister.io", "Blueprint", "blueprints"} }

// Kinds of Kasten, whose definitions are not.
func bindings() kind       { return kind{"config.kio.kasten.io", "BlueprintBinding", "blueprintbindings"} }
func policies() kind       { return kind{"config.kio.kasten.io", "Policy", "policies"} }
func profiles() kind       { return kind{"config.kio.kasten.io", "Profile", "profiles"} }
func transformSets() kind  { return kind{"config.kio.kasten.io", "TransformSet", "transformsets"} }
func runActions() kind     { return kind{"actions.kio.kasten.io", "RunAction", "runactions"} }
func restoreActions() kind { return kind{"actions.kio.kasten.io", "RestoreAction", "restoreactions"} }
func restorePoints() kind  { return kind{"apps.kio.kasten.io", "RestorePoint", "restorepoints"} }

func (k kind) resource() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: k.group, Version: "v1alpha1", Resource: k.plural}
}

func definitions() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}
}

// standInLabel is on definitions that a test made.
const standInLabel = "casshook.io/e2e"

// define makes a kind of Kasten's, if it is not there, for as long as the test runs. It has no schema: theirs is not public.
// What a run left that was killed goes with all its objects.
func (w *world) define(t *testing.T, k kind) {
	t.Helper()
	resource, name := w.Dynamic.Resource(definitions()), k.plural+"."+k.group
	found, err := resource.Get(t.Context(), name, metav1.GetOptions{})
	if err == nil && found.GetLabels()[standInLabel] == "" {
		return
	}
	require.NoError(t, w.undefine(t.Context(), name))
	require.NoError(t, w.Apply(t.Context(), fmt.Sprintf(`apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: %s, labels: {%s: "true"}}
spec:
  group: %s
  scope: Namespaced
  names: {kind: %s, plural: %s, singular: %s}
  versions: [{name: v1alpha1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}]
`, name, standInLabel, k.group, k.name, k.plural, strings.ToLower(k.name))))
	t.Cleanup(func() {
		require.NoError(t, w.undefine(context.WithoutCancel(t.Context()), name))
	})
	soon(t, name, func(ctx context.Context) error {
		_, err := w.Dynamic.Resource(k.resource()).List(ctx, metav1.ListOptions{})
		return err
	})
}

// undefine removes a definition and waits until it is gone.
func (w *world) undefine(ctx context.Context, name string) error {
	return site.Wait(ctx, removeLimit, "the end of "+name, func(ctx context.Context) error {
		err := w.Dynamic.Resource(definitions()).Delete(ctx, name, metav1.DeleteOptions{})
		if apierrors.IsNotFound(err) {
			return nil
		}
		return errors.Join(err, errors.New("it is still there"))
	})
}

// kastenServed tells whether the cluster has a Kasten: what actions are, a test may have defined, and no other.
func (w *world) kastenServed(t *testing.T) bool {
	t.Helper()
	list, err := w.Dynamic.Resource(definitions()).List(t.Context(), metav1.ListOptions{LabelSelector: standInLabel})
	require.NoError(t, err)
	if slices.ContainsFunc(list.Items, func(d unstructured.Unstructured) bool { return strings.HasSuffix(d.GetName(), "."+runActions().group) }) {
		return false // left by a run that was killed
	}
	served, err := discovery.IsResourceEnabled(w.Core.Discovery(), runActions().resource())
	require.NoError(t, err)
	return served
}

// objects are those of a kind in a namespace.
func (w *world) objects(t *testing.T, k kind, namespace string) []unstructured.Unstructured {
	t.Helper()
	list, err := w.Dynamic.Resource(k.resource()).Namespace(namespace).List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	return list.Items
}

func volumeSnapshotClasses() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: "snapshot.storage.k8s.io", Version: "v1", Resource: "volumesnapshotclasses"}
}

// snapshotsByKasten tells whether a VolumeSnapshotClass is annotated for Kasten.
func (w *world) snapshotsByKasten(t *testing.T) bool {
	t.Helper()
	classes, err := w.Dynamic.Resource(volumeSnapshotClasses()).List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	for _, class := range classes.Items {
		if class.GetAnnotations()["k10.kasten.io/is-snapshot-class"] == "true" {
			return true
		}
	}
	return false
}

// snapshotClass is one with Kasten's annotation for the driver of the test's volumes, for as long as the test runs; not the default.
func (w *world) snapshotClass(t *testing.T, name string) {
	t.Helper()
	class, err := w.Core.StorageV1().StorageClasses().Get(t.Context(), w.StorageClass, metav1.GetOptions{})
	require.NoError(t, err)
	require.NoError(t, w.Apply(t.Context(), fmt.Sprintf("apiVersion: snapshot.storage.k8s.io/v1\nkind: VolumeSnapshotClass\n"+
		"metadata: {name: %s, annotations: {k10.kasten.io/is-snapshot-class: 'true'}}\ndriver: %s\ndeletionPolicy: Delete\n", name, class.Provisioner)))
	t.Cleanup(func() { require.NoError(t, w.dropSnapshotClass(context.WithoutCancel(t.Context()), name)) })
}

func (w *world) dropSnapshotClass(ctx context.Context, name string) error {
	err := w.Dynamic.Resource(volumeSnapshotClasses()).Delete(ctx, name, metav1.DeleteOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

func volumeSnapshots() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: "snapshot.storage.k8s.io", Version: "v1", Resource: "volumesnapshots"}
}
