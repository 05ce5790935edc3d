package zoo

import (
	"io/fs"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseVersion(t *testing.T) {
	t.Parallel()
	tests := []struct {
		release string
		want    Version
		err     bool
	}{
		{"5.0.9", Version{5, 0}, false},
		{"4.1.10", Version{4, 1}, false},
		{"5.1-SNAPSHOT", Version{}, true},
		{"5", Version{}, true},
		{"five.0.9", Version{}, true},
	}
	for _, test := range tests {
		got, err := ParseVersion(test.release)
		require.Equal(t, test.err, err != nil, test.release)
		require.Equal(t, test.want, got, test.release)
	}
	require.True(t, Version{5, 0}.AtLeast(4, 1))
	require.True(t, Version{4, 1}.AtLeast(4, 1))
	require.False(t, Version{4, 0}.AtLeast(4, 1))
}

func TestFeatures(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		version Version
		flavour string
		without []string
		skipped []string
	}{
		{"5.0 default", Version{5, 0}, "", nil, []string{"latest"}},
		{"5.0 latest", Version{5, 0}, FlavourLatest, nil, []string{"index-quoted"}},
		{"4.1", Version{4, 1}, FlavourDefault, nil, []string{"options-5.0", "index-using", "ucs", "sai", "vector", "latest"}},
		{"4.0 without roles", Version{4, 0}, FlavourDefault, []string{"auth"}, []string{"auth", "options-5.0", "index-using", "ucs", "sai", "vector", "latest"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			has, skipped := Features(test.version, test.flavour, test.without)
			var names []string
			for _, s := range skipped {
				names = append(names, s.Feature)
				require.NotEmpty(t, s.Why, s.Feature)
			}
			require.Equal(t, test.skipped, names)
			require.Len(t, has, len(features())-len(skipped))
		})
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	got := parse("--- comment\nleading noise\n\n-- first\nSELECT 1\n  FROM x\n\n-- [a,b] second\n$$ -- not a header ;\n $$\n-- [ third\nX\n")
	require.Equal(t, []statement{
		{words: "first", cql: "SELECT 1\n  FROM x"},
		{needs: []string{"a", "b"}, words: "second", cql: "$$ -- not a header ;\n $$"},
		{words: "[ third", cql: "X"},
	}, got)
	need, missing := got[1].missing([]string{"a"})
	require.True(t, missing)
	require.Equal(t, "b", need)
	_, missing = got[1].missing([]string{"b", "a"})
	require.False(t, missing)
}

// TestStatementFiles holds the files to what the code expects of them.
func TestStatementFiles(t *testing.T) {
	t.Parallel()
	_, err := load("none.cql", nil)
	require.ErrorIs(t, err, fs.ErrNotExist)
	known, _ := Features(Version{5, 0}, FlavourDefault, nil)
	known = append(known, "latest")
	for _, file := range []string{"schema.cql", "roles.cql", "reshape.cql", "rows.cql", "damage.cql", "queries.cql"} {
		list, err := load(file, vars("dc1", 3))
		require.NoError(t, err)
		require.NotEmpty(t, list, file)
		words := map[string]bool{}
		for _, s := range list {
			require.NotEmpty(t, s.words, s.cql)
			require.NotEmpty(t, s.cql, s.words)
			require.False(t, strings.HasSuffix(s.cql, ";"), s.words)
			for _, name := range []string{"{dc}", "{rf1}", "{rf2}", "{rf3}", "{t}"} {
				require.NotContains(t, s.cql, name)
			}
			if file == "queries.cql" {
				require.Len(t, s.needs, 1, s.words)
				require.False(t, words[s.words], "two queries of the name %q", s.words)
				words[s.words] = true
				continue
			}
			need, missing := s.missing(known)
			require.False(t, missing, "%s: %s needs unknown %s", file, s.words, need)
		}
	}
}

func TestVerb(t *testing.T) {
	t.Parallel()
	for cql, want := range map[string]string{
		"TRUNCATE ks.t": "TRUNCATE", "UPDATE ks.t SET v = 1 WHERE id = 1": "UPDATE",
		"CREATE TABLE ks.t (id int PRIMARY KEY)": "CREATE TABLE", "DROP KEYSPACE ks": "DROP KEYSPACE",
		"CREATE MATERIALIZED VIEW ks.v AS SELECT": createView,
		"CREATE CUSTOM INDEX i ON ks.t (v)":       "CREATE INDEX", "CREATE INDEX i ON ks.t (v)": "CREATE INDEX",
		"GRANT SELECT ON KEYSPACE ks TO r": "GRANT", "CREATE ROLE r": "GRANT", "REVOKE r FROM s": "GRANT",
	} {
		require.Equal(t, want, statement{cql: cql}.verb(), cql)
	}
	require.True(t, statement{cql: "TRUNCATE ks.t"}.write())
	require.False(t, statement{cql: "CREATE TABLE ks.t (id int PRIMARY KEY)"}.write())
}

// TestVerbsStandTogether keeps the number of waits for agreement low.
func TestVerbsStandTogether(t *testing.T) {
	t.Parallel()
	for file, most := range map[string]int{"schema.cql": 7, "roles.cql": 1, "damage.cql": 22} {
		list, err := load(file, nil)
		require.NoError(t, err)
		last, changes := "", 0
		for _, s := range list {
			if verb := s.verb(); verb != last && !s.write() {
				last = verb
				changes++
			}
		}
		require.LessOrEqual(t, changes, most, file)
	}
}

func TestVars(t *testing.T) {
	t.Parallel()
	for nodes, want := range map[int][3]string{0: {"1", "1", "1"}, 1: {"1", "1", "1"}, 2: {"1", "2", "2"}, 3: {"1", "2", "3"}, 9: {"1", "2", "3"}} {
		v := vars("dc", nodes)
		require.Equal(t, want, [3]string{v["rf1"], v["rf2"], v["rf3"]}, "%d nodes", nodes)
	}
	require.Equal(t, "1700000001000000", vars("dc", 1)["t"])
}

func TestSkip(t *testing.T) {
	t.Parallel()
	b := &builder{}
	_, b.inventory.Skipped = Features(Version{4, 1}, "", nil)
	n := len(b.inventory.Skipped)
	b.skip("sai", "one")
	b.skip("sai", "two")
	b.skip("flush", "three")
	require.Len(t, b.inventory.Skipped, n+1)
	for _, s := range b.inventory.Skipped {
		if s.Feature == "sai" {
			require.Equal(t, []string{"one", "two"}, s.Items)
		}
	}
	require.Equal(t, []string{"three"}, b.inventory.Skipped[n].Items)
}

func TestScale(t *testing.T) {
	t.Parallel()
	require.Less(t, Small.rows(), Normal.rows())
	require.Less(t, Small.flushes(), Normal.flushes())
	require.GreaterOrEqual(t, Normal.flushes(), 200)
}
