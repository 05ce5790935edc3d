package schema

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write golden files")

func fn(kind Kind, name, args string) Ref {
	return Ref{Kind: kind, Keyspace: "app", Name: name, Args: args}
}

func ref(kind Kind, keyspace, name string) Ref {
	return Ref{Kind: kind, Keyspace: keyspace, Name: name}
}

// edit gives the real rows of 5.0 with one text replaced in the rows of one name.
func edit(t *testing.T, rows []Row, name, old, new string) []Row {
	t.Helper()
	rows = slices.Clone(rows)
	found := false
	for i, r := range rows {
		if r.Name == name && strings.Contains(r.Statement, old) {
			rows[i].Statement = strings.ReplaceAll(r.Statement, old, new)
			found = true
		}
	}
	require.True(t, found, "%s has no %s", name, old)
	return rows
}

// without gives the rows that have none of the names.
func without(rows []Row, names ...string) []Row {
	return slices.DeleteFunc(slices.Clone(rows), func(r Row) bool { return slices.Contains(names, r.Name) })
}

// verdicts lists all changes that are not Keep.
func verdicts(d *Diff) map[Ref]Verdict {
	out := map[Ref]Verdict{}
	for _, ch := range d.Changes {
		if ch.Verdict != Keep {
			out[ch.Ref] = ch.Verdict
		}
	}
	return out
}

func statements(steps []Step) []string {
	var out []string
	for _, s := range steps {
		out = append(out, s.Statement)
	}
	return out
}

// TestCreateGolden compares all statements of a restore into an empty ring. The
// statements of these files were executed on the same version, and DESCRIBE
// then printed the rows of testdata again, byte by byte but for the ids.
func TestCreateGolden(t *testing.T) {
	t.Parallel()
	for _, version := range versions {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			target, err := ParseTarget(version[:3] + ".9")
			require.NoError(t, err)
			d, err := Compare(realSchema(t, version), mustParse(t, nil, Extras{}), CompareOptions{Target: target})
			require.NoError(t, err)
			require.Empty(t, d.Drops())
			var b strings.Builder
			for _, s := range append(d.Creates(), d.Views()...) {
				fmt.Fprintf(&b, "-- %s: %s %s\n%s;\n", s.Phase, s.Verdict, s.Ref.Describe(), s.Statement)
			}
			for _, n := range d.Needs() {
				fmt.Fprintf(&b, "-- needs %s %s: %s\n", n.Feature, n.Detail, n.Ref.Describe())
			}
			file := filepath.Join("testdata", version+".create.golden")
			if *update {
				require.NoError(t, os.WriteFile(file, []byte(b.String()), 0o644))
			}
			want, err := os.ReadFile(file)
			require.NoError(t, err)
			require.Equal(t, string(want), b.String())
			require.NotContains(t, b.String(), " ID = ")
		})
	}
}

