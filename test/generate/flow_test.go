package generate

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	discoveryfake "k8s.io/client-go/discovery/fake"
	"k8s.io/client-go/dynamic/fake"
	clienttesting "k8s.io/client-go/testing"
	"sigs.k8s.io/yaml"

	"github.com/casshook/casshook/pkg/generate"
	"github.com/casshook/casshook/pkg/kube/objects"
	kastenstandin "github.com/casshook/casshook/test/lab/kasten-standin"
	"github.com/casshook/casshook/test/lab/kasten-standin/kanister"
	"github.com/casshook/casshook/test/lab/kasten-standin/kanister/param"
)

// hookPods renders actions as Kanister does, and tells the commands instead of running pods.
type hookPods struct {
	mu       sync.Mutex
	commands []string
	// fail is a word of the command that fails.
	fail string
}

var _ kastenstandin.Actions = (*hookPods)(nil)

func (h *hookPods) Run(_ context.Context, bp *kanister.Blueprint, action kanister.Action) (*kanister.Result, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	a := bp.Actions[action.Name]
	tp := &param.TemplateParams{ArtifactsIn: action.Artifacts, Phases: map[string]*param.Phase{},
		Object: map[string]any{"metadata": map[string]any{"name": action.Object.Name, "namespace": action.Object.Namespace}}}
	if action.Object.Kind == "Namespace" {
		tp.Namespace = &param.NamespaceParams{Name: action.Object.Namespace}
	}
	for _, phase := range a.Phases {
		args, err := param.RenderArgs(phase.Args, tp)
		if err != nil {
			return nil, err
		}
		var words []string
		for _, word := range args["command"].([]any)[1:] {
			words = append(words, word.(string))
		}
		h.commands = append(h.commands, strings.Join(words, " "))
		if words[0] == h.fail {
			return nil, errors.New(h.fail + " is told to fail")
		}
		tp.Phases[phase.Name] = &param.Phase{}
		if words[0] == "before-backup" {
			tp.Phases[phase.Name].Output = map[string]any{"backupId": "casshook-1"}
		}
	}
	artifacts, err := param.Artifacts(a.OutputArtifacts, tp)
	return &kanister.Result{Artifacts: artifacts}, err
}

const snapshotGroup = "snapshot.storage.k8s.io"

// site is a fake cluster with a datacenter, what casshook keeps beside it, and Kasten with generated files.
type site struct {
	*kastenstandin.Kasten
	client *fake.FakeDynamicClient
	pods   *hookPods
}

func newSite(t *testing.T, kinds ...string) *site {
	t.Helper()
	return newSiteOf(t, generate.Default(), kinds...)
}

func newSiteOf(t *testing.T, o generate.Options, kinds ...string) *site {
	t.Helper()
	o.Namespaces = []string{"app"}
	files, err := generate.Generate(o)
	require.NoError(t, err)
	catalog := &kastenstandin.Catalog{}
	for _, f := range files {
		if slices.Contains(kinds, f.Kind) {
			require.NoError(t, catalog.Add(f.Content))
		}
	}
	lists := []*metav1.APIResourceList{
		servedResources("v1", "pods=Pod", "secrets=Secret", "configmaps=ConfigMap", "serviceaccounts=ServiceAccount", "services=Service", "events=Event", "persistentvolumeclaims=PersistentVolumeClaim"),
		servedResources("apps/v1", "statefulsets=StatefulSet", "deployments=Deployment", "replicasets=ReplicaSet"),
		servedResources("cassandra.datastax.com/v1beta1", "cassandradatacenters=CassandraDatacenter"),
		servedResources("k8ssandra.io/v1alpha1", "k8ssandraclusters=K8ssandraCluster"),
		servedResources(snapshotGroup+"/v1", "volumesnapshots=VolumeSnapshot"),
	}
	content := schema.GroupVersionResource{Group: snapshotGroup, Version: "v1", Resource: "volumesnapshotcontents"}
	listKinds := map[schema.GroupVersionResource]string{content: "VolumeSnapshotContentList", {Version: "v1", Resource: "namespaces"}: "NamespaceList"}
	for _, list := range lists {
		gv, err := schema.ParseGroupVersion(list.GroupVersion)
		require.NoError(t, err)
		for _, r := range list.APIResources {
			listKinds[gv.WithResource(r.Name)] = r.Kind + "List"
		}
	}
	s := &site{client: fake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(), listKinds, application(t)...), pods: &hookPods{}}
	s.client.PrependReactor("create", "volumesnapshots", s.cut(content))
	s.client.PrependReactor("create", "deployments", func(a clienttesting.Action) (bool, runtime.Object, error) {
		u := a.(clienttesting.CreateAction).GetObject().(*unstructured.Unstructured)
		return false, nil, unstructured.SetNestedField(u.Object, int64(1), "status", "readyReplicas")
	})
	s.Kasten = &kastenstandin.Kasten{Dynamic: s.client, Discovery: &discoveryfake.FakeDiscovery{Fake: &clienttesting.Fake{Resources: lists}},
		Actions: s.pods, Catalog: catalog, Namespace: "kasten-io", Dir: t.TempDir(), Parallel: 1, Poll: time.Millisecond,
		Limits: kastenstandin.Limits{Workload: time.Second, Volume: time.Second}}
	return s
}

