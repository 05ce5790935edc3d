package facts

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/casshook/casshook/pkg/doctor"
	"github.com/casshook/casshook/pkg/kube/internal/kubetest"
	"github.com/casshook/casshook/pkg/kube/objects"
)

const kastenGroup = "config.kio.kasten.io"

// doctored is a cluster with all that doctor reads.
func doctored(t *testing.T) *kubetest.World {
	t.Helper()
	w := kubetest.NewWorld(t)
	w.RulesOf = func(seen []kubetest.Asked) { checkDoctorRules(t, seen) }
	w.Denied = map[string]bool{"create pods/exec": true, "list volumesnapshots": true}
	w.PutDatacenter("My Ring", "dc1", 2, func(o map[string]any) {
		spec := kubetest.In(o, "spec")
		spec["serverType"], spec["serverVersion"] = "cassandra", "5.0.9"
		kubetest.In(o, "spec", "config", "cassandra-yaml")["materialized_views_enabled"] = true
		kubetest.In(o, "metadata")["labels"] = map[string]any{"k8ssandra.io/cluster-name": "kc"}
		kubetest.In(o, "metadata")["annotations"] = map[string]any{"a": "b"}
		kubetest.In(o, "metadata")["ownerReferences"] = kubetest.List(map[string]any{"kind": "K8ssandraCluster", "name": "kc"})
	})
	for _, name := range []string{"server-data-set-dc1-0", "server-data-set-dc1-1"} {
		w.Edit("", "persistentvolumeclaims", name, func(o map[string]any) { kubetest.In(o, "status")["phase"] = "Bound" })
	}
	w.Edit("", "persistentvolumeclaims", "server-data-set-dc1-0", func(o map[string]any) { kubetest.In(o, "spec")["storageClassName"] = "gp3" })
	for i, name := range []string{"set-dc1-0", "set-dc1-1"} {
		w.Edit("", "pods", name, func(o map[string]any) { kubetest.In(o, "spec")["nodeName"] = []string{"m1", "m2"}[i] })
	}
	w.Put("", "persistentvolumeclaims", kubetest.Object("v1", "PersistentVolumeClaim", "db", "foreign", nil))
	other := kubetest.Datacenter("Other", "dc2", 1)
	kubetest.In(other, "metadata")["namespace"] = "elsewhere"
	w.Put(kubetest.CassandraGroup, "cassandradatacenters", other)
	w.Put("", "namespaces", kubetest.Object("v1", "Namespace", "", "db", map[string]any{"metadata": map[string]any{"name": "db", "labels": map[string]any{"team": "x"}}}))
	w.Put("", "persistentvolumes", kubetest.Object("v1", "PersistentVolume", "", "pv-server-data-set-dc1-1", map[string]any{"spec": map[string]any{"csi": map[string]any{"driver": "ebs"}}}))
	w.Put("storage.k8s.io", "storageclasses", kubetest.Object("storage.k8s.io/v1", "StorageClass", "", "gp3", map[string]any{"provisioner": "ebs"}))
	w.Put("snapshot.storage.k8s.io", "volumesnapshotclasses", kubetest.Object("snapshot.storage.k8s.io/v1", "VolumeSnapshotClass", "", "ebs", map[string]any{"driver": "ebs",
		"metadata": map[string]any{"name": "ebs", "annotations": map[string]any{"k10.kasten.io/is-snapshot-class": "true"}}}))
	w.Put("", "nodes", kubetest.Object("v1", "Node", "", "m1", map[string]any{"spec": map[string]any{"taints": kubetest.List(map[string]any{"effect": "PreferNoSchedule"})},
		"status": map[string]any{"nodeInfo": map[string]any{"architecture": "amd64", "operatingSystem": "linux"}, "images": kubetest.List(map[string]any{"names": kubetest.List("r/i:1")})}}))
	w.Put("", "nodes", kubetest.Object("v1", "Node", "", "m2", map[string]any{"spec": map[string]any{"taints": kubetest.List(map[string]any{"effect": "NoSchedule"})}}))
	putKasten(w)
	return w
}

