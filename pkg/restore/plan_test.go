package restore

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/document"
	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/ring"
	"github.com/casshook/casshook/pkg/schema"
)

const (
	replication = " WITH replication = {'class': 'NetworkTopologyStrategy', 'dc1': '1'}  AND durable_writes = true;"
	tableT      = "CREATE TABLE ks.t (\n    k int PRIMARY KEY,\n    v int\n) WITH comment = '';"
	tableU      = "CREATE TABLE ks.u (\n    k int PRIMARY KEY,\n    v int\n);"
	viewV       = "CREATE MATERIALIZED VIEW ks.v AS\n    SELECT k, v\n    FROM ks.t\n    WHERE v IS NOT NULL AND k IS NOT NULL\n    PRIMARY KEY (v, k);"
)

func keyspaceRow() schema.Row {
	return schema.Row{Keyspace: "ks", Type: "keyspace", Name: "ks", Statement: "CREATE KEYSPACE ks" + replication}
}

func row(kind, name, statement string) schema.Row {
	return schema.Row{Keyspace: "ks", Type: kind, Name: name, Statement: statement}
}

func parsed(t *testing.T, rows ...schema.Row) *schema.Schema {
	t.Helper()
	s, err := schema.Parse(rows, schema.Extras{})
	require.NoError(t, err)
	return s
}

// compared is the comparison of two small schemas, for a node of a release.
func compared(t *testing.T, release string, backup, live []schema.Row, opts schema.CompareOptions) *comparison {
	t.Helper()
	target, err := schema.ParseTarget(release)
	require.NoError(t, err)
	opts.Target = target
	cmp := &comparison{
		backup: parsed(t, backup...), live: parsed(t, live...), target: target,
		settings: map[string]string{"materialized_views_enabled": "true", "user_defined_functions_enabled": "true", "sasi_indexes_enabled": "true"},
	}
	cmp.diff, err = schema.Compare(cmp.backup, cmp.live, opts)
	require.NoError(t, err)
	return cmp
}

// sameRing is a source and a view of one node that agree.
func sameRing(release string) (*source, ring.View) {
	member := document.Member{Name: "n1", HostID: "h1", Address: "10.0.0.1", Datacenter: "dc1", Rack: "r1", Tokens: []string{"1", "2"}, Release: release}
	s := &source{id: older, cluster: document.Cluster{ClusterName: "c", Members: []document.Member{member}}, opened: []wire.OpenResult{{Formats: []string{"nb big"}}}}
	view := ring.View{ClusterName: "c", Members: []document.Member{member}, Facts: []wire.Facts{{HostID: "h1", Release: release}}, Names: []string{"n1"}}
	return s, view
}

func TestCheckTarget(t *testing.T) {
	t.Parallel()
	sasi := row("index", "i", "CREATE CUSTOM INDEX i ON ks.t (v) USING 'org.apache.cassandra.index.sasi.SASIIndex';")
	sai := row("index", "i", "CREATE CUSTOM INDEX i ON ks.t (v) USING 'StorageAttachedIndex';")
	all := []schema.Row{keyspaceRow(), row("table", "t", tableT), row("materialized_view", "v", viewV), sasi}
	for _, c := range []struct {
		name         string
		release      string
		backup, live []schema.Row
		edit         func(*comparison, *source, *ring.View)
		want         []string
	}{
		{"same ring", "4.1.10", all, all, nil, nil},
		{"another cluster", "4.1.10", all, all, func(_ *comparison, s *source, _ *ring.View) { s.cluster.ClusterName = "prod" },
			[]string{`the backup is of cluster "prod", but this is cluster "c"`}},
		{"more nodes", "4.1.10", all, all, func(_ *comparison, s *source, _ *ring.View) {
			s.cluster.Members = append(s.cluster.Members, document.Member{Name: "n2", HostID: "h2", Release: "4.1.10"})
		}, []string{"scale it to 2 first", "no node of the ring has host id h2 (n2 in the backup)"}},
		{"other tokens", "4.1.10", all, all, func(_ *comparison, _ *source, v *ring.View) {
			v.Members = []document.Member{{HostID: "h1", Datacenter: "dc1", Rack: "r1", Tokens: []string{"3"}}}
		}, []string{"has other tokens than in the backup"}},
		{"features are there", "4.1.10", all, []schema.Row{keyspaceRow()}, nil, nil},
		{"features are off", "4.1.10", all, []schema.Row{keyspaceRow()}, func(c *comparison, _ *source, _ *ring.View) { c.settings = nil },
			[]string{"ks.v needs materialized views: materialized_views_enabled is off", "needs SASI indexes: sasi_indexes_enabled is off"}},
		{"features that nothing needs are off", "4.1.10", all, all, func(c *comparison, _ *source, _ *ring.View) { c.settings = nil }, nil},
		{"SAI on 5.0", "5.0.9", []schema.Row{keyspaceRow(), row("table", "t", tableT), sai}, []schema.Row{keyspaceRow()}, nil, nil},
		{"all at once", "4.1.10", all, []schema.Row{keyspaceRow()}, func(c *comparison, s *source, _ *ring.View) {
			c.settings, s.cluster.ClusterName, s.opened[0].Formats = nil, "prod", []string{"da bti"}
		}, []string{`cluster "prod"`, "da (bti)", "materialized views"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			cmp := compared(t, c.release, c.backup, c.live, schema.CompareOptions{})
			s, view := sameRing(c.release)
			if c.edit != nil {
				c.edit(cmp, s, &view)
			}
			err := cmp.checkTarget(s, view)
			if c.want == nil {
				require.NoError(t, err)
				return
			}
			require.Equal(t, flow.Precondition, flow.CodeOf(err))
			for _, want := range c.want {
				require.ErrorContains(t, err, want)
			}
		})
	}
}

