package kastenstandin

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func TestCatalogRefuses(t *testing.T) {
	t.Parallel()
	policy := func(spec string) string {
		return "apiVersion: config.kio.kasten.io/v1alpha1\nkind: Policy\nmetadata: {name: p}\nspec: {" + spec + "}\n"
	}
	selector := "selector: {matchLabels: {a: b}}"
	binding := func(spec string) string {
		return "apiVersion: config.kio.kasten.io/v1alpha1\nkind: BlueprintBinding\nmetadata: {name: b}\nspec: {blueprintRef: {name: x, namespace: y}, resources: {matchAll: [" + spec + "]}}\n"
	}
	restore := func(spec string) string {
		return "apiVersion: actions.kio.kasten.io/v1alpha1\nkind: RestoreAction\nmetadata: {generateName: r-}\nspec: {" + spec + "}\n"
	}
	subject := "subject: {kind: RestorePoint, name: rp, namespace: a}, targetNamespace: a"
	transform := func(spec string) string {
		return "apiVersion: config.kio.kasten.io/v1alpha1\nkind: TransformSet\nmetadata: {name: t}\nspec: {transforms: [{" + spec + "}]}\n"
	}
	for name, c := range map[string]struct{ text, err string }{
		"postHook":             {policy("frequency: '@onDemand', " + selector + ", actions: [{action: backup, backupParameters: {hooks: {postHook: {blueprint: b, actionName: a}}}}]"), `unknown field "postHook"`},
		"good policy":          {policy("frequency: '@daily', retention: {daily: 7}, " + selector + ", actions: [{action: backup}]"), ""},
		"retention on demand":  {policy("frequency: '@onDemand', retention: {daily: 7}, " + selector), "retention is forbidden"},
		"no retention":         {policy("frequency: '@daily', " + selector), "retention is required"},
		"frequency":            {policy("frequency: daily, retention: {daily: 7}, " + selector), `frequency "daily"`},
		"no frequency":         {policy(selector), "either frequency or presetRef"},
		"two selectors":        {policy("frequency: '@onDemand', selector: {matchLabels: {a: b}, matchExpressions: [{key: k, operator: Exists}]}"), "either matchLabels or matchExpressions"},
		"action":               {policy("frequency: '@onDemand', " + selector + ", actions: [{action: report}]"), `does not know "report"`},
		"empty filter":         {policy("frequency: '@onDemand', " + selector + ", actions: [{action: backup, backupParameters: {filters: {includeResources: [{}]}}}]"), "an entry is empty"},
		"good binding":         {binding("{type: {operator: In, values: [{group: g}]}}, {namespace: {operator: Exists}}, {labels: {key: a, operator: NotIn, values: [b]}}"), ""},
		"no operator":          {binding("{type: {values: [{group: g}]}}"), `operator "" is not known`},
		"type exists":          {binding("{type: {operator: Exists}}"), `operator "Exists" is not known`},
		"two constraints":      {binding("{namespace: {operator: Exists}, labels: {key: a, operator: Exists}}"), "2 constraints"},
		"no values":            {binding("{labels: {key: a, operator: In}}"), "In needs values"},
		"values":               {binding("{annotations: {key: a, operator: DoesNotExist, values: [b]}}"), "takes no values"},
		"no key":               {binding("{annotations: {operator: Exists}}"), "key is missing"},
		"no requirement":       {binding(""), "one requirement at least"},
		"good restore":         {restore(subject), ""},
		"no target":            {restore("subject: {kind: RestorePoint, name: rp, namespace: a}"), "targetNamespace is missing"},
		"not a restore point":  {restore("subject: {kind: Policy, name: rp, namespace: a}, targetNamespace: a"), "subject must be a RestorePoint"},
		"data only":            {restore(subject + ", dataOnly: true, filters: {excludeResources: [{resource: a}]}"), "dataOnly must be false with filters"},
		"clones":               {restore(subject + ", volumeClones: true"), "knows no volumeClones"},
		"good transform":       {transform("subject: {resource: a}, name: n, json: [{op: test, path: /a, value: b}]"), ""},
		"transform name":       {transform("subject: {resource: a}, json: [{op: test, path: /a, value: b}]"), "name is missing"},
		"transform subject":    {transform("name: n, json: [{op: test, path: /a, value: b}]"), "subject needs one of"},
		"transform operation":  {transform("subject: {resource: a}, name: n, json: [{op: set, path: /a}]"), `"set" is no operation`},
		"no operations":        {transform("subject: {resource: a}, name: n, json: []"), "json needs an operation"},
		"unknown kind":         {"apiVersion: config.kio.kasten.io/v1alpha1\nkind: Profile\nmetadata: {name: p}\n", "does not know this kind"},
		"no kind":              {"a: b\n", "apiVersion and kind are missing"},
		"an invalid blueprint": {"apiVersion: cr.kanister.io/v1alpha1\nkind: Blueprint\nmetadata: {name: b}\nactions: {a: {phases: [{func: X, name: x}]}}\n", "has not been registered"},
		"others":               {"# comment\n---\napiVersion: v1\nkind: Secret\nmetadata: {name: s}\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := (&Catalog{}).Add([]byte(c.text))
			if c.err == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, c.err)
		})
	}
}

