package operatorstandin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	dynamicfake "k8s.io/client-go/dynamic/fake"
	"k8s.io/client-go/kubernetes/fake"
	"sigs.k8s.io/yaml"
)

// world is a cluster of fakes: API server, StatefulSet controller, kubelet, and pods whose Management API keeps a call log.
// Its clock moves a second a tick.
type world struct {
	t      *testing.T
	core   *fake.Clientset
	custom *dynamicfake.FakeDynamicClient
	op     *Operator
	schema *crd
	clock  time.Time

	calls []string           // "POST /api/v0/lifecycle/start dc1-r1-0", in order
	roles []string           // "username password superuser"
	fail  map[string]error   // by path
	up    map[types.UID]bool // pods that were asked to start
	slow  map[types.UID]int  // ticks until such a pod is ready
	pods  int                // made so far
}

func newWorld(t *testing.T, datacenters ...*unstructured.Unstructured) *world {
	t.Helper()
	w := &world{t: t, core: fake.NewClientset(), schema: readCRD(t), clock: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
		fail: map[string]error{}, up: map[types.UID]bool{}, slow: map[types.UID]int{}}
	w.custom = dynamicfake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(),
		map[schema.GroupVersionResource]string{Resource(): "CassandraDatacenterList"})
	for _, dc := range datacenters {
		w.create(dc)
	}
	w.restart()
	return w
}

// restart makes a new operator, as a new process would.
func (w *world) restart() {
	w.op = New(w.core, w.custom, w, Options{Waits: RealWaits(), Log: slog.New(slog.DiscardHandler)})
	w.op.now = func() time.Time { return w.clock }
	w.op.spawn = func(f func()) { f() }
}

func (w *world) create(dc *unstructured.Unstructured) {
	w.schema.check(w.t, dc)
	_, err := w.custom.Resource(Resource()).Namespace(dc.GetNamespace()).Create(w.t.Context(), dc, metav1.CreateOptions{})
	require.NoError(w.t, err)
}

// Call is the Management API of all pods.
func (w *world) Call(_ context.Context, request Request) ([]byte, error) {
	w.calls = append(w.calls, request.Method+" "+request.Path+" "+request.Pod.Name)
	if err := w.fail[request.Path]; err != nil {
		return nil, err
	}
	switch request.Path {
	case pathStart:
		w.up[request.Pod.UID] = true
		w.slow[request.Pod.UID] = 2
	case pathEndpoints:
		return fmt.Appendf(nil, `{"entity":[{"ENDPOINT_IP":%q,"HOST_ID":"host-of-%s","STATUS_WITH_PORT":"NORMAL,-1"}],"variant":{}}`,
			request.Pod.Status.PodIP, request.Pod.Name), nil
	case pathRole:
		q := request.Query
		w.roles = append(w.roles, q.Get("username")+" "+q.Get("password")+" "+q.Get("is_superuser"))
	}
	return []byte("OK"), nil
}

// took are the pods that a path was called on, in order.
func (w *world) took(path string) []string {
	var pods []string
	for _, call := range w.calls {
		if fields := strings.Fields(call); fields[1] == path {
			pods = append(pods, fields[2])
		}
	}
	return pods
}

// tick is one second: Kubernetes acts, then the operator looks once, then all that it wrote is checked.
func (w *world) tick() {
	w.t.Helper()
	w.clock = w.clock.Add(time.Second)
	w.statefulSets()
	w.kubelet()
	if err := w.op.Reconcile(w.t.Context()); err != nil {
		require.ErrorIs(w.t, err, errWanted)
	}
	list, err := w.custom.Resource(Resource()).List(w.t.Context(), metav1.ListOptions{})
	require.NoError(w.t, err)
	for i := range list.Items {
		w.schema.check(w.t, &list.Items[i])
	}
}

var errWanted = errors.New("wanted by the test")

// until ticks until the condition holds and returns how many seconds that took.
func (w *world) until(what string, holds func() bool) int {
	w.t.Helper()
	for seconds := range 1000 {
		if holds() {
			return seconds
		}
		w.tick()
	}
	require.Failf(w.t, "it never came", "%s; calls: %s", what, strings.Join(w.calls, "\n"))
	return 0
}