func putKasten(w *kubetest.World) {
	pod := func(image string) map[string]any {
		return map[string]any{"spec": map[string]any{"template": map[string]any{"spec": map[string]any{"containers": kubetest.List(map[string]any{"image": image})}}}, "status": map[string]any{"availableReplicas": 1}}
	}
	w.Put("apps", "deployments", kubetest.Object("apps/v1", "Deployment", "ops", "cass", pod("docker.io/k8ssandra/cass-operator:v1.29.0")))
	w.Put("apps", "deployments", kubetest.Object("apps/v1", "Deployment", "ops", "k8ssandra", pod("docker.io/k8ssandra/k8ssandra-operator:v1")))
	w.Put(kastenGroup, "blueprintbindings", kubetest.Object(kastenGroup+"/v1alpha1", "BlueprintBinding", "kasten-io", "b", map[string]any{
		"metadata": map[string]any{"name": "b", "namespace": "kasten-io", "creationTimestamp": "2026-11-02T00:00:00Z"},
		"spec":     map[string]any{"blueprintRef": map[string]any{"name": "bp"}}}))
	w.Put("cr.kanister.io", "blueprints", kubetest.Object("cr.kanister.io/v1alpha1", "Blueprint", "kasten-io", "bp", map[string]any{"actions": map[string]any{"backupPrehook": map[string]any{
		"phases": kubetest.List(map[string]any{"func": "KubeTask", "name": "p", "args": map[string]any{"command": kubetest.List("/casshook/casshook", "before-backup"),
			"podOverride": map[string]any{"imagePullSecrets": kubetest.List(map[string]any{"name": "pull"})}}})}}}))
	w.Put(kastenGroup, "policies", kubetest.Object(kastenGroup+"/v1alpha1", "Policy", "kasten-io", "p", map[string]any{"spec": map[string]any{"paused": true}}))
	w.Put(kastenGroup, "policies", kubetest.Object(kastenGroup+"/v1alpha1", "Policy", "db", "own", nil))
	w.Put(kastenGroup, "profiles", kubetest.Object(kastenGroup+"/v1alpha1", "Profile", "kasten-io", "location", map[string]any{"spec": map[string]any{"type": "Location"}}))
	w.Put("", "configmaps", kubetest.Object("v1", "ConfigMap", "kasten-io", "k10-config", map[string]any{"data": map[string]any{"K10TimeoutBlueprintHooks": "45"}}))
	w.Put("", "serviceaccounts", kubetest.Object("v1", "ServiceAccount", "kasten-io", "casshook", map[string]any{"imagePullSecrets": kubetest.List(map[string]any{"name": "gone"})}))
	w.Put("", "secrets", kubetest.Object("v1", "Secret", "kasten-io", "pull", map[string]any{"type": "kubernetes.io/dockerconfigjson"}))
}

// checkDoctorRules fails a test in which something was asked where no rule allows it.
func checkDoctorRules(t *testing.T, seen []kubetest.Asked) {
	for _, a := range seen {
		scope := map[string]objects.Scope{"db": objects.InNamespace, "kasten-io": objects.InKasten, "": objects.InCluster}[a.Namespace]
		if a.Resource == "namespaces" {
			scope = objects.InNamespace
		}
		ok := slices.ContainsFunc(objects.DoctorRules(), func(r objects.DoctorRule) bool { return r.Scope == scope && allows(r.Rule, a) })
		if !ok && (scope != objects.InNamespace || !slices.ContainsFunc(objects.Rules(), func(r objects.Rule) bool { return allows(r, a) })) {
			t.Errorf("%s was asked in scope %q, but is not in DoctorRules", a.Rule(), scope)
		}
	}
}

func allows(r objects.Rule, a kubetest.Asked) bool {
	return r.APIGroup == a.Group && r.Resource == a.Resource && slices.Contains(r.Verbs, a.Verb)
}

