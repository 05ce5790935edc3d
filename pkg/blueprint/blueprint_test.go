package blueprint

import (
	"bytes"
	"testing"
	"text/template"

	"github.com/Masterminds/sprig"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"
)

// Fields that templates see, named as Kanister's pkg/param names them.
type params struct {
	Namespace   *namespaceParams
	Object      map[string]any
	ArtifactsIn map[string]artifactParams
	Phases      map[string]*phaseParams
}

type namespaceParams struct{ Name, Namespace string }

type artifactParams struct{ KeyValue map[string]string }

type phaseParams struct{ Output map[string]any }

// render executes a template as Kanister does.
func render(text string, data params) (string, error) {
	t, err := template.New("").Option("missingkey=error").Funcs(sprig.TxtFuncMap()).Parse(text)
	if err != nil {
		return "", err
	}
	var out bytes.Buffer
	err = t.Execute(&out, data)
	return out.String(), err
}

// subjects are what actions run about: hooks of policies and actions about a
// Namespace, reserved actions about the bound resource, delete about Kasten's
// namespace.
func subjects() map[string]params {
	object := func(kind, name string, more map[string]any) map[string]any {
		metadata := map[string]any{"name": name}
		for key, value := range more {
			metadata[key] = value
		}
		return map[string]any{"kind": kind, "metadata": metadata}
	}
	return map[string]params{
		"namespace":  {Namespace: &namespaceParams{"app", "app"}, Object: object("Namespace", "app", nil)},
		"datacenter": {Object: object("CassandraDatacenter", "dc1", map[string]any{"namespace": "app"})},
		"kasten":     {Namespace: &namespaceParams{"kasten-io", "kasten-io"}, Object: object("Namespace", "kasten-io", nil)},
	}
}

// TestTemplates: what each kind of subject has. The same template about another
// subject fails the hook, so which fails is as much a fact as what is rendered.
func TestTemplates(t *testing.T) {
	t.Parallel()
	const fails = "error"
	want := map[string]map[string]string{
		SubjectNamespace:                       {"namespace": "app", "datacenter": fails, "kasten": "kasten-io"},
		ObjectNamespace:                        {"namespace": fails, "datacenter": "app", "kasten": fails},
		ObjectName:                             {"namespace": "app", "datacenter": "dc1", "kasten": "kasten-io"},
		ArtifactOf("casshook", "backupId"):     {"namespace": "", "datacenter": "", "kasten": ""},
		"a" + ArtifactOf("x", "y") + "{{ 1 }}": {"namespace": "a1", "datacenter": "a1", "kasten": "a1"},
	}
	for text, bySubject := range want {
		for name, data := range subjects() {
			got, err := render(text, data)
			if bySubject[name] == fails {
				require.Error(t, err, "%s about %s", text, name)
				continue
			}
			require.NoError(t, err, "%s about %s", text, name)
			require.Equal(t, bySubject[name], got, "%s about %s", text, name)
		}
	}
}

