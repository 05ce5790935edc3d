package kastenstandin

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	discoveryfake "k8s.io/client-go/discovery/fake"
	"k8s.io/client-go/dynamic/fake"
	clienttesting "k8s.io/client-go/testing"
	"sigs.k8s.io/yaml"

	"github.com/casshook/casshook/test/lab/kasten-standin/kanister"
)

// actions is a fake of the Kanister controller.
type actions struct {
	mu    sync.Mutex
	calls []kanister.Action
	// fail is how often an action fails; below 0 always.
	fail map[string]int
	// before runs at the start of an action.
	before map[string]func(context.Context) error
}

var _ Actions = (*actions)(nil)

func (a *actions) Run(ctx context.Context, bp *kanister.Blueprint, action kanister.Action) (*kanister.Result, error) {
	a.mu.Lock()
	a.calls = append(a.calls, action)
	fail := a.fail[action.Name] != 0
	if fail {
		a.fail[action.Name]--
	}
	before := a.before[action.Name]
	a.mu.Unlock()
	if before != nil {
		if err := before(ctx); err != nil {
			return nil, err
		}
	}
	if fail {
		return nil, fmt.Errorf("%s is told to fail", action.Name)
	}
	return &kanister.Result{Artifacts: bp.Actions[action.Name].OutputArtifacts}, nil
}

func (a *actions) call(t *testing.T, name string) kanister.Action {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, call := range a.calls {
		if call.Name == name {
			return call
		}
	}
	t.Fatalf("action %s has not run", name)
	return kanister.Action{}
}

// world is a Kasten in a fake cluster in which workloads are ready and snapshots
// are cut at once.
type world struct {
	*Kasten
	client  *fake.FakeDynamicClient
	actions *actions
	// unready are workloads that do not become ready, by name.
	unready map[string]bool
}

func served1(group, version string, resources ...string) *metav1.APIResourceList {
	list := &metav1.APIResourceList{GroupVersion: strings.TrimPrefix(group+"/"+version, "/")}
	for _, r := range resources {
		name, kind, _ := strings.Cut(r, "=")
		list.APIResources = append(list.APIResources, metav1.APIResource{Name: name, Kind: kind, Namespaced: true, Verbs: metav1.Verbs{"get", "list"}})
	}
	return list
}

func newWorld(t *testing.T) *world {
	t.Helper()
	lists := []*metav1.APIResourceList{
		served1("", "v1", "pods=Pod", "secrets=Secret", "configmaps=ConfigMap", "serviceaccounts=ServiceAccount", "services=Service", "events=Event",
			"persistentvolumeclaims=PersistentVolumeClaim"),
		served1("apps", "v1", "statefulsets=StatefulSet", "deployments=Deployment", "replicasets=ReplicaSet"),
		served1("cassandra.datastax.com", "v1beta1", "cassandradatacenters=CassandraDatacenter"),
		served1(snapshotGroup, "v1", "volumesnapshots=VolumeSnapshot"),
	}
	kinds := map[schema.GroupVersionResource]string{contentResource(): "VolumeSnapshotContentList", {Version: "v1", Resource: "namespaces"}: "NamespaceList"}
	for _, list := range lists {
		gv, err := schema.ParseGroupVersion(list.GroupVersion)
		require.NoError(t, err)
		for _, r := range list.APIResources {
			kinds[gv.WithResource(r.Name)] = r.Kind + "List"
		}
	}
	content, err := os.ReadFile("testdata/app.yaml")
	require.NoError(t, err)
	catalog, err := LoadCatalog("testdata/kasten.yaml")
	require.NoError(t, err)
	w := &world{actions: &actions{fail: map[string]int{}, before: map[string]func(context.Context) error{}}, unready: map[string]bool{}}
	w.client = fake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(), kinds, manifests(t, string(content))...)
	w.client.PrependReactor("create", "*", w.created)
	w.Kasten = &Kasten{Dynamic: w.client, Discovery: &discoveryfake.FakeDiscovery{Fake: &clienttesting.Fake{Resources: lists}},
		Actions: w.actions, Catalog: catalog, Namespace: "app", Dir: t.TempDir(), Parallel: 1, Poll: time.Millisecond,
		Limits: Limits{Workload: 30 * time.Millisecond, Volume: 30 * time.Millisecond}}
	return w
}

