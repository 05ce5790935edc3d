package generate

import (
	"bytes"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	apiext "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"sigs.k8s.io/yaml"

	"github.com/casshook/casshook/pkg/blueprint"
	"github.com/casshook/casshook/pkg/cli"
	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/generate"
	"github.com/casshook/casshook/test/lab/kasten-standin/kanister"
	"github.com/casshook/casshook/test/lab/kasten-standin/kanister/param"
)

// Definitions, as their projects publish them.
const (
	blueprintDefinition  = "../lab/kube/manifests/definitions/blueprint.yaml"
	datacenterDefinition = "../lab/operator-standin/cassandradatacenters.yaml"
)

// requireValid has the API server's own code check an object: valid, and nothing in it that would be pruned.
func requireValid(t *testing.T, definition string, object map[string]any) {
	t.Helper()
	content, err := os.ReadFile(definition)
	require.NoError(t, err)
	var crd apiextv1.CustomResourceDefinition
	require.NoError(t, yaml.Unmarshal(content, &crd))
	require.Equal(t, crd.Spec.Names.Kind, object["kind"])
	var internal apiext.JSONSchemaProps
	require.NoError(t, apiextv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(crd.Spec.Versions[0].Schema.OpenAPIV3Schema, &internal, nil))
	validator, _, err := validation.NewSchemaValidator(&internal)
	require.NoError(t, err)
	structural, err := structuralschema.NewStructural(&internal)
	require.NoError(t, err)
	require.Empty(t, validation.ValidateCustomResource(nil, object, validator))
	before, err := yaml.Marshal(object)
	require.NoError(t, err)
	pruning.Prune(object, structural, true)
	after, err := yaml.Marshal(object)
	require.NoError(t, err)
	require.Equal(t, string(before), string(after), "the API server would prune something")
}

func TestDefinitions(t *testing.T) {
	t.Parallel()
	for _, files := range variants(t) {
		for _, object := range objectsOf(t, files, blueprint.BlueprintKind) {
			requireValid(t, blueprintDefinition, object)
		}
	}
}

// TestCreateStopped applies the TransformSet's operation to a datacenter.
func TestCreateStopped(t *testing.T) {
	t.Parallel()
	set := objectsOf(t, variants(t)["default"], blueprint.TransformSetKind)[0]
	operations := set["spec"].(map[string]any)["transforms"].([]any)[0].(map[string]any)["json"].([]any)
	require.Equal(t, []any{map[string]any{"op": "add", "path": "/spec/stopped", "value": true}}, operations)
	var datacenter map[string]any
	require.NoError(t, yaml.Unmarshal([]byte("apiVersion: cassandra.datastax.com/v1beta1\nkind: CassandraDatacenter\nmetadata: {name: dc1}\n"+
		"spec: {clusterName: prod, serverType: cassandra, serverVersion: 5.0.9, size: 3, stopped: true, storageConfig: {cassandraDataVolumeClaimSpec: {}}}\n"), &datacenter))
	requireValid(t, datacenterDefinition, datacenter)
}

// Subjects that Kasten passes.
func namespaceSubject(artifacts map[string]param.Artifact) *param.TemplateParams {
	return &param.TemplateParams{
		Namespace: &param.NamespaceParams{Name: "app", Namespace: "app"}, ArtifactsIn: artifacts,
		Object: map[string]any{"kind": "Namespace", "metadata": map[string]any{"name": "app"}},
	}
}

func datacenterSubject(artifacts map[string]param.Artifact) *param.TemplateParams {
	return &param.TemplateParams{
		ArtifactsIn: artifacts,
		Object:      map[string]any{"kind": "CassandraDatacenter", "metadata": map[string]any{"name": "dc1", "namespace": "app"}},
	}
}

// kastenSubject is what a delete action runs about.
func kastenSubject(artifacts map[string]param.Artifact) *param.TemplateParams {
	return &param.TemplateParams{
		Namespace: &param.NamespaceParams{Name: "kasten-io", Namespace: "kasten-io"}, ArtifactsIn: artifacts,
		Object: map[string]any{"kind": "Namespace", "metadata": map[string]any{"name": "kasten-io"}},
	}
}