// A keyspace that is partly in scope stays as it is; with another replication its
// nodes hold other rows than the files of the backup.
func TestCheckTargetRefusesAnotherPlacement(t *testing.T) {
	t.Parallel()
	backup := []schema.Row{keyspaceRow(), row("table", "t", tableT), row("table", "u", tableU)}
	live := []schema.Row{row("keyspace", "ks", "CREATE KEYSPACE ks WITH replication = {'class': 'NetworkTopologyStrategy', 'dc1': '3'}  AND durable_writes = true;"), backup[1], backup[2]}
	s, view := sameRing("4.1.10")
	part := compared(t, "4.1.10", backup, live, schema.CompareOptions{Include: []string{"ks.t"}})
	err := part.checkTarget(s, view)
	require.Equal(t, flow.Precondition, flow.CodeOf(err))
	require.ErrorContains(t, err, "the replication of keyspace ks differs from the backup")
	require.NoError(t, compared(t, "4.1.10", backup, live, schema.CompareOptions{}).checkTarget(s, view), "as a whole it is altered")
}

func TestCheckVersions(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name           string
		backup, target string
		formats        []string
		compatibility  string
		want           []string
	}{
		{"same", "4.1.10", "4.1.10", []string{"nb big"}, "", nil},
		{"another patch level", "4.1.10", "4.1.3", []string{"nb big"}, "", nil},
		{"newer minor", "4.0.19", "4.1.10", []string{"nb big"}, "", nil},
		{"newer major", "4.1.10", "5.0.9", []string{"nb big"}, "CASSANDRA_4", nil},
		{"older minor", "4.1.10", "4.0.19", []string{"nb big"}, "", []string{"the backup is of Cassandra 4.1.10, but the node with host id h1 runs 4.0.19, which is older"}},
		{"older major", "5.0.9", "4.1.10", []string{"oa big", "nb big"}, "", []string{"runs 4.1.10, which is older", "SSTable version oa (big) needs Cassandra 5.0"}},
		{"files of 5.0", "5.0.9", "5.0.9", []string{"oa big", "da bti"}, "NONE", nil},
		{"files of 5.0, mode of 4.0", "5.0.9", "5.0.9", []string{"nb big", "da bti", "oa big"}, "CASSANDRA_4", []string{
			"SSTable version da (bti) is not read with storage_compatibility_mode CASSANDRA_4", "SSTable version oa (big)"}},
		{"files of another product", "4.1.10", "4.1.10", []string{"aa bti"}, "", []string{"another product"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			cmp := compared(t, c.target, nil, nil, schema.CompareOptions{})
			cmp.settings["storage_compatibility_mode"] = c.compatibility
			s, view := sameRing(c.target)
			s.cluster.Members[0].Release = c.backup
			s.opened = []wire.OpenResult{{Formats: c.formats}, {Formats: c.formats}} // two nodes, said once
			problems := cmp.checkVersions(s, view)
			require.Len(t, problems, len(c.want))
			for i, want := range c.want {
				require.ErrorContains(t, problems[i], want)
			}
		})
	}
}

