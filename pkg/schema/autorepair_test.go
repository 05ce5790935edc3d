package schema

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func autoRepairRows(option string) []Row {
	return []Row{
		{Keyspace: "ks", Type: "keyspace", Name: "ks", Statement: "CREATE KEYSPACE ks WITH replication = {'class': 'SimpleStrategy', 'replication_factor': '1'};"},
		{Keyspace: "ks", Type: "table", Name: "t", Statement: strings.TrimSuffix("CREATE TABLE ks.t (id int PRIMARY KEY) WITH ID = 5a1c395b-b41f-11e5-9f22-ba0be0483c18 AND gc_grace_seconds = 1"+option, " AND") + ";"},
	}
}

// TestAutoRepair: nodes started with automatic repair print an option for every table
// (5.0.8 and later). It is an option like others, and no reason to recreate a table.
func TestAutoRepair(t *testing.T) {
	t.Parallel()
	parse := func(option string) *Schema {
		s, err := Parse(autoRepairRows(option), Extras{})
		require.NoError(t, err)
		return s
	}
	const with = " AND auto_repair = {'full_enabled': 'true', 'priority': '0'}"
	off, on := parse(""), parse(with)
	for s, want := range map[*Schema][2]bool{off: {false, true}, on: {true, true}, {}: {false, false}} {
		is, known := s.AutoRepair()
		require.Equal(t, want, [2]bool{is, known})
	}
	table := ref(KindTable, "ks", "t")
	diff, err := Compare(off, on, CompareOptions{Target: Target{Major: 5}})
	require.NoError(t, err)
	require.Equal(t, Keep, diff.Lookup(table).Verdict, "the backup says nothing about it")
	require.Empty(t, diff.Needs())
	diff, err = Compare(on, off, CompareOptions{Target: Target{Major: 5}})
	require.NoError(t, err)
	require.Equal(t, Alter, diff.Lookup(table).Verdict)
	require.Equal(t, []Need{{FeatureAutoRepair, table, ""}}, diff.Needs(), "the target must know it")
	diff, err = Compare(on, parse(strings.Replace(with, "'0'", "'1'", 1)), CompareOptions{Target: Target{Major: 5}})
	require.NoError(t, err)
	require.Equal(t, Alter, diff.Lookup(table).Verdict)
}