func asks() doctor.Asked {
	return doctor.Asked{Namespace: "db", KastenNamespace: "kasten-io", ServiceAccount: "casshook"}
}

func factsOf(t *testing.T, w *kubetest.World) *doctor.Facts {
	t.Helper()
	f, err := Read(t.Context(), w.Client, asks())
	require.NoError(t, err)
	return f
}

func TestFacts(t *testing.T) {
	t.Parallel()
	w := doctored(t)
	f := factsOf(t, w)
	require.Equal(t, []doctor.Datacenter{{
		Namespace: "db", Name: "dc1", Cluster: "My Ring", Size: 2, Owner: "db/kc", OwnerReference: true, ServerType: "cassandra", Version: "5.0.9",
		Labels: map[string]string{"k8ssandra.io/cluster-name": "kc"}, Annotations: map[string]string{"a": "b"},
		SuperuserSecret: "myring-superuser", Superuser: doctor.Answer[string]{Items: []string{"password", "username"}},
		YAML: doctor.Answer[map[string]any]{Items: []map[string]any{{"materialized_views_enabled": true}}},
	}}, f.Datacenters.Items)
	require.Equal(t, []map[string]string{{"team": "x"}}, f.Labels.Items)
	require.ElementsMatch(t, []doctor.Member{{Namespace: "db", Name: "dc1", Cluster: "My Ring", Owner: "db/kc"}, {Namespace: "elsewhere", Name: "dc2", Cluster: "Other"}}, f.Everywhere.Items)
	require.Equal(t, []doctor.Operator{{Namespace: "ops", Name: "cass", Image: "docker.io/k8ssandra/cass-operator:v1.29.0", Available: 1}}, f.Operators.Items)
	require.Equal(t, "set-dc1", f.Workloads.Items[0].Name)
	require.Equal(t, "cass-operator", f.Workloads.Items[0].Labels["app.kubernetes.io/managed-by"])
	require.Equal(t, []doctor.Node{{Name: "set-dc1-0", Datacenter: "dc1", Machine: "m1"}, {Name: "set-dc1-1", Datacenter: "dc1", Machine: "m2"}}, f.Nodes.Items)
	require.Equal(t, []doctor.Claim{{Name: "server-data-set-dc1-0", Phase: "Bound", Class: "gp3"}, {Name: "server-data-set-dc1-1", Phase: "Bound", Driver: "ebs"}}, f.Claims.Items)
	require.Equal(t, []doctor.StorageClass{{Name: "gp3", Provisioner: "ebs"}}, f.StorageClasses.Items)
	require.Equal(t, []doctor.SnapshotClass{{Name: "ebs", Driver: "ebs", ForKasten: true}}, f.SnapshotClasses.Items)
	require.Equal(t, time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC), f.Bindings.Items[0].Created.UTC())
	require.Equal(t, "bp", f.Bindings.Items[0].Spec.BlueprintRef.Name)
	require.Len(t, f.Blueprints.Items, 1)
	require.Len(t, f.Policies.Items, 2)
	require.True(t, f.Policies.Items[0].Spec.Paused)
	require.Equal(t, "Location", f.Profiles.Items[0].Spec.Type)
	require.Equal(t, []time.Duration{45 * time.Minute}, f.Timeouts.Items)
	require.Equal(t, []doctor.Account{{PullSecrets: []string{"gone"}}}, f.Account.Items)
	require.Equal(t, map[string]doctor.Answer[string]{"pull": {Items: []string{"kubernetes.io/dockerconfigjson"}}, "gone": {Absent: true}}, f.PullSecrets)
	require.Equal(t, []doctor.Machine{
		{Name: "m1", Architecture: "amd64", System: "linux", Images: []string{"r/i:1"}}, {Name: "m2", Closed: true},
	}, f.Machines.Items)
	require.Len(t, f.Access.Items, len(objects.Rules()))
	denied := map[string][]string{}
	for _, a := range f.Access.Items {
		if len(a.Denied) > 0 {
			denied[a.Resource] = a.Denied
		}
	}
	require.Equal(t, map[string][]string{"pods/exec": {"create"}, "volumesnapshots.snapshot.storage.k8s.io": {"list"}}, denied)
	for _, a := range w.Seen {
		require.True(t, a.Verb == "get" || a.Verb == "list" || a.Resource == "localsubjectaccessreviews", "%s changes something", a.Rule())
	}
}

