package doctor

import (
	"bytes"
	"flag"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/blueprint"
)

// trouble is one change of a healthy cluster, and all findings that are not ok then,
// as "severity check: part of what or remedy".
type trouble struct {
	name string
	edit func(t *testing.T, f *Facts)
	want []string
}

// always is what no cluster is without.
const always = "unknown disk: run casshook status"

func runTroubles(t *testing.T, world func(*testing.T) *Facts, troubles []trouble) {
	for _, c := range troubles {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := world(t)
			c.edit(t, f)
			got := Examine(f)
			var bad []Finding
			for _, found := range got.Findings {
				require.NotEmpty(t, found.What, found.Check)
				require.NotEmpty(t, found.About, found.Check)
				if found.Severity != OK {
					require.NotEmpty(t, found.Remedy, "%s: %s", found.Check, found.What)
					bad = append(bad, found)
				}
			}
			want := c.want
			if len(f.Datacenters.Items) > 0 && f.Datacenters.Unread == "" && (f.Datacenter == "" || f.Datacenter == "dc1") {
				want = append([]string{always}, want...)
			}
			for _, w := range want {
				head, text, _ := strings.Cut(w, ": ")
				matched := false
				for i, b := range bad {
					if string(b.Severity)+" "+b.Check == head && strings.Contains(b.About+"|"+b.What+"|"+b.Remedy, text) {
						bad, matched = append(bad[:i:i], bad[i+1:]...), true
						break
					}
				}
				require.True(t, matched, "no %q in %v", w, got.Findings)
			}
			require.Empty(t, bad, "more than was to be found")
		})
	}
}

func nothing(*testing.T, *Facts) {}

