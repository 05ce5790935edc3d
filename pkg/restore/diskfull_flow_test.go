package restore_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/ring/ringtest"
	"github.com/casshook/casshook/pkg/schema"
)

// A disk that was full while the schema changed leaves a ring that every later run
// refuses: then the restore is half-way, whatever refuses, and never untouched.
func TestRingThatIsBrokenHalfWay(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		breaks func(r *ringtest.Ring)
		want   string
	}{
		"DESCRIBE and the tables disagree": {func(r *ringtest.Ring) {
			r.Disagree(schema.Extras{Tables: []schema.TableFlags{{Keyspace: "shop", Table: "ghost"}}})
		}, "table shop.ghost: it is in system_schema.tables but not in DESCRIBE"},
		"the nodes disagree": {func(r *ringtest.Ring) {
			r.OnCall(func(c ringtest.Call) ringtest.Fault {
				if c.What == "schema version" {
					return ringtest.Refuse
				}
				return ringtest.None
			})
		}, "schema version: made to fail"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := viewed(t)
			r.Execute("DROP MATERIALIZED VIEW shop.a")
			r.Execute("DROP MATERIALIZED VIEW shop.b")
			r.Execute("DROP TABLE shop.users")
			r.Refuse("CREATE TABLE shop.users")
			_, err := restoreViews(t, r, viewOptions())
			require.Equal(t, flow.HalfWay, flow.CodeOf(err), "%v", err)
			tt.breaks(r)
			for range 2 {
				_, err = restoreViews(t, r, viewOptions())
				require.Equal(t, flow.HalfWay, flow.CodeOf(err), "%v", err)
				require.ErrorContains(t, err, tt.want)
				require.ErrorContains(t, err, `an earlier run stopped at "schema"; live data is not whole`)
			}
			if name == "DESCRIBE and the tables disagree" {
				require.ErrorContains(t, err, "as after a full disk: free space, then restart the nodes")
			}
			r.Refuse("")
			r.OnCall(nil)
			r.Disagree(schema.Extras{})
			_, err = restoreViews(t, r, viewOptions())
			require.NoError(t, err)
		})
	}
}

// Where no restore stopped half-way, the same ring is a precondition.
func TestRingThatIsBrokenBefore(t *testing.T) {
	t.Parallel()
	r := viewed(t)
	r.Disagree(schema.Extras{Tables: []schema.TableFlags{{Keyspace: "shop", Table: "ghost"}}})
	_, err := restoreViews(t, r, viewOptions())
	require.Equal(t, flow.Precondition, flow.CodeOf(err), "%v", err)
	require.ErrorContains(t, err, "restart the nodes")
}
