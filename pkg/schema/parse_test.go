package schema

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseRealSchemas(t *testing.T) {
	t.Parallel()
	for _, version := range versions {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			rows := realRows(t, version)
			s := realSchema(t, version)
			require.Len(t, s.Objects, len(rows)+1, "all rows and the trigger")
			d, err := Compare(s, realSchema(t, version), CompareOptions{})
			require.NoError(t, err)
			require.Len(t, d.Changes, len(s.Objects))
			for _, ch := range d.Changes {
				require.Equal(t, Keep, ch.Verdict, "%s: %s", ch.Ref, ch.Reason)
			}
		})
	}
}

func TestParseParts(t *testing.T) {
	t.Parallel()
	s := realSchema(t, "5.0-latest")
	require.Equal(t, []string{"app", "MixedCase", "my_system", "systemx", "table", "thrifty"}, s.Keyspaces())
	require.Len(t, s.Of("systemx"), 1)
	require.Len(t, s.Of("app", KindType), 4)

	ks := s.Lookup(KeyspaceRef("MixedCase")).Keyspace
	require.Equal(t, map[string]string{"class": "SimpleStrategy", "replication_factor": "1"}, ks.Replication)
	require.False(t, ks.DurableWrites)

	clustered := s.Lookup(TableRef("app", "clustered")).Relation
	require.Len(t, clustered.ID, uuidSize)
	require.Equal(t, []string{"p1", "p2"}, clustered.PartitionKey)
	require.Equal(t, []string{"c1", "c2"}, clustered.ClusteringKey)
	require.Equal(t, "(c1 DESC, c2 ASC)", clustered.ClusteringOrder)
	require.Contains(t, clustered.Columns, Column{Name: "s", Type: "text", Static: true})
	require.Contains(t, clustered.Options, Option{"compression", "{'enabled': 'false'}"})

	masked := s.Lookup(TableRef("app", "masked")).Relation
	require.Contains(t, masked.Columns, Column{Name: "w", Type: "text", Mask: "system.mask_inner(1, 1)"})
	require.Contains(t, s.Lookup(TableRef("app", "select")).Relation.Columns, Column{Name: `quo"te`, Type: "text"})
	require.Len(t, s.Lookup(TableRef("app", "readded")).Relation.Dropped, 3)

	colls := s.Lookup(TableRef("app", "colls"))
	require.ElementsMatch(t, []Ref{ref(KindType, "app", "Weird"), ref(KindType, "app", "address"), ref(KindType, "app", "mid")}, colls.Uses)
	require.Equal(t, []Ref{fn(KindFunction, "sfunc", "int, int"), fn(KindFunction, "ffunc", "int")}, s.Lookup(fn(KindAggregate, "total", "int")).Uses)
	require.Equal(t, []Ref{ref(KindType, "app", "z_inner")}, s.Lookup(ref(KindType, "app", "mid")).Uses)

	view := s.Lookup(ViewRef("app", "ByW"))
	require.Equal(t, TableRef("app", "base"), view.Base)
	require.Equal(t, []string{"w", "id"}, view.Relation.PartitionKey)
	require.True(t, strings.HasPrefix(view.Relation.Query, "SELECT w, id, c"))
	require.True(t, strings.HasSuffix(view.Relation.Query, "PRIMARY KEY ((w, id), c)"))

	index := s.Lookup(ref(KindIndex, "app", "vec_sai"))
	require.Equal(t, &IndexParts{Custom: true, Target: "v", Class: "sai", Options: map[string]string{"case_sensitive": "false", "normalize": "true"}}, index.Index)
	require.Equal(t, "Trig", s.Lookup(Ref{Kind: KindTrigger, Keyspace: "app", Table: "trig", Name: "My Trig"}).TriggerClass)
	for _, name := range []string{"compact1", "compact2", "compact3", "compact4", "Compact5"} {
		r := s.Lookup(TableRef("thrifty", name)).Relation
		require.True(t, r.Compact, name)
		require.Empty(t, r.NotPlain, name)
	}
	require.False(t, s.Lookup(TableRef("thrifty", "compact6")).Relation.Compact)
}

// Mask functions are dependencies like the functions of aggregates.
func TestParseMaskFunction(t *testing.T) {
	t.Parallel()
	s := realSchema(t, "5.0-latest")
	require.Equal(t, []Ref{fn(KindFunction, "maskfn", "text")}, s.Lookup(TableRef("app", "masked2")).Uses)
}

func compactRow(body string) Row {
	return Row{"k", "table", "t", "/*\nWarning: Table k.t omitted because\n\nCREATE TABLE k.t (" + body + ") WITH COMPACT STORAGE\n    AND comment = '*/';\n*/"}
}

var keyspaceK = Row{"k", "keyspace", "k", "CREATE KEYSPACE k WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1};"}