func servedResources(version string, resources ...string) *metav1.APIResourceList {
	list := &metav1.APIResourceList{GroupVersion: version}
	for _, r := range resources {
		name, kind, _ := strings.Cut(r, "=")
		list.APIResources = append(list.APIResources, metav1.APIResource{Name: name, Kind: kind, Namespaced: true, Verbs: metav1.Verbs{"get", "list"}})
	}
	return list
}

// application is the stand-in's, with a ConfigMap of casshook's own.
func application(t *testing.T) []runtime.Object {
	t.Helper()
	text, err := os.ReadFile("../lab/kasten-standin/testdata/app.yaml")
	require.NoError(t, err)
	own := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "ConfigMap"}}
	own.SetName("casshook-prod")
	own.SetNamespace("app")
	own.SetLabels(objects.OwnLabels())
	all := []runtime.Object{own}
	for _, document := range strings.Split(string(text), "---\n") {
		content, err := yaml.YAMLToJSON([]byte(document))
		require.NoError(t, err)
		u := &unstructured.Unstructured{}
		require.NoError(t, u.UnmarshalJSON(content))
		all = append(all, u)
	}
	return all
}

// cut makes snapshots ready at once.
func (s *site) cut(contents schema.GroupVersionResource) clienttesting.ReactionFunc {
	return func(a clienttesting.Action) (bool, runtime.Object, error) {
		u := a.(clienttesting.CreateAction).GetObject().(*unstructured.Unstructured)
		claim, _, _ := unstructured.NestedString(u.Object, "spec", "source", "persistentVolumeClaimName")
		name := "content-" + u.GetName()
		content := &unstructured.Unstructured{Object: map[string]any{"apiVersion": snapshotGroup + "/v1", "kind": "VolumeSnapshotContent", "metadata": map[string]any{"name": name},
			"spec": map[string]any{"driver": "lab.csi", "deletionPolicy": "Delete"}, "status": map[string]any{"snapshotHandle": "handle-" + claim}}}
		if err := s.client.Tracker().Create(contents, content, ""); err != nil {
			return true, nil, err
		}
		return false, nil, unstructured.SetNestedMap(u.Object, map[string]any{"readyToUse": true, "boundVolumeSnapshotContentName": name, "creationTime": "2026-01-02T03:04:05Z"}, "status")
	}
}

// backup runs a strategy's policy.
func (s *site) backup(t *testing.T, strategy generate.Strategy) (*kastenstandin.Result, error) {
	t.Helper()
	results, err := s.RunPolicy(t.Context(), s.Catalog.Policies["casshook-"+string(strategy)])
	require.Len(t, results, 1)
	return results[0], err
}

