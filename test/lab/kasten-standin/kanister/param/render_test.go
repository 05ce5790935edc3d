package param

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
)

// customResource is what templates see with a custom resource as subject.
func customResource() *TemplateParams {
	return &TemplateParams{
		Time:        "2026-01-02T03:04:05.6Z",
		ArtifactsIn: map[string]Artifact{"backup": {KeyValue: map[string]string{"id": "a1"}}},
		Options:     map[string]string{"k": "v"},
		Object: map[string]any{"kind": "CassandraDatacenter", "metadata": map[string]any{"name": "dc1", "namespace": "app"},
			"spec": map[string]any{"size": int64(3)}},
		Phases: map[string]*Phase{"first": {
			Output:     map[string]any{"id": "o1", "a-b": "dash"},
			Secrets:    map[string]corev1.Secret{"creds": {Data: map[string][]byte{"user": []byte("u")}}},
			ConfigMaps: map[string]corev1.ConfigMap{"settings": {Data: map[string]string{"k": "c"}}},
		}},
		DeferPhase: &Phase{Secrets: map[string]corev1.Secret{"creds": {Data: map[string][]byte{"user": []byte("d")}}}},
	}
}

func namespaceSubject() *TemplateParams {
	return &TemplateParams{
		Namespace: &NamespaceParams{Name: "app", Namespace: "app"},
		Object:    map[string]any{"kind": "Namespace", "metadata": map[string]any{"name": "app"}},
	}
}

func TestString(t *testing.T) {
	t.Parallel()
	anyNamespace := `{{ if .Namespace }}{{ .Namespace.Name }}{{ else }}{{ .Object.metadata.namespace }}{{ end }}`
	artifact := `{{ with index .ArtifactsIn "backup" }}{{ index .KeyValue "id" }}{{ end }}`
	for name, c := range map[string]struct {
		tp              *TemplateParams
		text, want, err string
	}{
		"plain":                             {customResource(), "a $(B) ${C} d", "a $(B) ${C} d", ""},
		"object":                            {customResource(), `{{ .Object.metadata.name }}/{{ .Object.spec.size }}`, "dc1/3", ""},
		"namespace of a custom resource":    {customResource(), `{{ .Namespace.Name }}`, "", "nil pointer evaluating *param.NamespaceParams.Name"},
		"namespace of a namespace":          {namespaceSubject(), `{{ .Namespace.Name }}`, "app", ""},
		"object of a namespace":             {namespaceSubject(), `{{ .Object.kind }} {{ .Object.metadata.name }}`, "Namespace app", ""},
		"any mode, custom resource":         {customResource(), anyNamespace, "app", ""},
		"any mode, namespace":               {namespaceSubject(), anyNamespace, "app", ""},
		"stateful set of a custom resource": {customResource(), `{{ .StatefulSet.Name }}`, "", "nil pointer evaluating *param.StatefulSetParams.Name"},
		"stateful set":                      {&TemplateParams{StatefulSet: &StatefulSetParams{Pods: []string{"a", "b"}}}, `{{ index .StatefulSet.Pods 1 }}`, "b", ""},
		"deployment":                        {&TemplateParams{Deployment: &DeploymentParams{Name: "d"}}, `{{ .Deployment.Name }}`, "d", ""},
		"profile":                           {customResource(), `{{ .Profile.SkipSSLVerify }}`, "", "nil pointer evaluating *param.Profile"},
		"no such field":                     {customResource(), `{{ .Nope }}`, "", "can't evaluate field Nope in type param.TemplateParams"},
		"missing key":                       {customResource(), `{{ .Object.metadata.labels }}`, "", `Failed to render template: "labels" not found`},
		"default does not help":             {customResource(), `{{ default "x" .Object.metadata.labels }}`, "", `Failed to render template: "labels" not found`},
		"index of a missing key":            {customResource(), `{{ index .Object.metadata "labels" }}`, "<no value>", ""},
		"index below a missing key":         {customResource(), `{{ index .Object.metadata "labels" "a" }}`, "", "error calling index: index of nil pointer"},
		"hasKey":                            {customResource(), `{{ hasKey .Object.metadata "labels" }}`, "false", ""},
		"hasKey of a typed map":             {customResource(), `{{ hasKey .ArtifactsIn "backup" }}`, "", "wrong type for value"},
		"hasKey of options":                 {customResource(), `{{ hasKey .Options "k" }}`, "", "wrong type for value"},
		"option":                            {customResource(), `{{ .Options.k }}{{ index .Options "nope" }}`, "v", ""},
		"artifact":                          {customResource(), `{{ .ArtifactsIn.backup.KeyValue.id }}`, "a1", ""},
		"no such artifact":                  {customResource(), `{{ .ArtifactsIn.nope.KeyValue.id }}`, "", `Failed to render template: "nope" not found`},
		"no artifacts":                      {namespaceSubject(), `{{ .ArtifactsIn.backup.KeyValue.id }}`, "", `Failed to render template: "backup" not found`},
		"guarded artifact":                  {customResource(), artifact, "a1", ""},
		"guarded, none":                     {namespaceSubject(), artifact, "", ""},
		"guarded, no key":                   {&TemplateParams{ArtifactsIn: map[string]Artifact{"backup": {}}}, artifact, "", ""},
		"output":                            {customResource(), `{{ .Phases.first.Output.id }}`, "o1", ""},
		"output with a dash":                {customResource(), `{{ .Phases.first.Output.a-b }}`, "", "bad character"},
		"output with a dash by index":       {customResource(), `{{ index .Phases.first.Output "a-b" }}`, "dash", ""},
		"phase that has not run":            {customResource(), `{{ .Phases.second.Output.id }}`, "", `Failed to render template: "second" not found`},
		"secret":                            {customResource(), `{{ index .Phases.first.Secrets.creds.Data "user" | toString }}`, "u", ""},
		"config map":                        {customResource(), `{{ .Phases.first.ConfigMaps.settings.Data.k }}`, "c", ""},
		"secret of the defer phase":         {customResource(), `{{ index .DeferPhase.Secrets.creds.Data "user" | toString }}`, "d", ""},
		"braces":                            {customResource(), "{{`{{ .x }}`}}", "{{ .x }}", ""},
		"object as JSON":                    {customResource(), `{{ .Object.metadata | toJson | b64enc }}`, "eyJuYW1lIjoiZGMxIiwibmFtZXNwYWNlIjoiYXBwIn0=", ""},
		"time":                              {customResource(), `{{ .Time }}`, "2026-01-02T03:04:05.6Z", ""},
		"bcrypt":                            {customResource(), `{{ bcrypt "x" }}`, "", "blocked under FIPS"},
		"htpasswd":                          {customResource(), `{{ htpasswd "u" "p" }}`, "", "blocked under FIPS"},
		"derivePassword":                    {customResource(), `{{ derivePassword 1 "long" "p" "u" "s" }}`, "", "blocked under FIPS"},
		"genPrivateKey dsa":                 {customResource(), `{{ genPrivateKey "dsa" }}`, "", "blocked under FIPS"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := String(c.text, c.tp)
			if c.err != "" {
				require.ErrorContains(t, err, c.err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.want, got)
		})
	}
}

