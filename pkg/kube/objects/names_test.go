package objects

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/util/validation"
)

func TestCleanNames(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, resource, label string }{
		{"prod", "prod", "prod"},
		{"My_Prod 1", "my-prod", "My_Prod1"},
		{"3rd cluster", "rdcluster", "3rdcluster"},
		{"a.b", "ab", "a.b"},
		{"Ünïcode!", "ncode", "ncode"},
		{"-x-", "x", "x"},
		{strings.Repeat("a", 70), strings.Repeat("a", 70), strings.Repeat("a", 70)},
	} {
		require.Equal(t, c.resource, CleanupForKubernetes(c.name), c.name)
		require.Equal(t, c.label, CleanLabel(c.name), c.name)
	}
}

func TestOwnObject(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for _, cluster := range []string{"prod", "Prod", "Prod 1", "Prod1", "prod-1", "prod_1", "!!!", strings.Repeat("a", 70), strings.Repeat("a", 71), strings.Repeat("-", 9) + strings.Repeat("b-", 40)} {
		name := RingObject(cluster)
		require.Empty(t, validation.IsDNS1123Label(name), "%q of %q", name, cluster)
		require.True(t, strings.HasPrefix(name, "casshook-"), name)
		require.Empty(t, seen[name], "%q and %q have one name", cluster, seen[name])
		seen[name] = cluster + " "
	}
	require.Equal(t, "casshook-prod", RingObject("prod"))
}
