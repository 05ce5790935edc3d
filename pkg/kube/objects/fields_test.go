package objects

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestFields(t *testing.T) {
	t.Parallel()
	f := Fields{
		"spec": map[string]any{
			"name": "x", "on": true, "whole": int64(7), "yaml": 8, "json": float64(9),
			"at": "2026-11-21T10:00:00Z", "list": []any{map[string]any{"a": "1"}, "odd", map[string]any{"a": "2"}},
		},
		"odd": []any{"spec"},
	}
	require.Equal(t, "x", f.Text("spec", "name"))
	require.True(t, f.Flag("spec", "on"))
	for field, want := range map[string]int64{"whole": 7, "yaml": 8, "json": 9, "name": 0, "none": 0} {
		require.Equal(t, want, f.Number("spec", field), field)
	}
	require.Equal(t, time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC), f.Time("spec", "at"))
	require.Equal(t, "x", f.Object("spec")["name"])
	var found []string
	for _, o := range f.Objects("spec", "list") {
		found = append(found, o.Text("a"))
	}
	require.Equal(t, []string{"1", "2"}, found, "what is no object is passed over")
}

// An object is never refused for what it lacks.
func TestFieldsThatAreNotThere(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]Fields{"nil": nil, "empty": {}, "of another type": {"a": map[string]any{"b": []any{map[string]any{}}}}, "no way through": {"a": "text"}} {
		require.Empty(t, f.Text("a", "b"), name)
		require.False(t, f.Flag("a", "b"), name)
		require.Zero(t, f.Number("a", "b"), name)
		require.True(t, f.Time("a", "b").IsZero(), name)
		require.Nil(t, f.Object("a", "b"), name)
		require.Nil(t, f.Objects("a", "b", "c"), name)
	}
}