func TestPodSpecOverride(t *testing.T) {
	t.Parallel()
	c := &Catalog{}
	require.NoError(t, c.Add([]byte("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: pod-spec-override}\ndata:\n  override: |\n    kind: Pod\n    spec: {nodeName: node, imagePullSecrets: [{name: x}], securityContext: {runAsUser: 5}}\n")))
	require.Equal(t, map[string]any{"nodeName": "node"}, c.PodSpecOverride)
}

func objectOf(id ID, labels, annotations map[string]string) object {
	u := &unstructured.Unstructured{Object: map[string]any{}}
	u.SetName(id.Name)
	u.SetNamespace("app")
	u.SetLabels(labels)
	u.SetAnnotations(annotations)
	return newObject(id.gvr(), u)
}

func TestBound(t *testing.T) {
	t.Parallel()
	dc := objectOf(dc1(), map[string]string{"app": "a"}, nil)
	annotated := objectOf(dc1(), nil, map[string]string{BlueprintAnnotation: "annotated"})
	pod := objectOf(ID{Version: "v1", Resource: "pods", Name: "p"}, nil, map[string]string{BlueprintAnnotation: "annotated"})
	types := func(operator string, values ...TransformSubject) Requirement {
		return Requirement{Type: &TypeConstraint{Operator: operator, Values: values}}
	}
	plural := types("In", TransformSubject{Group: "cassandra.datastax.com", Resource: "cassandradatacenters"})
	binding := func(name string, created int64, all ...Requirement) *BlueprintBinding {
		b := &BlueprintBinding{Spec: BindingSpec{BlueprintRef: Ref{Name: name}, Resources: BindingResources{MatchAll: all}}}
		b.CreationTimestamp = metav1.NewTime(time.Unix(created, 0))
		return b
	}
	disabled, failed := binding("x", 1, plural), binding("x", 1, plural)
	disabled.Spec.Disabled = true
	failed.Status = &BindingStatus{Validation: "Failed"}
	anyOf := binding("x", 1)
	anyOf.Spec.Resources.MatchAny = []Requirement{types("In", TransformSubject{Resource: "pods"}), plural}
	for name, c := range map[string]struct {
		o        object
		bindings []*BlueprintBinding
		want     string
	}{
		"plural":                   {dc, []*BlueprintBinding{binding("x", 1, plural)}, "x"},
		"singular":                 {dc, []*BlueprintBinding{binding("x", 1, types("In", TransformSubject{Resource: "cassandradatacenter"}))}, ""},
		"the earliest wins":        {dc, []*BlueprintBinding{binding("late", 9, plural), binding("early", 1, plural)}, "early"},
		"a binding beats":          {annotated, []*BlueprintBinding{binding("x", 9, plural)}, "x"},
		"annotation":               {annotated, nil, "annotated"},
		"annotation of a pod":      {pod, nil, ""},
		"disabled":                 {dc, []*BlueprintBinding{disabled}, ""},
		"failed":                   {dc, []*BlueprintBinding{failed}, ""},
		"any of":                   {dc, []*BlueprintBinding{anyOf}, "x"},
		"none of any":              {objectOf(ID{Version: "v1", Resource: "secrets", Name: "s"}, nil, nil), []*BlueprintBinding{anyOf}, ""},
		"not in":                   {dc, []*BlueprintBinding{binding("x", 1, types("NotIn", TransformSubject{Resource: "pods"}))}, "x"},
		"core":                     {pod, []*BlueprintBinding{binding("x", 1, types("In", TransformSubject{Group: "core"}))}, "x"},
		"core is not all":          {dc, []*BlueprintBinding{binding("x", 1, types("In", TransformSubject{Group: "core"}))}, ""},
		"all must match":           {dc, []*BlueprintBinding{binding("x", 1, plural, Requirement{Labels: &KeyConstraint{Key: "app", Operator: "In", Values: []string{"b"}}})}, ""},
		"label":                    {dc, []*BlueprintBinding{binding("x", 1, Requirement{Labels: &KeyConstraint{Key: "app", Operator: "In", Values: []string{"a"}}})}, "x"},
		"namespace":                {dc, []*BlueprintBinding{binding("x", 1, plural, Requirement{Namespace: &NamespaceConstraint{Operator: "NotIn", Values: []string{"app"}}})}, ""},
		"unless it has annotation": {annotated, []*BlueprintBinding{binding("x", 1, Requirement{Annotations: &KeyConstraint{Key: BlueprintAnnotation, Operator: "DoesNotExist"}})}, "annotated"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.want, (&Catalog{Bindings: c.bindings}).bound(c.o))
		})
	}
}
