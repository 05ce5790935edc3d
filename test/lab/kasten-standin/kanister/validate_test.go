package kanister

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func phaseOf(name, f string, args map[string]any) BlueprintPhase {
	return BlueprintPhase{Name: name, Func: f, Args: args}
}

func task(more map[string]any) map[string]any {
	args := map[string]any{"image": "i", "command": []any{"c"}}
	for key, value := range more {
		args[key] = value
	}
	return args
}

func TestValidate(t *testing.T) {
	t.Parallel()
	one := func(p BlueprintPhase) map[string]*BlueprintAction {
		return map[string]*BlueprintAction{"A": {Phases: []BlueprintPhase{p}}}
	}
	for name, c := range map[string]struct {
		actions map[string]*BlueprintAction
		want    string
	}{
		"good":           {one(phaseOf("P", "KubeTask", task(map[string]any{"podLabels": map[string]any{"a": "b"}}))), ""},
		"unknown":        {one(phaseOf("P", "KubeTsk", nil)), "Failed to validate action A: Requested function {KubeTsk} has not been registered"},
		"unsupported":    {one(phaseOf("P", "KubeTask", task(map[string]any{"imge": "x"}))), "Failed to validate phase P in action A: argument imge is not supported"},
		"missing":        {one(phaseOf("P", "KubeTask", map[string]any{"command": []any{"c"}})), "Failed to validate phase P in action A: Required arg missing: image"},
		"label":          {one(phaseOf("P", "KubeTask", task(map[string]any{"podLabels": map[string]any{"a": "b c"}}))), "Failed to validate phase P in action A: Kanister function validation failed, while validating labels: label value 'b c' failed validation. ["},
		"template label": {one(phaseOf("P", "KubeTask", task(map[string]any{"podLabels": map[string]any{"a": "{{ .Time }}"}}))), "label value '{{ .Time }}' failed validation"},
		"label key":      {one(phaseOf("P", "KubeTask", task(map[string]any{"podLabels": map[string]any{"a b": "c"}}))), "while validating labels: label key 'a b' failed validation"},
		"labels":         {one(phaseOf("P", "KubeTask", task(map[string]any{"podLabels": "a"}))), "while getting pod labels from function args: podLabels are not in correct format. Expected format is map[string]interface{}."},
		"annotation":     {one(phaseOf("P", "KubeTask", task(map[string]any{"podAnnotations": map[string]any{"a": "{{ .Time }} b"}}))), ""},
		"template":       {one(phaseOf("P", "KubeTask", task(map[string]any{"namespace": "{{ nope }}"}))), ""}, // not checked
		"null action":    {map[string]*BlueprintAction{"a1": nil}, "kanctl panics"},
		"two actions": {map[string]*BlueprintAction{"A": {Phases: []BlueprintPhase{phaseOf("p1", "KubeTask", task(nil))}},
			"B": {Phases: []BlueprintPhase{phaseOf("p1", "KubeTask", task(nil))}}}, "Failed to validate: Duplicated phase name is not allowed. Violating phase 'p1'"},
		"defer phase": {map[string]*BlueprintAction{"A": {Phases: []BlueprintPhase{phaseOf("p1", "KubeTask", task(nil))}, DeferPhase: &BlueprintPhase{Name: "p1", Func: "KubeTask", Args: task(nil)}}},
			"Violating phase 'p1'"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := Validate(&Blueprint{Actions: c.actions})
			if c.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, c.want)
		})
	}
}

func TestWeakArgs(t *testing.T) {
	t.Parallel()
	args := map[string]any{"list": []any{"a", 1.0, 2.5, true, false}, "one": "x", "map": map[string]any{}, "labels": map[string]any{"a": 3.0}}
	got, err := list(args, "list")
	require.NoError(t, err)
	require.Equal(t, []string{"a", "1", "2.5", "1", "0"}, got, "booleans become digits")
	got, err = list(args, "one")
	require.NoError(t, err)
	require.Equal(t, []string{"x"}, got)
	_, err = text(args, "map")
	require.ErrorContains(t, err, "expected a string")
	_, err = object(args, "one")
	require.ErrorContains(t, err, "expected a map")
	labels, err := stringMap(args, "labels")
	require.NoError(t, err)
	require.Equal(t, map[string]string{"a": "3"}, labels)
}