// TestCompareVerdicts changes the live schema in one way and looks at all
// verdicts that follow.
func TestCompareVerdicts(t *testing.T) {
	t.Parallel()
	rows := realRows(t, "5.0")
	usersOfAddress := map[Ref]Verdict{
		ref(KindType, "app", "address"): Recreate, ref(KindTable, "app", "colls"): Recreate, ref(KindTable, "app", "dropped"): Recreate,
		fn(KindFunction, "udtfn", "address"): Recreate, fn(KindFunction, "tupfn2", "tuple<int, text>, map<text, frozen<list<int>>>, address"): Recreate,
		ref(KindIndex, "app", "colls_ents"): Recreate, ref(KindIndex, "app", "colls_full"): Recreate, ref(KindIndex, "app", "colls_keys"): Recreate,
		ref(KindIndex, "app", "colls_vals"): Recreate, ref(KindIndex, "app", "Mixed_Idx"): Recreate,
	}
	tests := []struct {
		name string
		live []Row
		want map[Ref]Verdict
	}{
		{"other id, white space, option order", edit(t, edit(t, rows, "plain", "ID = 6574c060-e5a9-11f1-8214-9bb671d6b02a\n    AND additional_write_policy = '99p'",
			"additional_write_policy   = '99p' AND ID = 00000000-0000-0000-0000-000000000000"), "plain", "'max_threshold': '32', 'min_threshold': '4'",
			"'min_threshold' : '4','max_threshold': '32'"), map[Ref]Verdict{}},
		{"white space in a literal counts", edit(t, rows, "plain", "a -- comment", "a  -- comment"), map[Ref]Verdict{TableRef("app", "plain"): Alter}},
		{"options", edit(t, rows, "clustered", "gc_grace_seconds = 864000", "gc_grace_seconds = 1"), map[Ref]Verdict{TableRef("app", "clustered"): Alter}},
		{"unknown option live", edit(t, rows, "system_log", "cdc = false", "cdc = false AND later = 'x'"), map[Ref]Verdict{TableRef("my_system", "system_log"): Recreate}},
		{"clustering order", edit(t, rows, "rev", "(a DESC)", "(a ASC)"), map[Ref]Verdict{TableRef("app", "rev"): Recreate}},
		{"column type", edit(t, rows, "rev", "a text", "a blob"), map[Ref]Verdict{TableRef("app", "rev"): Recreate}},
		{"static", edit(t, rows, "clustered", "s text static", "s text"), map[Ref]Verdict{TableRef("app", "clustered"): Recreate}},
		{"primary key", edit(t, rows, "clustered", "((p1, p2), c1, c2)", "(p1, p2, c1, c2)"), map[Ref]Verdict{TableRef("app", "clustered"): Recreate}},
		{"drop timestamp", edit(t, rows, "dropped", "1600000000000000", "1600000000001000"), map[Ref]Verdict{TableRef("app", "dropped"): Recreate}},
		{"drop timestamp within a millisecond", edit(t, rows, "dropped", "1600000000000000", "1600000000000999"), map[Ref]Verdict{}},
		{"record of a dropped column", edit(t, rows, "dropped", "ALTER TABLE app.dropped DROP c USING TIMESTAMP 1600000000000000;", ""), map[Ref]Verdict{TableRef("app", "dropped"): Recreate}},
		{"column order", edit(t, rows, "plain", "n int,\n    v text", "v text,\n    n int"), map[Ref]Verdict{}},
		{"base recreated", edit(t, rows, "base", "v int", "v bigint"), map[Ref]Verdict{
			TableRef("app", "base"): Recreate, ViewRef("app", "base_by_v"): Recreate, ViewRef("app", "ByW"): Recreate, ref(KindIndex, "app", "base_w"): Recreate}},
		{"base recreated and its view altered", edit(t, edit(t, rows, "base", "v int", "v bigint"), "base_by_v", "'view; of'", "'x'"), map[Ref]Verdict{
			TableRef("app", "base"): Recreate, ViewRef("app", "base_by_v"): Recreate, ViewRef("app", "ByW"): Recreate, ref(KindIndex, "app", "base_w"): Recreate}},
		{"dropped columns in another order", reorderDropped(t, rows), map[Ref]Verdict{}},
		{"trigger's table recreated", edit(t, rows, "trig", "v text", "v blob"), map[Ref]Verdict{
			TableRef("app", "trig"): Recreate, {Kind: KindTrigger, Keyspace: "app", Table: "trig", Name: "My Trig"}: Recreate}},
		{"view option", edit(t, rows, "base_by_v", "'view; of'", "'x'"), map[Ref]Verdict{ViewRef("app", "base_by_v"): Alter}},
		{"view query", edit(t, rows, `"ByW"`, "c > 5", "c > 6"), map[Ref]Verdict{ViewRef("app", "ByW"): Recreate}},
		{"index", edit(t, rows, "colls_keys", "keys(m)", "values(m)"), map[Ref]Verdict{ref(KindIndex, "app", "colls_keys"): Recreate}},
		{"type and all its users", edit(t, rows, "address", "street text", "street blob"), usersOfAddress},
		{"function and its aggregate", edit(t, rows, "ffunc(int)", `"" + state`, `"x" + state`), map[Ref]Verdict{
			fn(KindFunction, "ffunc", "int"): Recreate, fn(KindAggregate, "total", "int"): Recreate}},
		{"durable writes", edit(t, rows, `"MixedCase"`, "durable_writes = false", "durable_writes = true"), map[Ref]Verdict{KeyspaceRef("MixedCase"): Alter}},
		{"compact table with other columns", edit(t, rows, "compact2", "v text", "v blob"), map[Ref]Verdict{TableRef("thrifty", "compact2"): Recreate}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			extras := realExtras(t, "5.0")
			d, err := Compare(mustParse(t, rows, extras), mustParse(t, tt.live, extras), CompareOptions{Target: Target{5, 0}})
			require.NoError(t, err)
			require.Equal(t, tt.want, verdicts(d))
			for _, ch := range d.Changes {
				require.Equal(t, ch.Verdict == Keep, ch.Reason == "", "%s: %q", ch.Ref, ch.Reason)
			}
		})
	}
}

