package schema

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSplit(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, text string
		want       []string
	}{
		{"empty", " \n", nil},
		{"one without end", "DROP TABLE a.b", []string{"DROP TABLE a.b"}},
		{"two", "a; b ;", []string{"a", "b"}},
		{"empty statements", ";;a;;", []string{"a"}},
		{"string", "a = 'x;''y;' ; b", []string{"a = 'x;''y;'", "b"}},
		{"quoted name", `DROP "x;""y;"; b`, []string{`DROP "x;""y;"`, "b"}},
		{"dollars", "AS $$ a; 'b\" -- $ $$; c", []string{"AS $$ a; 'b\" -- $ $$", "c"}},
		{"line comments", "-- a;\nb // c;\n d; -- e", []string{"b // c;\n d"}},
		{"block comment", "/* a; ' */ b /* ; */ c;", []string{"b /* ; */ c"}},
		{"comment marks in literals", "'--' ; \"/*\" ; '//'", []string{"'--'", `"/*"`, "'//'"}},
		{"only comments", "/* a; */ -- b;", nil},
		{"minus is no comment", "a = -1; b", []string{"a = -1", "b"}},
		{"not ASCII", "é 'ü;' ; \xff", []string{"é 'ü;'", "\xff"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := Split(tt.text)
			require.NoError(t, err)
			require.Equal(t, tt.want, got)
		})
	}
}

func TestSplitUnclosed(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"a 'b;": "string is not closed", `a "b;`: "quoted name is not closed",
		"$$a;": "string is not closed", "/* a;": "comment is not closed", "/*/": "comment is not closed", "'''": "string",
	} {
		_, err := Split(text)
		require.ErrorContains(t, err, want, text)
	}
}

func TestScanKeepsUUIDsAndNumbersWhole(t *testing.T) {
	t.Parallel()
	tokens, err := scan("ID = 6e1fd650-e5a9-11f1-8214-9bb671d6b02a AND crc = 0.01")
	require.NoError(t, err)
	require.Len(t, tokens, 7)
	require.Equal(t, "6e1fd650-e5a9-11f1-8214-9bb671d6b02a", tokens[2].text)
	require.Equal(t, "0.01", tokens[6].text)
}

func TestSplitRealTable(t *testing.T) {
	t.Parallel()
	for _, row := range realRows(t, "5.0") {
		if row.Name != "readded" {
			continue
		}
		got, err := Split(row.Statement)
		require.NoError(t, err)
		require.Len(t, got, 4)
		require.True(t, strings.HasPrefix(got[0], "CREATE TABLE app.readded ("))
		require.Contains(t, got, "ALTER TABLE app.readded ADD \"B;x\" text")
		return
	}
	t.Fatal("no such table")
}

// FuzzSplit: what was split stays split the same way when it is joined again,
// and no statement holds a semicolon that counts.
func FuzzSplit(f *testing.F) {
	for _, row := range realRows(f, "5.0") {
		f.Add(row.Statement)
	}
	f.Add("a 'b'';' ; \"c;\" $$;$$ -- ;\n/* ; */ d")
	f.Fuzz(func(t *testing.T, text string) {
		first, err := Split(text)
		if err != nil {
			return
		}
		second, err := Split(strings.Join(first, ";\n"))
		require.NoError(t, err)
		require.Equal(t, first, second)
		for _, s := range first {
			alone, err := Split(s)
			require.NoError(t, err)
			require.Equal(t, []string{s}, alone)
			require.Contains(t, text, s)
		}
	})
}
