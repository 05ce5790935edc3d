package kastenstandin

import (
	"context"
	"errors"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/test/lab/kasten-standin/kanister"
)

func TestBackupOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	results, err := w.RunPolicy(t.Context(), w.policy())
	require.NoError(t, err)
	require.Len(t, results, 1)
	require.Equal(t, Complete, results[0].State)
	point := results[0].RestorePoint
	require.Equal(t, []string{
		"attempt 1", "preHook cass-bp/before", "discover",
		"workloadReady deployments.apps/web", "snapshot web", "snapshotReady web",
		"workloadReady statefulsets.apps/r1", "backupPrehook cassandradatacenters.cassandra.datastax.com/dc1",
		"snapshot server-data-r1-0", "snapshotReady server-data-r1-0", "backupPosthook cassandradatacenters.cassandra.datastax.com/dc1",
		"snapshot orphan", "snapshotReady orphan", "restorePoint " + point, "onSuccess cass-bp/success",
	}, sortUnits(names(results[0].Events)))
	read, err := ReadPoint(w.Dir, point)
	require.NoError(t, err)
	require.Equal(t, "location", read.Profile)
	require.Equal(t, map[string]kanister.Artifact{"cass": {KeyValue: map[string]string{"id": "x"}}}, read.artifactsOf(dc1()))
	require.Equal(t, "handle-server-data-r1-0", read.volumeOf("server-data-r1-0").Handle)
	require.Equal(t, time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), read.volumeOf("orphan").Cut)
	content := w.read(t, ID{Group: snapshotGroup, Version: "v1", Resource: "volumesnapshotcontents", Name: read.volumeOf("orphan").Content}, "")
	require.Equal(t, "Retain", content.Object["spec"].(map[string]any)["deletionPolicy"])
	require.Equal(t, []string{"cassandradatacenters/dc1", "configmaps/settings", "deployments/web", "persistentvolumeclaims/orphan", "persistentvolumeclaims/server-data-r1-0",
		"persistentvolumeclaims/web", "secrets/dc1-superuser", "serviceaccounts/default", "services/dc1-service", "statefulsets/r1"}, captured(read))
	hook := w.actions.call(t, "before")
	require.Equal(t, kanister.ObjectReference{Kind: "Namespace", Name: "app", Namespace: "app"}, hook.Object)
	require.Equal(t, map[string]any{"securityContext": map[string]any{"runAsUser": int64(0), "runAsNonRoot": false}}, hook.PodOverride)
	require.Equal(t, kanister.ObjectReference{Group: "cassandra.datastax.com", APIVersion: "v1beta1", Resource: "cassandradatacenters", Name: "dc1", Namespace: "app"},
		w.actions.call(t, ActionBackupPrehook).Object)
}

// sortUnits puts the Deployment's steps first: the order of workloads says nothing.
func sortUnits(all []string) []string {
	if i := slices.Index(all, "workloadReady deployments.apps/web"); i > 3 {
		steps := slices.Clone(all[i : i+3])
		all = slices.Insert(slices.Delete(all, i, i+3), 3, steps...)
	}
	return all
}

func captured(p *RestorePoint) []string {
	var all []string
	for _, id := range p.Objects {
		all = append(all, id.Resource+"/"+id.Name)
	}
	slices.Sort(all)
	return all
}

// count counts the steps of a name.
func count(events []Event, name string) int {
	n := 0
	for _, e := range events {
		if e.Name == name {
			n++
		}
	}
	return n
}