// TestFactsForbidden: without a permission there are facts that are unread, and
// what they are says which one.
func TestFactsForbidden(t *testing.T) {
	t.Parallel()
	for rule, want := range map[string]struct {
		text string
		of   func(*doctor.Facts) string
	}{
		"get /namespaces": {"may not get namespaces db", func(f *doctor.Facts) string { return f.Labels.Unread }},
		"list cassandra.datastax.com/cassandradatacenters": {"may not list cassandradatacenters.cassandra.datastax.com cluster-wide", func(f *doctor.Facts) string { return f.Everywhere.Unread }},
		"get /secrets":                                          {"may not get secrets myring-superuser in namespace db", func(f *doctor.Facts) string { return f.Datacenters.Items[0].Superuser.Unread }},
		"list /pods":                                            {"may not list pods in namespace db", func(f *doctor.Facts) string { return f.Nodes.Unread }},
		"list apps/statefulsets":                                {"may not list statefulsets.apps in namespace db", func(f *doctor.Facts) string { return f.Workloads.Unread }},
		"list /persistentvolumeclaims":                          {"may not list persistentvolumeclaims in namespace db", func(f *doctor.Facts) string { return f.Claims.Unread }},
		"get /persistentvolumes":                                {"may not get persistentvolumes pv-server-data-set-dc1-1", func(f *doctor.Facts) string { return f.Claims.Items[1].DriverUnread }},
		"list storage.k8s.io/storageclasses":                    {"may not list storageclasses.storage.k8s.io cluster-wide", func(f *doctor.Facts) string { return f.StorageClasses.Unread }},
		"list snapshot.storage.k8s.io/volumesnapshotclasses":    {"may not list volumesnapshotclasses.snapshot.storage.k8s.io cluster-wide", func(f *doctor.Facts) string { return f.SnapshotClasses.Unread }},
		"list config.kio.kasten.io/blueprintbindings":           {"may not list blueprintbindings.config.kio.kasten.io in namespace kasten-io", func(f *doctor.Facts) string { return f.Bindings.Unread }},
		"list config.kio.kasten.io/policies":                    {"may not list policies.config.kio.kasten.io in namespace kasten-io", func(f *doctor.Facts) string { return f.Policies.Unread }},
		"list config.kio.kasten.io/profiles":                    {"may not list profiles.config.kio.kasten.io in namespace kasten-io", func(f *doctor.Facts) string { return f.Profiles.Unread }},
		"list cr.kanister.io/blueprints":                        {"may not list blueprints.cr.kanister.io in namespace kasten-io", func(f *doctor.Facts) string { return f.Blueprints.Unread }},
		"get /configmaps":                                       {"may not get configmaps k10-config in namespace kasten-io", func(f *doctor.Facts) string { return f.Timeouts.Unread }},
		"get /serviceaccounts":                                  {"may not get serviceaccounts casshook in namespace kasten-io", func(f *doctor.Facts) string { return f.Account.Unread }},
		"create authorization.k8s.io/localsubjectaccessreviews": {"may not create localsubjectaccessreviews.authorization.k8s.io in namespace db", func(f *doctor.Facts) string { return f.Access.Unread }},
		"list /nodes":                                           {"may not list nodes cluster-wide", func(f *doctor.Facts) string { return f.Machines.Unread }},
		"list apps/deployments":                                 {"may not list deployments.apps cluster-wide", func(f *doctor.Facts) string { return f.Operators.Unread }},
	} {
		t.Run(rule, func(t *testing.T) {
			t.Parallel()
			w := doctored(t)
			w.Refuse = kubetest.Forbid(rule)
			if strings.HasSuffix(rule, "/cassandradatacenters") { // those of the namespace may be listed
				w.Refuse = func(a kubetest.Asked) *metav1.Status {
					if a.Namespace != "" {
						return nil
					}
					return kubetest.Forbid(rule)(a)
				}
			}
			f := factsOf(t, w)
			require.Equal(t, want.text, want.of(f))
			unknown := false
			for _, found := range doctor.Examine(f).Findings {
				unknown = unknown || found.Severity == doctor.Unknown && strings.Contains(found.What, want.text)
			}
			if rule != "get /configmaps" && rule != "get /namespaces" && rule != "list config.kio.kasten.io/profiles" {
				require.True(t, unknown, "no finding says it")
			}
		})
	}
}

