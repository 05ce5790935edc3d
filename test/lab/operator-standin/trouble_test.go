package operatorstandin

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clienttesting "k8s.io/client-go/testing"
)

// terminate marks a datacenter as deleted, which the fakes cannot do with finalizers.
func (w *world) terminate(name string) {
	w.patch(name, "metadata: {deletionTimestamp: '2026-01-01T00:00:00Z'}")
}

// renewed says that there is a pod of the name, and not the one of the uid.
func (w *world) renewed(name string, uid types.UID) func() bool {
	return func() bool {
		return slices.ContainsFunc(w.listPods(), func(pod corev1.Pod) bool { return pod.Name == name && pod.UID != uid })
	}
}

func (w *world) claims() []string {
	list, err := w.core.CoreV1().PersistentVolumeClaims("db").List(w.t.Context(), metav1.ListOptions{})
	require.NoError(w.t, err)
	var names []string
	for _, claim := range list.Items {
		names = append(names, claim.Name)
	}
	slices.Sort(names)
	return names
}

func TestDeletion(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sample(t))
	w.until("Ready", w.isReady("dc1"))
	for _, claim := range []*corev1.PersistentVolumeClaim{
		{ObjectMeta: metav1.ObjectMeta{Name: "clone", Namespace: "db", Labels: w.dc("dc1").datacenterLabels()}},
		{ObjectMeta: metav1.ObjectMeta{Name: "other", Namespace: "db"}},
	} {
		_, err := w.core.CoreV1().PersistentVolumeClaims("db").Create(t.Context(), claim, metav1.CreateOptions{})
		require.NoError(t, err)
	}
	job := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "cleaner", Namespace: "db"}, Status: corev1.PodStatus{Phase: corev1.PodSucceeded},
		Spec: corev1.PodSpec{Volumes: []corev1.Volume{{Name: "v", VolumeSource: corev1.VolumeSource{
			PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: ClaimName(dataVolume, pod1)}}}}}}
	_, err := w.core.CoreV1().Pods("db").Create(t.Context(), job, metav1.CreateOptions{})
	require.NoError(t, err)

	w.terminate("dc1")
	w.tick()
	require.Equal(t, progressUpdating, w.dc("dc1").Status.Progress)
	for range 30 {
		w.tick()
	}
	require.Len(t, w.listPods(), 1, "only the cleaner")
	require.Len(t, w.claims(), 5, "a pod that has ended refers to a claim")
	require.Equal(t, []string{finalizer}, w.dc("dc1").Finalizers)

	require.NoError(t, w.core.CoreV1().Pods("db").Delete(t.Context(), "cleaner", metav1.DeleteOptions{}))
	w.tick()
	require.Equal(t, []string{"other"}, w.claims(), "by labels, clones too")
	require.Empty(t, w.dc("dc1").Finalizers)
	secret, err := w.core.CoreV1().Secrets("db").Get(t.Context(), "shopone-superuser", metav1.GetOptions{})
	require.NoError(t, err)
	require.NotContains(t, secret.Annotations, watchedByAnnotation)
	require.NotContains(t, secret.Labels, watchedLabel)
}

func TestDeletionAsAnnotated(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sample(t, `{metadata: {annotations: {cassandra.datastax.com/delete-pvc: "false"}}}`))
	w.until("Ready", w.isReady("dc1"))
	w.terminate("dc1")
	w.until("the finalizer's end", func() bool { return len(w.dc("dc1").Finalizers) == 0 })
	require.Len(t, w.claims(), 3, "delete-pvc: they stay")

	w = newWorld(t, sample(t, `{metadata: {annotations: {cassandra.datastax.com/no-finalizer: ""}}}`))
	w.until("Ready", w.isReady("dc1"))
	require.Empty(t, w.dc("dc1").Finalizers)
	w.terminate("dc1")
	for range 10 {
		w.tick()
	}
	require.Len(t, w.claims(), 3, "no finalizer: nothing is done")
	require.Len(t, w.listPods(), 3)
}

func TestStuckPodsAreDeleted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sample(t))
	w.until("the first start", func() bool { return len(w.took(pathStart)) == 1 })
	uid := w.pod(pod1).UID
	w.slow[uid] = 10000
	pod := w.pod(pod1)
	pod.Status.ContainerStatuses[0].LastTerminationState.Terminated = &corev1.ContainerStateTerminated{ExitCode: 3}
	w.writePod(pod)
	w.until("a new pod", w.renewed(pod1, uid))
	require.Contains(t, w.events(), "DeletingStuckPod")
	require.Len(t, w.took(pathStart), 1, "no other node was started")
	w.until("Ready", w.isReady("dc1"))
	require.Equal(t, []string{pod1, pod1, pod2, pod3}, w.took(pathStart))
}