func TestCompareReplicationFlagsPlacement(t *testing.T) {
	t.Parallel()
	rows := realRows(t, "5.0")
	live := edit(t, rows, "systemx", "'replication_factor': '1'", "'replication_factor': '2'")
	d, err := Compare(mustParse(t, rows, Extras{}), mustParse(t, live, Extras{}), CompareOptions{})
	require.NoError(t, err)
	ch := d.Lookup(KeyspaceRef("systemx"))
	require.True(t, ch.PlacementDiffers)
	require.Equal(t, Alter, ch.Verdict)
	require.Equal(t, []string{"ALTER KEYSPACE systemx WITH replication = {'class': 'SimpleStrategy', 'replication_factor': '1'}"}, statements(d.Creates()))

	d, err = Compare(mustParse(t, rows, Extras{}), mustParse(t, live, Extras{}), CompareOptions{Include: []string{"systemx.t"}})
	require.NoError(t, err)
	ch = d.Lookup(KeyspaceRef("systemx"))
	require.True(t, ch.PlacementDiffers)
	require.Equal(t, Keep, ch.Verdict, "only part of the keyspace is in scope")
	require.Empty(t, d.Creates())

	long := edit(t, rows, "systemx", "'SimpleStrategy'", "'org.apache.cassandra.locator.SimpleStrategy'")
	d, err = Compare(mustParse(t, rows, Extras{}), mustParse(t, long, Extras{}), CompareOptions{})
	require.NoError(t, err)
	require.Empty(t, verdicts(d))
}

func TestStepsAreInOrder(t *testing.T) {
	t.Parallel()
	rows, extras := realRows(t, "5.0"), realExtras(t, "5.0")
	live := edit(t, rows, "z_inner", "a int", "a bigint")
	live = edit(t, live, "base", "v int", "v bigint")
	live = edit(t, live, "colls_keys", "keys(m)", "values(m)")
	live = edit(t, live, "sel_idx", `"quo""te"`, `"from"`)
	live = edit(t, live, "plain", "gc_grace_seconds = 3600", "gc_grace_seconds = 1")
	d, err := Compare(mustParse(t, rows, extras), mustParse(t, live, extras), CompareOptions{Target: Target{5, 0}})
	require.NoError(t, err)
	require.Equal(t, []string{
		`DROP MATERIALIZED VIEW IF EXISTS app."ByW"`, "DROP MATERIALIZED VIEW IF EXISTS app.base_by_v",
		"DROP INDEX IF EXISTS app.sel_idx",
		"DROP TABLE IF EXISTS app.droppedudt", "DROP TABLE IF EXISTS app.dropped", "DROP TABLE IF EXISTS app.colls", "DROP TABLE IF EXISTS app.base",
		"DROP FUNCTION IF EXISTS app.udtfn(address)", "DROP FUNCTION IF EXISTS app.tupfn2(tuple<int, text>, map<text, frozen<list<int>>>, address)",
		"DROP TYPE IF EXISTS app.address", "DROP TYPE IF EXISTS app.mid", "DROP TYPE IF EXISTS app.z_inner",
	}, statements(d.Drops()))
	require.Equal(t, []Need{
		{FeatureFunctions, fn(KindFunction, "tupfn2", "tuple<int, text>, map<text, frozen<list<int>>>, address"), ""},
		{FeatureFunctions, fn(KindFunction, "udtfn", "address"), ""},
		{FeatureViews, ViewRef("app", "base_by_v"), ""}, {FeatureViews, ViewRef("app", "ByW"), ""},
	}, d.Needs())
	var heads []string
	for _, s := range append(d.Creates(), d.Views()...) {
		heads = append(heads, string(s.Phase)+" "+strings.Join(strings.Fields(s.Statement)[:3], " "))
	}
	require.Equal(t, []string{
		"types CREATE TYPE app.z_inner", "types CREATE TYPE app.mid", "types CREATE TYPE app.address",
		"functions CREATE FUNCTION app.tupfn2(a", "functions CREATE FUNCTION app.udtfn(a",
		"tables ALTER TABLE app.plain", "tables CREATE TABLE app.base", "tables CREATE TABLE app.colls",
		"tables CREATE TABLE app.dropped", "tables ALTER TABLE app.dropped", "tables ALTER TABLE app.dropped",
		"tables CREATE TABLE app.droppedudt", "tables ALTER TABLE app.droppedudt",
		"indexes CREATE INDEX base_w", "indexes CREATE INDEX colls_ents", "indexes CREATE INDEX colls_full", "indexes CREATE INDEX colls_keys",
		"indexes CREATE INDEX colls_vals", `indexes CREATE INDEX "Mixed_Idx"`, "indexes CREATE INDEX sel_idx",
		"views CREATE MATERIALIZED VIEW", "views CREATE MATERIALIZED VIEW",
	}, heads)
}