// statefulSets is the controller: claims and pods of every StatefulSet, all at once.
func (w *world) statefulSets() {
	ctx := w.t.Context()
	sets, err := w.core.AppsV1().StatefulSets("").List(ctx, metav1.ListOptions{})
	require.NoError(w.t, err)
	for i := range sets.Items {
		set := &sets.Items[i]
		for ordinal := range *set.Spec.Replicas {
			w.node(set, podName(set.Name, ordinal))
		}
		for ordinal := *set.Spec.Replicas; ordinal < set.Status.Replicas; ordinal++ {
			require.NoError(w.t, w.core.CoreV1().Pods(set.Namespace).Delete(ctx, podName(set.Name, ordinal), metav1.DeleteOptions{}))
		}
		if set.Status.Replicas == *set.Spec.Replicas {
			continue
		}
		set.Status.Replicas = *set.Spec.Replicas
		_, err := w.core.AppsV1().StatefulSets(set.Namespace).UpdateStatus(ctx, set, metav1.UpdateOptions{})
		require.NoError(w.t, err)
	}
}

func (w *world) node(set *appsv1.StatefulSet, name string) {
	ctx := w.t.Context()
	if _, err := w.core.CoreV1().Pods(set.Namespace).Get(ctx, name, metav1.GetOptions{}); err == nil {
		return
	}
	for _, template := range set.Spec.VolumeClaimTemplates {
		claim := template.DeepCopy()
		claim.Name, claim.Namespace = ClaimName(template.Name, name), set.Namespace
		_, err := w.core.CoreV1().PersistentVolumeClaims(set.Namespace).Create(ctx, claim, metav1.CreateOptions{})
		require.True(w.t, err == nil || apierrors.IsAlreadyExists(err))
	}
	w.pods++
	pod := &corev1.Pod{ObjectMeta: *set.Spec.Template.ObjectMeta.DeepCopy(), Spec: *set.Spec.Template.Spec.DeepCopy()}
	pod.Name, pod.Namespace, pod.UID = name, set.Namespace, types.UID(fmt.Sprint("pod-", w.pods))
	pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{Name: dataVolume, VolumeSource: corev1.VolumeSource{
		PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: ClaimName(dataVolume, name)}}})
	pod.Status = corev1.PodStatus{Phase: corev1.PodRunning, PodIP: fmt.Sprint("10.0.0.", w.pods),
		Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionFalse, LastTransitionTime: metav1.NewTime(w.clock)}},
		ContainerStatuses: []corev1.ContainerStatus{{Name: cassandraContainer, State: corev1.ContainerState{
			Running: &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(w.clock)}}}}}
	_, err := w.core.CoreV1().Pods(set.Namespace).Create(ctx, pod, metav1.CreateOptions{})
	require.NoError(w.t, err)
}

// kubelet makes pods ready some seconds after their start was asked for.
func (w *world) kubelet() {
	for _, pod := range w.listPods() {
		if !w.up[pod.UID] || ready(&pod) {
			continue
		}
		if w.slow[pod.UID]--; w.slow[pod.UID] <= 0 {
			w.setReady(&pod, true)
		}
	}
}

func (w *world) setReady(pod *corev1.Pod, value bool) {
	pod.Status.ContainerStatuses[0].Ready = value
	status := corev1.ConditionFalse
	if value {
		status = corev1.ConditionTrue
	}
	pod.Status.Conditions[0] = corev1.PodCondition{Type: corev1.PodReady, Status: status, LastTransitionTime: metav1.NewTime(w.clock)}
	w.writePod(pod)
}

func (w *world) writePod(pod *corev1.Pod) {
	_, err := w.core.CoreV1().Pods(pod.Namespace).Update(w.t.Context(), pod, metav1.UpdateOptions{})
	require.NoError(w.t, err)
}

func (w *world) listPods() []corev1.Pod {
	pods, err := w.core.CoreV1().Pods("").List(w.t.Context(), metav1.ListOptions{})
	require.NoError(w.t, err)
	slices.SortFunc(pods.Items, func(a, b corev1.Pod) int { return strings.Compare(a.Name, b.Name) })
	return pods.Items
}

