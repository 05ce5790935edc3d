package schema

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// versions are the nodes that testdata was read from: DESCRIBE SCHEMA WITH
// INTERNALS, system_schema and system_auth of 4.0.19, 4.1.10 and 5.0.9; -latest
// with the settings of cassandra_latest.yaml.
var versions = []string{"4.0", "4.1", "5.0", "5.0-latest"}

func readLines[T any](t testing.TB, file string) []T {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", file))
	require.NoError(t, err)
	defer func() { require.NoError(t, f.Close()) }()
	var out []T
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var v T
		require.NoError(t, json.Unmarshal(lines.Bytes(), &v))
		out = append(out, v)
	}
	require.NoError(t, lines.Err())
	return out
}

func realRows(t testing.TB, version string) []Row { return readLines[Row](t, version+".jsonl") }

func realExtras(t testing.TB, version string) Extras {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", version+".extras.json"))
	require.NoError(t, err)
	var out Extras
	require.NoError(t, json.Unmarshal(data, &out))
	return out
}

func realSchema(t testing.TB, version string) *Schema {
	t.Helper()
	s, err := Parse(realRows(t, version), realExtras(t, version))
	require.NoError(t, err)
	return s
}

func mustParse(t testing.TB, rows []Row, extras Extras) *Schema {
	t.Helper()
	s, err := Parse(rows, extras)
	require.NoError(t, err)
	return s
}
