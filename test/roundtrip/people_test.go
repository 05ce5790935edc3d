//go:build ring && full

package roundtrip

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/test/lab/cassandra"
)

// TestSchemasPeopleHave is what real schemas have, and what goes on in a real ring
// while it is backed up.
func TestSchemasPeopleHave(t *testing.T) {
	t.Parallel()
	w := start(t, cassandra.Options{Version: "5.0.9", YAML: map[string]string{"dynamic_data_masking_enabled": "true"}})
	w.exec(t, "CREATE KEYSPACE k WITH replication = {'class': 'NetworkTopologyStrategy', 'dc1': 1}")
	t.Run("masks, and tables that lost COMPACT STORAGE", func(t *testing.T) { w.createAgain(t) })
	t.Run("static-only partitions below a view", func(t *testing.T) { w.staticOnly(t) })
	t.Run("permissions of objects that are gone", func(t *testing.T) { w.orphans(t) })
	t.Run("a view that is being built", func(t *testing.T) { w.halfBuilt(t) })
	t.Run("a view that does not get built", func(t *testing.T) { w.neverBuilt(t) })
}

func (w *world) number(t *testing.T, query string) int {
	t.Helper()
	var n int
	require.NoError(t, w.session.Query(query).ScanContext(t.Context(), &n), query)
	return n
}

func (w *world) createAgain(t *testing.T) {
	w.exec(t,
		"CREATE TABLE k.mask_tuple (id int PRIMARY KEY, m tuple<int,text> MASKED WITH mask_replace((1, 'a')), s text MASKED WITH mask_replace(')'))",
		"INSERT INTO k.mask_tuple (id, m, s) VALUES (1, (2, 'b'), 'c')",
		"CREATE TABLE k.dcs_dense (k int, c int, PRIMARY KEY (k, c)) WITH COMPACT STORAGE",
		"INSERT INTO k.dcs_dense (k, c) VALUES (1, 1)",
		"ALTER TABLE k.dcs_dense DROP COMPACT STORAGE")
	w.backup(t)
	w.exec(t, "DROP TABLE k.mask_tuple", "DROP TABLE k.dcs_dense")
	w.must(t, "after-restore", "--in-place")
	require.Equal(t, 1, w.number(t, "SELECT count(*) FROM k.dcs_dense"))
	require.Equal(t, 1, w.number(t, "SELECT count(*) FROM k.mask_tuple"))
	w.exec(t, "DROP TABLE k.dcs_dense") // the driver cannot read its rows
}

func (w *world) staticOnly(t *testing.T) {
	w.exec(t,
		"CREATE TABLE k.static_only (pk int, ck int, s text static, v text, PRIMARY KEY (pk, ck))",
		"CREATE MATERIALIZED VIEW k.static_view AS SELECT pk, ck, v FROM k.static_only WHERE pk IS NOT NULL AND ck IS NOT NULL PRIMARY KEY (ck, pk)",
		"CREATE MATERIALIZED VIEW k.some_view AS SELECT pk, ck, v FROM k.static_only WHERE pk IN (1, 100) AND ck IS NOT NULL PRIMARY KEY (ck, pk)",
		"CREATE MATERIALIZED VIEW k.z_later AS SELECT pk, ck, v FROM k.static_only WHERE pk IS NOT NULL AND ck IS NOT NULL AND v IS NOT NULL PRIMARY KEY (v, ck, pk)",
		"INSERT INTO k.static_only (pk, ck, s, v) VALUES (1, 1, 's', 'v')",
		"INSERT INTO k.static_only (pk, ck, s) VALUES (2, 2, 's')",
		"INSERT INTO k.static_only (pk, s) VALUES (100, 'alone')")
	want := w.digest(t)
	for _, args := range [][]string{{}, {"--rebuild-views"}} {
		w.backup(t)
		w.must(t, append([]string{"after-restore", "--in-place", "--view-timeout", "20s"}, args...)...)
		w.same(t, want)
	}
	w.backup(t)
	w.exec(t, "DROP MATERIALIZED VIEW k.static_view", "DROP MATERIALIZED VIEW k.some_view", "DROP MATERIALIZED VIEW k.z_later")
	w.must(t, "after-restore", "--in-place", "--view-timeout", "20s")
	w.same(t, want)
}

