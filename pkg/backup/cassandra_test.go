package backup_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/agent/apitest"
	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/ring/ringtest"
)

// fails is an answer of a Cassandra that cannot.
var fails = apitest.Answer(http.StatusInternalServerError, "too many open files")

// goesOn is the answer of a Management API that stopped waiting for Cassandra.
var goesOn = apitest.Answer(http.StatusInternalServerError, "Query timed out after PT30S")

// TestCassandraFailsAtANode: the error names the node, and nothing is left anywhere.
func TestCassandraFailsAtANode(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, path string
		// taken is whether the other node had begun its snapshot.
		taken bool
	}{
		{"facts", apitest.Endpoints, false},
		{"flush", apitest.Flush, false},
		{"before the barrier", apitest.Readiness, false},
		{"at the snapshot", apitest.Snapshots, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := plainRing(t)
			r.API("n2").Answer(tt.path, fails)
			err := before(t.Context(), r, &ringtest.Steps{})
			require.ErrorContains(t, err, "node n2: ")
			require.ErrorContains(t, err, "too many open files")
			require.Contains(t, []flow.Code{flow.Failed, flow.Precondition}, flow.CodeOf(err), err)
			require.Equal(t, tt.taken, len(r.API("n1").Calls(apitest.Snapshots)) > 0, "none begins before all are ready")
			require.Empty(t, r.Backups())
			require.Equal(t, []string{foreign}, r.Tags())
			require.Empty(t, r.Locks())
			untouched(t, r)

			r.API("n2").Answer(tt.path)
			require.NoError(t, before(t.Context(), r, &ringtest.Steps{}))
		})
	}
}

// TestSlowCassandra: what the Management API did not wait for is found out.
func TestSlowCassandra(t *testing.T) {
	t.Parallel()
	t.Run("a flush that goes on is no error", func(t *testing.T) {
		t.Parallel()
		r := plainRing(t)
		r.API("n2").Answer(apitest.Flush, goesOn)
		require.NoError(t, before(t.Context(), r, &ringtest.Steps{}))
	})
	t.Run("a snapshot that ends later", func(t *testing.T) {
		t.Parallel()
		r := plainRing(t)
		tag := ""
		r.API("n2").Answer(apitest.Snapshots, func(w http.ResponseWriter, req *http.Request) {
			tag = tagOf(req)
			// The snapshot of this node is there when the agent looks.
			for _, table := range [][2]string{{"shop", "orders"}, {"shop", "users"}, {"system_auth", "roles"}, {"system_schema", "tables"}} {
				r.TagNode("n2", table[0], table[1], tag)
			}
			goesOn(w, req)
		})
		require.NoError(t, before(t.Context(), r, &ringtest.Steps{}))
		require.Equal(t, []string{tag}, r.Backups())
	})
}

// tagOf is the tag that a snapshot is asked for with.
func tagOf(r *http.Request) string {
	var args struct {
		Name string `json:"snapshot_name"`
	}
	_ = json.NewDecoder(r.Body).Decode(&args)
	return args.Name
}
