package objects

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRules(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	check := func(where string, r Rule) {
		name := where + " " + r.APIGroup + "/" + r.Resource
		require.False(t, seen[name], "%s is there twice", name)
		seen[name] = true
		require.NotEmpty(t, r.Why, name)
		require.NotEmpty(t, r.Verbs, name)
		require.True(t, slices.IsSorted(r.Verbs), name)
		for _, verb := range r.Verbs {
			require.Contains(t, []string{"create", "delete", "get", "list", "patch", "update"}, verb, "%s: no wildcard, and no watch", name)
		}
	}
	for _, r := range Rules() {
		check("", r)
	}
	for _, r := range DoctorRules() {
		check(string(r.Scope), r.Rule)
		require.Contains(t, []Scope{InNamespace, InKasten, InCluster}, r.Scope)
		for _, verb := range r.Verbs {
			if r.Resource != "localsubjectaccessreviews" { // made, though nothing of it stays
				require.Contains(t, []string{"get", "list"}, verb, "doctor changes nothing")
			}
		}
	}
}