// TestFactsOwnPolicies: those of the namespace itself may be out of sight.
func TestFactsOwnPolicies(t *testing.T) {
	t.Parallel()
	for _, namespace := range []string{"db", "kasten-io"} {
		w := doctored(t)
		w.Refuse = func(a kubetest.Asked) *metav1.Status {
			if a.Namespace != namespace {
				return nil
			}
			return kubetest.Forbid("list config.kio.kasten.io/policies")(a)
		}
		f := factsOf(t, w)
		require.Equal(t, "may not list policies.config.kio.kasten.io in namespace "+namespace, f.Policies.Unread)
		require.Len(t, f.Policies.Items, 1)
	}
}

func TestFactsSuperuser(t *testing.T) {
	t.Parallel()
	w := doctored(t)
	w.Put("", "secrets", kubetest.Secret("myring-superuser", "username", "me", "password", ""))
	require.Equal(t, []string{"username"}, factsOf(t, w).Datacenters.Items[0].Superuser.Items)
	w.Remove("", "secrets", "myring-superuser")
	require.True(t, factsOf(t, w).Datacenters.Items[0].Superuser.Absent)
}

// TestFactsNothing: without any permission everything is unknown, and nothing ok.
func TestFactsNothing(t *testing.T) {
	t.Parallel()
	w := doctored(t)
	w.Refuse = func(kubetest.Asked) *metav1.Status {
		return kubetest.Status(http.StatusForbidden, metav1.StatusReasonForbidden, "no")
	}
	for _, found := range doctor.Examine(factsOf(t, w)).Findings {
		require.Equal(t, doctor.Unknown, found.Severity, "%s: %s", found.Check, found.What)
	}
}

func TestFactsBare(t *testing.T) {
	t.Parallel()
	w := kubetest.NewWorld(t)
	w.RulesOf = func(seen []kubetest.Asked) { checkDoctorRules(t, seen) }
	w.Absent = map[string]bool{"cassandradatacenters": true, "blueprintbindings": true, "policies": true, "profiles": true, "blueprints": true, "volumesnapshotclasses": true}
	f := factsOf(t, w)
	require.True(t, f.Datacenters.Absent && f.Policies.Absent && f.Bindings.Absent && f.Blueprints.Absent && f.SnapshotClasses.Absent && f.Account.Absent)
	d := doctor.Examine(f)
	require.Equal(t, []string{"datacenter"}, d.Failing())
}