func TestBackupFails(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		prepare func(*world)
		// steps are how often a step ran.
		steps map[string]int
		err   string
	}{
		"preHook":        {func(w *world) { w.actions.fail["before"] = -1 }, map[string]int{EventPreHook: 3, EventDiscover: 0, EventOnFailure: 1}, "before is told to fail"},
		"backupPrehook":  {func(w *world) { w.actions.fail[ActionBackupPrehook] = -1 }, map[string]int{EventPreHook: 1, EventDiscover: 1, ActionBackupPrehook: 3, ActionBackupPosthook: 0, EventOnFailure: 1, EventOnSuccess: 0}, "backupPrehook is told to fail"},
		"backupPosthook": {func(w *world) { w.actions.fail[ActionBackupPosthook] = -1 }, map[string]int{ActionBackupPrehook: 3, ActionBackupPosthook: 3, EventOnFailure: 1}, "backupPosthook is told"},
		"onFailure":      {func(w *world) { w.actions.fail["before"], w.actions.fail["failure"] = -1, -1 }, map[string]int{EventOnFailure: 1}, "failure is told to fail"},
		"onSuccess":      {func(w *world) { w.actions.fail["success"] = -1 }, map[string]int{EventOnSuccess: 3, EventOnFailure: 0, EventSnapshot: 3}, "success is told to fail"},
		"workload":       {func(w *world) { w.makeUnready("r1") }, map[string]int{ActionBackupPrehook: 0, EventOnFailure: 1}, "statefulsets.apps/r1 to be ready"},
		"no blueprint":   {func(w *world) { delete(w.Catalog.Blueprints, "cass-bp") }, map[string]int{EventOnFailure: 1}, "blueprint cass-bp is not in Kasten's namespace"},
		"built-in":       {func(w *world) { w.Catalog.Bindings = nil }, map[string]int{ActionBackup: 3, EventOnFailure: 1}, `no matches for kind "MedusaBackupJob"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			c.prepare(w)
			results, err := w.RunPolicy(t.Context(), w.policy())
			require.ErrorContains(t, err, c.err)
			require.Equal(t, Failed, results[0].State)
			require.Empty(t, results[0].RestorePoint)
			for step, n := range c.steps {
				require.Equal(t, n, count(results[0].Events, step), step)
			}
			require.Empty(t, w.list(t, snapshotResource(), "app"), "VolumeSnapshots are left")
			left, err := os.ReadDir(w.Dir)
			require.NoError(t, err)
			require.Empty(t, left, "a restore point is left")
		})
	}
}

// makeUnready takes the readiness of a live StatefulSet.
func (w *world) makeUnready(name string) {
	gvr := ID{Group: "apps", Version: "v1", Resource: "statefulsets"}.gvr()
	o, err := w.client.Tracker().Get(gvr, "app", name)
	if err != nil {
		panic(err)
	}
	u := o.(interface{ UnstructuredContent() map[string]any }).UnstructuredContent()
	u["status"] = map[string]any{"readyReplicas": int64(0)}
	if err := w.client.Tracker().Update(gvr, o, "app"); err != nil {
		panic(err)
	}
}

func TestBackupRetries(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.actions.fail[ActionBackupPosthook] = 1
	results, err := w.RunPolicy(t.Context(), w.policy())
	require.NoError(t, err)
	events := results[0].Events
	require.Equal(t, 2, count(events, ActionBackupPrehook), "a workload starts anew")
	require.Equal(t, 1, count(events, EventPreHook))
	require.Equal(t, 4, count(events, EventSnapshot), "the Deployment and the orphan once, the datacenter twice")
	require.Equal(t, 1, count(events, EventDropSnapshot))
	require.Len(t, w.list(t, snapshotResource(), "app"), 3)
}

func TestBackupIgnoresExceptions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.makeUnready("r1")
	w.policy().Spec.Actions[0].BackupParameters.IgnoreExceptions = true
	results, err := w.RunPolicy(t.Context(), w.policy())
	require.NoError(t, err)
	require.Equal(t, 1, count(results[0].Events, ActionBackupPrehook))
}

func TestBackupIsCancelled(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	w.actions.before[ActionBackupPosthook] = func(context.Context) error { cancel(); return errors.New("cancelled") }
	results, err := w.RunPolicy(ctx, w.policy())
	require.Error(t, err)
	require.Equal(t, Cancelled, results[0].State)
	require.Equal(t, 1, count(results[0].Events, EventAttempt))
	require.Zero(t, count(results[0].Events, EventOnFailure))
	require.Empty(t, w.list(t, snapshotResource(), "app"))
}

func TestActionHasALimit(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Attempts, w.Limits.Hook = 1, 10*time.Millisecond
	w.actions.before[ActionBackupPrehook] = func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	_, err := w.RunPolicy(t.Context(), w.policy())
	require.ErrorContains(t, err, "the action has taken longer than 10ms")
	for action, limit := range map[string]time.Duration{"any": 20 * time.Minute, ActionBackup: 45 * time.Minute, ActionDelete: 45 * time.Minute, ActionRestore: 600 * time.Minute, ActionRestorePosthook: 20 * time.Minute} {
		require.Equal(t, limit, (&run{Kasten: &Kasten{}}).limit(action))
	}
}

func TestBackupFilters(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		filters Filters
		want    []string
		claims  []string
		hook    bool
	}{
		"stateful sets excluded: the hook is skipped in silence": {Filters{ExcludeResources: []FilterEntry{{Group: "apps", Resource: "statefulsets"}}},
			[]string{"cassandradatacenters/dc1", "configmaps/settings", "deployments/web", "persistentvolumeclaims/orphan", "persistentvolumeclaims/server-data-r1-0",
				"persistentvolumeclaims/web", "secrets/dc1-superuser", "serviceaccounts/default", "services/dc1-service"}, []string{"orphan", "server-data-r1-0", "web"}, false},
		"safe backup": {Filters{IncludeResources: []FilterEntry{{Resource: "statefulsets"}}},
			[]string{"persistentvolumeclaims/server-data-r1-0", "statefulsets/r1"}, []string{"server-data-r1-0"}, true},
		"safe backup, claim excluded": {Filters{IncludeResources: []FilterEntry{{Resource: "statefulsets"}}, ExcludeResources: []FilterEntry{{Group: "core", Resource: "persistentvolumeclaims"}}},
			[]string{"statefulsets/r1"}, nil, true},
		"defaults and more": {Filters{IncludeResources: []FilterEntry{{Group: "actions.kio.kasten.io", Resource: "defaults"}, {Resource: "replicasets"}},
			ExcludeResources: []FilterEntry{{Resource: "persistentvolumeclaims"}, {MatchLabels: map[string]string{"keep": "no"}}}},
			[]string{"cassandradatacenters/dc1", "deployments/web", "replicasets/web-1", "secrets/dc1-superuser", "serviceaccounts/default", "services/dc1-service", "statefulsets/r1"}, nil, true},
		"only the datacenter": {Filters{IncludeResources: []FilterEntry{{Group: "cassandra.datastax.com", Resource: "cassandradatacenters"}}},
			[]string{"cassandradatacenters/dc1"}, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.policy().Spec.Actions[0].BackupParameters.Filters = c.filters
			results, err := w.RunPolicy(t.Context(), w.policy())
			require.NoError(t, err)
			require.Equal(t, Complete, results[0].State)
			point, err := ReadPoint(w.Dir, results[0].RestorePoint)
			require.NoError(t, err)
			require.Equal(t, c.want, captured(point))
			var claims []string
			for _, v := range point.Volumes {
				claims = append(claims, v.Claim)
			}
			slices.Sort(claims)
			require.Equal(t, c.claims, claims)
			require.Equal(t, c.hook, count(results[0].Events, ActionBackupPrehook) == 1)
			if !c.hook {
				require.Equal(t, 1, count(results[0].Events, EventNotReached))
			}
		})
	}
}

func TestTopmostOwnerWins(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	other := *w.Catalog.Bindings[0]
	other.Spec.Resources = BindingResources{MatchAll: []Requirement{{Type: &TypeConstraint{Operator: "In", Values: []TransformSubject{{Resource: "statefulsets"}}}}}}
	w.Catalog.Bindings = append(w.Catalog.Bindings, &other)
	results, err := w.RunPolicy(t.Context(), w.policy())
	require.NoError(t, err)
	require.Equal(t, 1, count(results[0].Events, ActionBackupPrehook))
	require.Contains(t, names(results[0].Events), "blueprintIgnored statefulsets.apps/r1")
}

func TestBackupActionReplacesSnapshots(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	bp := w.Catalog.Blueprints["cass-bp"]
	bp.Actions[ActionBackup] = &kanister.BlueprintAction{}
	results, err := w.RunPolicy(t.Context(), w.policy())
	require.NoError(t, err)
	events := names(results[0].Events)
	require.Contains(t, events, "backup "+dc1().String())
	require.NotContains(t, events, "snapshot server-data-r1-0")
	require.Contains(t, events, "snapshot web")
}

func TestExportAndSelectors(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.policy()
	p.Spec.Selector.MatchExpressions = nil
	p.Spec.Selector.MatchLabels = map[string]string{"team": "a"}
	p.Spec.Actions = append(p.Spec.Actions, PolicyAction{Action: "export", ExportParameters: &ExportParameters{Hooks: Hooks{PreHook: &Hook{Blueprint: "cass-bp", ActionName: "before"}}}})
	results, err := w.RunPolicy(t.Context(), p)
	require.NoError(t, err)
	require.Len(t, results, 1)
	require.NotEmpty(t, results[0].RestorePoint)
	require.Equal(t, 2, count(results[0].Events, EventPreHook))
	require.Equal(t, 1, count(results[0].Events, EventExport))
	p.Spec.Selector.MatchLabels = map[string]string{"team": "none"}
	_, err = w.RunPolicy(t.Context(), p)
	require.ErrorContains(t, err, "selects no namespace")
}

func TestRestrictedNamespaceIsNotRoot(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ns := w.read(t, ID{Version: "v1", Resource: "namespaces", Name: "app"}, "")
	ns.SetLabels(map[string]string{restrictedLabel: restricted})
	require.NoError(t, w.client.Tracker().Update(ID{Version: "v1", Resource: "namespaces"}.gvr(), ns, ""))
	w.Catalog.PodSpecOverride = map[string]any{"nodeName": "n"}
	w.backup(t)
	r, err := w.newRun("app")
	require.NoError(t, err)
	override, err := r.podOverride(t.Context())
	require.NoError(t, err)
	require.Equal(t, map[string]any{"nodeName": "n", "securityContext": map[string]any{"runAsUser": int64(1000), "runAsNonRoot": true}}, override)
	w.NoForceRoot = true
	override, err = r.podOverride(t.Context())
	require.NoError(t, err)
	require.Equal(t, map[string]any{"nodeName": "n"}, override)
}
