package generate

import (
	"bytes"
	"testing"
	"text/template"

	"github.com/Masterminds/sprig"
	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/blueprint"
)

// Fields that templates see, named as Kanister's pkg/param names them.
type renderParams struct {
	Namespace   *namespaceParams
	Object      map[string]any
	ArtifactsIn map[string]artifactParams
	Phases      map[string]*phaseParams
}

type namespaceParams struct{ Name, Namespace string }

type artifactParams struct{ KeyValue map[string]string }

type phaseParams struct{ Output map[string]any }

// render executes a template as Kanister does.
func renderTemplate(text string, data renderParams) (string, error) {
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
func subjects() map[string]renderParams {
	object := func(kind, name string, more map[string]any) map[string]any {
		metadata := map[string]any{"name": name}
		for key, value := range more {
			metadata[key] = value
		}
		return map[string]any{"kind": kind, "metadata": metadata}
	}
	return map[string]renderParams{
		"namespace":  {Namespace: &namespaceParams{"app", "app"}, Object: object("Namespace", "app", nil)},
		"datacenter": {Object: object("CassandraDatacenter", "dc1", map[string]any{"namespace": "app"})},
		"kasten":     {Namespace: &namespaceParams{"kasten-io", "kasten-io"}, Object: object("Namespace", "kasten-io", nil)},
	}
}

// TestSubjectsOfTemplates: what each kind of subject has. The same template about another
// subject fails the hook, so which fails is as much a fact as what is rendered.
func TestSubjectsOfTemplates(t *testing.T) {
	t.Parallel()
	const fails = "error"
	want := map[string]map[string]string{
		blueprint.SubjectNamespace:                       {"namespace": "app", "datacenter": fails, "kasten": "kasten-io"},
		blueprint.ObjectNamespace:                        {"namespace": fails, "datacenter": "app", "kasten": fails},
		blueprint.ObjectName:                             {"namespace": "app", "datacenter": "dc1", "kasten": "kasten-io"},
		blueprint.ArtifactOf("casshook", "backupId"):     {"namespace": "", "datacenter": "", "kasten": ""},
		"a" + blueprint.ArtifactOf("x", "y") + "{{ 1 }}": {"namespace": "a1", "datacenter": "a1", "kasten": "a1"},
	}
	for text, bySubject := range want {
		for name, data := range subjects() {
			got, err := renderTemplate(text, data)
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
				got, err := renderTemplate(blueprint.ArtifactOf("a", "id"), data)
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
			got, err := renderTemplate(blueprint.OutputOf("before", "id"), renderParams{Phases: map[string]*phaseParams{"before": c.phase}})
			require.NoError(t, err)
			require.Equal(t, c.want, got)
		})
	}
	_, err := renderTemplate(blueprint.OutputOf("before", "id"), renderParams{Phases: map[string]*phaseParams{}})
	require.Error(t, err, "a phase that is not there is a mistake of the Blueprint")
}
