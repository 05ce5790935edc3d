package doctor

import (
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"github.com/casshook/casshook/pkg/blueprint"
)

const testImage = "registry.test/casshook:1.0"

// decoded reads the documents of a checked-in file, with an image.
func decoded[T any](t *testing.T, path string) []T {
	t.Helper()
	data, err := os.ReadFile("../../" + path)
	require.NoError(t, err)
	var found []T
	for _, document := range regexp.MustCompile(`(?m)^---$`).Split(string(data), -1) {
		var value T
		require.NoError(t, yaml.Unmarshal([]byte(strings.ReplaceAll(document, "registry.example.com/casshook:VERSION", testImage)), &value))
		found = append(found, value)
	}
	return found
}

func healthy() *Facts {
	gp3 := StorageClass{Name: "gp3", Provisioner: "ebs.csi.aws.com"}
	return &Facts{
		Asked:  Asked{Namespace: "cassandra", KastenNamespace: "kasten-io", ServiceAccount: "casshook"},
		Labels: Answer[map[string]string]{Items: []map[string]string{{"team": "db"}}},
		Datacenters: Answer[Datacenter]{Items: []Datacenter{{
			Namespace: "cassandra", Name: "dc1", Cluster: "Prod", Size: 3, ServerType: "cassandra", Version: "5.0.9",
			Labels: map[string]string{"tier": "gold"}, SuperuserSecret: "prod-superuser", Superuser: Answer[string]{Items: []string{"password", "username"}},
			YAML: Answer[map[string]any]{Items: []map[string]any{{"materialized_views_enabled": true, "user_defined_functions_enabled": true,
				"sasi_indexes_enabled": "true", "transient_replication_enabled": true, "dynamic_data_masking_enabled": true}}},
		}}},
		Everywhere: Answer[Member]{Items: []Member{{"cassandra", "dc1", "Prod", ""}, {"other", "dc1", "Test", ""}}},
		Operators:  Answer[Operator]{Items: []Operator{{"cass-operator", "controller", "k8ssandra/cass-operator:v1.29.0", 1}}},
		Workloads: Answer[Workload]{Items: []Workload{{"prod-dc1-default-sts", "dc1",
			map[string]string{"app.kubernetes.io/managed-by": "cass-operator", "cassandra.datastax.com/datacenter": "dc1"}}}},
		Nodes:           Answer[Node]{Items: []Node{{Name: "prod-dc1-default-sts-0", Datacenter: "dc1", Machine: "m1"}}},
		Claims:          Answer[Claim]{Items: []Claim{{Name: "server-data-0", Phase: "Bound", Class: "gp3"}, {Name: "server-data-1", Phase: "Bound", Class: "gp3"}}},
		StorageClasses:  Answer[StorageClass]{Items: []StorageClass{gp3}},
		SnapshotClasses: Answer[SnapshotClass]{Items: []SnapshotClass{{"ebs", "ebs.csi.aws.com", true}, {"other", "other.csi", true}}},
		Account:         Answer[Account]{Items: []Account{{}}},
		Access:          Answer[Access]{Items: []Access{{Resource: "pods/exec", Why: "run the agent"}}},
		Machines: Answer[Machine]{Items: []Machine{
			{Name: "m1", Architecture: "amd64", System: "linux", Images: []string{testImage}, Labels: map[string]string{"kubernetes.io/arch": "amd64"}},
			{Name: "m2", Architecture: "arm64", System: "linux"},
		}},
		Profiles: Answer[Profile]{Items: []Profile{location("location-profile", "Location", "ObjectStore")}},
	}
}

func location(name, kind, where string) Profile {
	p := Profile{Meta: Meta{Name: name, Namespace: "kasten-io"}}
	p.Spec.Type, p.Spec.LocationSpec.Type = kind, where
	return p
}

// policyHooks is a cluster with what casshook generate writes for them.
func policyHooks(t *testing.T) *Facts {
	f := healthy()
	f.Blueprints.Items = decoded[Blueprint](t, "blueprints/policy-hooks/blueprint.yaml")
	f.Policies.Items = decoded[Policy](t, "examples/policy-hooks/policy.yaml")
	return f
}

// resourceBound is one with a Blueprint that is bound to the datacenters.
func resourceBound(t *testing.T) *Facts {
	f := healthy()
	f.Blueprints.Items = decoded[Blueprint](t, "blueprints/resource-bound/blueprint.yaml")
	f.Bindings.Items = decoded[Binding](t, "blueprints/resource-bound/binding.yaml")
	f.Bindings.Items[0].Created = day(2)
	f.Policies.Items = decoded[Policy](t, "examples/resource-bound/policy.yaml")
	return f
}

// override adds the Blueprint that overrides the built-in one, with its binding.
func override(t *testing.T, f *Facts, created time.Time) {
	const path = "blueprints/overrides/k10-k8ssandra-bp-0.0.4.yaml"
	f.Blueprints.Items = append(f.Blueprints.Items, decoded[Blueprint](t, path)[0])
	b := decoded[Binding](t, path)[1]
	b.Created = created
	f.Bindings.Items = append(f.Bindings.Items, b)
}

// builtIn adds Kasten's own Blueprint.
func builtIn(f *Facts) {
	f.Blueprints.Items = append(f.Blueprints.Items, Blueprint{Meta: Meta{Name: "k10-k8ssandra-bp-0.0.4", Namespace: "kasten-io"}, Actions: map[string]Action{
		"backup": {Phases: []Phase{{Func: "KubeOps", Name: "p", Args: []byte(`{"spec": "kind: MedusaBackupJob"}`)}}}}})
}

func day(n int) time.Time { return time.Date(2026, 11, n, 0, 0, 0, 0, time.UTC) }

func dc(f *Facts) *Datacenter           { return &f.Datacenters.Items[0] }
func params(f *Facts) *BackupParameters { return f.Policies.Items[0].Spec.Actions[0].BackupParameters }

// editTask changes the args of the phase of an action.
func editTask(t *testing.T, f *Facts, action string, from, to string) {
	t.Helper()
	p := &f.Blueprints.Items[0].Actions[action].Phases[0]
	require.Contains(t, string(p.Args), from)
	p.Args = []byte(strings.ReplaceAll(string(p.Args), from, to))
}

// without are filter entries but for that of StatefulSets.
func without(f *Facts) {
	var kept []FilterEntry
	for _, e := range params(f).Filters.ExcludeResources {
		if e.Resource != "statefulsets" {
			kept = append(kept, e)
		}
	}
	params(f).Filters.ExcludeResources = kept
}

func exclude(f *Facts, e FilterEntry) {
	params(f).Filters.ExcludeResources = append(params(f).Filters.ExcludeResources, e)
}

func hook(blueprintName, action string) *blueprint.Hook {
	return &blueprint.Hook{Blueprint: blueprintName, ActionName: action}
}
