package schema

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	limitedKS     = "CREATE KEYSPACE ks WITH replication = {'class': 'NetworkTopologyStrategy', 'dc1': '2', 'dc2': '3/1'} AND durable_writes = true;"
	limitedSimple = "CREATE KEYSPACE sim WITH replication = {'class': 'SimpleStrategy', 'replication_factor': '5'} AND durable_writes = true;"
)

// limitedRows is a schema that every guardrail has something against.
func limitedRows() []Row {
	row := func(kind, name, statement string) Row {
		return Row{Keyspace: "ks", Type: kind, Name: name, Statement: statement}
	}
	return []Row{
		row("keyspace", "ks", limitedKS), {Keyspace: "sim", Type: "keyspace", Name: "sim", Statement: limitedSimple},
		row("type", "address", "CREATE TYPE ks.address (\n    street text,\n    city text,\n    zip text\n);"),
		row("table", "t", "CREATE TABLE ks.t (\n    k int PRIMARY KEY,\n    v int,\n    w vector<float, 12>\n) WITH comment = 'x'\n    AND compression = {'enabled': 'false'}\n"+
			"    AND compaction = {'class': 'org.apache.cassandra.db.compaction.TimeWindowCompactionStrategy'}\n    AND default_time_to_live = 0;"),
		row("table", "old", "CREATE TABLE ks.old (\n    k int PRIMARY KEY,\n    gone int\n);\nALTER TABLE ks.old DROP gone USING TIMESTAMP 1;"),
		row("table", "compact", "/*\nWarning: omitted\n\nCREATE TABLE ks.compact (\n    k int PRIMARY KEY,\n    v int\n) WITH COMPACT STORAGE;\n*/"),
		row("index", "i", "CREATE INDEX i ON ks.t (v);"),
		row("index", "j", "CREATE CUSTOM INDEX j ON ks.t (w) USING 'StorageAttachedIndex';"),
		row("materialized_view", "mv", "CREATE MATERIALIZED VIEW ks.mv AS\n    SELECT k, v\n    FROM ks.t\n    WHERE v IS NOT NULL AND k IS NOT NULL\n    PRIMARY KEY (v, k)\n WITH comment = '';"),
	}
}

// told are the obstacles as texts.
func told(obstacles []Obstacle) []string {
	out := make([]string, len(obstacles))
	for i, o := range obstacles {
		out[i] = strings.TrimSpace(o.Ref.String() + " " + o.Setting + "=" + o.Value + ": " + o.Reason)
	}
	return out
}

