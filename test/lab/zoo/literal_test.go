package zoo

import (
	"crypto/sha256"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseType(t *testing.T) {
	t.Parallel()
	tests := []struct {
		typ  string
		want cqlType
	}{
		{"int", cqlType{name: "int"}},
		{`frozen<"Kind">`, cqlType{name: "Kind"}},
		{"vector<float, 3>", cqlType{"vector", []cqlType{{name: "float"}, {name: "3"}}}},
		{"map<text, frozen<list<frozen<set<int>>>>>", cqlType{"map", []cqlType{{name: "text"}, {"list", []cqlType{{"set", []cqlType{{name: "int"}}}}}}}},
		{"frozen<tuple<int, frozen<map<int, text>>, blob>>", cqlType{"tuple", []cqlType{{name: "int"}, {"map", []cqlType{{name: "int"}, {name: "text"}}}, {name: "blob"}}}},
	}
	for _, test := range tests {
		require.Equal(t, test.want, parseType(test.typ), test.typ)
	}
}

func TestLiteral(t *testing.T) {
	t.Parallel()
	w := writer{"ks", map[string][]column{"ks.Kind": {{name: "a b", typ: "int"}, {name: "c", typ: "frozen<set<int>>"}}}}
	tests := []struct {
		typ  string
		seed int
		want string
	}{
		{"text", 4, "'value 4'"},
		{"bigint", 1, "-1000000008"},
		{"blob", 2, "0x000200ff3b273b27"},
		{"boolean", 1, "false"},
		{"tinyint", 205, "5"},
		{"inet", 1, "'2001:db8::2'"},
		{"inet", 300, "'10.0.1.44'"},
		{"duration", 31, "1mo31d32ns"},
		{"list<int>", 2, "[2, 3, 4]"},
		{"set<int>", 3, "{3}"},
		{"map<int, int>", 1, "{1: 1, 2: 3}"},
		{"tuple<int, text>", 1, "(1, 'value 2')"},
		{"vector<float, 3>", 1, "[-2.25, 3.25, -4.25]"},
		{`frozen<"Kind">`, 2, `{"a b": 2, "c": {3}}`},
	}
	for _, test := range tests {
		got, err := w.literal(parseType(test.typ), test.seed)
		require.NoError(t, err, test.typ)
		require.Equal(t, test.want, got, test.typ)
	}
	for _, typ := range []string{"nothing", "list<nothing>", "map<nothing, int>", "map<int, nothing>", "vector<int, many>", "tuple<int, nothing>"} {
		_, err := w.literal(parseType(typ), 2)
		require.Error(t, err, typ)
	}
	w.types["ks.Bad"] = []column{{name: "a", typ: "nothing"}}
	_, err := w.literal(parseType("Bad"), 2)
	require.ErrorContains(t, err, `value of type "nothing" in keyspace ks: no such type`)
}

// TestScalarsDiffer guards the keys: two rows must not become one.
func TestScalarsDiffer(t *testing.T) {
	t.Parallel()
	for _, typ := range []string{"ascii", "text", "varchar", "bigint", "int", "smallint", "varint", "decimal", "double", "float",
		"blob", "date", "time", "timestamp", "duration", "inet", "uuid", "timeuuid"} {
		seen := map[string]int{}
		for seed := range 1000 {
			value, ok := scalar(typ, seed)
			require.True(t, ok, typ)
			before, twice := seen[value]
			require.False(t, twice, "%s: %s for %d and %d", typ, value, before, seed)
			seen[value] = seed
		}
	}
}

func testCatalog() (*catalog, table) {
	t := table{keyspace: "ks", name: "T", columns: []column{{"p", "partition_key", "int", 0}, {"c", "clustering", "int", 0},
		{"s", "static", "int", -1}, {`v"`, "regular", "text", -1}}}
	return &catalog{tables: []table{t}}, t
}

func TestStatements(t *testing.T) {
	t.Parallel()
	c, plain := testCatalog()
	insert, err := c.write(plain, rowOf{index: 9, shift: -plain.offset(), timestamp: 7})
	require.NoError(t, err)
	require.Equal(t, `INSERT INTO "ks"."T" ("p", "c", "s", "v""") VALUES (2, 9, 2, 'value 9') USING TIMESTAMP 7`, insert)
	remove, err := c.remove(plain, rowOf{index: 9})
	require.NoError(t, err)
	require.Equal(t, `DELETE FROM "ks"."T" WHERE "p" = 2 AND "c" = 9`, remove)
	counts := table{keyspace: "ks", name: "n", columns: []column{{"p", "partition_key", "int", 0}, {"n", "regular", "counter", -1}}}
	update, err := c.write(counts, rowOf{index: 9, shift: -counts.offset(), timestamp: 7})
	require.NoError(t, err)
	require.Equal(t, `UPDATE "ks"."n" SET "n" = "n" + 3 WHERE "p" = 9`, update)

	bad := table{keyspace: "ks", name: "b", columns: []column{{"p", "partition_key", "nothing", 0}}}
	_, err = c.write(bad, rowOf{})
	require.ErrorContains(t, err, "column p of ks.b: ")
	_, err = c.remove(bad, rowOf{})
	require.Error(t, err)
}

func TestLater(t *testing.T) {
	t.Parallel()
	c, plain := testCatalog()
	list, err := (&builder{}).later(c, plain)
	require.NoError(t, err)
	require.Len(t, list, 8)
	require.Contains(t, list[7], "DELETE")
}

func TestGenerated(t *testing.T) {
	t.Parallel()
	c := &catalog{tables: []table{{keyspace: "zoo", name: "lwt"}, {keyspace: "zoo", name: "wide"}, {keyspace: "zoo", name: "a_view", view: true}, {keyspace: "elsewhere", name: "t"}}}
	require.Equal(t, []table{c.tables[1]}, generated(c))
	require.Equal(t, "wide", c.find("zoo.wide").name)
	require.Empty(t, c.find("zoo.none").name)
}

func TestSelectAll(t *testing.T) {
	t.Parallel()
	tab := table{keyspace: "ks", name: "t", columns: []column{{"p", "partition_key", "int", 0}, {"a", "regular", "list<int>", -1}, {"b", "regular", "frozen<list<int>>", -1},
		{"c", "regular", "point", -1}, {"d", "static", "text", -1}, {"e", "regular", "vector<float, 3>", -1}}}
	require.Equal(t, `SELECT "p", "a", "b", "c", "d", "e", writetime("b"), ttl("b"), writetime("d"), ttl("d"), writetime("e"), ttl("e") FROM "ks"."t"`, tab.selectAll())
}

func TestThinColumns(t *testing.T) {
	t.Parallel()
	got := thinColumns([]column{{"id", "partition_key", "int", 0}, {"column1", "clustering", "text", 0}, {"a", "static", "text", -1}, {"value", "regular", "blob", -1}})
	require.Equal(t, []column{{"id", "partition_key", "int", 0}, {"a", "regular", "text", -1}}, got)
}

func TestSourcesOf(t *testing.T) {
	t.Parallel()
	c := &catalog{objects: map[string]bool{"zoo.users_email": true, "zoo.vectors_ann": true}, tables: []table{{keyspace: "ks", name: "t"}, {keyspace: "ks", name: "v", view: true}}}
	list, err := sourcesOf(c)
	require.NoError(t, err)
	var names []string
	for _, s := range list {
		names = append(names, string(s.kind)+" "+s.name+" at "+s.consistency.String())
	}
	require.Equal(t, []string{"table ks.t at ALL", "view ks.v at ALL", "query zoo.users by email at ALL", "query zoo.vectors nearest neighbours at ONE"}, names)
}

func TestRowHash(t *testing.T) {
	t.Parallel()
	digest := func(now int64, values ...[]byte) string {
		r := &row{}
		for range values {
			r.raws = append(r.raws, &raw{})
		}
		r.raws[len(values)-1].ttl = true
		for i, v := range values {
			require.NoError(t, r.raws[i].UnmarshalCQL(nil, v))
		}
		sum := sha256.New()
		r.hash(sum, now)
		return string(sum.Sum(nil))
	}
	base := digest(100, []byte("ab"), []byte{}, []byte{0, 0, 0, 9})
	require.Equal(t, base, digest(101, []byte("ab"), []byte{}, []byte{0, 0, 0, 8}), "expiry is what counts")
	require.NotEqual(t, base, digest(100, []byte("ab"), []byte{}, []byte{0, 0, 0, 8}))
	require.NotEqual(t, base, digest(100, []byte("ab"), nil, []byte{0, 0, 0, 9}), "null is not empty")
	require.NotEqual(t, base, digest(100, []byte("a"), []byte("b"), []byte{0, 0, 0, 9}))
	require.NotEqual(t, base, digest(100, []byte("ab"), []byte{}, nil))
}

func TestLines(t *testing.T) {
	t.Parallel()
	a, b := lines{}, lines{}
	a.add("y", "1", true)
	a.add("x", 1)
	a.add("x", 2)
	b.add("x", 2)
	b.add("x", 1)
	b.add("y", "1", true)
	require.Equal(t, a.entries(KindGrants), b.entries(KindGrants))
	require.Len(t, a.entries(KindGrants), 2)
	require.Equal(t, 2, a.entries(KindGrants)[0].Rows)
}
