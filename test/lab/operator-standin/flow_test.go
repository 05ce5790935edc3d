package operatorstandin

import (
	"encoding/base64"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	pod1 = "shopone-dc1-r1-sts-0"
	pod2 = "shopone-dc1-r2-sts-0"
	pod3 = "shopone-dc1-r3-sts-0"
)

func TestFreshDatacenterStartsOneNodeAfterTheOther(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sample(t))
	w.until("the first start", func() bool { return len(w.took(pathStart)) == 1 })
	require.Equal(t, map[string]string{pod1: "Starting*", pod2: "Ready-to-Start", pod3: "Ready-to-Start"}, w.states(), "the first is a seed before it starts")
	require.Equal(t, progressUpdating, w.dc("dc1").Status.Progress)
	require.Nil(t, w.dc("dc1").Status.condition(conditionReady))
	first := w.clock

	w.until("the second start", func() bool { return len(w.took(pathStart)) == 2 })
	require.GreaterOrEqual(t, w.clock.Sub(first), RealWaits().CoolDown)
	require.Equal(t, map[string]string{pod1: "Started*", pod2: "Starting", pod3: "Ready-to-Start"}, w.states())

	w.until("Ready", w.isReady("dc1"))
	require.Equal(t, []string{pod1, pod2, pod3}, w.took(pathStart))
	require.Equal(t, map[string]string{pod1: "Started*", pod2: "Started*", pod3: "Started*"}, w.states())
	status := w.dc("dc1").Status
	require.Equal(t, map[string]NodeStatus{
		pod1: {HostID: "host-of-" + pod1, IP: "10.0.0.1", Rack: "r1"},
		pod2: {HostID: "host-of-" + pod2, IP: "10.0.0.2", Rack: "r2"},
		pod3: {HostID: "host-of-" + pod3, IP: "10.0.0.3", Rack: "r3"},
	}, status.NodeStatuses)
	for _, name := range []string{conditionReady, conditionInitialized, conditionValid, conditionHealthy} {
		require.True(t, status.is(name), name)
	}
	for _, name := range []string{conditionStopped, conditionResuming, conditionUpdating, conditionReplacingNodes} {
		require.NotNil(t, status.condition(name), name)
		require.False(t, status.is(name), name)
	}
	require.Equal(t, []string{"CreatedResource", "CreatedUsers", "LabeledPodAsSeed", "StartedCassandra", "StartingCassandra"}, w.events())
	require.Equal(t, []string{finalizer}, w.dc("dc1").Finalizers)
}

func TestSuperuserSecret(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sample(t))
	w.until("Ready", w.isReady("dc1"))
	secret, err := w.core.CoreV1().Secrets("db").Get(t.Context(), "shopone-superuser", metav1.GetOptions{})
	require.NoError(t, err)
	require.Empty(t, secret.OwnerReferences, "it outlives the datacenter")
	require.Equal(t, "shopone-superuser", string(secret.Data["username"]))
	password, err := base64.RawURLEncoding.DecodeString(string(secret.Data["password"]))
	require.NoError(t, err)
	require.Len(t, password, 40)
	require.Equal(t, "true", secret.Labels[watchedLabel])
	require.JSONEq(t, `["db/dc1"]`, secret.Annotations[watchedByAnnotation])
	require.Equal(t, "shopone-superuser "+string(secret.Data["password"])+" true", w.roles[0])
}

func TestUsersAreUpsertedWhenASecretChanges(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sample(t, "spec: {superuserSecretName: root, users: [{secretName: app, superuser: false}]}"))
	w.secret("root", "admin", "one")
	w.secret("app", "app", "two")
	w.until("Ready", w.isReady("dc1"))
	for range 60 {
		w.tick()
	}
	require.Equal(t, []string{"app two false", "admin one true"}, w.roles[:2])
	calls := len(w.calls)
	for range 60 {
		w.tick()
	}
	require.Len(t, w.calls, calls, "nothing changes, nothing is called")

	w.roles = nil
	secret, err := w.core.CoreV1().Secrets("db").Get(t.Context(), "root", metav1.GetOptions{})
	require.NoError(t, err)
	secret.Data["password"] = []byte("new")
	_, err = w.core.CoreV1().Secrets("db").Update(t.Context(), secret, metav1.UpdateOptions{})
	require.NoError(t, err)
	w.tick()
	require.Equal(t, []string{"app two false", "admin new true"}, w.roles)

	w.roles = nil
	secret.Annotations["k8ssandra.io/refresh"] = "now"
	_, err = w.core.CoreV1().Secrets("db").Update(t.Context(), secret, metav1.UpdateOptions{})
	require.NoError(t, err)
	w.until("an upsert", func() bool { return len(w.roles) == 2 })

	w.roles = nil
	w.patch("dc1", `{metadata: {annotations: {cassandra.datastax.com/skip-user-creation: "true"}}}`)
	for range 10 {
		w.tick()
	}
	require.Empty(t, w.roles)
}