func TestCassandra(t *testing.T) {
	t.Parallel()
	runTroubles(t, policyHooks, []trouble{
		{"healthy", nothing, nil},
		{"no datacenter", func(_ *testing.T, f *Facts) { f.Datacenters.Items = nil }, []string{"error datacenter: no CassandraDatacenter found"}},
		{"no operator's kind", func(_ *testing.T, f *Facts) { f.Datacenters = Answer[Datacenter]{Absent: true} }, []string{"error datacenter: install cass-operator"}},
		{"another datacenter", func(_ *testing.T, f *Facts) { f.Datacenter = "dc9" }, []string{"error datacenter: the namespace has dc1"}},
		{"odd object", func(_ *testing.T, f *Facts) {
			*dc(f) = Datacenter{Namespace: "cassandra", Name: "dc1", Unreadable: "spec.size is missing"}
		},
			[]string{"error datacenter: spec.size is missing"}},
		{"created stopped for a restore", func(_ *testing.T, f *Facts) {
			dc(f).NeverStarted, dc(f).Problems = true, []string{"is stopped and was never started: run after-restore"}
			dc(f).Superuser = Answer[string]{Absent: true}
			f.Claims.Items[0].Phase, f.Nodes.Items = "Pending", nil
		}, []string{"warning ready: never started|run after-restore", "warning claims: server-data-0|it is not bound yet|nothing, if its storage class binds a volume to the first pod"}},
		{"not seen by the operator", func(_ *testing.T, f *Facts) {
			dc(f).Unseen, dc(f).Problems = true, []string{"is new: wait"}
			dc(f).Superuser = Answer[string]{Absent: true}
			f.Claims.Items[0].Phase = "Pending"
		}, []string{"warning ready: is new|wait", "warning claims: server-data-0|it is not bound yet"}},
		{"created stopped, with a lost volume", func(_ *testing.T, f *Facts) {
			dc(f).NeverStarted = true
			f.Claims.Items[0].Phase = "Lost"
		}, []string{"error claims: it is Lost, not bound"}},
		{"stopped", func(_ *testing.T, f *Facts) { dc(f).Problems = []string{"is stopped: set spec.stopped to false"} }, []string{"error ready: cassandra/dc1|is stopped|set spec.stopped to false"}},
		{"pods not readable", func(_ *testing.T, f *Facts) { f.Nodes.Unread = "may not list pods in namespace cassandra" },
			[]string{"unknown ready: may not list pods", "unknown volumes: may not list pods"}},
		{"4.0", func(_ *testing.T, f *Facts) {
			dc(f).Version, dc(f).YAML.Items = "4.0.17", []map[string]any{{"enable_materialized_views": true}}
		}, []string{"unknown features: enable user-defined functions, SASI indexes, transient replication; the schema"}},
		{"5.0 without settings", func(_ *testing.T, f *Facts) { dc(f).YAML.Items[0] = nil },
			[]string{"unknown features: materialized_views_enabled, user_defined_functions_enabled, sasi_indexes_enabled, transient_replication_enabled, dynamic_data_masking_enabled"}},
		{"configuration not readable", func(_ *testing.T, f *Facts) {
			dc(f).YAML = Answer[map[string]any]{Unread: "may not get secrets c in namespace cassandra"}
		}, []string{"unknown features: may not get secrets c"}},
		{"disk failures ignored", func(_ *testing.T, f *Facts) { dc(f).YAML.Items[0]["disk_failure_policy"] = "ignore" },
			[]string{"warning disk-failure: its disk_failure_policy is ignore: Cassandra goes on after a flush that failed, and backups then lack rows that reads show|set disk_failure_policy to stop"}},
		{"disk failures best_effort", func(_ *testing.T, f *Facts) { dc(f).YAML.Items[0]["disk_failure_policy"] = "best_effort" },
			[]string{"warning disk-failure: its disk_failure_policy is best_effort"}},
		{"disk failures stop", func(_ *testing.T, f *Facts) { dc(f).YAML.Items[0]["disk_failure_policy"] = "stop" }, nil},
		{"3.11", func(_ *testing.T, f *Facts) { dc(f).Version = "3.11.17" }, []string{"error version: its Cassandra is 3.11.17"}},
		{"5.1", func(_ *testing.T, f *Facts) { dc(f).Version = "5.1.0" }, []string{"error version: its Cassandra is 5.1.0"}},
		{"no version", func(_ *testing.T, f *Facts) { dc(f).Version = "" }, []string{"unknown version: spec.serverVersion is missing"}},
		{"DSE", func(_ *testing.T, f *Facts) { dc(f).ServerType = "dse" }, []string{"error version: dse"}},
		{"no operator", func(_ *testing.T, f *Facts) { f.Operators.Items = nil }, []string{"warning operator: no Deployment"}},
		{"operator down", func(_ *testing.T, f *Facts) { f.Operators.Items[0].Available = 0 }, []string{"error operator: cass-operator/controller|cass-operator is not running"}},
		{"operators not readable", func(_ *testing.T, f *Facts) { f.Operators.Unread = "may not list deployments.apps cluster-wide" }, []string{"unknown operator: may not list deployments.apps"}},
		{"owned by labels", func(_ *testing.T, f *Facts) { dc(f).Owner = "ops/kc" }, []string{"warning owner: it is managed by K8ssandraCluster ops/kc"}},
		{"owned by reference", func(_ *testing.T, f *Facts) { dc(f).Owner, dc(f).OwnerReference = "cassandra/kc", true }, []string{"warning owner: look for a Blueprint bound to the cluster"}},
		{"two datacenters of a ring", func(_ *testing.T, f *Facts) { second(f) }, nil},
		{"one of two datacenters", func(_ *testing.T, f *Facts) { second(f); f.Datacenter = "dc1" }, []string{"error ring: together with dc2: a backup of one datacenter is refused"}},
		{"same name elsewhere", func(_ *testing.T, f *Facts) { f.Everywhere.Items[1].Cluster = "Prod" }, []string{"warning elsewhere: other/dc1 has the same clusterName"}},
		{"same ring elsewhere", func(_ *testing.T, f *Facts) {
			f.Everywhere.Items[1] = Member{"other", "dc2", "Prod", "ops/kc"}
			dc(f).Owner = "ops/kc"
		},
			[]string{"error elsewhere: it forms one ring with CassandraDatacenter other/dc2", "warning owner: ops/kc"}},
		{"elsewhere not readable", func(_ *testing.T, f *Facts) {
			f.Everywhere = Answer[Member]{Unread: "may not list cassandradatacenters.cassandra.datastax.com cluster-wide"}
		}, []string{"unknown elsewhere: may not list cassandradatacenters"}},
		{"no superuser", func(_ *testing.T, f *Facts) { dc(f).Superuser = Answer[string]{Absent: true} }, []string{"error superuser: cassandra/prod-superuser|the superuser's secret of dc1 is missing"}},
		{"superuser without password", func(_ *testing.T, f *Facts) { dc(f).Superuser.Items = []string{"username"} }, []string{"error superuser: it lacks password"}},
		{"superuser not readable", func(_ *testing.T, f *Facts) {
			dc(f).Superuser = Answer[string]{Unread: "may not get secrets prod-superuser in namespace cassandra"}
		}, []string{"unknown superuser: may not get secrets prod-superuser"}},
		{"nothing readable", func(_ *testing.T, f *Facts) { f.Datacenters = Answer[Datacenter]{Unread: "may not list D"} }, unknownFor("may not list D",
			"datacenter", "ready", "version", "owner", "ring", "elsewhere", "superuser", "features", "disk-failure", "claims", "volumes", "snapshots", "disk", "binding", "blueprint",
			"filter", "hooks", "profile", "account", "image", "timeout")},
	})
}

// second adds a datacenter to the ring.
func second(f *Facts) {
	d := *dc(f)
	d.Name = "dc2"
	f.Datacenters.Items = append(f.Datacenters.Items, d)
}

