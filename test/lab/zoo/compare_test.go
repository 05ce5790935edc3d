package zoo

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func entry(name string, rows int, digest string) Entry {
	return Entry{Kind: KindTable, Name: name, Rows: rows, SHA256: digest}
}

func TestCompare(t *testing.T) {
	t.Parallel()
	broken := Entry{Kind: KindTable, Name: "ks.t", Err: "read failure"}
	tests := []struct {
		name      string
		want, got Digests
		reasons   []string
	}{
		{"both empty", nil, nil, nil},
		{"equal", Digests{entry("ks.t", 2, "aa")}, Digests{entry("ks.t", 2, "aa")}, nil},
		{"order does not matter", Digests{entry("a", 1, "aa"), entry("b", 1, "bb")}, Digests{entry("b", 1, "bb"), entry("a", 1, "aa")}, nil},
		{"rows", Digests{entry("ks.t", 2, "aa")}, Digests{entry("ks.t", 1, "bb")}, []string{"rows"}},
		{"content", Digests{entry("ks.t", 2, "aa")}, Digests{entry("ks.t", 2, "bb")}, []string{"content"}},
		{"absent", Digests{entry("ks.t", 0, "aa")}, nil, []string{"absent"}},
		{"new", nil, Digests{entry("ks.t", 0, "aa")}, []string{"new"}},
		{"kind is part of the name", Digests{entry("ks.t", 1, "aa")}, Digests{{Kind: KindView, Name: "ks.t", Rows: 1, SHA256: "aa"}}, []string{"absent", "new"}},
		{"unreadable now", Digests{entry("ks.t", 1, "aa")}, Digests{broken}, []string{"unreadable"}},
		{"unreadable both times is not equal", Digests{broken}, Digests{broken}, []string{"unreadable"}},
		{"order of the list", Digests{entry("b", 1, "aa"), entry("a", 1, "aa")}, Digests{entry("c", 1, "cc")}, []string{"absent", "absent", "new"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var reasons []string
			for _, d := range Compare(test.want, test.got) {
				reasons = append(reasons, d.Reason)
				require.NotEmpty(t, d.Want.Name)
				require.Equal(t, d.Want.Name, d.Got.Name)
			}
			require.Equal(t, test.reasons, reasons)
		})
	}
}

func TestUnread(t *testing.T) {
	t.Parallel()
	require.NoError(t, Digests{entry("ks.t", 2, "aa")}.unread())
	err := Digests{entry("ks.t", 2, "aa"), {Kind: KindTable, Name: "ks.a", Err: "timeout"}, {Kind: KindView, Name: "ks.b", Err: "no host"}}.unread()
	require.EqualError(t, err, "digest: table ks.a cannot be read: timeout\ndigest: view ks.b cannot be read: no host")
}

func TestDifferenceString(t *testing.T) {
	t.Parallel()
	list := Compare(Digests{entry("ks.t", 20, "aa")}, Digests{entry("ks.t", 19, "bb")})
	require.Len(t, list, 1)
	require.Equal(t, "table ks.t: rows (rows 19, want 20)", list[0].String())
}

func TestRender(t *testing.T) {
	t.Parallel()
	want := Digests{entry("ks.same", 2, "aaaaaaaaaaaa"), entry("ks.gone", 3, "bbbbbbbbbbbb"), entry("ks.empty", 0, "cc")}
	got := Digests{entry("ks.same", 2, "aaaaaaaaaaaa"), {Kind: KindTable, Name: "ks.empty", Err: "read failure"}, entry("ks.late", 1, "dddddddddddd")}
	var out strings.Builder
	require.NoError(t, Render(&out, want, got))
	var lines []string
	for line := range strings.Lines(out.String()) {
		lines = append(lines, strings.TrimRight(line, " \n"))
	}
	require.Equal(t, []string{
		"   kind   name      rows  now  digest    now",
		"✓  table  ks.same   2     2    aaaaaaaa  aaaaaaaa",
		"✗  table  ks.gone   3     -    bbbbbbbb  -         absent",
		"✗  table  ks.empty  0     -    cc        error     unreadable",
		"✗  table  ks.late   -     1    -         dddddddd  new",
		"1 as before, 3 not",
		"table ks.empty: read failure",
	}, lines)
}

type broken struct{ after int }

func (b *broken) Write(p []byte) (int, error) {
	if b.after -= len(p); b.after < 0 {
		return 0, errors.New("disk full")
	}
	return len(p), nil
}

func TestRenderError(t *testing.T) {
	t.Parallel()
	bad := Digests{{Kind: KindTable, Name: "ks.t", Err: "read failure"}}
	for _, after := range []int{0, 100, 140} {
		require.ErrorContains(t, Render(&broken{after}, bad, bad), "render digests: disk full", "after %d bytes", after)
	}
}