func (w *world) secret(name, username, password string) {
	_, err := w.core.CoreV1().Secrets("db").Create(w.t.Context(), &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "db"},
		Data:       map[string][]byte{"username": []byte(username), "password": []byte(password)},
	}, metav1.CreateOptions{})
	require.NoError(w.t, err)
}

func TestCreatedStopped(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sample(t, "spec: {stopped: true}"))
	w.tick()
	require.True(t, w.dc("dc1").Status.is(conditionStopped))
	w.tick()
	status := w.dc("dc1").Status
	require.Equal(t, progressReady, status.Progress, "at once, as measured")
	require.Equal(t, int64(1), status.ObservedGeneration)
	require.True(t, status.is(conditionInitialized))
	require.True(t, status.is(conditionValid))
	require.Nil(t, status.condition(conditionReady), "no condition Ready at all")
	require.Empty(t, status.NodeStatuses)
	for range 30 {
		w.tick()
	}
	require.Empty(t, w.listPods())
	require.Empty(t, w.calls)
	for _, rack := range []string{"r1", "r2", "r3"} {
		set, err := w.core.AppsV1().StatefulSets("db").Get(t.Context(), "shopone-dc1-"+rack+"-sts", metav1.GetOptions{})
		require.NoError(t, err)
		require.Zero(t, *set.Spec.Replicas)
	}
	for _, name := range []string{"shopone-seed-service", "shopone-dc1-service", "shopone-dc1-all-pods-service", "shopone-dc1-additional-seed-service"} {
		_, err := w.core.CoreV1().Services("db").Get(t.Context(), name, metav1.GetOptions{})
		require.NoError(t, err)
	}
	_, err := w.core.PolicyV1().PodDisruptionBudgets("db").Get(t.Context(), "dc1-pdb", metav1.GetOptions{})
	require.NoError(t, err)
	_, err = w.core.CoreV1().Secrets("db").Get(t.Context(), "shopone-superuser", metav1.GetOptions{})
	require.NoError(t, err)

	w.patch("dc1", "spec: {stopped: false}")
	w.until("Resuming", func() bool { return w.dc("dc1").Status.is(conditionResuming) })
	require.Equal(t, progressUpdating, w.dc("dc1").Status.Progress)
	w.until("Ready", w.isReady("dc1"))
	require.Equal(t, []string{pod1, pod2, pod3}, w.took(pathStart), "no node is known: one after the other")
}

func TestStopAndResume(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sample(t))
	w.until("Ready", w.isReady("dc1"))
	for range 30 {
		w.tick()
	}
	known := w.dc("dc1").Status.NodeStatuses
	w.calls = nil

	w.patch("dc1", "spec: {stopped: true}")
	w.tick()
	status := w.dc("dc1").Status
	require.True(t, status.is(conditionStopped))
	require.False(t, status.is(conditionReady))
	require.Equal(t, progressUpdating, status.Progress)
	require.Equal(t, []string{pod1, pod2, pod3}, w.took(pathDrain), "rack after rack")
	stopping := w.clock
	w.until("progress Ready", func() bool { return w.dc("dc1").Status.ObservedGeneration == 2 })
	require.Equal(t, progressReady, w.dc("dc1").Status.Progress)
	require.GreaterOrEqual(t, w.clock.Sub(stopping), 2*RealWaits().Quiet)
	require.Empty(t, w.listPods())
	require.Equal(t, known, w.dc("dc1").Status.NodeStatuses, "they stay")
	claims, err := w.core.CoreV1().PersistentVolumeClaims("db").List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	require.Len(t, claims.Items, 3, "they stay")

	w.restart()
	w.patch("dc1", "spec: {stopped: false}")
	w.until("the first start", func() bool { return len(w.took(pathStart)) == 1 })
	require.True(t, w.dc("dc1").Status.is(conditionResuming))
	require.False(t, w.dc("dc1").Status.is(conditionStopped))
	w.until("the other starts", func() bool { return len(w.took(pathStart)) > 1 })
	require.Equal(t, []string{pod1, pod2, pod3}, w.took(pathStart))
	require.Equal(t, map[string]string{pod1: "Started*", pod2: "Starting", pod3: "Starting"}, w.states(), "both at once: the ring knows them")
	started := w.clock
	w.until("Ready", w.isReady("dc1"))
	require.GreaterOrEqual(t, w.clock.Sub(started), 2*RealWaits().Quiet)
	require.False(t, w.dc("dc1").Status.is(conditionResuming))
	require.NotEqual(t, known[pod1].IP, w.dc("dc1").Status.NodeStatuses[pod1].IP, "addresses are followed")
	require.Equal(t, known[pod1].HostID, w.dc("dc1").Status.NodeStatuses[pod1].HostID)
	require.Contains(t, w.events(), "StoppingDatacenter")
}

