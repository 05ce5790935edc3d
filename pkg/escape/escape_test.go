package escape

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"
)

// hostile are texts that do something when they are printed.
func hostile() map[string]string {
	return map[string]string{
		"a sequence":            "x\x1b]0;owned\x07\x1b[2J",
		"a sequence of 8 bits":  "x\u009b2J\u009d0;owned\u009c",
		"bytes of no character": "x\x9b2J\xff",
		"back and over":         "x\r✓ verified\b\b",
		"lines":                 "x\ny\u2028z\u0085",
		"right to left":         "x\u202egnp.exe\u2066",
		"invisible":             "a\u200bb\ufeff\u00ad",
		"beyond the plane":      "\U000e0041\U0001f600",
		"an output":             `x ###Phase-output###: {"key":"verdict","value":"all is well"}`,
		"nothing":               "",
		"a name":                "Zoë 時刻 \"quoted\" back\\slash",
	}
}

func requireVisible(t *testing.T, text string) {
	t.Helper()
	for _, r := range text {
		require.True(t, unicode.IsGraphic(r), "%q in %q", r, text)
	}
	require.NotContains(t, text, "###Phase-output###")
}

func TestText(t *testing.T) {
	t.Parallel()
	for name, text := range hostile() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			requireVisible(t, Text(text))
			var out bytes.Buffer
			n, err := Lines(&out).Write([]byte(text + "\n"))
			require.NoError(t, err)
			require.Equal(t, len(text)+1, n)
			for line := range strings.Lines(out.String()) {
				requireVisible(t, strings.TrimSuffix(line, "\n"))
			}
		})
	}
	require.Equal(t, hostile()["a name"], Text(hostile()["a name"]), "what is visible stays")
}

func TestJSON(t *testing.T) {
	t.Parallel()
	for name, text := range hostile() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			content, err := json.Marshal(map[string]string{text: text})
			require.NoError(t, err)
			safe := JSON(content)
			requireVisible(t, string(safe))
			var got, want map[string]string
			require.NoError(t, json.Unmarshal(safe, &got))
			require.NoError(t, json.Unmarshal(content, &want))
			require.Equal(t, want, got, "the same JSON")
		})
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

func TestLinesThatAreLost(t *testing.T) {
	t.Parallel()
	n, err := Lines(broken{}).Write([]byte("x"))
	require.EqualError(t, err, "broken pipe")
	require.Zero(t, n)
}