// A memtable configuration that no node has creates nothing.
func TestLacksMemtable(t *testing.T) {
	t.Parallel()
	need := func(name string) schema.Need { return schema.Need{Feature: schema.FeatureMemtable, Detail: name} }
	cmp := &comparison{settings: map[string]string{"memtable.configurations": "{special=SkipListMemtable}"}}
	require.Empty(t, cmp.lacks(need("special")))
	require.Empty(t, cmp.lacks(need("default")))
	require.Contains(t, cmp.lacks(need("trie")), `"trie" is not in memtable.configurations`)
	require.Empty(t, (&comparison{}).lacks(need("trie")), "4.0 has none")
}

// What 5.0 does not have any more is refused; a class that is somebody's own is only told.
func TestLacksClasses(t *testing.T) {
	t.Parallel()
	tiered := row("table", "t", "CREATE TABLE ks.t (\n    k int PRIMARY KEY,\n    v int\n) WITH compaction = {'class': 'org.apache.cassandra.db.compaction.DateTieredCompactionStrategy'};")
	mine := row("table", "t", "CREATE TABLE ks.t (\n    k int PRIMARY KEY,\n    v int\n) WITH compaction = {'class': 'org.example.Mine'};")
	s, view := sameRing("5.0.9")
	cmp := compared(t, "5.0.9", []schema.Row{keyspaceRow(), tiered}, []schema.Row{keyspaceRow()}, schema.CompareOptions{})
	require.ErrorContains(t, cmp.checkTarget(s, view), "have no DateTieredCompactionStrategy")
	cmp = compared(t, "5.0.9", []schema.Row{keyspaceRow(), mine}, []schema.Row{keyspaceRow()}, schema.CompareOptions{})
	require.NoError(t, cmp.checkTarget(s, view))
	require.Equal(t, []string{"table ks.t needs the compaction class org.example.Mine, which nothing in the ring uses now: make sure that all nodes have it, or the restore stops half-way"}, cmp.unproven())
	require.Empty(t, compared(t, "5.0.9", []schema.Row{keyspaceRow(), mine}, []schema.Row{keyspaceRow(), mine}, schema.CompareOptions{}).unproven())
}

// A superuser is needed where users need permissions.
func TestCheckUser(t *testing.T) {
	t.Parallel()
	rows := []schema.Row{keyspaceRow(), row("table", "t", tableT)}
	for user, want := range map[ring.User]string{
		{Name: "root", Superuser: true, Limited: true}: "",
		{Name: "app", Limited: true}:                   `CQL user "app" is no superuser`,
		{Name: "app"}:                                  "",
	} {
		cmp := compared(t, "4.1.10", rows, rows, schema.CompareOptions{})
		cmp.user = user
		s, view := sameRing("4.1.10")
		err := cmp.checkTarget(s, view)
		require.Equal(t, want == "", err == nil)
		if err != nil {
			require.Equal(t, flow.Precondition, flow.CodeOf(err))
			require.ErrorContains(t, err, want)
		}
	}
}

func TestLacks(t *testing.T) {
	t.Parallel()
	on := map[string]string{"materialized_views_enabled": "true", "user_defined_functions_enabled": "true", "sasi_indexes_enabled": "true", "dynamic_data_masking_enabled": "true",
		"transient_replication_enabled": "true", "scripted_user_defined_functions_enabled": "true", schema.ViewFilterProperty: "true"}
	off := map[string]string{"materialized_views_enabled": "false", "sasi_indexes_enabled": ""}
	for _, c := range []struct {
		feature      schema.Feature
		inFour, inOn string // what is lacking in 4.1 with all off, and in 5.0 with all on
	}{
		{schema.FeatureViews, "materialized_views_enabled is off", ""},
		{schema.FeatureFunctions, "user_defined_functions_enabled is off", ""},
		{schema.FeatureSASI, "sasi_indexes_enabled is off", ""},
		{schema.FeatureSAI, "only available in Cassandra 5.0", ""},
		{schema.FeatureVector, "only available in Cassandra 5.0", ""},
		{schema.FeatureUCS, "only available in Cassandra 5.0", ""},
		{schema.FeatureMasking, "only available in Cassandra 5.0", ""},
		{schema.FeatureTransient, "transient_replication_enabled is off", ""},
		{schema.FeatureScripts, "scripted_user_defined_functions_enabled is off", "only run functions in Java"},
		{schema.FeatureViewFilter, "-Dcassandra.mv.allow_filtering_nonkey_columns_unsafe=true", ""},
		{schema.FeatureCustomIndex, "", ""},
		{schema.FeatureTrigger, "", ""},
	} {
		t.Run(string(c.feature), func(t *testing.T) {
			t.Parallel()
			four := &comparison{target: schema.Target{Major: 4, Minor: 1}, settings: off}
			five := &comparison{target: schema.Target{Major: 5}, settings: on}
			if c.inFour == "" {
				require.Empty(t, four.lacks(schema.Need{Feature: c.feature}))
			}
			require.Contains(t, four.lacks(schema.Need{Feature: c.feature}), c.inFour)
			require.Equal(t, c.inOn == "", five.lacks(schema.Need{Feature: c.feature}) == "")
			require.Contains(t, five.lacks(schema.Need{Feature: c.feature}), c.inOn)
		})
	}
}

