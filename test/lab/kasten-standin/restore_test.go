package kastenstandin

import (
	"errors"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clienttesting "k8s.io/client-go/testing"

	"github.com/casshook/casshook/test/lab/kasten-standin/kanister"
)

// withoutStatefulSets is how a datacenter must be restored.
func withoutStatefulSets() Filters {
	return Filters{ExcludeResources: []FilterEntry{{Group: "apps", Resource: "statefulsets"}}}
}

func allHooks() Hooks {
	hook := func(name string) *Hook { return &Hook{Blueprint: "cass-bp", ActionName: name} }
	return Hooks{PreHook: hook("before"), OnSuccess: hook("success"), OnFailure: hook("failure")}
}

func TestRestoreInPlace(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	action := w.restoreAction(w.backup(t), "app")
	action.Spec.Filters, action.Spec.Hooks = withoutStatefulSets(), allHooks()
	action.Spec.Transforms = []Transform{{JSON: []Operation{}, TransformSetRef: &Ref{Name: "stop", Namespace: "kasten-io"}}}
	require.NoError(t, w.client.Tracker().Delete(dc1().gvr(), "app", "dc1"))
	result, err := w.Restore(t.Context(), action)
	require.NoError(t, err)
	dc := dc1().String()
	require.Equal(t, []string{
		"attempt 1", "preHook cass-bp/before", "skipHook restorePrehook " + dc, "transform", "deleteWorkload deployments.apps/web",
		"deletePVC orphan", "restorePVC orphan", "deletePVC server-data-r1-0", "restorePVC server-data-r1-0", "deletePVC web", "restorePVC web",
		"keep serviceaccounts/default", "keep secrets/dc1-superuser", "keep configmaps/settings", "keep services/dc1-service",
		"create deployments.apps/web", "workloadReady deployments.apps/web", "create " + dc, "workloadReady deployments.apps/web",
		"restorePosthook " + dc, "onSuccess cass-bp/success",
	}, sortClaims(names(result.Events)))
	claim := w.read(t, ID{Version: "v1", Resource: "persistentvolumeclaims", Name: "server-data-r1-0"}, "app")
	spec := claim.Object["spec"].(map[string]any)
	point, err := ReadPoint(w.Dir, action.Spec.Subject.Name)
	require.NoError(t, err)
	require.Equal(t, map[string]any{"apiGroup": snapshotGroup, "kind": "VolumeSnapshot", "name": point.volumeOf("server-data-r1-0").Snapshot}, spec["dataSource"])
	require.NotContains(t, spec, "volumeName")
	require.Equal(t, map[string]string{"mine": "stays"}, claim.GetAnnotations())
	require.Empty(t, claim.GetFinalizers())
	live := w.read(t, dc1(), "app")
	require.Equal(t, true, live.Object["spec"].(map[string]any)["stopped"])
	require.Empty(t, live.GetResourceVersion())
	require.Equal(t, []string{"finalizer.cassandra.datastax.com"}, live.GetFinalizers())
	hook := w.actions.call(t, ActionRestorePosthook)
	require.Equal(t, map[string]kanister.Artifact{"cass": {KeyValue: map[string]string{"id": "x"}}}, hook.Artifacts, "only what is asked for and there")
	require.Equal(t, "app", hook.Object.Namespace)
}

// sortClaims brings the steps of the claims into the order of their names.
func sortClaims(all []string) []string {
	i := slices.IndexFunc(all, func(s string) bool { return s[:min(9, len(s))] == "deletePVC" })
	pairs := [][]string{}
	for ; i+2*len(pairs) < len(all) && len(pairs) < 3; pairs = append(pairs, all[i+2*len(pairs):i+2*len(pairs)+2]) {
	}
	slices.SortFunc(pairs, func(a, b []string) int { return slices.Compare(a, b) })
	return slices.Replace(slices.Clone(all), i, i+6, slices.Concat(pairs...)...)
}

func TestRestoreIntoAnotherNamespace(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	action := w.restoreAction(w.backup(t), "other")
	action.Spec.Filters = withoutStatefulSets()
	var contents []map[string]any
	w.client.PrependReactor("create", "volumesnapshotcontents", func(a clienttesting.Action) (bool, runtime.Object, error) {
		contents = append(contents, a.(clienttesting.CreateAction).GetObject().(*unstructured.Unstructured).Object["spec"].(map[string]any))
		return false, nil, nil
	})
	result, err := w.Restore(t.Context(), action)
	require.NoError(t, err)
	require.Len(t, contents, 3)
	handles := []string{}
	for _, c := range contents {
		require.Equal(t, "Retain", c["deletionPolicy"])
		require.Equal(t, "lab.csi", c["driver"])
		require.Equal(t, "other", c["volumeSnapshotRef"].(map[string]any)["namespace"])
		handles = append(handles, c["source"].(map[string]any)["snapshotHandle"].(string))
	}
	require.ElementsMatch(t, []string{"handle-orphan", "handle-server-data-r1-0", "handle-web"}, handles)
	require.Contains(t, names(result.Events), "skipHook restorePrehook "+dc1().String())
	service := w.read(t, ID{Version: "v1", Resource: "services", Name: "dc1-service"}, "other")
	require.NotContains(t, service.Object["spec"], "clusterIP")
	require.Empty(t, service.GetOwnerReferences(), "the datacenter is restored later")
	require.Equal(t, "other", w.actions.call(t, ActionRestorePosthook).Object.Namespace)
	require.Len(t, w.list(t, snapshotResource(), "other"), 3, "claims without a volume still need them")
	require.Contains(t, w.list(t, claimResource(), "app"), "web", "the source is left alone")
	action.Spec.TargetNamespace = "nowhere"
	_, err = w.Restore(t.Context(), action)
	require.ErrorContains(t, err, "target namespace")
}

