package kanister

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	apiext "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"sigs.k8s.io/yaml"
)

// parse decodes a Blueprint and checks it against the CustomResourceDefinition of
// Kanister: valid, and nothing in it that the API server would prune.
func parse(t *testing.T, text string) *Blueprint {
	t.Helper()
	content, err := os.ReadFile("testdata/blueprint-crd.yaml")
	require.NoError(t, err)
	var crd apiextv1.CustomResourceDefinition
	require.NoError(t, yaml.Unmarshal(content, &crd))
	var internal apiext.JSONSchemaProps
	require.NoError(t, apiextv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(crd.Spec.Versions[0].Schema.OpenAPIV3Schema, &internal, nil))
	validator, _, err := validation.NewSchemaValidator(&internal)
	require.NoError(t, err)
	structural, err := structuralschema.NewStructural(&internal)
	require.NoError(t, err)
	var document map[string]any
	require.NoError(t, yaml.Unmarshal([]byte(text), &document))
	require.Empty(t, validation.ValidateCustomResource(nil, document, validator))
	before, err := yaml.Marshal(document)
	require.NoError(t, err)
	pruning.Prune(document, structural, true)
	after, err := yaml.Marshal(document)
	require.NoError(t, err)
	require.Equal(t, string(before), string(after), "the API server would prune something")
	bp, err := Parse([]byte(text))
	require.NoError(t, err)
	return bp
}

func TestParse(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ text, err string }{
		"not a blueprint": {"apiVersion: v1\nkind: Secret\nmetadata: {name: a}\n", "must be cr.kanister.io/v1alpha1 and Blueprint"},
		"no name":         {"apiVersion: cr.kanister.io/v1alpha1\nkind: Blueprint\nmetadata: {}\n", "metadata.name"},
		"misspelt":        {"apiVersion: cr.kanister.io/v1alpha1\nkind: Blueprint\nmetadata: {name: a}\nactionz: {}\n", `unknown field "actionz"`},
		"in a phase":      {"apiVersion: cr.kanister.io/v1alpha1\nkind: Blueprint\nmetadata: {name: a}\nactions: {a: {phases: [{funk: x}]}}\n", "unknown field"},
	} {
		_, err := Parse([]byte(c.text))
		require.ErrorContains(t, err, c.err, name)
	}
}