func TestLostReadiness(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sample(t))
	w.op.waits.NotReady = time.Minute
	w.until("Ready", w.isReady("dc1"))
	for range 30 {
		w.tick()
	}
	uid := w.pod(pod2).UID
	delete(w.up, uid)
	w.setReady(w.pod(pod2), false)
	w.tick()
	require.Equal(t, startedNotReady, w.states()[pod2], "and no seed any more")
	w.setReady(w.pod(pod2), true)
	w.tick()
	require.Equal(t, "Started*", w.states()[pod2])

	w.setReady(w.pod(pod2), false)
	lost := w.clock
	w.until("a new pod", w.renewed(pod2, uid))
	require.Greater(t, w.clock.Sub(lost), time.Minute)
	w.until("Started", func() bool { return w.states()[pod2] == "Started*" })
}

func TestFailedStart(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sample(t))
	w.fail[pathStart] = errWanted
	w.until("a failed start", func() bool { return len(w.took(pathStart)) == 1 })
	w.tick()
	require.Len(t, w.listPods(), 3)
	w.until("the status", func() bool { return len(w.dc("dc1").Status.FailedStarts) == 1 })
	require.Equal(t, []string{pod1}, w.dc("dc1").Status.FailedStarts)
	delete(w.fail, pathStart)
	w.until("Ready", w.isReady("dc1"))
	require.Empty(t, w.dc("dc1").Status.FailedStarts)
}

func TestAStartIsSentAgainByANewProcess(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sample(t))
	w.until("the first start", func() bool { return len(w.took(pathStart)) == 1 })
	w.up = map[types.UID]bool{} // it got lost
	w.restart()
	w.until("Ready", w.isReady("dc1"))
	require.Equal(t, []string{pod1, pod1, pod2, pod3}, w.took(pathStart))
}

func TestUnhealthyRingStartsNoMoreNodes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sample(t, "spec: {size: 4}"))
	w.fail[pathProbe] = errWanted
	w.until("unhealthy", func() bool { return w.dc("dc1").Status.condition(conditionHealthy) != nil })
	require.False(t, w.dc("dc1").Status.is(conditionHealthy))
	for range 60 {
		w.tick()
	}
	require.Equal(t, []string{"shopone-dc1-r1-sts-1", pod2, pod3}, w.took(pathStart), "one a rack")
	require.Contains(t, w.events(), "UnhealthyDatacenter")
	delete(w.fail, pathProbe)
	w.until("Ready", w.isReady("dc1"))
	require.Equal(t, pod1, w.took(pathStart)[3])
}

func TestPodWithoutItsClaimIsDeleted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sample(t))
	w.tick()
	w.tick()
	pod := w.pod(pod1)
	pod.Status.Phase = corev1.PodPending
	w.writePod(pod)
	require.NoError(t, w.core.CoreV1().PersistentVolumeClaims("db").Delete(t.Context(), ClaimName(dataVolume, pod1), metav1.DeleteOptions{}))
	w.until("a new pod", w.renewed(pod1, pod.UID))
	require.Contains(t, w.claims(), ClaimName(dataVolume, pod1))
}

func TestRestoredClaimsGetLabels(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, err := w.core.CoreV1().PersistentVolumeClaims("db").Create(t.Context(),
		&corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Name: ClaimName(dataVolume, pod1), Namespace: "db"}}, metav1.CreateOptions{})
	require.NoError(t, err)
	w.create(sample(t))
	w.core.PrependReactor("create", "persistentvolumeclaims", func(action clienttesting.Action) (bool, runtime.Object, error) {
		claim := action.(clienttesting.CreateAction).GetObject().(*corev1.PersistentVolumeClaim)
		return claim.Name == ClaimName(dataVolume, pod1), claim, nil // the controller takes the one that is there
	})
	w.until("Ready", w.isReady("dc1"))
	claim, err := w.core.CoreV1().PersistentVolumeClaims("db").Get(t.Context(), ClaimName(dataVolume, pod1), metav1.GetOptions{})
	require.NoError(t, err)
	require.Equal(t, "r1", claim.Labels[rackLabel])
	require.Contains(t, w.events(), "LabeledRackResource")
}

