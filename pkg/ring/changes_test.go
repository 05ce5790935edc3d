package ring

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/document"
)

func TestChanges(t *testing.T) {
	t.Parallel()
	node := func(edit func(*document.Member)) document.Member {
		m := document.Member{HostID: "h2", Address: "10.0.0.2", Datacenter: "dc1", Rack: "r1", Tokens: []string{"1", "2"}, Release: "5.0.9"}
		edit(&m)
		return m
	}
	first := document.Member{HostID: "h1", Address: "10.0.0.1"}
	same := node(func(*document.Member) {})
	for _, tt := range []struct {
		name string
		now  []document.Member
		want []string
	}{
		{"nothing", []document.Member{same, first}, nil},
		{"the order of tokens", []document.Member{first, node(func(m *document.Member) { m.Tokens = []string{"2", "1"} })}, nil},
		{"one left", []document.Member{first}, []string{"node 10.0.0.2 (host id h2) is gone"}},
		{"one joined", []document.Member{first, same, {HostID: "h3", Address: "10.0.0.3"}}, []string{"node 10.0.0.3 (host id h3) is new"}},
		{"one was replaced", []document.Member{first, node(func(m *document.Member) { m.HostID = "h9" })},
			[]string{"node 10.0.0.2 (host id h2) is gone", "node 10.0.0.2 (host id h9) is new"}},
		{"one moved", []document.Member{first, node(func(m *document.Member) { m.Tokens = []string{"7"} })}, []string{"node 10.0.0.2 (host id h2) has other tokens"}},
		{"another rack", []document.Member{first, node(func(m *document.Member) { m.Rack = "r2" })}, []string{"node 10.0.0.2 (host id h2) is in dc1/r2, was in dc1/r1"}},
		{"another version", []document.Member{first, node(func(m *document.Member) { m.Release = "5.0.8" })}, []string{"node 10.0.0.2 (host id h2) runs Cassandra 5.0.8, ran 5.0.9"}},
		{"another address", []document.Member{first, node(func(m *document.Member) { m.Address = "10.0.0.7" })}, []string{"node 10.0.0.7 (host id h2) had the address 10.0.0.2"}},
	} {
		require.Equal(t, tt.want, Changes([]document.Member{first, same}, tt.now), tt.name)
	}
}
