package restore_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/restore"
	"github.com/casshook/casshook/pkg/ring/ringtest"
)

// What a guardrail refuses is known before anything changes, in plan and in the restore.
func TestGuardrailsRefuseBeforeAnythingChanges(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		settings map[string]string
		disaster []string
		want     string
	}{
		"TRUNCATE": {map[string]string{"drop_truncate_table_enabled": "false"}, nil,
			`drop_truncate_table_enabled is false on the nodes, which refuses this to user "keeper": table shop.orders: it must be truncated; table shop.users: it must be truncated`},
		"CREATE":   {map[string]string{"tables_fail_threshold": "1"}, []string{"DROP TABLE shop.users"}, "tables_fail_threshold is 1 on the nodes"},
		"counting": {map[string]string{"read_consistency_levels_disallowed": "[ANY, ALL]"}, nil, "view shop.a: its rows must be counted at ALL"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := viewed(t)
			if tt.disaster != nil {
				r.Execute("DROP MATERIALIZED VIEW shop.a")
				r.Execute("DROP MATERIALIZED VIEW shop.b")
			}
			for _, s := range tt.disaster {
				r.Execute(s)
			}
			r.Guarded(tt.settings)
			before, executed := r.Content(), r.Statements("")
			for range 2 {
				_, err := restoreViews(t, r, viewOptions())
				require.Equal(t, flow.Precondition, flow.CodeOf(err), "%v", err)
				require.ErrorContains(t, err, tt.want)
				_, err = restore.MakePlan(t.Context(), r.Target(), viewOptions(), &ringtest.Steps{})
				require.Equal(t, flow.Precondition, flow.CodeOf(err), "%v", err)
				require.ErrorContains(t, err, tt.want)
			}
			require.Equal(t, before, r.Content())
			require.Equal(t, executed, r.Statements(""), "nothing was sent")
			r.Guarded(nil)
			_, err := restoreViews(t, r, viewOptions())
			require.NoError(t, err)
		})
	}
}

// Once all is loaded, nothing is truncated: a guardrail set since then is no obstacle.
func TestGuardrailAfterTheLoad(t *testing.T) {
	t.Parallel()
	r := viewed(t)
	r.Execute("DROP MATERIALIZED VIEW shop.a")
	r.Building("a")
	_, err := restoreViews(t, r, viewOptions())
	require.Equal(t, flow.Differences, flow.CodeOf(err), "%v", err)
	r.Building()
	r.Guarded(map[string]string{"drop_truncate_table_enabled": "false"})
	_, err = restoreViews(t, r, viewOptions())
	require.NoError(t, err)
}