func TestObstacles(t *testing.T) {
	t.Parallel()
	all, some := limitedRows(), limitedRows()[:1]
	dropped := []Row{{Keyspace: "sim", Type: "keyspace", Name: "sim", Statement: limitedSimple}}
	for _, tt := range []struct {
		name, settings string // of the nodes: "x=1 y=2"
		backup, live   []Row
		want           []string
	}{
		{"as shipped", "drop_truncate_table_enabled=true tables_fail_threshold=-1 table_properties_disallowed=[] minimum_replication_factor_fail_threshold=-1", all, some, nil},
		{"TRUNCATE", "drop_truncate_table_enabled=false", all, all, []string{
			"ks.t drop_truncate_table_enabled=false: it must be truncated", "ks.old drop_truncate_table_enabled=false: it must be truncated",
			"ks.compact drop_truncate_table_enabled=false: it must be truncated"}},
		{"DROP TABLE", "drop_truncate_table_enabled=false", some, all[:5], []string{
			"ks.t drop_truncate_table_enabled=false: it must be dropped", "ks.old drop_truncate_table_enabled=false: it must be dropped"}},
		{"nothing to drop", "drop_truncate_table_enabled=false drop_keyspace_enabled=false", all, some, nil},
		{"DROP KEYSPACE", "drop_keyspace_enabled=false drop_truncate_table_enabled=false", some, append(dropped, some...), []string{"sim drop_keyspace_enabled=false: it must be dropped"}},
		{"too many keyspaces", "keyspaces_fail_threshold=1", all, some, []string{"sim keyspaces_fail_threshold=1: it would be number 2 of the ring's keyspaces"}},
		{"as many keyspaces as may be", "keyspaces_fail_threshold=2", all, some, nil},
		{"too many tables", "tables_fail_threshold=2", all, all[:4], []string{"ks.compact tables_fail_threshold=2: it would be number 3 of the ring's tables and views"}},
		{"dropped ones do not count", "tables_fail_threshold=1", []Row{all[0], all[3]}, []Row{all[0], all[4], all[5]}, nil},
		{"too many columns", "columns_per_table_fail_threshold=2", all, some, []string{"ks.t columns_per_table_fail_threshold=2: it has 3 columns, dropped ones included"}},
		{"too many indexes", "secondary_indexes_per_table_fail_threshold=1", all, all[:7], []string{"ks.j secondary_indexes_per_table_fail_threshold=1: it would be number 2 of the indexes of table ks.t"}},
		{"too many views", "materialized_views_per_table_fail_threshold=1", all, all[:8], nil},
		{"no indexes", "secondary_indexes_enabled=false", all, all[:7], []string{"ks.j secondary_indexes_enabled=false: it must be created"}},
		{"too many fields", "fields_per_udt_fail_threshold=2", all, some, []string{"ks.address fields_per_udt_fail_threshold=2: it has 3 fields"}},
		{"options", "table_properties_disallowed=[gc_grace_seconds, Comment]", all, some, []string{
			"ks.t table_properties_disallowed=[gc_grace_seconds, Comment]: it has the option comment",
			"ks.mv table_properties_disallowed=[gc_grace_seconds, Comment]: it has the option comment"}},
		{"ignored options", "table_properties_ignored=[compaction]", all, some, []string{"ks.t table_properties_ignored=[compaction]: it has the option compaction"}},
		{"replicas, too few", "minimum_replication_factor_fail_threshold=3", all, nil, []string{
			"ks minimum_replication_factor_fail_threshold=3: its replication factor is 2", "ks minimum_replication_factor_fail_threshold=3: its replication factor is 2"}},
		{"replicas, too many", "maximum_replication_factor_fail_threshold=4", all, nil, []string{"sim maximum_replication_factor_fail_threshold=4: its replication factor is 5"}},
		{"SimpleStrategy", "simplestrategy_enabled=false", all, some, []string{"sim simplestrategy_enabled=false: it has SimpleStrategy"}},
		{"no compression", "uncompressed_tables_enabled=false", all, some, []string{"ks.t uncompressed_tables_enabled=false: it is not compressed"}},
		{"compact tables", "compact_tables_enabled=false", all, some, []string{"ks.compact compact_tables_enabled=false: it has COMPACT STORAGE"}},
		{"dropped columns", "alter_table_enabled=false", all, some, []string{"ks.old alter_table_enabled=false: it has dropped columns, which ALTER TABLE must drop again"}},
		{"vectors", "vector_type_enabled=false", all, some, []string{"ks.t vector_type_enabled=false: it has a vector"}},
		{"long vectors", "vector_dimensions_fail_threshold=11", all, some, []string{"ks.t vector_dimensions_fail_threshold=11: it has 12 dimensions in a vector"}},
		{"vectors that are short enough", "vector_dimensions_fail_threshold=12", all, some, nil},
		{"TWCS", "zero_ttl_on_twcs_enabled=false", all, some, []string{"ks.t zero_ttl_on_twcs_enabled=false: it has TimeWindowCompactionStrategy without default_time_to_live"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			live := mustParse(t, tt.live, Extras{})
			d, err := Compare(mustParse(t, tt.backup, Extras{}), live, CompareOptions{Target: Target{5, 0}})
			require.NoError(t, err)
			limits := Limits{Settings: map[string]string{}, Ordinary: true}
			for name, value := range pairs(tt.settings) {
				limits.Settings[name] = value
			}
			require.ElementsMatch(t, tt.want, told(d.Obstacles(live, limits)))
			limits.Ordinary = false
			require.Empty(t, d.Obstacles(live, limits), "guardrails do not hold for superusers")
		})
	}
}

// pairs reads "x=1 y=[a, b]".
func pairs(text string) map[string]string {
	out := map[string]string{}
	last := ""
	for _, word := range strings.Fields(text) {
		if name, value, found := strings.Cut(word, "="); found {
			last = name
			out[name] = value
		} else {
			out[last] += " " + word
		}
	}
	return out
}

// TestObstaclesOfDatacenters: nobody can create what is replicated to a datacenter that
// is gone; where the keyspace is, it stays.
func TestObstaclesOfDatacenters(t *testing.T) {
	t.Parallel()
	backup := limitedRows()[:1]
	limits := Limits{Datacenters: []string{"dc1"}}
	refused := []string{"ks =: its replication names datacenters that have no nodes: dc2"}
	other := []Row{{Keyspace: "ks", Type: "keyspace", Name: "ks", Statement: strings.Replace(limitedKS, ", 'dc2': '3/1'", "", 1)}}
	undurable := []Row{{Keyspace: "ks", Type: "keyspace", Name: "ks", Statement: strings.Replace(limitedKS, "true", "false", 1)}}
	for name, tt := range map[string]struct {
		live []Row
		want []string
	}{
		"created": {nil, refused}, "altered": {other, refused}, "another option is altered": {undurable, []string{}}, "kept": {backup, []string{}},
	} {
		live := mustParse(t, tt.live, Extras{})
		d, err := Compare(mustParse(t, backup, Extras{}), live, CompareOptions{})
		require.NoError(t, err)
		require.Equal(t, tt.want, told(d.Obstacles(live, limits)), name)
	}
	live := mustParse(t, nil, Extras{})
	d, err := Compare(mustParse(t, backup, Extras{}), live, CompareOptions{})
	require.NoError(t, err)
	require.Empty(t, d.Obstacles(live, Limits{Datacenters: []string{"dc1", "dc2"}}))
}