func TestCompareDropsWhatTheBackupLacks(t *testing.T) {
	t.Parallel()
	rows, extras := realRows(t, "5.0"), realExtras(t, "5.0")
	backup := slices.DeleteFunc(without(rows, "base", "base_w", "base_by_v", `"ByW"`, "total(int)", "ffunc(int)"), func(r Row) bool { return r.Keyspace == "thrifty" })
	d, err := Compare(mustParse(t, backup, Extras{Triggers: []Trigger{{"app", "plain", "t", "C"}}}), mustParse(t, rows, extras), CompareOptions{})
	require.NoError(t, err)
	require.Equal(t, []string{
		`DROP MATERIALIZED VIEW IF EXISTS app."ByW"`, "DROP MATERIALIZED VIEW IF EXISTS app.base_by_v",
		`DROP TRIGGER IF EXISTS "My Trig" ON app.trig`, "DROP TABLE IF EXISTS app.base",
		"DROP AGGREGATE IF EXISTS app.total(int)", "DROP FUNCTION IF EXISTS app.ffunc(int)", "DROP KEYSPACE IF EXISTS thrifty",
	}, statements(d.Drops()))
	require.Equal(t, []string{"CREATE TRIGGER t ON app.plain USING 'C'"}, statements(d.Creates()))
	require.True(t, d.Lookup(TableRef("thrifty", "compact1")).Implied)
}

// A backup of 4.0 names no memtable and no allow_auto_snapshot.
func TestCompareAcrossVersions(t *testing.T) {
	t.Parallel()
	rows := realRows(t, "5.0")
	backup := mustParse(t, edit(t, edit(t, rows, "plain", "\n    AND memtable = 'default'", ""), "plain", "\n    AND allow_auto_snapshot = true", ""), Extras{})
	d, err := Compare(backup, mustParse(t, rows, Extras{}), CompareOptions{})
	require.NoError(t, err)
	require.Empty(t, verdicts(d))

	live := edit(t, edit(t, rows, "plain", "memtable = 'default'", "memtable = 'trie'"), "plain", "allow_auto_snapshot = true", "allow_auto_snapshot = false")
	d, err = Compare(backup, mustParse(t, live, Extras{}), CompareOptions{})
	require.NoError(t, err)
	require.Equal(t, []string{"ALTER TABLE app.plain WITH allow_auto_snapshot = true AND memtable = 'default'"}, statements(d.Creates()))

	// And the other way round: what only the backup names is set.
	d, err = Compare(mustParse(t, live, Extras{}), backup, CompareOptions{})
	require.NoError(t, err)
	require.Equal(t, []string{"ALTER TABLE app.plain WITH allow_auto_snapshot = false AND memtable = 'trie'"}, statements(d.Creates()))
	require.Equal(t, []Need{{FeatureMemtable, TableRef("app", "plain"), "trie"}}, d.Needs())
}

// reorderDropped moves the first record of a dropped column of app.readded to
// the end, as a restart of a node did.
func reorderDropped(t *testing.T, rows []Row) []Row {
	t.Helper()
	rows = slices.Clone(rows)
	i := slices.IndexFunc(rows, func(r Row) bool { return r.Name == "readded" })
	lines := strings.Split(rows[i].Statement, "\n")
	n := len(lines)
	require.Contains(t, lines[n-3], "DROP st")
	rows[i].Statement = strings.Join(append(lines[:n-3:n-3], lines[n-2], lines[n-1], lines[n-3]), "\n")
	return rows
}

// Cassandra prints types in the order of their dependencies; nothing here
// relies on it.
func TestTypesAreOrderedByTheirUse(t *testing.T) {
	t.Parallel()
	rows := []Row{
		keyspaceK, {"k", "type", "a", "CREATE TYPE k.a (x frozen<b>)"}, {"k", "type", "b", "CREATE TYPE k.b (x frozen<c>)"},
		{"k", "type", "c", "CREATE TYPE k.c (x int)"},
	}
	d, err := Compare(mustParse(t, rows, Extras{}), mustParse(t, rows[:1], Extras{}), CompareOptions{})
	require.NoError(t, err)
	require.Equal(t, []string{"CREATE TYPE k.c (x int)", "CREATE TYPE k.b (x frozen<c>)", "CREATE TYPE k.a (x frozen<b>)"}, statements(d.Creates()))
	d, err = Compare(mustParse(t, rows[:1], Extras{}), mustParse(t, rows, Extras{}), CompareOptions{})
	require.NoError(t, err)
	require.Equal(t, []string{"DROP TYPE IF EXISTS k.a", "DROP TYPE IF EXISTS k.b", "DROP TYPE IF EXISTS k.c"}, statements(d.Drops()))
}