func TestParseCompactTablesThatAreNotPlain(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		"a int, b int, c int, PRIMARY KEY (a, b)":                  "",
		"a int, b int, PRIMARY KEY (a)":                            "",
		"a int, b int static, PRIMARY KEY (a)":                     "",
		`a int, b int, "" blob, PRIMARY KEY (a, b)`:                "empty name",
		"a int, b int, c int, d int, PRIMARY KEY (a, b)":           "more than one regular column",
		"a int, b int, c int static, PRIMARY KEY (a, b)":           "static column",
		"a int, b int, c map<int, int>, PRIMARY KEY (a, b)":        "collection",
		"a frozen<list<int>>, b frozen<set<int>>, PRIMARY KEY (a)": "",
		"a int, PRIMARY KEY (a)":                                   "only key columns",
	} {
		s := mustParse(t, []Row{keyspaceK, compactRow(body)}, Extras{})
		got := s.Lookup(TableRef("k", "t")).Relation.NotPlain
		if want == "" {
			require.Empty(t, got, body)
		} else {
			require.Contains(t, got, want, body)
		}
	}
}

func TestCreateStaticCompact(t *testing.T) {
	t.Parallel()
	row := compactRow(`"A" int, b int static, c int, PRIMARY KEY ("A")`)
	row.Statement = strings.Replace(row.Statement, "AND comment", "AND ID = 6e1fd650-e5a9-11f1-8214-9bb671d6b02a AND CLUSTERING ORDER BY (column1 ASC) AND comment", 1)
	s := mustParse(t, []Row{keyspaceK, row}, Extras{})
	require.Equal(t, []string{`CREATE TABLE k.t ("A" int, b int, c int, PRIMARY KEY (("A"))) WITH COMPACT STORAGE AND comment = '*/'`},
		s.Lookup(TableRef("k", "t")).Create(Target{5, 0}))
}

// Bodies as 5.0.9 printed them for functions created with quotes; the statements
// were executed there and DESCRIBE printed the same again.
func TestFunctionBodyWithDollars(t *testing.T) {
	t.Parallel()
	const head = "CREATE FUNCTION k.f(a text)\n    CALLED ON NULL INPUT\n    RETURNS text\n    LANGUAGE java\n    AS "
	for printed, want := range map[string]string{
		`$$return "$$; it's" + a + "$$";$$`: `'return "$$; it''s" + a + "$$";'`,
		`$$return a; //$$$`:                 `'return a; //$'`,
		`$$return a;$$`:                     `$$return a;$$`,
		`'it''s'`:                           `$$it's$$`,
		`$$$$`:                              `$$$$`,
	} {
		s := mustParse(t, []Row{keyspaceK, {"k", "function", "f(text)", head + printed + ";"}}, Extras{})
		require.Equal(t, []string{head + want}, s.Lookup(Ref{Kind: KindFunction, Keyspace: "k", Name: "f", Args: "text"}).Create(Target{5, 0}))
	}
}

func TestLegacyIndexGetsItsUsing(t *testing.T) {
	t.Parallel()
	s := realSchema(t, "5.0-latest")
	legacy, sai := s.Lookup(ref(KindIndex, "app", "plain_n_legacy")), s.Lookup(ref(KindIndex, "app", "plain_v"))
	require.Equal(t, []string{"CREATE INDEX plain_n_legacy ON app.plain (n) USING 'legacy_local_table'"}, legacy.Create(Target{5, 0}))
	require.Equal(t, []string{"CREATE INDEX plain_n_legacy ON app.plain (n)"}, legacy.Create(Target{4, 1}))
	require.Equal(t, []string{"CREATE CUSTOM INDEX plain_v ON app.plain (v) USING 'sai'"}, sai.Create(Target{5, 0}))
}

func TestParseNamesEveryRowItDoesNotUnderstand(t *testing.T) {
	t.Parallel()
	_, err := Parse([]Row{
		keyspaceK, keyspaceK,
		{"k", "role", "r", "CREATE ROLE r"},
		{"k", "table", "t", "CREATE TABLE k.u (a int PRIMARY KEY)"},
		{"k", "table", "t2", "CREATE TABLE k.t2 (a int PRIMARY KEY); DROP KEYSPACE k"},
		{"k", "table", "t3", "CREATE TABLE k.t3 (a int PRIMARY KEY) WITH x"},
		{"k", "table", "t4", "CREATE TABLE k.t4 (a int)"},
		{"k", "table", "t5", "CREATE TABLE k.t5 (a int PRIMARY KEY) WITH COMPACT STORAGE"},
		{"k", "index", "i", "CREATE INDEX i ON k.t (a) nonsense"},
		{"k", "type", "ty", "CREATE TYPE k.ty (a int); DROP TYPE k.ty"},
		{"k", "function", "f()", "CREATE FUNCTION k.f() RETURNS int LANGUAGE java AS $$x$$; DROP KEYSPACE k; $$"},
		{"k", "function", "g()", "CREATE FUNCTION k.g() RETURNS int LANGUAGE java AS $$x$$; DROP KEYSPACE k"},
		{"k", "materialized_view", "v", "CREATE MATERIALIZED VIEW k.v AS SELECT * FROM k.t"},
		{"K L", "keyspace", "K L", "CREATE KEYSPACE k"},
		{"k", "table", `"t6`, `CREATE TABLE k."t6 (`},
		{"k", "table", "t7", "CREATE TABLE k.t7 (a int PRIMARY KEY) WITH x = 1 AND x = 2"},
		{"k", "table", "t8", "CREATE TABLE k.t8 (a int PRIMARY KEY, b int, b text)"},
	}, Extras{Triggers: []Trigger{{Keyspace: "k", Table: "t", Name: "x"}}})
	for _, want := range []string{
		"row 2, keyspace k of k: it is listed twice", `row 3, role r of k: unknown type of object "role"`, "row 4, table t of k: the statement creates table k.u",
		`row 5, table t2 of k: expected "alter table" at "DROP KEYSPACE k"`, "row 6, ", "row 7, table t4 of k: no primary key", "row 8, ", "row 9, ", "row 10, ",
		`row 12, function g() of k: after the body comes "; DROP KEYSPACE k"`, "row 13, ", "row 14, ", "row 15, ",
		"row 16, table t7 of k: option x is listed twice", "row 17, table t8 of k: column b is listed twice", "trigger x ON k.t",
	} {
		require.ErrorContains(t, err, want)
	}
	require.NotContains(t, err.Error(), "row 1,")
	require.NotContains(t, err.Error(), "row 11,", "a body may hold dollars")
}