func TestParallelStartsCanBeForbidden(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sample(t, `{metadata: {annotations: {cassandra.datastax.com/allow-parallel-starts: "false"}}}`))
	w.until("Ready", w.isReady("dc1"))
	w.patch("dc1", "spec: {stopped: true}")
	w.until("stopped", func() bool { return len(w.listPods()) == 0 })
	w.patch("dc1", "spec: {stopped: false}")
	w.calls = nil
	w.until("the second start", func() bool { return len(w.took(pathStart)) == 2 })
	require.Equal(t, "Ready-to-Start", w.states()[pod3])
}

func TestAKnownNodeDoesNotWaitForOthersThatStart(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sample(t))
	w.until("Ready", w.isReady("dc1"))
	for range 30 {
		w.tick()
	}
	for _, name := range []string{pod2, pod3} {
		require.NoError(t, w.core.CoreV1().Pods("db").Delete(t.Context(), name, metav1.DeleteOptions{}))
	}
	w.tick()
	late := w.pod(pod3)
	late.Status.ContainerStatuses[0].State.Running.StartedAt = metav1.NewTime(w.clock.Add(RealWaits().CoolDown))
	w.writePod(late)
	w.until("the start of the second", func() bool { return w.states()[pod2] == starting })
	w.slow[w.pod(pod2).UID] = 1000
	w.until("the start of the third", func() bool { return w.states()[pod3] == starting })
	require.Equal(t, starting, w.states()[pod2])
}

func TestStopWithFailingDrain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sample(t))
	w.until("Ready", w.isReady("dc1"))
	w.fail[pathDrain] = errWanted
	w.patch("dc1", "spec: {stopped: true}")
	w.until("no pods", func() bool { return len(w.listPods()) == 0 })
}

func TestScaleUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sample(t))
	w.until("Ready", w.isReady("dc1"))
	w.calls = nil
	w.patch("dc1", "spec: {size: 5}")
	w.until("ScalingUp", func() bool { return w.dc("dc1").Status.is(conditionScalingUp) })
	require.True(t, w.dc("dc1").Status.is(conditionReady), "it stays ready meanwhile")
	w.until("Ready", w.isReady("dc1"))
	require.Equal(t, []string{"shopone-dc1-r1-sts-1", "shopone-dc1-r2-sts-1"}, w.took(pathStart))
	require.False(t, w.dc("dc1").Status.is(conditionScalingUp))
	require.Len(t, w.dc("dc1").Status.NodeStatuses, 5)
	require.Contains(t, w.events(), "ScalingUpRack")
	budget, err := w.core.PolicyV1().PodDisruptionBudgets("db").Get(t.Context(), "dc1-pdb", metav1.GetOptions{})
	require.NoError(t, err)
	require.Equal(t, 4, budget.Spec.MinAvailable.IntValue())
}

func TestHighestOrdinalOfEachRackStartsFirst(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sample(t, "spec: {size: 5, racks: [{name: r1}, {name: r2}]}"))
	w.until("Ready", w.isReady("dc1"))
	require.Equal(t, []string{"shopone-dc1-r1-sts-2", "shopone-dc1-r2-sts-1", "shopone-dc1-r1-sts-1", "shopone-dc1-r2-sts-0", "shopone-dc1-r1-sts-0"},
		w.took(pathStart))
}

func TestTwoDatacentersOfAClusterNeverStartTogether(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sample(t), sample(t, "metadata: {name: dc2, uid: uid-dc2}"))
	most := 0
	w.until("both Ready", func() bool {
		count := 0
		for _, state := range w.states() {
			if state == starting || state == starting+"*" {
				count++
			}
		}
		most = max(most, count)
		return w.isReady("dc1")() && w.isReady("dc2")()
	})
	require.Equal(t, 1, most)
	require.Len(t, w.took(pathStart), 6)
	service, err := w.core.CoreV1().Services("db").Get(t.Context(), "shopone-seed-service", metav1.GetOptions{})
	require.NoError(t, err)
	require.Equal(t, map[string]string{clusterLabel: "ShopOne", seedLabel: "true"}, service.Spec.Selector, "seeds of both")
}