func TestArtifactOf(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		artifacts map[string]artifactParams
		want      string
	}{
		"none":     {nil, ""},
		"others":   {map[string]artifactParams{"other": {map[string]string{"id": "x"}}}, ""},
		"no value": {map[string]artifactParams{"a": {}}, ""},
		"no key":   {map[string]artifactParams{"a": {map[string]string{"b": "x"}}}, ""},
		"ours":     {map[string]artifactParams{"a": {map[string]string{"id": `x"{{ y }}`}}}, `x"{{ y }}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, data := range subjects() {
				data.ArtifactsIn = c.artifacts
				got, err := render(ArtifactOf("a", "id"), data)
				require.NoError(t, err)
				require.Equal(t, c.want, got)
			}
		})
	}
}

func TestOutputOf(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		phase *phaseParams
		want  string
	}{
		"nothing printed": {&phaseParams{}, ""},
		"another key":     {&phaseParams{map[string]any{"x": "y"}}, ""},
		"the key":         {&phaseParams{map[string]any{"id": "v"}}, "v"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := render(OutputOf("before", "id"), params{Phases: map[string]*phaseParams{"before": c.phase}})
			require.NoError(t, err)
			require.Equal(t, c.want, got)
		})
	}
	_, err := render(OutputOf("before", "id"), params{Phases: map[string]*phaseParams{}})
	require.Error(t, err, "a phase that is not there is a mistake of the Blueprint")
}

// roundTrip writes a value and reads it back strictly. What is written has no null.
func roundTrip[T any](t *testing.T, value *T) {
	t.Helper()
	text, err := yaml.Marshal(value)
	require.NoError(t, err)
	require.NotRegexp(t, `(?m)(null|~)$`, string(text))
	var back T
	require.NoError(t, yaml.UnmarshalStrict(text, &back))
	require.Equal(t, *value, back, string(text))
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	seconds := int64(0)
	ref := Ref{"p", "kasten-io"}
	task := KubeTask{
		Namespace: "kasten-io", Image: "i:1", Command: []string{"a", SubjectNamespace},
		PodOverride: PodOverride{
			ServiceAccountName: "sa", AutomountServiceAccountToken: true, ImagePullSecrets: []LocalRef{{"s"}}, NodeSelector: map[string]string{"y": "on"},
			Tolerations: []Toleration{{Operator: "Exists", Effect: "NoExecute", Seconds: &seconds}},
			Containers: []Container{{Name: TaskContainer, Resources: Resources{Requests: map[string]string{"cpu": "1"}},
				SecurityContext: &SecurityContext{Capabilities: Capabilities{Drop: []string{"ALL"}}}}},
		},
	}
	roundTrip(t, NewBlueprint("b", "kasten-io", map[string]Action{
		BackupPrehook: {OutputArtifacts: map[string]Artifact{"a": {map[string]string{"k": OutputOf("p", "k")}}}, Phases: []Phase{NewPhase("p", task)}},
		"named":       {Kind: "Namespace", InputArtifactNames: []string{"a"}, Phases: []Phase{NewPhase("q", KubeTask{Namespace: "n", Image: "i", Command: []string{"c"}})}},
	}))
	roundTrip(t, NewBinding("b", ref, "", []string{"on"}))
	roundTrip(t, NewBinding("b", ref, "dc1", []string{"a", "b"}))
	hook := &Hook{"b", "a"}
	roundTrip(t, &Policy{
		Head: Head{ConfigVersion, PolicyKind, Metadata{Name: "p", Namespace: "kasten-io"}},
		Spec: PolicySpec{Frequency: "@daily", Retention: map[string]int{"daily": 0}, Selector: Namespaces([]string{"a"}), Actions: []PolicyAction{{"backup", &BackupParameters{
			Profile: ref, Filters: Filters{[]FilterEntry{StatefulSets(), {MatchLabels: map[string]string{"a": "b"}}}}, Hooks: Hooks{hook, hook, hook},
		}}}},
	})
	roundTrip(t, &RestoreAction{
		Head: Head{ActionsVersion, RestoreActionKind, Metadata{GenerateName: "r-", Namespace: "a"}},
		Spec: RestoreSpec{
			Subject: Subject{AppsVersion, RestorePointKind, "rp", "a"}, TargetNamespace: "a", Filters: Filters{[]FilterEntry{StatefulSets()}},
			Transforms: []TransformRef{{JSON: []Operation{}, TransformSetRef: ref}}, Hooks: Hooks{PreHook: hook},
		},
	})
	roundTrip(t, &TransformSet{
		Head: Head{ConfigVersion, TransformSetKind, Metadata{Name: "t", Namespace: "kasten-io"}},
		Spec: TransformSetSpec{"c", []Transform{{Resource{Group: CassandraGroup, Resource: CassandraDatacenters}, "n", []Operation{{"add", "/a", true}, {"test", "/b", "on"}}}}},
	})
	roundTrip(t, &RunAction{Head{ActionsVersion, RunActionKind, Metadata{GenerateName: "r-", Namespace: "a"}}, RunSpec{Subject{Kind: PolicyKind, Name: "p", Namespace: "a"}}})
}

// TestEmpty: what is left out leaves nothing behind, above all no null, of which
// the Kanister controller dies; and what Kasten needs is there when empty.
func TestEmpty(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		value any
		want  string
	}{
		{KubeTask{Namespace: "n", Image: "i", Command: []string{"c"}}, "command:\n- c\nimage: i\nnamespace: \"n\"\n"},
		{PodOverride{}, "{}\n"},
		{Hooks{}, "{}\n"},
		{RestoreSpec{}, "filters: {}\nsubject:\n  kind: \"\"\n  name: \"\"\n  namespace: \"\"\ntargetNamespace: \"\"\n"},
		{TransformRef{JSON: []Operation{}, TransformSetRef: Ref{"a", "b"}}, "json: []\ntransformSetRef:\n  name: a\n  namespace: b\n"},
	} {
		text, err := yaml.Marshal(c.value)
		require.NoError(t, err)
		require.Equal(t, c.want, string(text))
	}
}

// TestReserved: the spelling is Kasten's, and any other is ignored in silence.
func TestReserved(t *testing.T) {
	t.Parallel()
	require.Equal(t, []string{"backup", "backupPrehook", "backupPosthook", "restore", "restorePrehook", "restorePosthook", "delete"}, Reserved())
}