func TestParseComparesRowsWithExtras(t *testing.T) {
	t.Parallel()
	rows, extras := realRows(t, "5.0"), realExtras(t, "5.0")
	_, err := Parse(without(rows, "plain_v", "twcs", "systemx"), extras)
	for _, want := range []string{
		"index app.plain_v: it is in system_schema.indexes but not in DESCRIBE", "table app.twcs: it is in system_schema.tables but not in DESCRIBE",
		"index app.clustered_sasi: its table app.twcs is missing", "table systemx.t: its keyspace is missing",
	} {
		require.ErrorContains(t, err, want)
	}
	extras.Indexes, extras.Tables = extras.Indexes[:1], extras.Tables[:1]
	_, err = Parse(rows, extras)
	require.ErrorContains(t, err, "it is in DESCRIBE but not in system_schema.indexes")
	require.ErrorContains(t, err, "it is in DESCRIBE but not in system_schema.tables")
}

func TestExtrasRoundTrip(t *testing.T) {
	t.Parallel()
	want := realExtras(t, "5.0")
	data, err := json.Marshal(want)
	require.NoError(t, err)
	var got Extras
	require.NoError(t, json.Unmarshal(data, &got))
	require.Equal(t, want, got)
}

func TestParseTarget(t *testing.T) {
	t.Parallel()
	for release, want := range map[string]Target{"5.0.9": {5, 0}, "4.1-beta1": {4, 1}, "4.0.19": {4, 0}} {
		got, err := ParseTarget(release)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	_, err := ParseTarget("")
	require.Error(t, err)
}

// FuzzParse: whatever a row holds, nothing panics, and what was understood is
// equal to itself and can be written, split and dropped.
func FuzzParse(f *testing.F) {
	for _, row := range realRows(f, "5.0-latest") {
		f.Add(row.Keyspace, row.Type, row.Name, row.Statement)
	}
	for name, statement := range difficult {
		f.Add("k", "table", name, statement)
	}
	f.Fuzz(func(t *testing.T, keyspace, kind, name, statement string) {
		row := Row{keyspace, kind, name, statement}
		o, err := parseRow(row)
		if err != nil {
			return
		}
		require.Empty(t, differ(o, o))
		for _, s := range append(o.Create(Target{5, 0}), o.Drop()) {
			_, err := Split(s)
			require.NoError(t, err, s)
		}
		o.Needs()
	})
}

// FuzzSchema: rows of a keyspace as a whole, read and compared with those of another.
func FuzzSchema(f *testing.F) {
	const keyspace = "CREATE KEYSPACE k WITH replication = {'class': 'SimpleStrategy', 'replication_factor': '1'}"
	for _, row := range realRows(f, "5.0-latest") {
		f.Add(row.Type, row.Name, row.Statement, row.Type, row.Name, row.Statement)
	}
	f.Add("type", "a", "CREATE TYPE k.a (x frozen<b>)", "type", "b", "CREATE TYPE k.b (x frozen<a>)")
	f.Add("type", "a", "CREATE TYPE k.a (x frozen<a>)", "materialized_view", "v", "CREATE MATERIALIZED VIEW k.v AS SELECT * FROM k.v PRIMARY KEY (a)")
	f.Fuzz(func(t *testing.T, kind, name, statement, otherKind, otherName, other string) {
		first := Row{"k", "keyspace", "k", keyspace}
		a, err := Parse([]Row{first, {"k", kind, name, statement}, {"k", otherKind, otherName, other}}, Extras{})
		if err != nil {
			return
		}
		b, err := Parse([]Row{first}, Extras{})
		require.NoError(t, err)
		for _, pair := range [][2]*Schema{{a, b}, {b, a}, {a, a}} {
			d, err := Compare(pair[0], pair[1], CompareOptions{Target: Target{5, 0}})
			if err != nil {
				continue
			}
			for _, s := range append(d.Drops(), d.Creates()...) {
				require.NotEmpty(t, s)
			}
		}
	})
}