func unknownFor(text string, checks ...string) []string {
	var want []string
	for _, c := range checks {
		want = append(want, "unknown "+c+": "+text)
	}
	return want
}

func TestStorage(t *testing.T) {
	t.Parallel()
	runTroubles(t, policyHooks, []trouble{
		{"claim not bound", func(_ *testing.T, f *Facts) { f.Claims.Items[1].Phase = "Pending" }, []string{"error claims: cassandra/server-data-1|it is Pending, not bound"}},
		{"claims not readable", func(_ *testing.T, f *Facts) { f.Claims = Answer[Claim]{Unread: "may not list C"} }, unknownFor("may not list C", "claims", "snapshots")},
		{"data elsewhere", func(_ *testing.T, f *Facts) {
			f.Nodes.Items[0].VolumeProblem = "the data directory /d is not on the volume server-data: move it there"
		}, []string{"error volumes: the data directory /d is not on the volume server-data|move it there"}},
		{"no snapshot class", func(_ *testing.T, f *Facts) { f.SnapshotClasses.Items = f.SnapshotClasses.Items[1:] }, []string{"error snapshots: StorageClass gp3|its driver ebs.csi.aws.com has no VolumeSnapshotClass"}},
		{"no snapshot kind", func(_ *testing.T, f *Facts) { f.SnapshotClasses = Answer[SnapshotClass]{Absent: true} }, []string{"error snapshots: has no VolumeSnapshotClass"}},
		{"in-tree driver", func(_ *testing.T, f *Facts) { f.StorageClasses.Items[0].Provisioner = "kubernetes.io/aws-ebs" }, []string{"warning snapshots: not a CSI driver"}},
		{"not annotated", func(_ *testing.T, f *Facts) { f.SnapshotClasses.Items[0].ForKasten = false }, []string{"error snapshots: is annotated for Kasten: ebs|kubectl annotate"}},
		{"not annotated, and no Kasten", func(_ *testing.T, f *Facts) { f.SnapshotClasses.Items[0].ForKasten = false; noKasten(f) }, []string{"warning kasten: definitions are missing"}},
		{"annotated twice", func(_ *testing.T, f *Facts) {
			f.SnapshotClasses.Items = append(f.SnapshotClasses.Items, SnapshotClass{"ebs2", "ebs.csi.aws.com", true})
		}, []string{"error snapshots: several VolumeSnapshotClasses of its driver are annotated for Kasten: ebs, ebs2"}},
		{"named by the storage class", func(_ *testing.T, f *Facts) {
			f.SnapshotClasses.Items[0].ForKasten, f.StorageClasses.Items[0].SnapshotClass = false, "ebs"
		}, nil},
		{"named wrongly by the storage class", func(_ *testing.T, f *Facts) { f.StorageClasses.Items[0].SnapshotClass = "other" }, []string{`error snapshots: names "other"`}},
		{"snapshot classes not readable", func(_ *testing.T, f *Facts) { f.SnapshotClasses = Answer[SnapshotClass]{Unread: "may not list S"} }, unknownFor("may not list S", "snapshots")},
		{"claim without class", func(_ *testing.T, f *Facts) {
			f.Claims.Items = []Claim{{Name: "c", Phase: "Bound", Driver: "ebs.csi.aws.com"}}
		}, nil},
		{"claim without class, of a driver without snapshots", func(_ *testing.T, f *Facts) { f.Claims.Items = []Claim{{Name: "c", Phase: "Bound", Driver: "nfs.csi"}} },
			[]string{"error snapshots: cassandra/c|its driver nfs.csi has no VolumeSnapshotClass"}},
		{"volume not readable", func(_ *testing.T, f *Facts) {
			f.Claims.Items = []Claim{{Name: "c", Phase: "Bound", DriverUnread: "may not get persistentvolumes v"}}
		}, []string{"unknown snapshots: may not get persistentvolumes v"}},
		{"class is gone", func(_ *testing.T, f *Facts) { f.StorageClasses.Items = nil }, []string{"unknown snapshots: server-data-0|", "unknown snapshots: server-data-1|"}},
	})
}

func noKasten(f *Facts) {
	f.Bindings, f.Blueprints = Answer[Binding]{Absent: true}, Answer[Blueprint]{Absent: true}
	f.Policies, f.Profiles = Answer[Policy]{Absent: true}, Answer[Profile]{Absent: true}
}