// artifactSets are what a restore point may have.
func artifactSets() map[string]map[string]param.Artifact {
	return map[string]map[string]param.Artifact{
		"none":     nil,
		"others":   {"other": {KeyValue: map[string]string{"backupId": "x"}}},
		"no value": {"casshook": {}},
		"ours":     {"casshook": {KeyValue: map[string]string{"backupId": "casshook-20261121T101530Z-4f2a"}}},
	}
}

// subjectOf is what Kasten runs an action about.
func subjectOf(action string) func(map[string]param.Artifact) *param.TemplateParams {
	switch {
	case action == blueprint.Delete:
		return kastenSubject
	case slices.Contains(blueprint.Reserved(), action):
		return datacenterSubject
	}
	return namespaceSubject
}

// render renders a phase as the controller does, and returns the command.
func render(t *testing.T, phase kanister.BlueprintPhase, tp *param.TemplateParams) []string {
	t.Helper()
	args, err := param.RenderArgs(phase.Args, tp)
	require.NoError(t, err, phase.Name)
	var command []string
	for _, word := range args["command"].([]any) {
		require.IsType(t, "", word)
		command = append(command, word.(string))
	}
	return command
}

// TestTemplates executes every template for every subject, and has the command line read every command.
func TestTemplates(t *testing.T) {
	t.Parallel()
	for name, files := range variants(t) {
		for _, bp := range blueprintsOf(t, files) {
			for _, action := range slices.Sorted(maps.Keys(bp.Actions)) {
				for set, artifacts := range artifactSets() {
					tp := subjectOf(action)(artifacts)
					require.Len(t, bp.Actions[action].Phases, 1)
					command := render(t, bp.Actions[action].Phases[0], tp)
					require.NotContains(t, strings.Join(command, " "), "{{")
					require.NotContains(t, strings.Join(command, " "), "<no value>")
					requireParsed(t, command)
					t.Log(name, bp.Name, action, set, command[1:])
				}
			}
		}
	}
}

// requireParsed has the command line read a command.
func requireParsed(t *testing.T, command []string) {
	t.Helper()
	require.Equal(t, "/casshook/casshook", command[0], "the entrypoint of the image")
	var stdout, stderr bytes.Buffer
	args := append(slices.Clone(command[1:]), "--help")
	require.Equal(t, int(flow.Done), cli.Run(t.Context(), args, &stdout, &stderr), "%v: %s", args, stderr.String())
	require.Contains(t, stdout.String(), "casshook "+command[1])
}

func commandOf(t *testing.T, name, action string, tp *param.TemplateParams) []string {
	t.Helper()
	for _, bp := range blueprintsOf(t, variants(t)["default"]) {
		if bp.Name == name {
			return render(t, bp.Actions[action].Phases[0], tp)
		}
	}
	t.Fatalf("no blueprint %s", name)
	return nil
}

