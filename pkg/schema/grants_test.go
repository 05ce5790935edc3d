package schema

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func everything(string) bool { return true }

func TestCompareGrantsRendersAllRealResources(t *testing.T) {
	t.Parallel()
	for _, version := range versions {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			real := readLines[Grant](t, version+".grants.jsonl")
			grant, revoke, err := CompareGrants(real, nil, everything)
			require.NoError(t, err)
			require.Empty(t, revoke)
			text := ""
			for _, g := range grant {
				text += g.Statement + "\n"
			}
			for _, want := range []string{
				`GRANT EXECUTE ON FUNCTION app."Quoted Fn"(int, list<int>) TO reader`,
				`GRANT EXECUTE ON FUNCTION app.udtfn(address) TO reader`,
				`GRANT EXECUTE ON FUNCTION app.tupfn2(tuple<int, text>, map<text, frozen<list<int>>>, address) TO reader`,
				`GRANT EXECUTE ON FUNCTION app.manyfn(date, time, smallint, tinyint, duration, inet, uuid, timeuuid, varint, ` +
					`decimal, boolean, float, double, bigint, blob, ascii, timestamp, set<text>) TO reader`,
				`GRANT EXECUTE ON FUNCTION app.noargs() TO reader`,
				`GRANT EXECUTE ON ALL FUNCTIONS IN KEYSPACE app TO reader`, `GRANT EXECUTE ON ALL FUNCTIONS TO reader`,
				`GRANT SELECT ON TABLE "MixedCase"."Tab" TO reader`, `GRANT MODIFY ON KEYSPACE "MixedCase" TO "Big Reader"`,
				`GRANT ALTER ON ALL KEYSPACES TO reader`, `GRANT DESCRIBE ON ALL ROLES TO reader`, `GRANT ALTER ON ROLE "Big Reader" TO reader`,
				`GRANT SELECT ON ALL MBEANS TO reader`, `GRANT SELECT ON MBEAN 'org.apache.cassandra.db:type=Tables,*' TO reader`,
				`GRANT SELECT ON TABLE "table"."index" TO cassandra`,
			} {
				require.Contains(t, text, want+"\n")
			}
			if strings.HasPrefix(version, "5.") {
				require.Contains(t, text, "GRANT EXECUTE ON FUNCTION app.vecfn(vector<float, 3>) TO reader\n")
				require.Contains(t, text, "GRANT CREATE ON ALL TABLES IN KEYSPACE app TO reader\n")
			}
			grant, revoke, err = CompareGrants(real, real, everything)
			require.NoError(t, err)
			require.Empty(t, append(grant, revoke...))
		})
	}
}

// Cassandra leaves permissions behind whose objects are gone.
func TestGrantsOfObjectsThatAreGone(t *testing.T) {
	t.Parallel()
	s := realSchema(t, "5.0")
	grants := readLines[Grant](t, "5.0.grants.jsonl")
	require.Equal(t, grants, s.OfExisting(grants), "all objects of a real ring")
	for _, gone := range []string{"data/ghost", "data/ghost/*", "data/app/zombie", "functions/ghost", "functions/app/nof[org.apache.cassandra.db.marshal.Int32Type]",
		"functions/app/sfunc[org.apache.cassandra.db.marshal.Int32Type]", "functions/app/broken", "functions/ghost/f[]"} {
		require.Empty(t, s.OfExisting([]Grant{{"r", gone, []string{"SELECT"}}}), gone)
	}
	for _, there := range []string{"data", "data/app", "data/app/*", "data/app/ByW", "functions", "functions/app", "roles/r", "mbean/x",
		"functions/app/sfunc[org.apache.cassandra.db.marshal.Int32Type^org.apache.cassandra.db.marshal.Int32Type]"} {
		require.Len(t, s.OfExisting([]Grant{{"r", there, []string{"SELECT"}}}), 1, there)
	}
}

func TestCompareGrantsBothWays(t *testing.T) {
	t.Parallel()
	backup := []Grant{{"r", "data/k/t", []string{"SELECT", "MODIFY"}}, {"r", "data/other/t", []string{"SELECT"}}}
	live := []Grant{{"r", "data/k/t", []string{"SELECT", "ALTER"}}, {"Q", "data/k/t", []string{"DROP"}}, {"Q", "data", []string{"DROP"}}}
	inScope := func(r string) bool { return strings.HasPrefix(r, "data/k/") }
	grant, revoke, err := CompareGrants(backup, live, inScope)
	require.NoError(t, err)
	require.Equal(t, []GrantStep{{"r", "data/k/t", "MODIFY", "GRANT MODIFY ON TABLE k.t TO r"}}, grant)
	require.Equal(t, []GrantStep{
		{"Q", "data/k/t", "DROP", `REVOKE DROP ON TABLE k.t FROM "Q"`},
		{"r", "data/k/t", "ALTER", "REVOKE ALTER ON TABLE k.t FROM r"},
	}, revoke)
}

func TestCompareGrantsNamesEveryProblem(t *testing.T) {
	t.Parallel()
	backup := []Grant{
		{"r", "functions/k/f[org.example.Strange]", []string{"EXECUTE"}}, {"r", "cloud/x", []string{"SELECT"}},
		{"r", "data/a/b/c", []string{"SELECT"}}, {"r", "functions/k/f", []string{"EXECUTE"}},
		{"r", "data/a", []string{"SELECT ON ALL KEYSPACES TO mallory; --"}}, {"r", "data/ok", []string{"SELECT"}},
	}
	grant, _, err := CompareGrants(backup, nil, everything)
	require.Len(t, grant, 1)
	for _, want := range []string{"org.example.Strange", "cloud/x", "data/a/b/c", `"f" has no types`, "unknown permission"} {
		require.ErrorContains(t, err, want)
	}
}

func TestTypeCQL(t *testing.T) {
	t.Parallel()
	const p = marshalPackage
	for class, want := range map[string]string{
		p + "UTF8Type": "text", "Int32Type": "int", p + "TimeUUIDType": "timeuuid", p + "VectorType(" + p + "FloatType , 3)": "vector<float, 3>",
		p + "FrozenType(" + p + "MapType(" + p + "Int32Type," + p + "SetType(" + p + "LongType)))": "frozen<map<int, set<bigint>>>",
		p + "UserType(ks,5765697264,6131:" + p + "ListType(" + p + "Int32Type))":                   `"Weird"`,
		p + "TupleType(" + p + "UserType(ks,61)," + p + "Int32Type)":                               "tuple<a, int>",
	} {
		got, err := TypeCQL(class)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	for _, class := range []string{
		"", "3", "Nope", p + "ListType", p + "ListType(" + p + "Int32Type", p + "UserType(ks)", p + "UserType(ks,zz)", p + "UserType(ks,61",
		p + "Int32Type)", p + "Int32Type(x)", strings.Repeat("ListType(", 200) + "Int32Type" + strings.Repeat(")", 200),
	} {
		_, err := TypeCQL(class)
		require.Error(t, err, class)
	}
}
