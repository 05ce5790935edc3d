//go:build ring && full

package roundtrip

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/test/lab/cassandra"
	"github.com/casshook/casshook/test/lab/zoo"
)

// TestGuardrails: whatever a guardrail refuses to an ordinary user is refused before
// anything changes, and Cassandra does refuse it; a superuser restores all the same.
func TestGuardrails(t *testing.T) {
	t.Parallel()
	w := start(t, cassandra.Options{Version: "5.0.9", Nodes: 1, YAML: map[string]string{
		"drop_truncate_table_enabled": "false", "drop_keyspace_enabled": "false", "tables_fail_threshold": "2", "keyspaces_fail_threshold": "1",
		"columns_per_table_fail_threshold": "2", "secondary_indexes_per_table_fail_threshold": "1", "simplestrategy_enabled": "false",
		"maximum_replication_factor_fail_threshold": "1", "table_properties_disallowed": "[comment]", "uncompressed_tables_enabled": "false",
		"vector_dimensions_fail_threshold": "3", "zero_ttl_on_twcs_enabled": "false", "fields_per_udt_fail_threshold": "1", "alter_table_enabled": "false",
		"materialized_views_per_table_fail_threshold": "1", "compact_tables_enabled": "false",
	}})
	w.exec(t,
		"CREATE KEYSPACE ks WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}",
		"CREATE TABLE ks.stays (k int PRIMARY KEY)",
		"CREATE TYPE ks.two (a int, b int)",
		"CREATE TABLE ks.t (k int PRIMARY KEY, v int, w vector<float, 4>) WITH compression = {'enabled': 'false'} AND compaction = {'class': 'TimeWindowCompactionStrategy'}",
		"CREATE TABLE ks.altered (k int PRIMARY KEY, gone int)", "ALTER TABLE ks.altered DROP gone",
		"CREATE TABLE ks.compact (k int PRIMARY KEY, v int) WITH COMPACT STORAGE",
		"CREATE INDEX i ON ks.t (v)", "CREATE INDEX j ON ks.t (w) USING 'sai'",
		"CREATE MATERIALIZED VIEW ks.a AS SELECT k, v FROM ks.t WHERE k IS NOT NULL AND v IS NOT NULL PRIMARY KEY (v, k)",
		"CREATE MATERIALIZED VIEW ks.b AS SELECT k, v FROM ks.t WHERE k IS NOT NULL AND v IS NOT NULL PRIMARY KEY (v, k)",
		"CREATE KEYSPACE second WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 2}",
		"INSERT INTO ks.t (k, v) VALUES (1, 2)", "INSERT INTO ks.stays (k) VALUES (1)",
		"CREATE ROLE app WITH LOGIN = true AND PASSWORD = 'app'",
		"GRANT ALL PERMISSIONS ON ALL KEYSPACES TO app", "GRANT SELECT ON TABLE system_auth.roles TO app", "GRANT SELECT ON TABLE system_auth.role_permissions TO app",
		"GRANT SELECT ON TABLE system_views.settings TO app", "CREATE ROLE narrow WITH LOGIN = true AND PASSWORD = 'app'",
	)
	want := w.digest(t)
	w.backup(t)
	w.exec(t, "DROP MATERIALIZED VIEW ks.a", "DROP MATERIALIZED VIEW ks.b", "DROP TABLE ks.t", "DROP TABLE ks.altered", "DROP TABLE ks.compact", "DROP TYPE ks.two", "DROP KEYSPACE second",
		"CREATE TABLE ks.later (k int PRIMARY KEY)", "INSERT INTO ks.stays (k) VALUES (2)", "CREATE KEYSPACE third WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}")

	files := t.TempDir()
	for file, content := range map[string]string{"user": "app", "password": "app", "narrow": "narrow"} {
		require.NoError(t, os.WriteFile(filepath.Join(files, file), []byte(content+"\n"), 0o600))
	}
	inventory := w.edited(t, w.ring.UsernameFile()+".keeper", filepath.Join(files, "user"), w.ring.PasswordFile()+".keeper", filepath.Join(files, "password"))
	n := w.ring.Node(1)
	app, err := zoo.Connect(n.Address, n.CQLPort, "app", "app")
	require.NoError(t, err)
	defer app.Close()
	narrow := w.edited(t, w.ring.UsernameFile()+".keeper", filepath.Join(files, "narrow"), w.ring.PasswordFile()+".keeper", filepath.Join(files, "password"))
	w.refused(t, 3, `CQL user "narrow" is no superuser, which a restore needs: node n1: SELECT name, value FROM system_views.settings`, "plan", "--in-place", "--inventory", narrow)
	before := w.digest(t)
	var errors []string
	for _, command := range []string{"plan", "after-restore"} {
		r := w.casshook(t, command, "--in-place", "--inventory", inventory)
		require.Equal(t, 3, r.code, r.stderr)
		errors = append(errors, r.stderr)
	}
	for setting, statement := range map[string]string{
		"drop_truncate_table_enabled":                 "TRUNCATE ks.stays",
		"drop_keyspace_enabled":                       "DROP KEYSPACE third",
		"keyspaces_fail_threshold":                    "CREATE KEYSPACE second WITH replication = {'class': 'NetworkTopologyStrategy', 'dc1': 1}",
		"simplestrategy_enabled":                      "CREATE KEYSPACE second WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}",
		"tables_fail_threshold":                       "CREATE TABLE ks.x (k int PRIMARY KEY)",
		"columns_per_table_fail_threshold":            "CREATE TABLE ks.x (k int PRIMARY KEY, v int, w int)",
		"table_properties_disallowed":                 "CREATE TABLE ks.x (k int PRIMARY KEY) WITH comment = ''",
		"uncompressed_tables_enabled":                 "CREATE TABLE ks.x (k int PRIMARY KEY) WITH compression = {'enabled': 'false'}",
		"zero_ttl_on_twcs_enabled":                    "CREATE TABLE ks.x (k int PRIMARY KEY) WITH compaction = {'class': 'TimeWindowCompactionStrategy'}",
		"vector_dimensions_fail_threshold":            "CREATE TABLE ks.x (k int PRIMARY KEY, w vector<float, 4>)",
		"fields_per_udt_fail_threshold":               "CREATE TYPE ks.two (a int, b int)",
		"alter_table_enabled":                         "ALTER TABLE ks.stays ADD v int",
		"compact_tables_enabled":                      "CREATE TABLE ks.x (k int PRIMARY KEY, v int) WITH COMPACT STORAGE",
		"secondary_indexes_per_table_fail_threshold":  "",
		"materialized_views_per_table_fail_threshold": "",
		"maximum_replication_factor_fail_threshold":   "ALTER KEYSPACE third WITH replication = {'class': 'NetworkTopologyStrategy', 'dc1': 2}",
	} {
		for _, text := range errors {
			require.Contains(t, text, setting+" is ")
		}
		if statement != "" {
			require.Error(t, app.Query(statement).ExecContext(t.Context()), "%s refuses %s", setting, statement)
		}
	}
	require.Contains(t, errors[0], `CQL user "app" is no superuser`)
	w.same(t, before)
	w.must(t, "after-restore", "--in-place")
	w.same(t, want)
}

