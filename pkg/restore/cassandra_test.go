package restore_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/agent/apitest"
	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/restore"
	"github.com/casshook/casshook/pkg/ring/ringtest"
)

// TestCassandraDoesNotLoad: the restore says at which node and table, keeps the backup,
// and goes on with the next run.
func TestCassandraDoesNotLoad(t *testing.T) {
	t.Parallel()
	p := pointOf(t)
	fails := apitest.Answer(http.StatusInternalServerError, "too many open files")
	for _, tt := range []struct {
		name      string
		harm, end func(*apitest.API)
		want      string
	}{
		{"a refresh that fails", func(a *apitest.API) { a.Answer(apitest.Refresh, nil, fails) }, func(a *apitest.API) { a.Answer(apitest.Refresh) }, "too many open files"},
		{"files that are not taken", func(a *apitest.API) { a.Skip("orders", true) }, func(a *apitest.API) { a.Skip("orders", false) }, "shop.orders"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := p.back(t)
			r.Write("shop", "orders", "lost")
			tt.harm(r.API("n2"))
			_, err := restore.Online(t.Context(), r.Target(), options, &ringtest.Steps{})
			require.ErrorContains(t, err, "node n2: ")
			require.ErrorContains(t, err, tt.want)
			require.Equal(t, flow.HalfWay, flow.CodeOf(err))
			require.Len(t, r.Backups(), 1)
			require.Empty(t, r.Locks())

			tt.end(r.API("n2"))
			_, err = restore.Online(t.Context(), r.Target(), options, &ringtest.Steps{})
			require.NoError(t, err)
			require.Equal(t, p.wanted, r.Content())
		})
	}
}

// TestSlowCassandraLoads: a refresh that the Management API did not wait for is waited
// for by asking again.
func TestSlowCassandraLoads(t *testing.T) {
	t.Parallel()
	p := pointOf(t)
	r := p.back(t)
	a := r.API("n2")
	goesOn := func(w http.ResponseWriter, req *http.Request) {
		q := req.URL.Query()
		_ = a.Load(q.Get("keyspaceName"), q.Get("table"))
		apitest.Answer(http.StatusInternalServerError, "Query timed out after PT30S")(w, req)
	}
	a.Answer(apitest.Refresh, goesOn, nil)
	report, err := restore.Online(t.Context(), r.Target(), options, &ringtest.Steps{})
	require.NoError(t, err)
	require.Equal(t, p.wanted, r.Content())
	for _, proof := range report.Tables {
		require.Equal(t, proof.Expected, proof.Taken)
	}
}

// TestRestoreCosts: a process a node, and DDL only for what differs.
func TestRestoreCosts(t *testing.T) {
	t.Parallel()
	r := pointOf(t, view).back(t)
	r.OnCall(nil)
	require.NoError(t, online(t.Context(), r, &ringtest.Steps{}))
	agents, changes := 0, []string{}
	for _, c := range r.Calls() {
		switch {
		case c.Kind == ringtest.Exec && c.What == "run":
			agents++
		case c.Changes() && c.Kind == ringtest.CQL:
			changes = append(changes, c.What)
		}
	}
	require.Equal(t, 2, agents)
	require.ElementsMatch(t, []string{"TRUNCATE TABLE shop.orders", "TRUNCATE TABLE shop.users"}, changes)
}