func TestPolicyHooks(t *testing.T) {
	t.Parallel()
	runTroubles(t, policyHooks, []trouble{
		{"no Kasten", func(_ *testing.T, f *Facts) { noKasten(f); f.Account = Answer[Account]{Absent: true} }, []string{"warning kasten: definitions are missing"}},
		{"built-in, not reached", func(_ *testing.T, f *Facts) { builtIn(f) }, nil},
		{"built-in, reached", func(_ *testing.T, f *Facts) { builtIn(f); without(f) }, []string{"error blueprint: k10-k8ssandra-bp-0.0.4 would run as the built-in default"}},
		{"overridden", func(t *testing.T, f *Facts) { override(t, f, day(1)) }, nil},
		{"overridden, StatefulSets kept", func(t *testing.T, f *Facts) { override(t, f, day(1)); without(f) }, []string{"error filter: has a backup action: no volume is snapshotted"}},
		{"override without its binding, StatefulSets kept", func(t *testing.T, f *Facts) { override(t, f, day(1)); f.Bindings.Items = nil; without(f) },
			[]string{"error filter: as the built-in default"}},
		{"StatefulSets kept, nothing bound", func(_ *testing.T, f *Facts) { without(f) }, nil},
		{"StatefulSets included, nothing bound", func(_ *testing.T, f *Facts) {
			builtIn(f)
			params(f).Filters.IncludeResources = []FilterEntry{{Group: "cassandra.datastax.com"}}
			without(f)
		}, nil},
		{"defaults included", func(_ *testing.T, f *Facts) {
			builtIn(f)
			params(f).Filters.IncludeResources = []FilterEntry{{Group: "actions.kio.kasten.io", Resource: "defaults"}, {Resource: "secrets"}}
			without(f)
		}, []string{"error blueprint: would run"}},
		{"excluded by label", func(_ *testing.T, f *Facts) {
			builtIn(f)
			without(f)
			exclude(f, FilterEntry{MatchLabels: map[string]string{"app.kubernetes.io/managed-by": "cass-operator"}})
		}, nil},
		{"excluded by another label", func(_ *testing.T, f *Facts) {
			builtIn(f)
			without(f)
			exclude(f, FilterEntry{Resource: "statefulsets", MatchLabels: map[string]string{"app": "x"}})
		}, []string{"error blueprint: would run"}},
		{"no policy", func(_ *testing.T, f *Facts) { f.Policies.Items = nil },
			[]string{"warning policy: no policy found", "unknown image: no casshook Blueprint is in use"}},
		{"policy of another namespace", func(_ *testing.T, f *Facts) {
			f.Policies.Items[0].Spec.Selector.MatchExpressions[0].Values = []string{"x"}
		},
			[]string{"warning policy: no policy found", "unknown image: pass --image"}},
		{"policy by a pattern", func(_ *testing.T, f *Facts) {
			f.Policies.Items[0].Spec.Selector.MatchExpressions[0].Values = []string{"cass*"}
		}, nil},
		{"policy of all but others", func(_ *testing.T, f *Facts) {
			f.Policies.Items[0].Spec.Selector.MatchExpressions[0].Operator, f.Policies.Items[0].Spec.Selector.MatchExpressions[0].Values = "NotIn", []string{"x"}
		}, nil},
		{"policy by the namespace's labels", func(_ *testing.T, f *Facts) { byLabel(f, "db") }, nil},
		{"policy by other labels", func(_ *testing.T, f *Facts) { byLabel(f, "web") },
			append(unknownFor("cannot tell whether it backs up the namespace", "blueprint", "filter", "hooks", "on-failure", "profile"),
				"unknown policy: it selects by labels", "warning policy: no policy found", "unknown image: pass --image")},
		{"policy by labels that may not be read", func(_ *testing.T, f *Facts) {
			byLabel(f, "db")
			f.Labels = Answer[map[string]string]{Unread: "may not get namespaces cassandra"}
		},
			append(unknownFor("cannot tell whether it backs up the namespace", "blueprint", "filter", "hooks", "on-failure", "profile"),
				"unknown policy: cannot tell whether it includes the namespace: may not get namespaces cassandra", "warning policy: no policy found", "unknown image: pass --image")},
		{"policy in some application's namespace", func(_ *testing.T, f *Facts) { f.Policies.Items[0].Namespace = "web" },
			[]string{"warning policy: no policy found", "unknown image: pass --image"}},
		{"policy in the namespace", func(_ *testing.T, f *Facts) { f.Policies.Items[0].Namespace = "cassandra" }, nil},
		{"paused", func(_ *testing.T, f *Facts) { f.Policies.Items[0].Spec.Paused = true }, []string{"warning policy: it is paused"}},
		{"no hooks", func(_ *testing.T, f *Facts) { params(f).Hooks = blueprint.Hooks{} },
			[]string{"error hooks: nothing runs before-backup", "warning on-failure: its lock", "unknown image: pass --image"}},
		{"no parameters", func(_ *testing.T, f *Facts) { f.Policies.Items[0].Spec.Actions[0].BackupParameters = nil },
			[]string{"error hooks: nothing runs before-backup", "warning on-failure: its lock", "unknown image: pass --image"}},
		{"no onSuccess", func(_ *testing.T, f *Facts) { params(f).Hooks.OnSuccess = nil }, []string{"warning hooks: no onSuccess hook"}},
		{"no onFailure", func(_ *testing.T, f *Facts) { params(f).Hooks.OnFailure = nil }, []string{"warning on-failure: no onFailure hook"}},
		{"onFailure runs after-backup", func(_ *testing.T, f *Facts) {
			params(f).Hooks.OnFailure = hook("casshook-policy-hooks", "after-backup")
		}, nil},
		{"action missing", func(_ *testing.T, f *Facts) { params(f).Hooks.PreHook = hook("casshook-policy-hooks", "beforeBackup") },
			[]string{"error hooks: calls action beforeBackup of the Blueprint casshook-policy-hooks, which does not exist", "error hooks: nothing runs before-backup"}},
		{"Blueprint in the wrong namespace", func(_ *testing.T, f *Facts) { f.Blueprints.Items[0].Namespace = "cassandra" }, []string{
			"error hooks: action before-backup", "error hooks: action after-backup", "error hooks: action on-failure", "error hooks: nothing runs before-backup",
			"warning on-failure: no onFailure hook", "unknown image: pass --image"}},
		{"policies not readable", func(_ *testing.T, f *Facts) { f.Policies = Answer[Policy]{Unread: "may not list P"} },
			unknownFor("may not list P", "kasten", "blueprint", "policy", "filter", "hooks", "on-failure", "profile", "account", "image", "timeout")},
		{"StatefulSets not readable", func(_ *testing.T, f *Facts) { f.Workloads = Answer[Workload]{Unread: "may not list W"} },
			unknownFor("may not list W", "ready", "blueprint", "filter", "hooks", "profile")},
	})
}

