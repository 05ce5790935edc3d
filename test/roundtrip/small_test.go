//go:build ring

package roundtrip

import (
	"fmt"
	"testing"

	"github.com/casshook/casshook/test/lab/cassandra"
)

// small starts one node with a few tables that have a bit of everything.
func small(t *testing.T, options cassandra.Options) *world {
	t.Helper()
	options.Version, options.Nodes = "5.0.9", max(1, options.Nodes)
	w := start(t, options)
	w.exec(t,
		fmt.Sprintf("CREATE KEYSPACE ks WITH replication = {'class': 'SimpleStrategy', 'replication_factor': %d}", options.Nodes),
		"CREATE TABLE ks.users (id int PRIMARY KEY, name text, city text)",
		"CREATE INDEX users_city ON ks.users (city)",
		"CREATE MATERIALIZED VIEW ks.users_by_name AS SELECT * FROM ks.users WHERE name IS NOT NULL AND id IS NOT NULL PRIMARY KEY (name, id)",
		"CREATE TABLE ks.plain (id int PRIMARY KEY, v text)",
		"CREATE TABLE ks.counts (id int PRIMARY KEY, n counter)",
		"CREATE TABLE ks.empty (id int PRIMARY KEY)",
		"CREATE TABLE ks.compact (id int PRIMARY KEY, v text) WITH COMPACT STORAGE",
		`CREATE KEYSPACE "Other_system" WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}`,
		`CREATE TABLE "Other_system"."Table" ("a ; "" b" int PRIMARY KEY, v text)`,
		"CREATE ROLE reader", "GRANT SELECT ON TABLE ks.users TO reader",
	)
	for i := range 50 {
		w.exec(t,
			fmt.Sprintf("INSERT INTO ks.users (id, name, city) VALUES (%d, 'name%d', 'city%d')", i, i%7, i%5),
			fmt.Sprintf("INSERT INTO ks.compact (id, v) VALUES (%d, 'v')", i),
			fmt.Sprintf("INSERT INTO ks.plain (id, v) VALUES (%d, 'v')", i),
			fmt.Sprintf(`INSERT INTO "Other_system"."Table" ("a ; "" b", v) VALUES (%d, 'v')`, i),
			fmt.Sprintf("UPDATE ks.counts SET n = n + %d WHERE id = %d", i, i%3))
	}
	return w
}

// damage changes what small made, without touching the definition of a table.
func (w *world) damage(t *testing.T) {
	t.Helper()
	w.exec(t,
		"INSERT INTO ks.users (id, name, city) VALUES (1000, 'later', 'later')",
		"UPDATE ks.users SET name = 'changed' WHERE id = 1",
		"DELETE FROM ks.users WHERE id = 2",
		"TRUNCATE ks.plain",
		"UPDATE ks.counts SET n = n + 1000 WHERE id = 0",
		`INSERT INTO "Other_system"."Table" ("a ; "" b", v) VALUES (1000, 'later')`,
		"REVOKE SELECT ON TABLE ks.users FROM reader",
	)
}

// damageSchema makes DDL necessary.
func (w *world) damageSchema(t *testing.T) {
	t.Helper()
	w.exec(t, "DROP MATERIALIZED VIEW ks.users_by_name", "ALTER TABLE ks.users ADD later text", "DROP TABLE ks.counts", "DROP TABLE ks.compact",
		"CREATE TABLE ks.later (id int PRIMARY KEY)", "DROP INDEX ks.users_city", `DROP KEYSPACE "Other_system"`)
}