// restore runs a strategy's RestoreAction, with the datacenter gone.
func (s *site) restore(t *testing.T, strategy generate.Strategy, point string) *kastenstandin.Result {
	t.Helper()
	for gvr, name := range map[schema.GroupVersionResource]string{datacenterResource(): "dc1", {Group: "apps", Version: "v1", Resource: "statefulsets"}: "r1",
		corev1.SchemeGroupVersion.WithResource("pods"): "r1-0", corev1.SchemeGroupVersion.WithResource("persistentvolumeclaims"): "server-data-r1-0"} {
		require.NoError(t, s.client.Tracker().Delete(gvr, "app", name))
	}
	return s.restoreInto(t, strategy, point)
}

// restoreInto runs a strategy's RestoreAction on what is there.
func (s *site) restoreInto(t *testing.T, strategy generate.Strategy, point string) *kastenstandin.Result {
	t.Helper()
	for _, r := range s.Catalog.RestoreActions {
		if (r.Spec.Hooks.OnSuccess != nil) == (strategy == generate.PolicyHooks) {
			return s.run(t, r, point)
		}
	}
	t.Fatal("no restore action")
	return nil
}

func (s *site) run(t *testing.T, r *kastenstandin.RestoreAction, point string) *kastenstandin.Result {
	t.Helper()
	action := *r
	action.Spec.Subject.Name = point
	s.pods.commands = nil
	result, err := s.Restore(t.Context(), &action)
	require.NoError(t, err)
	return result
}

// stopped is spec.stopped of the datacenter, which was false at the backup.
func (s *site) stopped(t *testing.T, namespace string) any {
	t.Helper()
	u, err := s.client.Resource(datacenterResource()).Namespace(namespace).Get(t.Context(), "dc1", metav1.GetOptions{})
	require.NoError(t, err)
	value, _, err := unstructured.NestedFieldNoCopy(u.Object, "spec", "stopped")
	require.NoError(t, err)
	return value
}

func datacenterResource() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: "cassandra.datastax.com", Version: "v1beta1", Resource: "cassandradatacenters"}
}

func steps(events []kastenstandin.Event) string {
	var all []string
	for _, e := range events {
		all = append(all, e.String())
	}
	return strings.Join(all, "\n")
}