func TestRestoreDropsHelpersOfBoundClaims(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	point := w.backup(t)
	w.client.PrependReactor("create", "persistentvolumeclaims", func(a clienttesting.Action) (bool, runtime.Object, error) {
		u := a.(clienttesting.CreateAction).GetObject().(*unstructured.Unstructured)
		return false, nil, unstructured.SetNestedField(u.Object, "Bound", "status", "phase")
	})
	action := w.restoreAction(point, "other")
	action.Spec.Filters = withoutStatefulSets()
	_, err := w.Restore(t.Context(), action)
	require.NoError(t, err)
	require.Empty(t, w.list(t, snapshotResource(), "other"))
	require.Len(t, w.list(t, contentResource(), ""), 3, "those of the backup")
}

func TestRestorePrehookRunsOnLiveResource(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	action := w.restoreAction(w.backup(t), "app")
	action.Spec.Filters = withoutStatefulSets()
	result, err := w.Restore(t.Context(), action)
	require.NoError(t, err)
	all := names(result.Events)
	pre, stop := slices.Index(all, "restorePrehook "+dc1().String()), slices.Index(all, "deleteWorkload deployments.apps/web")
	require.Positive(t, pre)
	require.Less(t, pre, stop)
	require.Contains(t, all, "keep "+dc1().String(), "an existing custom resource is not overwritten")
}

func TestRestorePrehookRunsOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	action := w.restoreAction(w.backup(t), "app")
	action.Spec.Filters = withoutStatefulSets()
	w.actions.fail[ActionRestorePosthook] = 2
	result, err := w.Restore(t.Context(), action)
	require.NoError(t, err)
	require.Equal(t, 3, count(result.Events, ActionRestorePosthook))
	require.Equal(t, 1, count(result.Events, ActionRestorePrehook))
}

func TestRestoreOverwrites(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	action := w.restoreAction(w.backup(t), "app")
	action.Spec.Filters, action.Spec.OverwriteExisting = withoutStatefulSets(), true
	result, err := w.Restore(t.Context(), action)
	require.NoError(t, err)
	all := names(result.Events)
	for _, step := range []string{"keep serviceaccounts/default", "overwrite secrets/dc1-superuser", "overwrite configmaps/settings", "overwrite " + dc1().String()} {
		require.Contains(t, all, step)
	}
}

// TestRestoreWithStatefulSetsHangs is the trap: the workload waits for a custom
// resource that comes after it.
func TestRestoreWithStatefulSetsHangs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	action := w.restoreAction(w.backup(t), "other")
	action.Spec.Hooks = allHooks()
	w.unready["r1"] = true
	result, err := w.Restore(t.Context(), action)
	require.ErrorContains(t, err, "statefulsets.apps/r1 to be ready")
	require.Equal(t, Failed, result.State)
	all := names(result.Events)
	require.NotContains(t, all, "create "+dc1().String())
	require.Equal(t, 3, count(result.Events, EventAttempt))
	require.Equal(t, 1, count(result.Events, EventPreHook))
	require.Equal(t, 3, count(result.Events, EventClaim), "restored volumes are kept between attempts")
	require.Equal(t, 1, count(result.Events, EventOnFailure))
	require.Zero(t, count(result.Events, ActionRestorePosthook))
	sts := w.read(t, ID{Group: "apps", Version: "v1", Resource: "statefulsets", Name: "r1"}, "other")
	require.Empty(t, sts.GetOwnerReferences())
	action.Spec.SkipWaitForWorkloadReady = true
	_, err = w.Restore(t.Context(), action)
	require.NoError(t, err)
}