// TestInitialConditions: 4.0 and 4.1 print dates, times and addresses in an INITCOND as
// no Cassandra takes them back.
func TestInitialConditions(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"4.0.19", "4.1.10"} {
		t.Run(version, func(t *testing.T) {
			w := start(t, cassandra.Options{Version: version, Nodes: 1})
			w.exec(t, "CREATE KEYSPACE ks WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}", "CREATE TABLE ks.t (k int PRIMARY KEY, v int)",
				"INSERT INTO ks.t (k, v) VALUES (1, 2)")
			for name, of := range map[string][2]string{
				"a": {"timestamp", "'2020-01-01 00:00:00+0000'"}, "b": {"date", "'2020-01-01'"}, "c": {"time", "'08:12:54'"}, "d": {"inet", "'10.0.0.1'"},
				"e": {"list<timestamp>", "['2020-01-01 00:00:00+0000']"}, "f": {"inet", "'2001:db8::1'"}, "g": {"text", "'10.0.0.1'"}, "h": {"map<text, inet>", "{'x': '10.0.0.1'}"},
			} {
				w.exec(t, "CREATE FUNCTION ks.f"+name+"(s "+of[0]+", v int) RETURNS NULL ON NULL INPUT RETURNS "+of[0]+" LANGUAGE java AS 'return s;'",
					"CREATE AGGREGATE ks.a"+name+"(int) SFUNC f"+name+" STYPE "+of[0]+" INITCOND "+of[1])
			}
			want := w.digest(t)
			w.backup(t)
			w.exec(t, "DROP KEYSPACE ks")
			w.must(t, "after-restore", "--in-place")
			w.same(t, want)
		})
	}
}

// TestTargetRefuses: what the target does not take is known before the first DROP.
func TestTargetRefuses(t *testing.T) {
	t.Parallel()
	w := start(t, cassandra.Options{Version: "5.0.9", Nodes: 1, YAML: map[string]string{"memtable": "{configurations: {special: {class_name: SkipListMemtable}}}"}})
	w.exec(t, "CREATE KEYSPACE ks WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}",
		"CREATE TABLE ks.t (k int PRIMARY KEY, v int) WITH memtable = 'special'", "INSERT INTO ks.t (k, v) VALUES (1, 2)")
	want := w.digest(t)
	w.backup(t)
	w.exec(t, "ALTER TABLE ks.t WITH memtable = 'default'")
	conf := filepath.Join(w.ring.Dir(), "n1", "conf", "cassandra.yaml")
	original, err := os.ReadFile(conf)
	require.NoError(t, err)
	w.restartWith(t, conf, replace("special:", "other:")(original))
	for _, command := range []string{"plan", "after-restore"} {
		w.refused(t, 3, `"special" is not in memtable.configurations`, command, "--in-place")
	}
	w.restartWith(t, conf, original)
	w.must(t, "after-restore", "--in-place")
	w.same(t, want)
}