func (s *site) captured(t *testing.T, point string) string {
	t.Helper()
	read, err := kastenstandin.ReadPoint(s.Dir, point)
	require.NoError(t, err)
	var all []string
	for _, id := range read.Objects {
		all = append(all, id.Resource+"/"+id.Name)
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

const withoutSets = "cassandradatacenters/dc1 configmaps/settings deployments/web persistentvolumeclaims/orphan persistentvolumeclaims/server-data-r1-0 " +
	"persistentvolumeclaims/web secrets/dc1-superuser serviceaccounts/default services/dc1-service"

func TestPolicyHooksFlow(t *testing.T) {
	t.Parallel()
	s := newSite(t, generate.KindBlueprint, generate.KindPolicy, generate.KindRestore, generate.KindTransformSet)
	result, err := s.backup(t, generate.PolicyHooks)
	require.NoError(t, err)
	require.Equal(t, []string{"before-backup --namespace=app --output=kanister --owner=casshook-policy-hooks --ready-timeout=5m --volume-snapshot-timeout=5m",
		"after-backup --namespace=app --output=kanister --owner=casshook-policy-hooks --ready-timeout=5m --volume-snapshot-timeout=10m"}, s.pods.commands)
	require.Contains(t, steps(result.Events), "snapshot server-data-r1-0\n")
	require.Equal(t, withoutSets, s.captured(t, result.RestorePoint))
	restored := s.restore(t, generate.PolicyHooks, result.RestorePoint)
	require.Equal(t, kastenstandin.Complete, restored.State)
	require.Equal(t, []string{afterRestoreOf("app")}, s.pods.commands)
	require.NotContains(t, steps(restored.Events), "statefulsets")
	require.Equal(t, true, s.stopped(t, "app"), "after-restore starts it")
}

func TestResourceBoundFlow(t *testing.T) {
	t.Parallel()
	s := newSite(t, generate.KindBlueprint, generate.KindBinding, generate.KindPolicy, generate.KindRestore, generate.KindTransformSet)
	result, err := s.backup(t, generate.ResourceBound)
	require.NoError(t, err)
	const about = " --namespace=app --datacenter=dc1 --output=kanister"
	require.Equal(t, []string{"before-backup" + about + " --owner=casshook-resource-bound --ready-timeout=5m --volume-snapshot-timeout=5m", "after-backup" + about + " --owner=casshook-resource-bound --ready-timeout=5m --volume-snapshot-timeout=10m"}, s.pods.commands)
	text := steps(result.Events)
	require.Less(t, strings.Index(text, "backupPrehook"), strings.Index(text, "snapshot server-data-r1-0"))
	require.Less(t, strings.Index(text, "snapshotReady server-data-r1-0"), strings.Index(text, "backupPosthook"))
	require.NotContains(t, text, kastenstandin.EventNotReached)
	require.Equal(t, withoutSets+" statefulsets/r1", s.captured(t, result.RestorePoint))
	restored := s.restore(t, generate.ResourceBound, result.RestorePoint)
	require.Equal(t, kastenstandin.Complete, restored.State)
	require.Equal(t, []string{"after-restore" + about + " --backup=casshook-1 --image=" + generate.PlaceholderImage + " --ready-timeout=12m"}, s.pods.commands)
	require.NotContains(t, steps(restored.Events), "statefulsets")
	require.Equal(t, true, s.stopped(t, "app"), "after-restore starts it")
}

func afterRestoreOf(namespace string) string {
	return "after-restore --namespace=" + namespace + " --output=kanister --image=" + generate.PlaceholderImage + " --ready-timeout=12m"
}

// TestOnlineFlow: the datacenters come back as they were.
func TestOnlineFlow(t *testing.T) {
	t.Parallel()
	o := generate.Default()
	o.Restore.Offline = false
	s := newSiteOf(t, o, generate.KindBlueprint, generate.KindPolicy, generate.KindRestore)
	result, err := s.backup(t, generate.PolicyHooks)
	require.NoError(t, err)
	require.Equal(t, kastenstandin.Complete, s.restore(t, generate.PolicyHooks, result.RestorePoint).State)
	require.Equal(t, false, s.stopped(t, "app"))
}

// TestStopFirstFlow: the hook comes before any volume is replaced, by both strategies.
func TestStopFirstFlow(t *testing.T) {
	t.Parallel()
	for _, strategy := range generate.Strategies() {
		o := generate.Default()
		o.Restore.StopFirst, o.Strategy = true, strategy
		s := newSiteOf(t, o, generate.KindBlueprint, generate.KindBinding, generate.KindPolicy, generate.KindRestore, generate.KindTransformSet)
		result, err := s.backup(t, strategy)
		require.NoError(t, err)
		// What the hook would do: Kasten cannot replace a volume that a pod uses.
		require.NoError(t, s.client.Tracker().Delete(corev1.SchemeGroupVersion.WithResource("pods"), "app", "r1-0"))
		restored := s.restoreInto(t, strategy, result.RestorePoint)
		require.Equal(t, kastenstandin.Complete, restored.State)
		require.Len(t, s.pods.commands, 2)
		require.Equal(t, "before-restore --namespace=app --output=kanister --yes --stop", s.pods.commands[0])
		require.Contains(t, s.pods.commands[1], "after-restore --namespace=app ")
		text := steps(restored.Events)
		require.Contains(t, text, kastenstandin.EventDropClaim+" server-data-r1-0")
		require.Less(t, strings.Index(text, kastenstandin.EventPreHook), strings.Index(text, kastenstandin.EventDropClaim))
	}
}

// TestCloneFlow: the copy comes back stopped in its namespace, with the hook about that, and the original stays as it is.
func TestCloneFlow(t *testing.T) {
	t.Parallel()
	for _, strategy := range generate.Strategies() {
		o := generate.Default()
		o.Strategy = strategy
		s := newSiteOf(t, o, generate.KindBlueprint, generate.KindBinding, generate.KindPolicy, generate.KindTransformSet, generate.KindClone)
		result, err := s.backup(t, strategy)
		require.NoError(t, err)
		require.Len(t, s.Catalog.RestoreActions, 1)
		target := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": "app-clone"}}}
		require.NoError(t, s.client.Tracker().Create(corev1.SchemeGroupVersion.WithResource("namespaces"), target, ""))
		restored := s.run(t, s.Catalog.RestoreActions[0], result.RestorePoint)
		require.Equal(t, kastenstandin.Complete, restored.State)
		require.Equal(t, []string{afterRestoreOf("app-clone")}, s.pods.commands)
		require.Equal(t, true, s.stopped(t, "app-clone"))
		require.Equal(t, false, s.stopped(t, "app"))
	}
}

// TestClusterComesStopped: what a datacenter would be made anew from says the same, and only where it is meant.
func TestClusterComesStopped(t *testing.T) {
	t.Parallel()
	cluster := func(datacenter string) *unstructured.Unstructured {
		u := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "k8ssandra.io/v1alpha1", "kind": "K8ssandraCluster", "spec": map[string]any{
			"cassandra": map[string]any{"datacenters": []any{map[string]any{"metadata": map[string]any{"name": datacenter}, "size": int64(3)}}}}}}
		u.SetName("shop")
		u.SetNamespace("app")
		return u
	}
	clusters := schema.GroupVersionResource{Group: "k8ssandra.io", Version: "v1alpha1", Resource: "k8ssandraclusters"}
	for only, want := range map[string]any{"": true, "dc1": true, "dc2": nil} {
		o := generate.Default()
		o.Datacenter = only
		s := newSiteOf(t, o, generate.KindBlueprint, generate.KindPolicy, generate.KindTransformSet, generate.KindRestore)
		require.NoError(t, s.client.Tracker().Create(clusters, cluster("dc1"), "app"))
		result, err := s.backup(t, generate.PolicyHooks)
		require.NoError(t, err)
		require.NoError(t, s.client.Tracker().Delete(clusters, "app", "shop"))
		require.Equal(t, kastenstandin.Complete, s.restore(t, generate.PolicyHooks, result.RestorePoint).State)
		u, err := s.client.Resource(clusters).Namespace("app").Get(t.Context(), "shop", metav1.GetOptions{})
		require.NoError(t, err)
		datacenters, _, err := unstructured.NestedSlice(u.Object, "spec", "cassandra", "datacenters")
		require.NoError(t, err)
		require.Equal(t, want, datacenters[0].(map[string]any)["stopped"], only)
	}
}

