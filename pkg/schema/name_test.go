package schema

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestQuote(t *testing.T) {
	t.Parallel()
	for identifier, want := range map[string]string{
		"plain": "plain", "p_1": "p_1", "": `""`, "1a": `"1a"`, "_a": `"_a"`, "Mixed": `"Mixed"`, "table": `"table"`,
		"primary": `"primary"`, "key": "key", "index": `"index"`, "a b": `"a b"`, `q"q`: `"q""q"`, "a;b": `"a;b"`,
		"ü": `"ü"`, "tables": "tables", "add allow": `"add allow"`,
	} {
		require.Equal(t, want, Quote(identifier))
	}
}

func TestUnquote(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"a": "a", "Ab": "ab", `"Ab"`: "Ab", `"a""b"`: `a"b`, `""`: ""} {
		got, err := Unquote(text)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	for _, text := range []string{"", "a b", `"a`, "'a'", "a.b", ";"} {
		_, err := Unquote(text)
		require.Error(t, err, text)
	}
}

func TestRefString(t *testing.T) {
	t.Parallel()
	for want, ref := range map[string]Ref{
		`"Ks"`:                    KeyspaceRef("Ks"),
		`"Ks"."table"`:            TableRef("Ks", "table"),
		`ks."Fn"(int, list<int>)`: {Kind: KindFunction, Keyspace: "ks", Name: "Fn", Args: "int, list<int>"},
		`"T r" ON ks."Tab"`:       {Kind: KindTrigger, Keyspace: "ks", Table: "Tab", Name: "T r"},
	} {
		require.Equal(t, want, ref.String())
	}
	require.Equal(t, "view ks.v", ViewRef("ks", "v").Describe())
}

func FuzzQuote(f *testing.F) {
	for _, s := range []string{"", "a", "A", "table", `"`, `a"b;'$$--`, "\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, identifier string) {
		got, err := Unquote(Quote(identifier))
		require.NoError(t, err)
		require.Equal(t, identifier, got)
		split, err := Split(Quote(identifier) + ";" + Quote(identifier))
		require.NoError(t, err)
		require.Len(t, split, 2)
	})
}