// TestLacksAutomaticRepair: nodes that know the option print it for every table.
func TestLacksAutomaticRepair(t *testing.T) {
	t.Parallel()
	parse := func(rows ...schema.Row) *schema.Schema {
		s, err := schema.Parse(append([]schema.Row{keyspaceRow()}, rows...), schema.Extras{})
		require.NoError(t, err)
		return s
	}
	with := row("table", "t", tableT)
	with.Statement = strings.TrimSuffix(with.Statement, ";") + " AND auto_repair = {'full_enabled': 'true'};"
	lacks := func(live *schema.Schema) string {
		return (&comparison{target: schema.Target{Major: 5}, live: live}).lacks(schema.Need{Feature: schema.FeatureAutoRepair})
	}
	require.Contains(t, lacks(parse(row("table", "t", tableT))), "-Dcassandra.autorepair.enable=true")
	require.Empty(t, lacks(parse(with)))
	require.Empty(t, lacks(parse()), "no table can tell: the statement will")
}

func TestMissingRoles(t *testing.T) {
	t.Parallel()
	rows := []schema.Row{keyspaceRow(), row("table", "t", tableT), row("table", "u", tableU)}
	grant := func(role, resource string) schema.Grant {
		return schema.Grant{Role: role, Resource: resource, Permissions: []string{"SELECT"}}
	}
	s := &source{grants: []schema.Grant{
		grant("there", "data/ks/t"), grant("gone", "data/ks/t"), grant("gone", "data/ks"), grant("left", "data/ks/u"), grant("root", "data"), grant("whole", "data/ks"),
	}}
	for _, c := range []struct {
		name string
		opts schema.CompareOptions
		want []string
	}{
		{"everything in scope", schema.CompareOptions{}, []string{"gone", "left", "whole"}},
		{"one table in scope", schema.CompareOptions{Include: []string{"ks.t"}}, []string{"gone"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			cmp := compared(t, "4.1.10", rows, rows, c.opts)
			cmp.roles = []string{"there", "cassandra"}
			require.Equal(t, c.want, cmp.missingRoles(s))
		})
	}
}

