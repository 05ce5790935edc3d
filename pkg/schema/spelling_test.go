package schema

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// difficult are statements with what a parser trips over, one table each: all but the
// names are as nodes printed them, or as their grammar allows them.
var difficult = map[string]string{
	"mask_tuple":    "CREATE TABLE k.mask_tuple (id int PRIMARY KEY, m frozen<tuple<int, text>> MASKED WITH system.mask_replace((1, 'a')), z int)",
	"mask_nested":   "CREATE TABLE k.mask_nested (id int PRIMARY KEY, m text MASKED WITH k.mk({'a)': [1, 2], 'b': [-3]}, (1, ('x', (2))), \"Q(\"), z int)",
	"mask_string":   "CREATE TABLE k.mask_string (id int PRIMARY KEY, m text MASKED WITH system.mask_replace(')) PRIMARY KEY, '''), z int)",
	"mask_comment":  "CREATE TABLE k.mask_comment (id int PRIMARY KEY, m text MASKED WITH system.mask_inner(1 /* ) */, 2), z int)",
	"mask_key":      "CREATE TABLE k.mask_key (m text MASKED WITH system.mask_replace(('a')) PRIMARY KEY, z int)",
	"mask_static":   "CREATE TABLE k.mask_static (id int, c int, m text static MASKED WITH system.mask_default(), z int, PRIMARY KEY (id, c))",
	"mask_quoted":   `CREATE TABLE k.mask_quoted (id int PRIMARY KEY, m text MASKED WITH k."My (mask"('x'), z int)`,
	"no_mask":       "CREATE TABLE k.no_mask (id int PRIMARY KEY, masked text, static int, z int)",
	"typed":         "CREATE TABLE k.typed (id int PRIMARY KEY, m map<text, frozen<list<frozen<tuple<int, vector<float, 3>>>>>>, v vector<frozen<map<int, text>>, 2>, z int)",
	"customs":       "CREATE TABLE k.customs (id int PRIMARY KEY, y 'org.apache.cassandra.db.marshal.CompositeType(org.apache.cassandra.db.marshal.UTF8Type,org.apache.cassandra.db.marshal.Int32Type)', z int)",
	"options":       "CREATE TABLE k.options (id int PRIMARY KEY, z int) WITH comment = 'a AND b = (''x'' -- /* $$' AND compaction = {'class': 'a.B', 'x': '{) AND '}",
	"quoted_column": `CREATE TABLE k.quoted_column ("id, (" int PRIMARY KEY, "PRIMARY KEY" text, "a""b" frozen<"My > Type">, z int)`,
	"empty_value":   "CREATE TABLE k.empty_value (k int, c int, value empty, z int, PRIMARY KEY (k, c)) WITH CLUSTERING ORDER BY (c ASC)",
	"empty_nested":  "CREATE TABLE k.empty_nested (k int PRIMARY KEY, \"empty\" int, v frozen<list<empty>>, z int)",
}

func TestDifficultTables(t *testing.T) {
	t.Parallel()
	for name, statement := range difficult {
		o, err := parseRow(Row{"k", "table", name, statement})
		require.NoError(t, err, name)
		require.Contains(t, o.Relation.Columns, Column{Name: "z", Type: "int"}, name)
		require.Empty(t, differ(o, o), name)
		require.Equal(t, []string{strings.NewReplacer(
			" empty,", " 'org.apache.cassandra.db.marshal.EmptyType',", "<empty>", "<'org.apache.cassandra.db.marshal.EmptyType'>",
		).Replace(statement)}, o.Create(Target{5, 0}), name)
	}
}

func TestMasksAreWhole(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"mask_tuple": "system.mask_replace((1, 'a'))", "mask_nested": `k.mk({'a)': [1, 2], 'b': [-3]}, (1, ('x', (2))), "Q(")`,
		"mask_string": "system.mask_replace(')) PRIMARY KEY, ''')", "mask_key": "system.mask_replace(('a'))", "mask_quoted": `k."My (mask"('x')`,
		"mask_static": "system.mask_default()",
	} {
		o, err := parseRow(Row{"k", "table", name, difficult[name]})
		require.NoError(t, err, name)
		var masks []string
		for _, c := range o.Relation.Columns {
			if c.Mask != "" {
				masks = append(masks, c.Mask)
			}
		}
		require.Equal(t, []string{want}, masks, name)
	}
	for _, bad := range []string{"MASKED WITH", "MASKED WITH f", "MASKED WITH f(", "MASKED WITH (1)", "MASKED WITH f((1)", "MASKED WITH k.(1)"} {
		_, err := parseRow(Row{"k", "table", "t", "CREATE TABLE k.t (a int PRIMARY KEY, b text " + bad + ")"})
		require.Error(t, err, bad)
	}
}

