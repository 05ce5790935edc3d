package generate

import (
	"reflect"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"
)

func TestToYAML(t *testing.T) {
	t.Parallel()
	type inner struct {
		A string `json:"a"`
	}
	type outer struct {
		inner `json:",inline"`
		Skip  string            `json:"-"`
		Empty string            `json:"empty,omitempty"`
		Zero  inner             `json:"zero,omitzero"`
		None  []string          `json:"none"`
		No    map[string]string `json:"no"`
		Map   map[string]any    `json:"map"`
		List  []any             `json:"list"`
		True  bool              `json:"true"`
		Int   *int64            `json:"int"`
	}
	seven := int64(7)
	value := outer{
		inner: inner{"x"}, Skip: "s", None: []string{}, No: map[string]string{}, Int: &seven, True: true,
		Map:  map[string]any{"b": []string{"1"}, "a": inner{"y"}},
		List: []any{inner{"z"}, []string{"p", "q"}, map[string]string{"k": "v", "l": "w"}, map[string]string{}},
	}
	got := toYAML(&value, comments{"map": "about\n\nthe map", "list.0": "first", "list.2.l": "inside", "nowhere": "lost"})
	require.Equal(t, `a: x
none: []
'no': {}
# about
#
# the map
map:
  a:
    a: 'y'
  b:
  - '1'
list:
# first
- a: z
- - p
  - q
- k: v
  # inside
  l: w
- {}
'true': true
int: 7
`, got)
	require.PanicsWithValue(t, `no YAML for null at "int"`, func() {
		toYAML(reflect.New(reflect.TypeFor[struct {
			Int *int64 `json:"int"`
		}]()).Interface(), nil)
	})
}

// surprising are strings that some reader of YAML takes for something else.
func surprising() []string {
	return []string{"", " ", "a ", " a", "y", "Yes", "NO", "on", "Off", "TRUE", "null", "~", "Null", "1", "-1", "1.5", "1e3", "0x1f", "0o7", "012", "1_000", ".inf", "-.inf", ".nan",
		"12:30", "2026-01-01", "=", "<<", "a: b", "a:", ":a", "a #b", "#a", "- a", "-", "--", "---", "...", "? a", "!a", "&a", "*a", "|", ">", "@a", "`a", "%a", "{a}", "[a]", "a,b", "'", `"`, "it's",
		`a\b`, "a\nb", "a\n", "\ta", "\r", "\x00", "\x7f", "\u0085", "\u2028", "\ufeff", "é", "😀", "--flag={{ .x }}", "a/b", "../a", "a=b", "a:b", "host:5000/a:1"}
}

func roundTrip(t *testing.T, s string) {
	t.Helper()
	text := toYAML(map[string]any{"v": s, "l": []string{s}, "m": map[string]string{s: s}}, nil)
	var back map[string]any
	require.NoError(t, yaml.UnmarshalStrict([]byte(text), &back), text)
	require.Equal(t, map[string]any{"v": s, "l": []any{s}, "m": map[string]any{s: s}}, back, text)
}

func TestQuote(t *testing.T) {
	t.Parallel()
	for _, s := range surprising() {
		roundTrip(t, s)
	}
	for s, want := range map[string]string{"--output=kanister": "--output=kanister", "a/b:1": "a/b:1", "y": "'y'", "it's": "'it''s'", "a\nb": `"a\nb"`, "10": "'10'"} {
		require.Equal(t, "v: "+want+"\n", toYAML(map[string]string{"v": s}, nil))
	}
}

func FuzzQuote(f *testing.F) {
	for _, s := range surprising() {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		// YAML takes no longer keys; those of labels have 317 characters at most.
		if utf8.ValidString(s) && len(s) < 300 {
			roundTrip(t, s)
		}
	})
}