func byLabel(f *Facts, team string) {
	f.Policies.Items[0].Spec.Selector.MatchExpressions = nil
	f.Policies.Items[0].Spec.Selector.MatchLabels = map[string]string{"team": team}
}

func TestResourceBound(t *testing.T) {
	t.Parallel()
	bindTo := func(f *Facts, r Requirement) { f.Bindings.Items[0].Spec.Resources.MatchAll = []Requirement{r} }
	unbound := []string{"error hooks: nothing runs before-backup"}
	runTroubles(t, resourceBound, []trouble{
		{"healthy", nothing, nil},
		{"built-in beside it", func(_ *testing.T, f *Facts) { builtIn(f) }, nil},
		{"StatefulSets excluded", func(_ *testing.T, f *Facts) { exclude(f, FilterEntry{Group: "apps", Resource: "statefulsets"}) },
			[]string{"error filter: the Blueprint casshook-resource-bound does not run, and the backup is reported as complete"}},
		{"StatefulSets not included", func(_ *testing.T, f *Facts) {
			params(f).Filters.IncludeResources = []FilterEntry{{Resource: "persistentvolumeclaims"}}
		},
			[]string{"error filter: the Blueprint casshook-resource-bound does not run"}},
		{"an older override", func(t *testing.T, f *Facts) { override(t, f, day(1)) }, []string{
			"error binding: casshook-k10-k8ssandra-bp-0.0.4 wins because it is older than casshook-resource-bound; casshook does not run",
			"error filter: no volume is snapshotted", "error hooks: nothing runs before-backup"}},
		{"a later override", func(t *testing.T, f *Facts) { override(t, f, day(3)) },
			[]string{"warning binding: casshook-resource-bound wins because it is older than casshook-k10-k8ssandra-bp-0.0.4"}},
		{"an older override that is off", func(t *testing.T, f *Facts) { override(t, f, day(1)); f.Bindings.Items[1].Spec.Disabled = true }, nil},
		{"an older override that is not valid", func(t *testing.T, f *Facts) {
			override(t, f, day(1))
			f.Bindings.Items[1].Status.Validation, f.Bindings.Items[1].Status.Errors = "Failed", []string{"no such thing"}
		}, []string{"error binding: ignores it: no such thing"}},
		{"an older binding of another namespace", func(t *testing.T, f *Facts) {
			override(t, f, day(1))
			f.Bindings.Items[1].Spec.Resources.MatchAll[1].Namespace.Values = []string{"x"}
		}, nil},
		{"singular", func(_ *testing.T, f *Facts) {
			f.Bindings.Items[0].Spec.Resources.MatchAll[0].Type.Values[0].Resource = "cassandradatacenter"
		},
			append([]string{"warning binding: matches nothing"}, unbound...)},
		{"another group", func(_ *testing.T, f *Facts) {
			f.Bindings.Items[0].Spec.Resources.MatchAll[0].Type.Values[0].Group = "apps"
		}, unbound},
		{"another name", func(_ *testing.T, f *Facts) {
			f.Bindings.Items[0].Spec.Resources.MatchAll[0].Type.Values[0].Name = "dc2"
		}, unbound},
		{"all but another", func(_ *testing.T, f *Facts) {
			f.Bindings.Items[0].Spec.Resources.MatchAll[0].Type = &blueprint.TypeConstraint{Operator: "NotIn", Values: []blueprint.Resource{{Group: "apps"}}}
		}, nil},
		{"by label", func(_ *testing.T, f *Facts) {
			bindTo(f, Requirement{Labels: &KeyConstraint{"tier", "In", []string{"gold"}}})
		}, nil},
		{"by a label that is missing", func(_ *testing.T, f *Facts) { bindTo(f, Requirement{Labels: &KeyConstraint{"x", "In", []string{""}}}) }, unbound},
		{"by anything but a label that is missing", func(_ *testing.T, f *Facts) {
			bindTo(f, Requirement{Labels: &KeyConstraint{"x", "NotIn", []string{""}}})
		}, nil},
		{"bound twice", func(_ *testing.T, f *Facts) {
			f.Bindings.Items = append(f.Bindings.Items, f.Bindings.Items[0])
			f.Bindings.Items[1].Name, f.Bindings.Items[1].Created = "first", day(1)
		}, []string{"warning binding: first wins because it is older than casshook-resource-bound"}},
		{"bound, and annotated with the same", func(_ *testing.T, f *Facts) { dc(f).Annotations = annotated("casshook-resource-bound") }, nil},
		{"bound in vain beside hooks of the policy", func(t *testing.T, f *Facts) {
			f.Blueprints.Items = append(f.Blueprints.Items, decoded[Blueprint](t, "blueprints/policy-hooks/blueprint.yaml")...)
			*params(f) = *decoded[Policy](t, "examples/policy-hooks/policy.yaml")[0].Spec.Actions[0].BackupParameters
			params(f).Profile = nil
		}, nil},
		{"two rings", func(_ *testing.T, f *Facts) { second(f); f.Datacenters.Items[1].Cluster = "Two" }, nil},
		{"one of two rings", func(_ *testing.T, f *Facts) { second(f); f.Datacenters.Items[1].Cluster = "Two"; f.Datacenter = "dc1" }, nil},
		{"by another label", func(_ *testing.T, f *Facts) {
			bindTo(f, Requirement{Labels: &KeyConstraint{"tier", "NotIn", []string{"gold"}}})
		}, unbound},
		{"by an annotation", func(_ *testing.T, f *Facts) {
			bindTo(f, Requirement{Annotations: &KeyConstraint{"a", "DoesNotExist", nil}})
		}, nil},
		{"by a missing annotation", func(_ *testing.T, f *Facts) { bindTo(f, Requirement{Annotations: &KeyConstraint{"a", "Exists", nil}}) }, unbound},
		{"any of", func(_ *testing.T, f *Facts) {
			r := &f.Bindings.Items[0].Spec.Resources
			r.MatchAny, r.MatchAll = r.MatchAll, nil
			r.MatchAny[1].Namespace.Values = []string{"x"}
		}, nil},
		{"none of", func(_ *testing.T, f *Facts) {
			f.Bindings.Items[0].Spec.Resources.MatchAny = []Requirement{{Labels: &KeyConstraint{"x", "Exists", nil}}}
		}, unbound},
		{"by the annotation", func(_ *testing.T, f *Facts) {
			f.Bindings.Items = nil
			dc(f).Annotations = annotated("casshook-resource-bound")
		}, nil},
		{"by two", func(_ *testing.T, f *Facts) { dc(f).Annotations = annotated("other") }, []string{"warning binding: its annotation names the Blueprint other, but casshook-resource-bound runs"}},
		{"Blueprint missing", func(_ *testing.T, f *Facts) { f.Bindings.Items[0].Spec.BlueprintRef.Name = "x" },
			append([]string{"error binding: the Blueprint x is bound to it by the BlueprintBinding casshook-resource-bound, but is not in namespace kasten-io"}, unbound...)},
		{"hooks of the policy as well", func(t *testing.T, f *Facts) {
			f.Blueprints.Items = append(f.Blueprints.Items, decoded[Blueprint](t, "blueprints/policy-hooks/blueprint.yaml")...)
			params(f).Hooks = decoded[Policy](t, "examples/policy-hooks/policy.yaml")[0].Spec.Actions[0].BackupParameters.Hooks
		}, []string{"error hooks: before-backup would run twice"}},
		{"no posthook", func(_ *testing.T, f *Facts) { delete(f.Blueprints.Items[0].Actions, "backupPosthook") }, []string{"warning hooks: does not run after-backup in backupPosthook"}},
		{"no profile", func(_ *testing.T, f *Facts) { params(f).Profile = nil }, []string{"error profile: it has no location profile"}},
		{"no profile, no posthook", func(_ *testing.T, f *Facts) {
			params(f).Profile = nil
			delete(f.Blueprints.Items[0].Actions, "restorePosthook")
		}, nil},
		{"profile of a preset", func(_ *testing.T, f *Facts) {
			params(f).Profile, f.Policies.Items[0].Spec.PresetRef = nil, &blueprint.Ref{Name: "gold"}
		}, []string{"unknown profile: comes from preset gold"}},
		{"profile missing", func(_ *testing.T, f *Facts) { f.Profiles.Items = nil }, []string{"error profile: its profile location-profile does not exist"}},
		{"infrastructure profile", func(_ *testing.T, f *Facts) { f.Profiles.Items[0].Spec.Type = "Infra" }, []string{`error profile: not a location profile (type "Infra")`}},
		{"VBR", func(_ *testing.T, f *Facts) { f.Profiles.Items[0].Spec.LocationSpec.Type = "VBR" }, []string{"error profile: Blueprints cannot use a Veeam"}},
		{"profile not valid", func(_ *testing.T, f *Facts) { f.Profiles.Items[0].Status.Validation = "Failed" }, []string{"warning profile: could not validate it"}},
		{"profiles not readable", func(_ *testing.T, f *Facts) { f.Profiles = Answer[Profile]{Unread: "may not list L"} }, unknownFor("may not list L", "profile")},
		{"two datacenters of a ring", func(_ *testing.T, f *Facts) { second(f) }, []string{"error ring: cassandra/dc1|a hook is bound to it", "error ring: cassandra/dc2|a hook is bound to it"}},
		{"bindings not readable", func(_ *testing.T, f *Facts) { f.Bindings = Answer[Binding]{Unread: "may not list B"} },
			unknownFor("may not list B", "kasten", "binding", "blueprint", "filter", "hooks", "profile", "account", "image", "timeout")},
	})
}

