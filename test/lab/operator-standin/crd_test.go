package operatorstandin

import (
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	structural "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// crd checks objects as the API server does.
type crd struct {
	schema    *structural.Structural
	validator validation.SchemaValidator
}

func readCRD(t *testing.T) *crd {
	t.Helper()
	var definition apiextensionsv1.CustomResourceDefinition
	require.NoError(t, yaml.Unmarshal(Definition(), &definition))
	require.Len(t, definition.Spec.Versions, 1)
	require.NotNil(t, definition.Spec.Versions[0].Subresources.Status, "status is a subresource")
	var internal apiextensions.JSONSchemaProps
	require.NoError(t, apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(
		definition.Spec.Versions[0].Schema.OpenAPIV3Schema, &internal, nil))
	schema, err := structural.NewStructural(&internal)
	require.NoError(t, err)
	validator, _, err := validation.NewSchemaValidator(&internal)
	require.NoError(t, err)
	return &crd{schema, validator}
}

// problems of an object: fields that the API server would drop, and what it would refuse.
func (c *crd) problems(object *unstructured.Unstructured) ([]string, error) {
	copied := object.DeepCopy()
	pruned := pruning.PruneWithOptions(copied.Object, c.schema, true, structural.UnknownFieldPathOptions{TrackUnknownFieldPaths: true})
	return pruned, validation.ValidateCustomResource(nil, object.Object, c.validator).ToAggregate()
}

func (c *crd) check(t *testing.T, object *unstructured.Unstructured) {
	t.Helper()
	pruned, err := c.problems(object)
	require.Empty(t, pruned, "fields that the schema does not know")
	require.NoError(t, err)
}

func TestTheSchemaRefuses(t *testing.T) {
	t.Parallel()
	c := readCRD(t)
	c.check(t, sample(t))

	pruned, _ := c.problems(sample(t, "status: {nodeState: x}"))
	require.Equal(t, []string{"status.nodeState"}, pruned)
	for name, document := range map[string]string{
		"a condition without reason":  "status: {conditions: [{type: Ready, status: 'True', message: ''}]}",
		"a time that is none":         "status: {quietPeriod: soon}",
		"a version without patch":     "spec: {serverVersion: '5.0'}",
		"a server that is none":       "spec: {serverType: scylla}",
		"manual auth without secrets": "spec: {managementApiAuth: {manual: {clientSecretName: a}}}",
	} {
		_, err := c.problems(sample(t, document))
		require.Error(t, err, name)
	}
}

// TestStatusFitsTheSchema writes every field that the stand-in has.
func TestStatusFitsTheSchema(t *testing.T) {
	t.Parallel()
	now := timestamp(metav1.Now().Time)
	object := sample(t)
	_, after, err := documents(Status{}, Status{
		Conditions: []Condition{{Type: conditionReady, Status: "True", LastTransitionTime: *now}}, Progress: progressReady,
		NodeStatuses: map[string]NodeStatus{"pod": {HostID: "id", IP: "10.0.0.1", Rack: "r1"}}, FailedStarts: []string{"pod"},
		SuperUserUpserted: now, UsersUpserted: now, LastNodeStarted: now, QuietPeriod: now, ObservedGeneration: 7,
	})
	require.NoError(t, err)
	var document map[string]any
	require.NoError(t, yaml.Unmarshal(after, &document))
	require.Len(t, document["status"], 9)
	object.Object["status"] = integers(document["status"])
	readCRD(t).check(t, object)
}