func (w *world) orphans(t *testing.T) {
	const row = "INSERT INTO system_auth.role_permissions (role, resource, permissions) VALUES ('r2', '%s', {'SELECT'})"
	resources := []string{"data/k/zombie", "data/ghost", "data/ghost/*", "functions/ghost", "functions/k/nof[org.apache.cassandra.db.marshal.Int32Type]"}
	w.exec(t, "CREATE ROLE r2", "GRANT SELECT ON TABLE k.static_only TO r2")
	w.backup(t)
	for _, r := range resources {
		w.exec(t, fmt.Sprintf(row, r))
	}
	w.exec(t, "REVOKE SELECT ON TABLE k.static_only FROM r2")
	require.Contains(t, w.must(t, "after-restore", "--in-place").stdout, "restored and verified")
	require.Contains(t, fmt.Sprint(w.permissions(t, "r2")), "data/k/static_only")
	w.backup(t) // with the rows in it, and objects that never were
	for _, r := range resources {
		w.exec(t, fmt.Sprintf("DELETE FROM system_auth.role_permissions WHERE role = 'r2' AND resource = '%s'", r))
	}
	require.Contains(t, w.must(t, "after-restore", "--in-place").stdout, "restored and verified")
	w.backup(t)
	w.must(t, "after-backup")
}

func (w *world) permissions(t *testing.T, role string) []string {
	t.Helper()
	var found []string
	var resource string
	rows := w.session.Query("SELECT resource FROM system_auth.role_permissions WHERE role = ?", role).IterContext(t.Context())
	for rows.Scan(&resource) {
		found = append(found, resource)
	}
	require.NoError(t, rows.Close())
	return found
}

const builtRows = 30000

// fill writes the rows of k.b, many of them at a time.
func (w *world) fill(t *testing.T) {
	t.Helper()
	w.exec(t, "CREATE TABLE k.b (id int, c int, w int, p text, PRIMARY KEY (id, c))")
	for id := range builtRows / 100 {
		var b strings.Builder
		b.WriteString("BEGIN UNLOGGED BATCH ")
		for c := range 100 {
			fmt.Fprintf(&b, "INSERT INTO k.b (id, c, w, p) VALUES (%d, %d, %d, 'xxxxxxxxxxxxxxxxxxxxxxxx'); ", id, c, c%10)
		}
		w.exec(t, b.String()+"APPLY BATCH")
	}
}

const createByW = "CREATE MATERIALIZED VIEW k.by_w AS SELECT * FROM k.b WHERE w IS NOT NULL AND id IS NOT NULL AND c IS NOT NULL PRIMARY KEY (w, id, c)"

func (w *world) halfBuilt(t *testing.T) {
	w.fill(t)
	w.exec(t, createByW)
	r := w.must(t, "before-backup")
	require.Contains(t, r.stdout, "still being built")
	require.Contains(t, r.stdout, "k.by_w")
	r = w.must(t, "after-restore", "--in-place", "-o", "json")
	require.Contains(t, r.stdout, "it was being built when the backup was made")
	require.Equal(t, builtRows, w.number(t, "SELECT count(*) FROM k.by_w"))
	w.exec(t, "DROP MATERIALIZED VIEW k.by_w", createByW)
	r = w.must(t, "before-backup", "--wait-views", "5m")
	require.NotContains(t, r.stdout, "still being built")
	w.must(t, "after-restore", "--in-place", "--full")
	require.Equal(t, builtRows, w.number(t, "SELECT count(*) FROM k.by_w"))
}

// neverBuilt has the build of a view take longer than it may, and runs the restore
// again: it must not take the view for whole.
func (w *world) neverBuilt(t *testing.T) {
	w.backup(t)
	w.exec(t, "DROP MATERIALIZED VIEW k.by_w")
	r := w.casshook(t, "after-restore", "--in-place", "--view-timeout", "1ms")
	require.Equal(t, 6, r.code, r.stderr)
	require.Contains(t, r.reason(), "k.by_w is not complete")
	require.NotEmpty(t, w.glob(t, "casshook/casshook-*"), "the backup stays")
	r = w.casshook(t, "after-restore", "--in-place")
	require.Zero(t, r.code, r.stderr)
	require.Equal(t, builtRows, w.number(t, "SELECT count(*) FROM k.by_w"), "verified means that it is all there")
	require.Eventually(t, func() bool { return !slices.Contains(w.permissions(t, "r2"), "data/k/zombie") }, time.Minute, time.Second)
	require.Empty(t, w.glob(t, "casshook/casshook-*"))
}