func TestRestorePosthookIsRetried(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	action := w.restoreAction(w.backup(t), "other")
	action.Spec.Filters, action.Spec.Hooks = withoutStatefulSets(), allHooks()
	w.actions.fail[ActionRestorePosthook], w.actions.fail["success"] = 1, 1
	result, err := w.Restore(t.Context(), action)
	require.NoError(t, err)
	require.Equal(t, 3, count(result.Events, EventAttempt))
	require.Equal(t, 2, count(result.Events, ActionRestorePosthook))
	require.Equal(t, 2, count(result.Events, EventOnSuccess))
	require.Zero(t, count(result.Events, EventOnFailure))
	require.Equal(t, 1, count(result.Events, EventPreHook))
	require.Equal(t, 3, count(result.Events, EventClaim))
	w.actions.fail[ActionRestorePosthook] = -1
	result, err = w.Restore(t.Context(), action)
	require.ErrorContains(t, err, "restorePosthook is told to fail")
	require.Equal(t, 1, count(result.Events, EventOnFailure))
}

func TestRestoreFailures(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		prepare func(*testing.T, *world, *RestoreAction)
		err     string
	}{
		"no profile": {func(t *testing.T, w *world, a *RestoreAction) {
			w.policy().Spec.Actions[0].BackupParameters.Profile = nil
			a.Spec.Subject.Name = w.backup(t)
		}, "the policy had no location profile"},
		"transform": {func(_ *testing.T, _ *world, a *RestoreAction) {
			a.Spec.Transforms = []Transform{{Name: "t", Subject: &TransformSubject{Resource: "cassandradatacenters"}, JSON: []Operation{{Op: "remove", Path: "/spec/nope"}}}}
		}, "transform t of cassandradatacenters.cassandra.datastax.com/dc1: remove /spec/nope"},
		"transform set": {func(_ *testing.T, _ *world, a *RestoreAction) {
			a.Spec.Transforms = []Transform{{TransformSetRef: &Ref{Name: "nope"}}}
		}, "transform set nope"},
		"restore point": {func(_ *testing.T, _ *world, a *RestoreAction) { a.Spec.Subject.Name = "nope" }, "there is no restore point nope"},
		"a claim that stays": {func(_ *testing.T, w *world, _ *RestoreAction) {
			w.client.PrependReactor("delete", "persistentvolumeclaims", func(a clienttesting.Action) (bool, runtime.Object, error) {
				return a.(clienttesting.DeleteAction).GetName() == "server-data-r1-0", nil, nil
			})
		}, "persistentvolumeclaims/server-data-r1-0 to be gone: context deadline exceeded; pod r1-0 uses it"},
		"create": {func(_ *testing.T, w *world, _ *RestoreAction) {
			w.client.PrependReactor("create", "persistentvolumeclaims", func(clienttesting.Action) (bool, runtime.Object, error) {
				return true, nil, errors.New("quota")
			})
		}, "quota"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			action := w.restoreAction(w.backup(t), "app")
			action.Spec.Filters = withoutStatefulSets()
			c.prepare(t, w, action)
			_, err := w.Restore(t.Context(), action)
			require.ErrorContains(t, err, c.err)
		})
	}
}

func TestRestoreFilters(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	action := w.restoreAction(w.backup(t), "other")
	action.Spec.Filters = Filters{IncludeResources: []FilterEntry{{Resource: "deployments"}}}
	result, err := w.Restore(t.Context(), action)
	require.NoError(t, err)
	require.Equal(t, []string{"attempt 1", "create deployments.apps/web", "workloadReady deployments.apps/web", "workloadReady deployments.apps/web"}, names(result.Events), "claims are not included by themselves")
	action.Spec.Filters = Filters{}
	action.Spec.DataOnly = true
	result, err = w.Restore(t.Context(), action)
	require.NoError(t, err)
	require.Equal(t, 3, count(result.Events, EventClaim))
	require.Zero(t, count(result.Events, EventCreate))
}

func TestRetire(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	point := w.backup(t)
	result, err := w.Retire(t.Context(), point)
	require.NoError(t, err)
	require.Equal(t, 3, count(result.Events, EventDropSnapshot))
	hook := w.actions.call(t, ActionDelete)
	require.Equal(t, "Namespace", hook.Object.Kind)
	require.Equal(t, "x", hook.Artifacts["cass"].KeyValue["id"])
	require.Empty(t, w.list(t, snapshotResource(), "app"))
	_, err = ReadPoint(w.Dir, point)
	require.ErrorContains(t, err, "there is no restore point")
}

// TestOwnersAreKept when they are restored before what they own.
func TestOwnersAreKept(t *testing.T) {
	t.Parallel()
	s := &restore{run: &run{namespace: "other"}}
	s.uids = map[types.UID]types.UID{"old": "new"}
	u := &unstructured.Unstructured{Object: map[string]any{"metadata": map[string]any{"name": "a"}}}
	u.SetOwnerReferences([]metav1.OwnerReference{{Name: "o", UID: "old"}, {Name: "gone", UID: "gone"}})
	clean := s.clean(newObject(dc1().gvr(), u))
	require.Equal(t, []metav1.OwnerReference{{Name: "o", UID: "new"}}, clean.GetOwnerReferences())
	require.Equal(t, "other", clean.GetNamespace())
}
