package schema

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

func refusals(t *testing.T, err error) []string {
	t.Helper()
	var refused *RefusalError
	require.True(t, errors.As(err, &refused), "%v", err)
	var out []string
	for _, r := range refused.Refusals {
		require.ErrorContains(t, err, r.Object+" "+r.Reason)
		out = append(out, r.Object+" "+r.Reason)
	}
	return out
}

func TestCompareRefuses(t *testing.T) {
	t.Parallel()
	rows := realRows(t, "5.0")
	flagged := realExtras(t, "5.0")
	for i, f := range flagged.Tables {
		if f.Table == "compact2" {
			flagged.Tables[i].Flags = []string{"super", "dense"}
		}
	}
	tests := []struct {
		name             string
		live             []Row
		extras           Extras
		include, exclude []string
		want             []string
	}{
		{"globs that match nothing", rows, Extras{}, []string{"app.nosuch", "App", "system.*", "my_system", "a[", "app."}, []string{"nosuch.*", "app.plain"},
			[]string{
				"exclude nosuch.* matches nothing", "include App matches nothing in the backup", "include a[ is not a keyspace.table glob",
				"include app. is not a keyspace.table glob", "include app.nosuch matches nothing in the backup", "include system.* matches nothing in the backup",
			}},
		{"base without its views", rows, Extras{}, []string{"app.base"}, nil, []string{
			`table app.base is in scope, but its view app."ByW", which would be truncated with it, is not`,
			"table app.base is in scope, but its view app.base_by_v, which would be truncated with it, is not"}},
		{"a view that is not there now is not touched", without(rows, `"ByW"`), Extras{}, []string{"app.base", "app.base_by_v"}, nil, nil},
		{"view without its base", rows, Extras{}, nil, []string{"app.base"}, []string{
			`view app."ByW" is in scope, but its table app.base is not`, "view app.base_by_v is in scope, but its table app.base is not"}},
		{"type that an excluded table uses", edit(t, rows, "address", "street text", "street blob"), Extras{}, []string{"app.colls"}, nil, []string{
			"type app.address cannot be recreated: function app.tupfn2(tuple<int, text>, map<text, frozen<list<int>>>, address) is out of scope and uses it",
			"type app.address cannot be recreated: function app.udtfn(address) is out of scope and uses it",
			"type app.address cannot be recreated: table app.dropped is out of scope and uses it"}},
		{"compact table that CQL cannot create", without(rows, "compact2"), Extras{Tables: flagged.Tables}, nil, nil, []string{
			"table thrifty.compact2 must be created, but CQL cannot create this table: it is a super column family"}},
		{"index name taken by a table out of scope", edit(t, rows, "plain_v", "app.plain (v)", "app.twcs (v)"), Extras{}, []string{"app.plain"}, nil, []string{
			"index app.plain_v is now the name of an object of app.twcs, which is out of scope"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			live, err := Parse(tt.live, Extras{})
			require.NoError(t, err)
			_, err = Compare(mustParse(t, rows, tt.extras), live, CompareOptions{Include: tt.include, Exclude: tt.exclude})
			if tt.want == nil {
				require.NoError(t, err)
				return
			}
			require.Equal(t, tt.want, refusals(t, err))
		})
	}
}

func TestComparePartOfAMissingKeyspace(t *testing.T) {
	t.Parallel()
	backup := mustParse(t, realRows(t, "5.0"), realExtras(t, "5.0"))
	d, err := Compare(backup, mustParse(t, nil, Extras{}), CompareOptions{Include: []string{"app.coll?", "app.colls", "app.plai[n]"}[1:]})
	require.NoError(t, err)
	require.Equal(t, map[Ref]Verdict{
		KeyspaceRef("app"): Create, ref(KindType, "app", "z_inner"): Create, ref(KindType, "app", "mid"): Create, ref(KindType, "app", "address"): Create,
		ref(KindType, "app", "Weird"): Create, TableRef("app", "colls"): Create, TableRef("app", "plain"): Create,
		ref(KindIndex, "app", "colls_ents"): Create, ref(KindIndex, "app", "colls_full"): Create, ref(KindIndex, "app", "colls_keys"): Create,
		ref(KindIndex, "app", "colls_vals"): Create, ref(KindIndex, "app", "Mixed_Idx"): Create,
		ref(KindIndex, "app", "plain_v"): Create, ref(KindIndex, "app", "plain_n_legacy"): Create,
	}, verdicts(d))
}

