package kanister

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOutputLine(t *testing.T) {
	t.Parallel()
	big := strings.Repeat("x", 300_000)
	for name, c := range map[string]struct {
		lines, log, err string
		want            map[string]any
	}{
		"output":             {lines: OutputMarker + ` {"key":"k","value":"v"}` + "\n", want: map[string]any{"k": "v"}},
		"no space":           {lines: OutputMarker + `{"key":"k","value":"v"}` + "\r\n", want: map[string]any{"k": "v"}},
		"text before":        {lines: "hello " + OutputMarker + `{"key":"k","value":"v"}` + "\n", log: "hello \n", want: map[string]any{"k": "v"}},
		"no marker":          {lines: "just a line\n", log: "just a line\n", want: map[string]any{}},
		"empty payload":      {lines: OutputMarker + "  \n", want: map[string]any{}},
		"last wins":          {lines: OutputMarker + `{"key":"k","value":"1"}` + "\n" + OutputMarker + `{"key":"k","value":"2"}` + "\n", want: map[string]any{"k": "2"}},
		"any key":            {lines: OutputMarker + `{"key":"a-b","value":"1"}` + "\n", want: map[string]any{"a-b": "1"}},
		"long":               {lines: OutputMarker + `{"key":"k","value":"` + big + `"}` + "\n", want: map[string]any{"k": big}},
		"number":             {lines: OutputMarker + `{"key":"k","value":1}` + "\n", err: "Failed to unmarshal key-value pair: json: cannot unmarshal number into Go struct field Output.value of type string"},
		"object":             {lines: OutputMarker + `{"key":"k","value":{}}` + "\n", err: "cannot unmarshal object"},
		"trailing text":      {lines: OutputMarker + `{"key":"k","value":"v"} and so on` + "\n", err: "Failed to unmarshal key-value pair"},
		"not JSON":           {lines: OutputMarker + "nodetool\n", err: "Failed to unmarshal key-value pair"},
		"no end of the line": {lines: OutputMarker + `{"key":"k","value":"v"}`, want: map[string]any{"k": "v"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log bytes.Buffer
			o := newOutputs(&log)
			var err error
			for line := range strings.Lines(c.lines) {
				if err == nil {
					err = o.line(line)
				}
			}
			if c.err != "" {
				require.ErrorContains(t, err, c.err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.want, o.values)
			require.Equal(t, c.log, log.String())
		})
	}
}