// created is what the controllers of a cluster would do.
func (w *world) created(action clienttesting.Action) (bool, runtime.Object, error) {
	u := action.(clienttesting.CreateAction).GetObject().(*unstructured.Unstructured)
	u.SetUID("new-" + u.GetUID())
	switch action.GetResource().Resource {
	case "volumesnapshots":
		return false, nil, w.cut(u)
	case "statefulsets", "deployments":
		ready := int64(1)
		if w.unready[u.GetName()] {
			ready = 0
		}
		return false, nil, unstructured.SetNestedField(u.Object, ready, "status", "readyReplicas")
	}
	return false, nil, nil
}

// cut makes the content of a snapshot that has none.
func (w *world) cut(snapshot *unstructured.Unstructured) error {
	name, given, _ := unstructured.NestedString(snapshot.Object, "spec", "source", "volumeSnapshotContentName")
	claim, _, _ := unstructured.NestedString(snapshot.Object, "spec", "source", "persistentVolumeClaimName")
	if !given {
		name = "content-" + snapshot.GetName()
		content := &unstructured.Unstructured{Object: map[string]any{"apiVersion": snapshotGroup + "/v1", "kind": "VolumeSnapshotContent",
			"metadata": map[string]any{"name": name}, "spec": map[string]any{"driver": "lab.csi", "deletionPolicy": "Delete"},
			"status": map[string]any{"snapshotHandle": "handle-" + claim}}}
		if err := w.client.Tracker().Create(contentResource(), content, ""); err != nil {
			return err
		}
	}
	return unstructured.SetNestedMap(snapshot.Object, map[string]any{"readyToUse": true, "boundVolumeSnapshotContentName": name,
		"creationTime": "2026-01-02T03:04:05Z"}, "status")
}

func manifests(t *testing.T, stream string) []runtime.Object {
	t.Helper()
	var all []runtime.Object
	for _, document := range strings.Split(stream, "---\n") {
		content, err := yaml.YAMLToJSON([]byte(document))
		require.NoError(t, err)
		u := &unstructured.Unstructured{}
		require.NoError(t, u.UnmarshalJSON(content))
		all = append(all, u)
	}
	return all
}

func (w *world) policy() *Policy { return w.Catalog.Policies["p"] }

// backup runs the policy, which must succeed, and forgets the calls.
func (w *world) backup(t *testing.T) string {
	t.Helper()
	results, err := w.RunPolicy(t.Context(), w.policy())
	require.NoError(t, err)
	w.actions.calls = nil
	return results[0].RestorePoint
}

func (w *world) restoreAction(point, target string) *RestoreAction {
	action := &RestoreAction{}
	action.Name = "r"
	action.Spec = RestoreSpec{Subject: ActionSubject{Kind: RestorePointKind, Name: point, Namespace: "app"}, TargetNamespace: target}
	return action
}

// resource reads and lists.
func (w *world) list(t *testing.T, gvr schema.GroupVersionResource, namespace string) []string {
	t.Helper()
	items, err := w.client.Resource(gvr).Namespace(namespace).List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	all := []string{}
	for _, item := range items.Items {
		all = append(all, item.GetName())
	}
	return all
}

func (w *world) read(t *testing.T, id ID, namespace string) *unstructured.Unstructured {
	t.Helper()
	u, err := w.client.Resource(id.gvr()).Namespace(namespace).Get(t.Context(), id.Name, metav1.GetOptions{})
	require.NoError(t, err)
	return u
}

func names(events []Event) []string {
	var all []string
	for _, e := range events {
		all = append(all, e.String())
	}
	return all
}

func dc1() ID {
	return ID{Group: "cassandra.datastax.com", Version: "v1beta1", Resource: "cassandradatacenters", Name: "dc1"}
}