func TestCommands(t *testing.T) {
	t.Parallel()
	const hooks, bound, program, image = "casshook-policy-hooks", "casshook-resource-bound", "/casshook/casshook", "--image=" + generate.PlaceholderImage
	sets := artifactSets()
	for _, c := range []struct {
		blueprint, action string
		tp                *param.TemplateParams
		want              []string
	}{
		{hooks, "before-backup", namespaceSubject(nil), []string{program, "before-backup", "--namespace=app", "--output=kanister", "--owner=casshook-policy-hooks", "--ready-timeout=5m", "--volume-snapshot-timeout=5m"}},
		{hooks, "after-backup", namespaceSubject(nil), []string{program, "after-backup", "--namespace=app", "--output=kanister", "--owner=casshook-policy-hooks", "--ready-timeout=5m", "--volume-snapshot-timeout=10m"}},
		{hooks, "on-failure", namespaceSubject(nil), []string{program, "on-failure", "--namespace=app", "--output=kanister", "--owner=casshook-policy-hooks", "--ready-timeout=5m", "--volume-snapshot-timeout=10m"}},
		{hooks, "before-restore", namespaceSubject(nil), []string{program, "before-restore", "--namespace=app", "--output=kanister", "--yes", "--stop"}},
		{hooks, "after-restore", namespaceSubject(nil), []string{program, "after-restore", "--namespace=app", "--output=kanister", image, "--ready-timeout=12m"}},
		{bound, "before-restore", namespaceSubject(nil), []string{program, "before-restore", "--namespace=app", "--output=kanister", "--yes", "--stop"}},
		{bound, "after-restore", namespaceSubject(nil), []string{program, "after-restore", "--namespace=app", "--output=kanister", image, "--ready-timeout=12m"}},
		{bound, "on-failure", namespaceSubject(nil), []string{program, "on-failure", "--namespace=app", "--output=kanister", "--owner=casshook-resource-bound", "--ready-timeout=5m", "--volume-snapshot-timeout=10m"}},
		{bound, "backupPrehook", datacenterSubject(nil), []string{program, "before-backup", "--namespace=app", "--datacenter=dc1", "--output=kanister", "--owner=casshook-resource-bound", "--ready-timeout=5m", "--volume-snapshot-timeout=5m"}},
		{bound, "backupPosthook", datacenterSubject(nil), []string{program, "after-backup", "--namespace=app", "--datacenter=dc1", "--output=kanister", "--owner=casshook-resource-bound", "--ready-timeout=5m", "--volume-snapshot-timeout=10m"}},
		{bound, "restorePosthook", datacenterSubject(sets["ours"]), []string{program, "after-restore", "--namespace=app", "--datacenter=dc1", "--output=kanister",
			"--backup=casshook-20261121T101530Z-4f2a", image, "--ready-timeout=12m"}},
		{bound, "restorePosthook", datacenterSubject(nil), []string{program, "after-restore", "--namespace=app", "--datacenter=dc1", "--output=kanister", "--backup=", image, "--ready-timeout=12m"}},
	} {
		require.Equal(t, c.want, commandOf(t, c.blueprint, c.action, c.tp), c.action)
	}
}

// TestFlagsOfRestores: after-restore pulls the image of its Jobs as the options say, whoever calls it, and before-restore does
// one thing.
func TestFlagsOfRestores(t *testing.T) {
	t.Parallel()
	found := 0
	for _, bp := range blueprintsOf(t, variants(t)["rich"]) {
		for action, a := range bp.Actions {
			command := render(t, a.Phases[0], subjectOf(action)(nil))
			switch command[1] {
			case "after-restore":
				found++
				require.Contains(t, strings.Join(command, " "), " --image=host.example:5000/a/b:1.0 --image-pull-secret=registry --image-pull-secret=y --include=", action)
			case "before-restore":
				found++
				require.Equal(t, []string{"--yes", "--delete=true"}, command[len(command)-2:])
			}
		}
	}
	require.Equal(t, 5, found)
}

// TestArtifacts hands the outputs of the backup to the restore.
func TestArtifacts(t *testing.T) {
	t.Parallel()
	for _, bp := range blueprintsOf(t, variants(t)["rich"]) {
		if bp.Name != "casshook-resource-bound" {
			continue
		}
		before, after := bp.Actions[blueprint.BackupPrehook], bp.Actions[blueprint.RestorePosthook]
		require.Equal(t, after.InputArtifactNames, slices.Collect(maps.Keys(before.OutputArtifacts)))
		tp := datacenterSubject(nil)
		phase := before.Phases[0].Name
		outputs := map[string]any{"backupId": "casshook-1", "skewMs": "1.20", "windowMs": "3.40", "nodes": "3", "tables": "7", "bytes": "9"}
		tp.Phases = map[string]*param.Phase{phase: {Output: outputs}}
		artifacts, err := param.Artifacts(before.OutputArtifacts, tp)
		require.NoError(t, err)
		for key, value := range outputs {
			require.Equal(t, value, artifacts["casshook"].KeyValue[key])
		}
		require.Len(t, artifacts["casshook"].KeyValue, len(outputs))
		require.Contains(t, render(t, after.Phases[0], datacenterSubject(artifacts)), "--backup=casshook-1")
		// A lost line of the log fails neither the backup nor the restore.
		tp.Phases[phase] = &param.Phase{}
		artifacts, err = param.Artifacts(before.OutputArtifacts, tp)
		require.NoError(t, err)
		require.Contains(t, render(t, after.Phases[0], datacenterSubject(artifacts)), "--backup=")
	}
}
