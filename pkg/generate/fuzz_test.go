package generate

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/yaml"

	"github.com/casshook/casshook/pkg/blueprint"
)

// hostile are names at and over the limits, and names that mean something to YAML,
// templates, shells or the kubelet.
func hostile() []string {
	long := func(n int) string { return strings.Repeat("a", n) }
	return []string{"", "a", "A", "-", "a-", "-a", ".", "a.b", "a..b", "a_b", long(47), long(48), long(49), long(63), long(64), long(253), long(254), long(63) + "." + long(189),
		"on", "null", "1", "1e3", "0x1", "12:30", "a b", " a", "a\n", "a\nb: c", "a\r", "a\x00", "a\"b", "a'b", "`a`", "{{", "{{ .Namespace.Name }}", "a}}", "$(a)", "${a}", "a;b", "a#b", "a: b",
		"é", "\xff", "\u2028", "--help", "-->", "a:1", "a:1@sha256:" + strings.Repeat("0", 64), "[::1]/a:1", "host:5000/a:1", "HOST/a:1", "a/b/c:v_1.-", long(255) + ":1", long(256) + ":1"}
}

func FuzzNames(f *testing.F) {
	for _, name := range hostile() {
		f.Add(name, "a", "a:1", "dc")
		f.Add("a", name, "a:1", "dc")
		f.Add("a", "a", name, "dc")
		f.Add("a", "a", "a:1", name)
	}
	f.Fuzz(func(t *testing.T, namespace, name, image, datacenter string) {
		o := Default()
		o.Namespaces = []string{namespace, "other"}
		o.KastenNamespace, o.Datacenter = namespace, datacenter
		o.ServiceAccount, o.Prefix, o.Profile, o.RestorePoint, o.ImagePullSecrets = name, name, name, name, []string{name}
		o.Image = image
		o.Hooks.AfterRestore.Flags = map[string]string{"include": name}
		o.PodOverride.NodeSelector = map[string]string{"a": name}
		files, err := Generate(o)
		if err != nil {
			requireBlame(t, err.Error(), o)
			return
		}
		require.Empty(t, validation.IsDNS1123Label(namespace))
		require.Empty(t, validation.IsDNS1123Subdomain(name))
		for _, file := range files {
			requireClean(t, file)
		}
		requireNames(t, files, o)
	})
}

// requireBlame wants every line of a refusal to begin with a field, and the fields
// that are surely good not to be among them.
func requireBlame(t *testing.T, refusal string, o Options) {
	t.Helper()
	// A line break may be in a value only where it is quoted.
	for _, line := range strings.Split(refusal, "\n") {
		field, _, ok := strings.Cut(line, ": ")
		require.True(t, ok && field != "" && !strings.ContainsAny(field, " \""), "%q names no field", line)
	}
	if len(validation.IsDNS1123Label(o.Namespaces[0])) == 0 && o.Namespaces[0] != "other" {
		require.NotContains(t, refusal, "namespaces[")
	}
	if len(validation.IsDNS1123Subdomain(o.Profile)) == 0 {
		require.NotContains(t, refusal, "profile: ")
	}
}

// requireClean wants a file of printable lines without nulls.
func requireClean(t *testing.T, f File) {
	t.Helper()
	require.NotRegexp(t, `[^\x20-\x7e\n…]`, string(f.Content), f.Path)
	if !strings.HasSuffix(f.Path, ".yaml") {
		return
	}
	for _, document := range bytes.Split(f.Content, []byte("\n---\n")) {
		var value map[string]any
		require.NoError(t, yaml.UnmarshalStrict(document, &value), f.Path)
		requireNoNull(t, value, f.Path)
	}
}

func requireNoNull(t *testing.T, value any, path string) {
	t.Helper()
	switch v := value.(type) {
	case nil:
		t.Fatalf("null at %s", path)
	case map[string]any:
		for key, child := range v {
			requireNoNull(t, child, path+"."+key)
		}
	case []any:
		for _, child := range v {
			requireNoNull(t, child, path+"[]")
		}
	}
}

// requireNames finds the names again, as strings, where they belong.
func requireNames(t *testing.T, files []File, o Options) {
	t.Helper()
	bp := decode[blueprint.Blueprint](t, fileOf(t, files, "blueprints/policy-hooks/blueprint.yaml"))
	task := bp.Actions["after-restore"].Phases[0].Args
	require.Equal(t, o.Image, task.Image)
	require.Equal(t, o.KastenNamespace, bp.Metadata.Namespace)
	require.Equal(t, o.ServiceAccount, task.PodOverride.ServiceAccountName)
	require.Equal(t, o.ImagePullSecrets[0], task.PodOverride.ImagePullSecrets[0].Name)
	require.Equal(t, o.Profile, task.PodOverride.NodeSelector["a"])
	require.Contains(t, task.Command, "--include="+o.Profile)
	for _, arg := range task.Command {
		require.LessOrEqual(t, strings.Count(arg, "{{"), 1)
	}
	policy := decode[blueprint.Policy](t, fileOf(t, files, "examples/policy-hooks/policy.yaml"))
	require.Equal(t, o.Namespaces, policy.Spec.Selector.MatchExpressions[0].Values)
	require.Empty(t, validation.IsValidLabelValue(policy.Metadata.Name))
	binding := decode[blueprint.Binding](t, fileOf(t, files, "blueprints/resource-bound/binding.yaml"))
	require.Equal(t, o.Datacenter, binding.Spec.Resources.MatchAll[0].Type.Values[0].Name)
	require.Equal(t, o.Namespaces, binding.Spec.Resources.MatchAll[1].Namespace.Values)
	for _, name := range []string{bp.Metadata.Name, policy.Metadata.Name, binding.Metadata.Name} {
		require.Empty(t, validation.IsDNS1123Subdomain(name))
	}
}
