package schema

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestExpectedViewRows(t *testing.T) {
	base := `CREATE TABLE ks.t (a int, b int, "V ;" text, PRIMARY KEY (a, b)) WITH ID = 00000000-0000-0000-0000-000000000001`
	tests := []struct {
		name, view, want string
	}{
		{"a column that is no key of the base", `SELECT a, b, "V ;" FROM ks.t WHERE "V ;" IS NOT NULL AND a IS NOT NULL AND b IS NOT NULL PRIMARY KEY ("V ;", a, b)`,
			`SELECT count("V ;") FROM ks.t`},
		{"only keys of the base", `SELECT * FROM ks.t WHERE b IS NOT NULL AND a IS NOT NULL PRIMARY KEY (b, a)`, `SELECT count(b) FROM ks.t`},
		{"a filter", `SELECT * FROM ks.t WHERE b > 5 AND a IS NOT NULL PRIMARY KEY (b, a)`, `SELECT count(b) FROM ks.t WHERE b > 5 ALLOW FILTERING`},
		{"several partitions", `SELECT * FROM ks.t WHERE a IN (1, 2) AND b IS NOT NULL PRIMARY KEY (b, a)`, `SELECT count(b) FROM ks.t WHERE a IN (1, 2) ALLOW FILTERING`},
		{"AND in a literal", `SELECT * FROM ks.t WHERE a IS NOT NULL AND b IS NOT NULL AND "V ;" = ' AND PRIMARY KEY ' PRIMARY KEY (b, a, "V ;")`,
			`SELECT count("V ;") FROM ks.t WHERE "V ;" = ' AND PRIMARY KEY ' ALLOW FILTERING`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, err := Parse([]Row{
				{"ks", "keyspace", "ks", "CREATE KEYSPACE ks WITH replication = {'class': 'SimpleStrategy', 'replication_factor': '1'}  AND durable_writes = true;"},
				{"ks", "table", "t", base + ";"},
				{"ks", "materialized_view", "v", "CREATE MATERIALIZED VIEW ks.v AS " + tt.view + " WITH ID = 00000000-0000-0000-0000-000000000002;"},
			}, Extras{})
			require.NoError(t, err)
			got, err := ExpectedViewRows(s.Lookup(ViewRef("ks", "v")), s.Lookup(TableRef("ks", "t")))
			require.NoError(t, err)
			require.Equal(t, tt.want, got)
		})
	}
	_, err := ExpectedViewRows(nil, nil)
	require.Error(t, err)
}