func TestTemplatesChangeOneRackAfterTheOther(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sample(t))
	w.until("Ready", w.isReady("dc1"))
	changed := func() int {
		count := 0
		for _, rack := range []string{"r1", "r2", "r3"} {
			set, err := w.core.AppsV1().StatefulSets("db").Get(t.Context(), "shopone-dc1-"+rack+"-sts", metav1.GetOptions{})
			require.NoError(t, err)
			for _, env := range set.Spec.Template.Spec.InitContainers[0].Env {
				if env.Name == "CONFIG_FILE_DATA" && env.Value != "" && !slices.Contains(w.configs(), env.Value) {
					count++
				}
			}
		}
		return count
	}
	require.Zero(t, changed())
	w.patch("dc1", "spec: {config: {cassandra-yaml: {num_tokens: 8}}}")
	w.until("the first rack", func() bool { return changed() == 1 })
	require.True(t, w.dc("dc1").Status.is(conditionUpdating))
	first := w.clock
	w.until("the second rack", func() bool { return changed() == 2 })
	require.GreaterOrEqual(t, w.clock.Sub(first), RealWaits().Quiet-time.Second)
	w.until("Ready", w.isReady("dc1"))
	require.Equal(t, 3, changed())
	require.False(t, w.dc("dc1").Status.is(conditionUpdating))
	require.Contains(t, w.events(), "UpdatingRack")
}

// configs is the configuration of the sample.
func (w *world) configs() []string {
	dc, _, err := decode(sample(w.t))
	require.NoError(w.t, err)
	config, err := dc.configData()
	require.NoError(w.t, err)
	return []string{config}
}

func TestInvalidDatacentersAreNotReconciled(t *testing.T) {
	t.Parallel()
	none := `{spec: {storageConfig: {cassandraDataVolumeClaimSpec: {storageClassName: "", accessModes: []}}}}`
	for name, c := range map[string]struct{ document, message string }{
		"no storage class":     {none, "storageClassName is required"},
		"no access modes":      {none, "accessModes is required"},
		"superuser missing":    {"spec: {superuserSecretName: root}", "user secret root does not exist"},
		"user missing":         {"spec: {users: [{secretName: app, superuser: false}]}", "user secret app does not exist"},
		"certificates missing": {"spec: {managementApiAuth: {manual: {clientSecretName: c, serverSecretName: s}}}", "secret s does not exist"},
		"volume of two kinds":  {"spec: {storageConfig: {additionalVolumes: [{name: v, mountPath: /v}]}}", "needs one of pvcSpec and volumeSource"},
		"no limits":            {"spec: {allowMultipleNodesPerWorker: true}", "needs requests and limits"},
	} {
		w := newWorld(t, sample(t, c.document))
		for range 5 {
			w.tick()
		}
		valid := w.dc("dc1").Status.condition(conditionValid)
		require.NotNil(t, valid, name)
		require.Equal(t, "False", valid.Status, name)
		require.Contains(t, valid.Message, c.message, name)
		require.Equal(t, []string{"ValidationFailed"}, w.events(), name)
		sets, err := w.core.AppsV1().StatefulSets("db").List(t.Context(), metav1.ListOptions{})
		require.NoError(t, err)
		require.Empty(t, sets.Items, name)
	}
}

func TestValidAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sample(t, "spec: {superuserSecretName: root}"))
	w.tick()
	require.False(t, w.dc("dc1").Status.is(conditionValid))
	w.secret("root", "admin", "one")
	w.until("Ready", w.isReady("dc1"))
	require.True(t, w.dc("dc1").Status.is(conditionValid))
	require.Equal(t, Condition{Type: conditionValid, Status: "True", LastTransitionTime: w.dc("dc1").Status.condition(conditionValid).LastTransitionTime},
		*w.dc("dc1").Status.condition(conditionValid), "no message stays")
}

func TestTwoDatacentersOfOneName(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sample(t, "spec: {datacenterName: east}"), sample(t, "{metadata: {name: dc2, uid: uid-dc2}, spec: {datacenterName: east}}"))
	w.tick()
	require.Contains(t, w.dc("dc2").Status.condition(conditionValid).Message, "datacenter name east is already used by dc1")
}

func TestOneBrokenDatacenterDoesNotStopTheOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sample(t), sample(t, "{metadata: {name: dc2, uid: uid-dc2}, spec: {clusterName: other}}"))
	w.core.PrependReactor("create", "statefulsets", func(action clienttesting.Action) (bool, runtime.Object, error) {
		object := action.(clienttesting.CreateAction).GetObject().(metav1.Object)
		return object.GetLabels()[datacenterLabel] == "dc1", nil, errWanted
	})
	w.until("dc2 Ready", w.isReady("dc2"))
	require.False(t, w.isReady("dc1")())
}