func (w *world) pod(name string) *corev1.Pod {
	pod, err := w.core.CoreV1().Pods("db").Get(w.t.Context(), name, metav1.GetOptions{})
	require.NoError(w.t, err)
	return pod
}

// states are the node-state labels by pod, with "*" for seeds.
func (w *world) states() map[string]string {
	states := map[string]string{}
	for _, pod := range w.listPods() {
		states[pod.Name] = state(&pod) + map[bool]string{true: "*"}[pod.Labels[seedLabel] == "true"]
	}
	return states
}

func (w *world) dc(name string) *Datacenter {
	object, err := w.custom.Resource(Resource()).Namespace("db").Get(w.t.Context(), name, metav1.GetOptions{})
	require.NoError(w.t, err)
	dc, unknown, err := decode(object)
	require.NoError(w.t, err)
	require.Empty(w.t, unknown)
	return dc
}

// patch is a user's change of the spec or the metadata; a change of the spec raises the generation.
func (w *world) patch(name, document string) {
	dc := w.dc(name)
	patch := map[string]any{}
	require.NoError(w.t, yaml.Unmarshal([]byte(document), &patch))
	if patch["spec"] != nil {
		patch["metadata"] = map[string]any{"generation": dc.Generation + 1}
	}
	text, err := yaml.Marshal(patch)
	require.NoError(w.t, err)
	text, err = yaml.YAMLToJSON(text)
	require.NoError(w.t, err)
	_, err = w.custom.Resource(Resource()).Namespace("db").Patch(w.t.Context(), name, types.MergePatchType, text, metav1.PatchOptions{})
	require.NoError(w.t, err)
}

// events are the reasons of all events so far, sorted, each once.
func (w *world) events() []string {
	list, err := w.core.CoreV1().Events("").List(w.t.Context(), metav1.ListOptions{})
	require.NoError(w.t, err)
	var reasons []string
	for _, event := range list.Items {
		reasons = append(reasons, event.Reason)
	}
	slices.Sort(reasons)
	return slices.Compact(reasons)
}

func (w *world) isReady(name string) func() bool {
	return func() bool {
		status := w.dc(name).Status
		return status.is(conditionReady) && status.Progress == progressReady && status.ObservedGeneration == w.dc(name).Generation
	}
}

// sample is a datacenter of three racks with one node each; the document is merged over it.
func sample(t *testing.T, documents ...string) *unstructured.Unstructured {
	t.Helper()
	base := map[string]any{}
	require.NoError(t, yaml.Unmarshal([]byte(`
apiVersion: cassandra.datastax.com/v1beta1
kind: CassandraDatacenter
metadata: {name: dc1, namespace: db, uid: uid-dc1, generation: 1}
spec:
  clusterName: Shop One
  serverType: cassandra
  serverVersion: 5.0.9
  size: 3
  racks: [{name: r1}, {name: r2}, {name: r3}]
  storageConfig:
    cassandraDataVolumeClaimSpec:
      storageClassName: lab-csi
      accessModes: [ReadWriteOnce]
      resources: {requests: {storage: 1Gi}}
  config:
    cassandra-yaml: {authenticator: PasswordAuthenticator, num_tokens: 16}
`), &base))
	for _, document := range documents {
		over := map[string]any{}
		require.NoError(t, yaml.Unmarshal([]byte(document), &over))
		merge(base, over)
	}
	return &unstructured.Unstructured{Object: integers(base).(map[string]any)}
}

func merge(base, over map[string]any) {
	for key, value := range over {
		inner, isMap := value.(map[string]any)
		if have, ok := base[key].(map[string]any); ok && isMap {
			merge(have, inner)
		} else {
			base[key] = value
		}
	}
}

// integers makes numbers what the API machinery has them as.
func integers(value any) any {
	switch value := value.(type) {
	case map[string]any:
		for key := range value {
			value[key] = integers(value[key])
		}
	case []any:
		for i := range value {
			value[i] = integers(value[i])
		}
	case float64:
		return int64(value)
	}
	return value
}