func TestComparePartTouchesNothingElse(t *testing.T) {
	t.Parallel()
	rows := realRows(t, "5.0")
	backup := without(rows, "base_w", "sfunc(int, int)", "total(int)", `"Total 2"(int)`, "twcs", "clustered_sasi")
	live := edit(t, without(rows, "ffunc(int)", "total(int)"), "clustered", "v blob", "v text")
	d, err := Compare(mustParse(t, backup, Extras{}), mustParse(t, live, Extras{}), CompareOptions{Exclude: []string{"app.clustered", "app.twcs"}})
	require.NoError(t, err)
	require.Equal(t, map[Ref]Verdict{ref(KindIndex, "app", "base_w"): Drop}, verdicts(d))
	require.Nil(t, d.Lookup(TableRef("app", "clustered")))
	require.False(t, d.Scope.Full("app"))
	require.True(t, d.Scope.Full("systemx"))

	// A keyspace that only the live schema has, with a table out of scope, stays.
	backup = without(rows, "systemx", "t", `"table"`, `"index"`)
	live = append(append([]Row{}, rows...), Row{"systemx", "table", "u", "CREATE TABLE systemx.u (a int PRIMARY KEY);"})
	d, err = Compare(mustParse(t, backup, Extras{}), mustParse(t, live, Extras{}), CompareOptions{Exclude: []string{"systemx.t"}})
	require.NoError(t, err)
	require.Equal(t, []string{"DROP TABLE IF EXISTS systemx.u", `DROP KEYSPACE IF EXISTS "table"`}, statements(d.Drops()))

	// An excluded keyspace stays, also one without tables.
	live = append(append([]Row{}, rows...), keyspaceK)
	d, err = Compare(mustParse(t, rows, Extras{}), mustParse(t, live, Extras{}), CompareOptions{Exclude: []string{"k"}})
	require.NoError(t, err)
	require.Empty(t, d.Drops())
}

func TestComponentsAndSystemKeyspacesStayOut(t *testing.T) {
	t.Parallel()
	ks := func(name string) []Row {
		return []Row{
			{Quote(name), "keyspace", Quote(name), "CREATE KEYSPACE " + Quote(name) + " WITH replication = {'class': 'SimpleStrategy', 'replication_factor': '1'};"},
			{Quote(name), "table", "t", "CREATE TABLE " + Quote(name) + ".t (a int PRIMARY KEY);"},
		}
	}
	backup := mustParse(t, append(ks("reaper_db"), ks("app")...), Extras{})
	live := mustParse(t, append(ks("data_endpoint_auth"), ks("system_auth")...), Extras{})
	for _, tt := range []struct {
		include []string
		want    map[Ref]Verdict
	}{
		{nil, map[Ref]Verdict{KeyspaceRef("app"): Create, TableRef("app", "t"): Create}},
		{[]string{"*"}, map[Ref]Verdict{KeyspaceRef("app"): Create, TableRef("app", "t"): Create}},
		{[]string{"reaper_db"}, map[Ref]Verdict{KeyspaceRef("reaper_db"): Create, TableRef("reaper_db", "t"): Create}},
	} {
		d, err := Compare(backup, live, CompareOptions{Include: tt.include})
		require.NoError(t, err)
		require.Equal(t, tt.want, verdicts(d))
	}
	d, err := Compare(backup, live, CompareOptions{Components: []string{"app"}})
	require.NoError(t, err)
	require.Nil(t, d.Lookup(TableRef("app", "t")))
	require.Equal(t, []string{"DROP KEYSPACE IF EXISTS data_endpoint_auth"}, statements(d.Drops()))
}

func TestGrantInScope(t *testing.T) {
	t.Parallel()
	s := realSchema(t, "5.0-latest")
	d, err := Compare(s, s, CompareOptions{Include: []string{"app.plain", "systemx"}})
	require.NoError(t, err)
	for resource, want := range map[string]bool{
		"data": false, "data/app": false, "data/app/*": false, "data/app/plain": true, "data/app/base": false, "data/systemx": true,
		"data/systemx/*": true, "data/systemx/t": true, "functions": false, "functions/app/semi[x]": false, "functions/systemx": true,
		"functions/systemx/f[]": true, "roles/app": false, "mbean/a/b": false, "data/system/local": false,
	} {
		require.Equal(t, want, d.GrantInScope(resource), resource)
	}
}

// What components own is left out, and said.
func TestLeftOut(t *testing.T) {
	t.Parallel()
	keyspace := func(name string) Row {
		return Row{name, "keyspace", name, "CREATE KEYSPACE " + name + " WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1};"}
	}
	backup := mustParse(t, []Row{keyspace("app"), keyspace("reaper_db")}, Extras{})
	live := mustParse(t, []Row{keyspace("app"), keyspace("data_endpoint_auth"), keyspace("reaper_db")}, Extras{})
	both := []string{"reaper_db", "data_endpoint_auth"}
	for include, want := range map[string][]string{"": both, "*": both, "*_db": both[:1], "app": nil, "reaper_db": nil} {
		opts := CompareOptions{}
		if include != "" {
			opts.Include = []string{include}
		}
		d, err := Compare(backup, live, opts)
		require.NoError(t, err)
		require.Equal(t, want, d.Scope.LeftOut(backup, live), include)
	}
	d, err := Compare(backup, live, CompareOptions{Exclude: []string{"reaper_db"}})
	require.NoError(t, err)
	require.Equal(t, both[1:], d.Scope.LeftOut(backup, live))
	require.Equal(t, both[:1], backup.ComponentKeyspaces())
	require.Empty(t, mustParse(t, []Row{keyspace("app")}, Extras{}).ComponentKeyspaces())
}