func annotated(name string) map[string]string { return map[string]string{blueprintAnnotation: name} }

func TestHookPods(t *testing.T) {
	t.Parallel()
	riscv := func(f *Facts, i int) { f.Machines.Items[i].Architecture = "riscv64" }
	runTroubles(t, policyHooks, []trouble{
		{"no account", func(_ *testing.T, f *Facts) { f.Account = Answer[Account]{Absent: true} }, []string{"error account: kasten-io/casshook|it does not exist"}},
		{"another account", func(_ *testing.T, f *Facts) { f.ServiceAccount = "x" }, []string{"warning account: --service-account casshook"}},
		{"Kasten's account", func(t *testing.T, f *Facts) { editTask(t, f, "before-backup", `"casshook"`, `""`) }, []string{"warning account: it has no service account"}},
		{"account not readable", func(_ *testing.T, f *Facts) { f.Account = Answer[Account]{Unread: "may not get A"} }, unknownFor("may not get A", "account", "pull-secret")},
		{"denied", func(_ *testing.T, f *Facts) { f.Access.Items[0].Denied = []string{"create", "get"} }, []string{"error rbac: it may not create, get pods/exec in namespace cassandra; hooks need this to run the agent"}},
		{"access not readable", func(_ *testing.T, f *Facts) { f.Access = Answer[Access]{Unread: "may not create R"} }, unknownFor("may not create R", "rbac")},
		{"placeholder", func(_ *testing.T, f *Facts) { f.Image = "registry.example.com/casshook:VERSION" },
			[]string{"error image: it is a placeholder", "warning image: its image is " + testImage}},
		{"image on no machine", func(_ *testing.T, f *Facts) { f.Machines.Items[0].Images = nil }, []string{"unknown image: kubectl run casshook-try -n kasten-io --rm -i --restart=Never --image " + testImage}},
		{"pull secret", func(_ *testing.T, f *Facts) {
			f.PullSecrets = map[string]Answer[string]{"a": {Items: []string{"kubernetes.io/dockerconfigjson"}}}
		}, nil},
		{"pull secrets, bad", func(_ *testing.T, f *Facts) {
			f.PullSecrets = map[string]Answer[string]{"a": {Absent: true}, "b": {Items: []string{"Opaque"}}, "c": {Unread: "may not get secrets c"}}
		}, []string{"error pull-secret: kasten-io/a|", "error pull-secret: its type is Opaque", "unknown pull-secret: may not get secrets c"}},
		{"machine that hooks may take", func(_ *testing.T, f *Facts) { riscv(f, 1) }, []string{"error architecture: Node m2|it is linux/riscv64"}},
		{"machine of Cassandra", func(_ *testing.T, f *Facts) { riscv(f, 0); f.Machines.Items[0].Closed = true }, []string{"error architecture: Cassandra runs there"}},
		{"machine that is closed", func(_ *testing.T, f *Facts) { riscv(f, 1); f.Machines.Items[1].Closed = true }, nil},
		{"Windows", func(_ *testing.T, f *Facts) { f.Machines.Items[1].System = "windows" }, []string{"error architecture: it is windows/arm64"}},
		{"machine that is not selected", func(t *testing.T, f *Facts) {
			riscv(f, 1)
			for _, action := range []string{"before-backup", "after-backup", "on-failure", "after-restore"} {
				editTask(t, f, action, `"serviceAccountName"`, `"nodeSelector":{"kubernetes.io/arch":"amd64"},"serviceAccountName"`)
			}
		}, nil},
		{"machines not readable", func(_ *testing.T, f *Facts) { f.Machines = Answer[Machine]{Unread: "may not list nodes"} },
			[]string{"unknown architecture: may not list nodes", "unknown image: was not tried"}},
		{"Blueprints not readable", func(_ *testing.T, f *Facts) { f.Blueprints = Answer[Blueprint]{Unread: "may not list B"}; riscv(f, 1) }, append(unknownFor("may not list B",
			"kasten", "binding", "blueprint", "filter", "hooks", "on-failure", "profile", "account", "image", "pull-secret", "timeout"),
			"unknown architecture: m2|it is linux/riscv64")},
		{"eight nodes", func(_ *testing.T, f *Facts) { dc(f).Size = 8 }, nil},
		{"nine nodes", func(_ *testing.T, f *Facts) { dc(f).Size = 9 }, []string{"error timeout: waits 12m (--ready-timeout)"}},
		{"ten nodes, patient", func(t *testing.T, f *Facts) { dc(f).Size = 10; patient(t, f, "19m") }, nil},
		{"eleven nodes, patient", func(t *testing.T, f *Facts) { dc(f).Size = 11; patient(t, f, "19m") }, []string{"warning timeout: that leaves little time for the restore itself|set Helm's timeout.blueprintHooks (from 9.0 on timeout.blueprintResourceHooks) to 22"}},
		{"fourteen nodes, patient", func(t *testing.T, f *Facts) { dc(f).Size = 14; patient(t, f, "22m") },
			[]string{"error timeout: the 14 nodes of a restored ring take about 21m to start, one after the other; Kasten ends a hook after 20m", "warning timeout: waits up to 22m"}},
		{"fourteen nodes, Kasten patient", func(t *testing.T, f *Facts) {
			dc(f).Size, f.Timeouts.Items = 14, []time.Duration{time.Hour}
			patient(t, f, "22m")
		}, nil},
		{"the flag wins", func(_ *testing.T, f *Facts) {
			f.HookTimeout, f.Timeouts.Items = 5*time.Minute, []time.Duration{time.Hour}
		},
			[]string{"warning timeout: take about 4m30s to start, one after the other; Kasten ends a hook after 5m", "warning timeout: waits up to 12m"}},
		{"two datacenters of four", func(_ *testing.T, f *Facts) {
			second(f)
			f.Datacenters.Items[0].Size, f.Datacenters.Items[1].Size = 4, 5
		}, []string{"error timeout: waits 12m"}},
		{"two rings", func(_ *testing.T, f *Facts) {
			second(f)
			f.Datacenters.Items[0].Size, f.Datacenters.Items[1].Size, f.Datacenters.Items[1].Cluster = 4, 5, "Two"
		}, nil},
	})
}

