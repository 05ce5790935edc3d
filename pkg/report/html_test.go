package report

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestHTML(t *testing.T) {
	t.Parallel()
	table := &Table{Header: []string{"NAME"}}
	table.Add(`"a <script>alert(1)</script>`)
	var out strings.Builder
	require.NoError(t, Page{Title: "T <1>", Verdict: "fine", OK: true, Sections: []Section{{"Tables & views", table}}}.HTML(&out))
	require.Contains(t, out.String(), "<title>T &lt;1&gt;</title>")
	require.Contains(t, out.String(), `<p class="verdict ok">fine</p>`)
	require.Contains(t, out.String(), "<h2>Tables &amp; views</h2>")
	require.Contains(t, out.String(), "<td>&#34;a &lt;script&gt;alert(1)&lt;/script&gt;</td>")
	require.NotContains(t, out.String(), "http", "a report loads nothing from anywhere")
	out.Reset()
	require.NoError(t, Page{Verdict: "not fine"}.HTML(&out))
	require.Contains(t, out.String(), `<p class="verdict">not fine</p>`)
}