// TestNeedsOfTheTarget: what no guardrail, but the version or a property decides.
func TestNeedsOfTheTarget(t *testing.T) {
	t.Parallel()
	rows := append(limitedRows()[:1],
		Row{Keyspace: "ks", Type: "function", Name: "f(int)", Statement: "CREATE FUNCTION ks.f(a int)\n    RETURNS NULL ON NULL INPUT\n    RETURNS int\n    LANGUAGE javascript\n    AS $$a$$;"},
		Row{Keyspace: "ks", Type: "function", Name: "g(int)", Statement: "CREATE FUNCTION ks.g(language int)\n    RETURNS NULL ON NULL INPUT\n    RETURNS int\n    LANGUAGE java\n    AS $$return language;$$;"},
		Row{Keyspace: "ks", Type: "table", Name: "t", Statement: "CREATE TABLE ks.t (\n    k int PRIMARY KEY,\n    v int,\n    w int\n);"},
		Row{Keyspace: "ks", Type: "materialized_view", Name: "key", Statement: "CREATE MATERIALIZED VIEW ks.key AS\n    SELECT k, v\n    FROM ks.t\n    WHERE k > 0 AND v IS NOT NULL\n    PRIMARY KEY (v, k);"},
		Row{Keyspace: "ks", Type: "materialized_view", Name: "other", Statement: "CREATE MATERIALIZED VIEW ks.other AS\n    SELECT k, v\n    FROM ks.t\n    WHERE k IS NOT NULL AND v > 3\n    PRIMARY KEY (v, k);"})
	found := map[Ref][]string{}
	for _, o := range mustParse(t, rows, Extras{}).Objects {
		for _, n := range o.Needs() {
			found[n.Ref] = append(found[n.Ref], string(n.Feature)+n.Detail)
		}
	}
	functions, views := string(FeatureFunctions), string(FeatureViews)
	require.Equal(t, map[Ref][]string{
		KeyspaceRef("ks"): {string(FeatureTransient)},
		{Kind: KindFunction, Keyspace: "ks", Name: "f", Args: "int"}: {functions, string(FeatureScripts) + "javascript"},
		{Kind: KindFunction, Keyspace: "ks", Name: "g", Args: "int"}: {functions},
		ViewRef("ks", "key"):   {views},
		ViewRef("ks", "other"): {views, string(FeatureViewFilter)},
	}, found)
}

// TestUnproven: a class that the ring uses now is there; of others nobody knows.
func TestUnproven(t *testing.T) {
	t.Parallel()
	table := func(name, options string) Row {
		return Row{Keyspace: "ks", Type: "table", Name: name, Statement: "CREATE TABLE ks." + name + " (\n    k int PRIMARY KEY,\n    v int\n) WITH " + options + ";"}
	}
	const own = "compaction = {'class': 'org.example.Mine'}"
	backup := []Row{limitedRows()[0], table("a", own),
		table("b", "compaction = {'class': 'org.apache.cassandra.db.compaction.LeveledCompactionStrategy'} AND compression = {'class': 'org.apache.cassandra.io.compress.LZ4Compressor'}"),
		table("c", "compression = {'enabled': 'false'}"), table("d", "compression = {'class': 'org.example.Zip'}"),
		{Keyspace: "ks", Type: "index", Name: "i", Statement: "CREATE CUSTOM INDEX i ON ks.b (v) USING 'org.example.Index';"}}
	for want, live := range map[string][]Row{
		"ks.a org.example.Mine, ks.d org.example.Zip, ks.i org.example.Index": backup[:1],
		"ks.d org.example.Zip, ks.i org.example.Index":                        {backup[0], table("other", own)},
		"": backup,
	} {
		l := mustParse(t, live, Extras{})
		d, err := Compare(mustParse(t, backup, Extras{}), l, CompareOptions{})
		require.NoError(t, err)
		var told []string
		for _, n := range d.Unproven(l) {
			told = append(told, n.Ref.String()+" "+n.Detail)
		}
		require.Equal(t, want, strings.Join(told, ", "))
	}
}
