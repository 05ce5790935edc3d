package report

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTable(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		header []string
		rows   [][]any
		want   string
	}{
		{"aligned", []string{"NODE", "SIZE"}, [][]any{{"a", 1}, {"longer", int64(22)}}, "NODE    SIZE\na       1\nlonger  22\n"},
		{"only a header", []string{"NODE", "SIZE"}, nil, "NODE  SIZE\n"},
		{"unicode counts as characters", []string{"", "NAME", "X"}, [][]any{{"✓", "größe", 1}, {"✗", "t", 2}}, "   NAME   X\n✓  größe  1\n✗  t      2\n"},
		{"no blanks at the end", []string{"A", "B"}, [][]any{{"long", ""}}, "A     B\nlong\n"},
		{"row shorter than the header", []string{"A", "B"}, [][]any{{"x"}}, "A  B\nx\n"},
		{"row longer than the header", []string{"A"}, [][]any{{"x", "y", "z"}, {"x", "yy", "z"}}, "A\nx  y   z\nx  yy  z\n"},
		{"a name is data", []string{"A", "B"}, [][]any{{"a\nb\x1b[2J\t'", "c"}}, "A" + blanks(13) + "B\na\\nb\\x1b[2J\\t'  c\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			table := Table{Header: c.header}
			for _, row := range c.rows {
				table.Add(row...)
			}
			var out bytes.Buffer
			table.Write(&out)
			require.Equal(t, c.want, out.String())
		})
	}
}

func blanks(n int) string { return fmt.Sprintf("%*s", n+2, "") }

func TestBytes(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{
		0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 1536: "1.5 KiB", 1 << 20: "1.0 MiB", 5<<30 + 1<<29: "5.5 GiB", 1 << 40: "1.0 TiB",
		1 << 50: "1.0 PiB", 1 << 62: "4096.0 PiB",
	} {
		require.Equal(t, want, Bytes(n))
	}
}

func TestDuration(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0: "0.00 s", 4 * time.Millisecond: "0.00 s", 1234 * time.Millisecond: "1.23 s", 10 * time.Second: "10s",
		61*time.Second + 499*time.Millisecond: "1m1s", 25 * time.Hour: "25h0m0s",
	} {
		require.Equal(t, want, Duration(d))
	}
}

type sample struct {
	BackupID string   `json:"backupId"`
	Names    []string `json:"names"`
}

func TestPrint(t *testing.T) {
	t.Parallel()
	value := sample{BackupID: "b<1>&", Names: []string{"a: b"}}
	for _, c := range []struct{ format, want string }{
		{FormatTable, "as text\n"},
		{FormatJSON, "{\n  \"backupId\": \"b<1>&\",\n  \"names\": [\n    \"a: b\"\n  ]\n}\n"},
		{FormatYAML, "backupId: b<1>&\nnames:\n- 'a: b'\n"},
	} {
		t.Run(c.format, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			require.NoError(t, CheckFormat(c.format))
			require.NoError(t, Print(&out, c.format, value, func(w io.Writer) { fmt.Fprintln(w, "as text") }))
			require.Equal(t, c.want, out.String())
		})
	}
}

// What a terminal obeys is an escape in JSON, too.
func TestJSONIsVisible(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	require.NoError(t, Print(&out, FormatJSON, sample{BackupID: "x\u009b2J\u202e ###Phase-output###: {"}, nil))
	require.Contains(t, out.String(), `"backupId": "x\u009b2J\u202e \u0023##Phase-output###: {"`)
}

func TestUnknownFormat(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"xml", "", "JSON"} {
		var out bytes.Buffer
		err := Print(&out, format, nil, func(w io.Writer) { fmt.Fprintln(w, "text") })
		require.ErrorContains(t, err, "use table, json, yaml or kanister")
		require.Equal(t, err, CheckFormat(format))
		require.Empty(t, out.String())
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errors.New("no space left") }

func TestPrintThatIsLost(t *testing.T) {
	t.Parallel()
	for _, format := range []string{FormatTable, FormatJSON, FormatYAML} {
		err := Print(brokenWriter{}, format, sample{}, func(w io.Writer) { fmt.Fprintln(w, "text") })
		require.ErrorContains(t, err, "no space left", format)
	}
}

func TestCount(t *testing.T) {
	t.Parallel()
	require.Equal(t, []string{"0 nodes", "1 node", "2 nodes"}, []string{Count(0, "node"), Count(1, "node"), Count(2, "node")})
}