func patient(t *testing.T, f *Facts, wait string) {
	editTask(t, f, "after-restore", "--ready-timeout=12m", "--ready-timeout="+wait)
}

// TestNoPolicy: where no policy is, nothing is said of what policies do, not even ok.
func TestNoPolicy(t *testing.T) {
	t.Parallel()
	f := resourceBound(t)
	f.Policies.Items = nil
	for _, found := range Examine(f).Findings {
		require.NotContains(t, []string{"blueprint", "filter", "hooks", "on-failure", "profile"}, found.Check)
	}
}

// TestEveryCheck: each says something about a healthy cluster, and nothing about
// what it cannot look at is ok.
func TestEveryCheck(t *testing.T) {
	t.Parallel()
	f := resourceBound(t)
	f.PullSecrets = map[string]Answer[string]{}
	said := map[string]bool{}
	for _, found := range Examine(f).Findings {
		said[found.Check] = true
	}
	seen := map[string]bool{}
	for _, c := range checks() {
		require.True(t, said[c.name], "nothing of %s", c.name)
		require.False(t, seen[c.name], "two checks are called %s", c.name)
		seen[c.name] = true
	}
}

var update = flag.Bool("update", false, "write the files that tests compare with")

func TestTable(t *testing.T) {
	t.Parallel()
	f := resourceBound(t)
	override(t, f, day(1))
	f.Access.Items[0].Denied = []string{"create"}
	f.Profiles = Answer[Profile]{Unread: "may not list profiles.config.kio.kasten.io in namespace kasten-io"}
	d := Examine(f)
	require.Equal(t, []string{"binding", "filter", "hooks", "rbac"}, d.Failing())
	var out bytes.Buffer
	d.Write(&out)
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile("testdata/table.txt", out.Bytes(), 0o644))
	}
	want, err := os.ReadFile("testdata/table.txt")
	require.NoError(t, err)
	require.Equal(t, string(want), out.String(), "go test ./pkg/doctor -run TestTable -update")
}
