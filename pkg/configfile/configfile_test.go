package configfile

import (
	"testing"

	"github.com/stretchr/testify/require"
)

type inner struct {
	Deep string `json:"deep"`
}

type sample struct {
	Name  string            `json:"name"`
	Port  int               `json:"port,omitempty"`
	Up    bool              `json:"up"`
	Words []string          `json:"words"`
	Map   map[string]string `json:"map"`
	Sub   *inner            `json:"sub"`
	Subs  []inner           `json:"subs"`
	Own   string            `json:"-"`
	*Embedded
}

// Embedded stands in the fields of what embeds it.
type Embedded struct {
	Extra string `json:"extra"`
}

func TestDecode(t *testing.T) {
	t.Parallel()
	s := sample{Name: "kept", Embedded: &Embedded{}}
	require.NoError(t, Decode([]byte("# one\n---\nport: 7\nup: true\nwords: [a, 5]\nmap: {k: v}\nsub: {deep: x}\nsubs:\n- deep: w\nextra: e\n"), &s))
	require.Equal(t, sample{Name: "kept", Port: 7, Up: true, Words: []string{"a", "5"}, Map: map[string]string{"k": "v"}, Sub: &inner{"x"}, Subs: []inner{{"w"}},
		Embedded: &Embedded{"e"}}, s)
	require.NoError(t, Decode(nil, &s))
	require.NoError(t, Decode([]byte("---\n# nothing\n---\nname: n\n"), &s))
	require.NoError(t, Decode([]byte("a: &x {deep: z}\n"), &struct {
		A inner `json:"a"`
	}{}))
}

func TestDecodeNamesAllProblems(t *testing.T) {
	t.Parallel()
	err := Decode([]byte("name: [a]\nport: abc\nport: 8\nup: 'yes'\nwords: a\nmap: x\nsub: {depe: x, other: y}\nsubs:\n- {deep: {}}\nnames: z\nOwn: q\n"), &sample{Embedded: &Embedded{}})
	for _, want := range []string{
		"line 1: name must be a text", "line 2: port must be a whole number", `line 3: field "port" is already in line 2`, "line 4: up must be true or false",
		"line 5: words must be a list", "line 6: map must have fields", `line 7: unknown field "depe" in sub: the fields are deep`, `line 7: unknown field "other"`,
		"line 9: deep must be a text", `line 10: unknown field "names" in the file: the fields are extra, map, name, port, sub, subs, up, words`, `line 11: unknown field "Own"`,
	} {
		require.ErrorContains(t, err, want)
	}
	require.NotContains(t, err.Error(), "Go ")
}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	require.ErrorContains(t, Decode([]byte("name: a\n---\nname: b\n"), &sample{}), "line 3: more than one YAML document")
	require.ErrorContains(t, Decode([]byte("root:x:0:0:root:/root:/bin/bash\n"), &sample{}), "line 1: the file must have fields")
	require.ErrorContains(t, Decode([]byte("{"), &sample{}), "line 1")
	require.ErrorContains(t, Decode([]byte("port: 99999999999999999999\n"), &sample{}), "must be a whole number")
}