func TestFunctionsOfLaterSprig(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"get", "dig", "toYaml", "fromYaml", "fromJson", "toRawJson", "mustToJson", "mustRegexMatch", "mustUniq", "required"} {
		_, err := String("{{ "+name+" }}", customResource())
		require.ErrorContains(t, err, `function "`+name+`" not defined`)
	}
	for _, name := range []string{"toJson", "toPrettyJson", "b64enc", "b64dec", "default", "hasKey", "ternary", "quote", "squote", "trim", "splitList", "first",
		"last", "join", "replace", "lower", "trunc", "nindent", "regexMatch", "coalesce", "dict", "list", "set", "fail", "now", "date", "sha256sum", "env"} {
		require.Contains(t, functions(), name)
	}
}

func TestRenderArgs(t *testing.T) {
	t.Parallel()
	got, err := RenderArgs(map[string]any{
		"{{ .Time }}": "x",
		"list":        []any{"{{ .Object.kind }}", true, 1.5},
		"map":         map[string]any{"{{ .Object.metadata.name }}": map[string]any{"a": "{{ .Time }}"}},
	}, customResource())
	require.NoError(t, err)
	require.Equal(t, map[string]any{
		"{{ .Time }}": "x", // the names of args are no templates
		"list":        []any{"CassandraDatacenter", true, 1.5},
		"map":         map[string]any{"dc1": map[string]any{"a": "2026-01-02T03:04:05.6Z"}},
	}, got)
	for name, args := range map[string]map[string]any{
		"arg":  {"image": nil},
		"list": {"command": []any{"a", nil}},
		"map":  {"podOverride": map[string]any{"containers": []any{map[string]any{"env": nil}}}},
	} {
		_, err := RenderArgs(args, customResource())
		require.ErrorIs(t, err, ErrNull, name)
	}
}

func TestArtifactsAndObjects(t *testing.T) {
	t.Parallel()
	got, err := Artifacts(map[string]Artifact{"a": {KeyValue: map[string]string{"{{ .Time }}": "{{ .Phases.first.Output.id }}"}}}, customResource())
	require.NoError(t, err)
	require.Equal(t, map[string]Artifact{"a": {KeyValue: map[string]string{"{{ .Time }}": "o1"}}}, got)
	_, err = Artifacts(map[string]Artifact{"a": {KeyValue: map[string]string{"k": "{{ .Phases.first.Output.nope }}"}}}, customResource())
	require.ErrorContains(t, err, `"nope" not found`)
	refs, err := Objects(map[string]ObjectReference{"s": {Kind: "Secret", Name: "{{ .Object.metadata.name }}-superuser", Namespace: "{{ .Object.metadata.namespace }}"}}, customResource())
	require.NoError(t, err)
	require.Equal(t, ObjectReference{Kind: "Secret", Name: "dc1-superuser", Namespace: "app"}, refs["s"])
	_, err = Objects(map[string]ObjectReference{"s": {Name: "{{ .Nope }}"}}, customResource())
	require.ErrorContains(t, err, "could not render object reference {s}")
}