func TestLoads(t *testing.T) {
	t.Parallel()
	changedT := row("table", "t", "CREATE TABLE ks.t (\n    k int PRIMARY KEY,\n    v int,\n    w int\n);")
	commented := row("table", "t", strings.Replace(tableT, "''", "'changed'", 1))
	x := row("table", "x", "CREATE TABLE ks.x (\n    k int PRIMARY KEY\n);")
	backup := []schema.Row{keyspaceRow(), row("table", "t", tableT), row("table", "u", tableU), row("materialized_view", "v", viewV)}
	s := &source{opened: []wire.OpenResult{
		{Tables: []wire.TableSummary{{TableName: document.TableName{Keyspace: "ks", Name: "t"}, SSTables: 2, Bytes: 20}, {TableName: document.TableName{Keyspace: "ks", Name: "v"}, SSTables: 1, Bytes: 5}, {TableName: document.TableName{Keyspace: "other", Name: "t"}, SSTables: 9}}},
		{Tables: []wire.TableSummary{{TableName: document.TableName{Keyspace: "ks", Name: "t"}, SSTables: 3, Bytes: 30}, {TableName: document.TableName{Keyspace: "ks", Name: "u"}, SSTables: 1, Bytes: 7}}},
	}}
	plan := func(name, verdict string, sstables []int, bytes ...int64) TablePlan {
		return TablePlan{TableName: document.TableName{Keyspace: "ks", Name: name}, View: name == "v", Verdict: verdict, SSTables: sstables, Bytes: bytes}
	}
	for _, c := range []struct {
		name    string
		live    []schema.Row
		opts    schema.CompareOptions
		rebuild bool
		want    []TablePlan
	}{
		{"all kept, a foreign table dropped", append([]schema.Row{x}, backup...), schema.CompareOptions{}, false, []TablePlan{
			plan("t", "keep", []int{2, 3}, 20, 30), plan("u", "keep", []int{0, 1}, 0, 7), plan("v", "keep", []int{1, 0}, 5, 0)}},
		{"views are built anew as asked", backup, schema.CompareOptions{}, true, []TablePlan{
			plan("t", "keep", []int{2, 3}, 20, 30), plan("u", "keep", []int{0, 1}, 0, 7)}},
		{"the view of a recreated table is built by Cassandra", []schema.Row{keyspaceRow(), changedT, backup[2], backup[3]}, schema.CompareOptions{}, false, []TablePlan{
			plan("t", "recreate", []int{2, 3}, 20, 30), plan("u", "keep", []int{0, 1}, 0, 7)}},
		{"options", []schema.Row{keyspaceRow(), commented, backup[2], backup[3]}, schema.CompareOptions{}, false, []TablePlan{
			plan("t", "alter", []int{2, 3}, 20, 30), plan("u", "keep", []int{0, 1}, 0, 7), plan("v", "keep", []int{1, 0}, 5, 0)}},
		{"nothing there", nil, schema.CompareOptions{}, false, []TablePlan{
			plan("t", "create", []int{2, 3}, 20, 30), plan("u", "create", []int{0, 1}, 0, 7)}},
		{"one table in scope", backup, schema.CompareOptions{Include: []string{"ks.u"}}, false, []TablePlan{plan("u", "keep", []int{0, 1}, 0, 7)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			// Order of live rows: a keyspace comes first.
			live := c.live
			if len(live) > 0 && live[0].Type != "keyspace" {
				live = append(append([]schema.Row{live[1]}, live[0]), live[2:]...)
			}
			cmp := compared(t, "4.1.10", backup, live, c.opts)
			if c.rebuild {
				cmp.rebuildViews()
			}
			require.Equal(t, c.want, cmp.loads(s, []string{"n1", "n2"}))
		})
	}
}

func TestCheckTables(t *testing.T) {
	t.Parallel()
	table := []wire.TableSummary{{TableName: document.TableName{Keyspace: "ks", Name: "t"}}}
	listed := []document.TableRef{{TableName: document.TableName{Keyspace: "ks", Name: "t"}}}
	for _, c := range []struct {
		name     string
		listed   []document.TableRef
		on1, on2 []wire.TableSummary
		want     string
	}{
		{"everywhere", listed, table, table, ""},
		{"not in cluster.json", nil, table, table, "ks.t is in the schema of the backup, but not in its list of tables"},
		{"not in one node's documents", listed, table, nil, "node n2: ks.t is missing in the documents"},
		{"another table of that name", listed, []wire.TableSummary{{TableName: document.TableName{Keyspace: "k", Name: "t"}}}, table, "node n1: ks.t is missing in the documents"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := &run{
				Cluster: &ring.Cluster{View: ring.View{Names: []string{"n1", "n2"}}},
				source:  &source{cluster: document.Cluster{Tables: c.listed}, opened: []wire.OpenResult{{Tables: c.on1}, {Tables: c.on2}}},
				plan:    &Plan{Tables: []TablePlan{{TableName: document.TableName{Keyspace: "ks", Name: "t"}}}},
			}
			err := r.checkTables()
			if c.want == "" {
				require.NoError(t, err)
				return
			}
			require.Equal(t, flow.Corrupt, flow.CodeOf(err))
			require.ErrorContains(t, err, c.want)
		})
	}
}

func TestProblemsOf(t *testing.T) {
	t.Parallel()
	require.NoError(t, problemsOf([]string{"n1", "n2"}, make([]wire.VerifyResult, 2)))
	err := problemsOf([]string{"n1", "n2"}, []wire.VerifyResult{{Problems: []string{"a"}}, {Problems: []string{"b", "c"}}})
	require.Equal(t, flow.Corrupt, flow.CodeOf(err))
	require.EqualError(t, err, "node n1: a\nnode n2: b\nnode n2: c")
}