// TestFailureFlow: whatever fails, what cleans up runs at the end, about the namespace.
func TestFailureFlow(t *testing.T) {
	t.Parallel()
	for _, strategy := range generate.Strategies() {
		s := newSite(t, generate.KindBlueprint, generate.KindBinding, generate.KindPolicy)
		s.pods.fail = "before-backup"
		result, err := s.backup(t, strategy)
		require.ErrorContains(t, err, "before-backup is told to fail")
		require.Equal(t, kastenstandin.Failed, result.State)
		require.Empty(t, result.RestorePoint)
		require.Equal(t, "on-failure --namespace=app --output=kanister --owner=casshook-"+string(strategy)+" --ready-timeout=5m --volume-snapshot-timeout=10m", s.pods.commands[len(s.pods.commands)-1])
	}
}

// TestOverrideFlow: beside policy hooks the volumes are snapshotted; beside bound ones they would not be, which is why the
// folder has its warning.
func TestOverrideFlow(t *testing.T) {
	t.Parallel()
	s := newSite(t, generate.KindBlueprint, generate.KindOverride, generate.KindPolicy)
	result, err := s.backup(t, generate.PolicyHooks)
	require.NoError(t, err)
	require.Contains(t, steps(result.Events), "snapshot server-data-r1-0\n")
	result, err = s.backup(t, generate.ResourceBound)
	require.NoError(t, err)
	require.NotContains(t, steps(result.Events), "snapshot server-data-r1-0")
	require.Equal(t, "version", s.pods.commands[len(s.pods.commands)-1])
}
