package blueprint

import (
	"testing"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"
)

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