// A user's own type may be named as Cassandra prints the type of nothing.
func TestEmptyMayBeATypeOfTheUser(t *testing.T) {
	t.Parallel()
	table := Row{"k", "table", "t", "CREATE TABLE k.t (a int PRIMARY KEY, b frozen<empty>)"}
	outer := Row{"k", "type", "o", "CREATE TYPE k.o (a empty)"}
	s := mustParse(t, []Row{keyspaceK, outer, table}, Extras{})
	require.Equal(t, []string{"CREATE TABLE k.t (a int PRIMARY KEY, b frozen<'org.apache.cassandra.db.marshal.EmptyType'>)"}, s.Lookup(TableRef("k", "t")).Create(Target{5, 0}))
	require.Equal(t, []string{"CREATE TYPE k.o (a 'org.apache.cassandra.db.marshal.EmptyType')"}, s.Lookup(Ref{Kind: KindType, Keyspace: "k", Name: "o"}).Create(Target{5, 0}))
	s = mustParse(t, []Row{keyspaceK, {"k", "type", "empty", "CREATE TYPE k.empty (a int)"}, outer, table}, Extras{})
	require.Equal(t, []string{table.Statement}, s.Lookup(TableRef("k", "t")).Create(Target{5, 0}))
	require.Equal(t, []string{outer.Statement}, s.Lookup(Ref{Kind: KindType, Keyspace: "k", Name: "o"}).Create(Target{5, 0}))
}

// An argument may be named as what comes before the body.
func TestFunctionArgumentNamedAs(t *testing.T) {
	t.Parallel()
	const statement = "CREATE FUNCTION k.f(as 'org.x.Y', b frozen<map<text, vector<float, 2>>>)\n RETURNS NULL ON NULL INPUT\n RETURNS text\n LANGUAGE java\n AS $$return \"(/*'\";$$"
	o, err := parseRow(Row{"k", "function", "f('org.x.Y', frozen<map<text, vector<float, 2>>>)", statement + ";"})
	require.NoError(t, err)
	require.Equal(t, []string{"CREATE FUNCTION k.f(as 'org.x.Y', b frozen<map<text, vector<float, 2>>>)\n RETURNS NULL ON NULL INPUT\n RETURNS text\n LANGUAGE java\n AS 'return \"(/*''\";'"}, quotedBody(o.Create(Target{5, 0})))
}

// quotedBody writes a body between $$ with quotes.
func quotedBody(statements []string) []string {
	for i, s := range statements {
		if at := strings.Index(s, "$$"); at >= 0 {
			statements[i] = s[:at] + literal(strings.Trim(s[at:], "$"))
		}
	}
	return statements
}

// What has a directory has a name of letters, digits and underscores.
func TestNamesThatArePaths(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"../../../../E", "a/b", "a.b", "", "é", "a b", strings.Repeat("a", 223), "a\x00b"} {
		quoted := `"` + name + `"`
		for _, row := range []Row{
			{quoted, "keyspace", quoted, "CREATE KEYSPACE " + quoted + " WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}"},
			{"k", "table", quoted, "CREATE TABLE k." + quoted + " (a int PRIMARY KEY)"},
			{"k", "materialized_view", quoted, "CREATE MATERIALIZED VIEW k." + quoted + " AS SELECT * FROM k.t WHERE a IS NOT NULL PRIMARY KEY (a)"},
			{"k", "index", quoted, "CREATE INDEX " + quoted + " ON k.t (a)"},
			{quoted, "type", "a", "CREATE TYPE " + quoted + ".a (a int)"},
		} {
			_, err := Parse([]Row{row}, Extras{})
			require.ErrorContains(t, err, "is no name of", "%s %q", row.Type, name)
		}
	}
	_, err := Parse([]Row{keyspaceK, {"k", "table", "t", "CREATE TABLE k.t (a int PRIMARY KEY)"}}, Extras{Triggers: []Trigger{{Keyspace: "..", Table: "t", Name: "x", Class: "c"}}})
	require.ErrorContains(t, err, "is no name of")
	mustParse(t, []Row{keyspaceK, {"k", "type", `"a/b"`, `CREATE TYPE k."a/b" (a int)`}}, Extras{})
}

// A super column family that lost COMPACT STORAGE: CQL has no way to make it.
func TestColumnWithoutAName(t *testing.T) {
	t.Parallel()
	row := Row{"k", "table", "t", `CREATE TABLE k.t (a int, b int, "" map<int, blob>, PRIMARY KEY (a, b))`}
	backup, live := mustParse(t, []Row{keyspaceK, row}, Extras{}), mustParse(t, []Row{keyspaceK}, Extras{})
	_, err := Compare(backup, live, CompareOptions{Target: Target{5, 0}})
	require.ErrorContains(t, err, "table k.t must be created, but CQL cannot create this table: it has a column with an empty name")
	require.Equal(t, []Refusal{{"table k.t", "it has a column with an empty name"}}, backup.NotReplayable())
	_, err = Compare(backup, backup, CompareOptions{Target: Target{5, 0}})
	require.NoError(t, err)
}