func TestFactsProblems(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		edit func(w *kubetest.World)
		want []string
	}{
		{"all well", func(*kubetest.World) {}, nil},
		{"stopped", func(w *kubetest.World) {
			w.Edit(kubetest.CassandraGroup, "cassandradatacenters", "dc1", func(o map[string]any) { kubetest.In(o, "spec")["stopped"] = true })
			w.Remove("", "pods", "set-dc1-1")
		}, []string{"is stopped: if its volumes were restored, run after-restore with --image, which restores and starts it; " +
			"to start it on its volumes as they are, set spec.stopped to false in the K8ssandraCluster db/kc and wait until it is Ready"}},
		{"pod missing before the operator looked", func(w *kubetest.World) {
			w.Edit(kubetest.CassandraGroup, "cassandradatacenters", "dc1", func(o map[string]any) { delete(kubetest.In(o, "status"), "observedGeneration") })
			w.Remove("", "pods", "set-dc1-1")
		}, []string{"is new, and the operator has not processed it yet (generation 2, observed 0), which takes minutes at a first start: wait; " +
			"if nothing happens, check that cass-operator is running and watches namespace db"}},
		{"pod missing", func(w *kubetest.World) { w.Remove("", "pods", "set-dc1-1") },
			[]string{"has 1 of its 2 nodes; missing pods: set-dc1-1: wait until all pods exist, or check the events of its StatefulSets"}},
		{"pod not ready", func(w *kubetest.World) {
			w.Edit("", "pods", "set-dc1-1", func(o map[string]any) {
				kubetest.In(o, "metadata", "labels")["cassandra.datastax.com/node-state"] = "Starting"
			})
		}, []string{`pod set-dc1-1 is in state "Starting": wait until the operator has started its Cassandra`}},
		{"stray pod", func(w *kubetest.World) {
			w.Edit("", "pods", "set-dc1-1", func(o map[string]any) { delete(kubetest.In(o, "metadata"), "ownerReferences") })
		}, []string{`pod set-dc1-1 has the labels of a Cassandra node (datacenter "dc1") but does not belong to the operator's StatefulSets: delete it, or remove its labels`,
			"has 1 of its 2 nodes; missing pods: set-dc1-1: wait until all pods exist, or check the events of its StatefulSets"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := doctored(t)
			c.edit(w)
			require.Equal(t, c.want, factsOf(t, w).Datacenters.Items[0].Problems)
		})
	}
}

// TestFactsConfigSecret: the secret holds the configuration, and data that is not
// where hooks want it.
func TestFactsConfigSecret(t *testing.T) {
	t.Parallel()
	w := doctored(t)
	w.Edit(kubetest.CassandraGroup, "cassandradatacenters", "dc1", func(o map[string]any) { kubetest.In(o, "spec")["configSecret"] = "c" })
	f := factsOf(t, w)
	require.Equal(t, "the secret c of spec.configSecret does not exist", f.Datacenters.Items[0].YAML.Unread)
	w.Put("", "secrets", kubetest.Secret("c", "config", "s3cret{"))
	f = factsOf(t, w)
	require.Equal(t, "the secret c of spec.configSecret has no JSON object at the key config", f.Datacenters.Items[0].YAML.Unread)
	w.Put("", "secrets", kubetest.Secret("c", "config", `{"cassandra-yaml": {"data_file_directories": ["/d"], "sasi_indexes_enabled": true}}`))
	f = factsOf(t, w)
	require.Equal(t, true, f.Datacenters.Items[0].YAML.Items[0]["sasi_indexes_enabled"])
	require.Contains(t, f.Nodes.Items[0].VolumeProblem, "the data directory /d is not on the volume server-data")
	require.Contains(t, f.Nodes.Items[1].VolumeProblem, "the data directory /d is not on the volume server-data")
}

func TestFactsOddObjects(t *testing.T) {
	t.Parallel()
	w := doctored(t)
	w.Edit(kubetest.CassandraGroup, "cassandradatacenters", "dc1", func(o map[string]any) { delete(kubetest.In(o, "spec"), "size") })
	w.Put(kastenGroup, "policies", kubetest.Object(kastenGroup+"/v1alpha1", "Policy", "kasten-io", "odd", map[string]any{"spec": "text"}))
	f := factsOf(t, w)
	require.Contains(t, f.Datacenters.Items[0].Unreadable, "spec.size is missing")
	require.Contains(t, f.Policies.Unread, "policies.config.kio.kasten.io kasten-io/odd: json")
	require.Len(t, f.Policies.Items, 2, "the others are read")
}

func TestFactsUnreachable(t *testing.T) {
	t.Parallel()
	w := kubetest.NewWorld(t)
	w.HTTP.Close()
	_, err := Read(t.Context(), w.Client, asks())
	require.ErrorContains(t, err, "get namespaces")
}
