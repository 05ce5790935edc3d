package ring

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/document"
)

func members() []document.Member {
	var list []document.Member
	for _, id := range []string{"c", "a", "b"} {
		list = append(list, document.Member{HostID: id, Address: "10.0.0." + id, Datacenter: "dc1", Rack: "r1", Tokens: []string{"-" + id, id}, Name: "was-" + id})
	}
	return list
}

// view is a ring of three nodes to which all is well.
func view() View {
	v := View{ClusterName: "lab", Members: members()}
	for _, m := range v.Members {
		f := wire.Facts{HostID: m.HostID, Release: "5.0.9"}
		for _, e := range v.Members {
			f.Endpoints = append(f.Endpoints, wire.Endpoint{Address: e.Address, HostID: e.HostID, Up: true, Normal: true})
		}
		v.Facts = append(v.Facts, f)
		v.Names = append(v.Names, "n"+m.HostID)
	}
	return v
}

func TestCheck(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		cluster string
		change  func(*View)
		want    []string
	}{
		{"all is well", "lab", func(*View) {}, nil},
		{"unknown name", "", func(*View) {}, nil},
		{"another name", "prod", func(*View) {}, []string{`the cluster is called "lab", expected was "prod"`}},
		{"the same node twice", "lab", func(v *View) { v.Facts[1] = v.Facts[0] },
			[]string{"nodes nc and na are the same Cassandra (host id c)", "the ring has a node that this run does not see: 10.0.0.a (host id a, datacenter dc1)"}},
		{"old version", "lab", func(v *View) { v.Facts[2].Release = "3.11.19" }, []string{"node nb: unsupported Cassandra 3.11.19: " + Supported}},
		{"node that is not listed", "lab", func(v *View) { v.Facts, v.Names = v.Facts[1:], v.Names[1:] },
			[]string{"the ring has a node that this run does not see: 10.0.0.c (host id c, datacenter dc1); a backup"}},
		{"nodes of another ring", "lab", func(v *View) { v.Facts[1].HostID, v.Facts[0].HostID = "y", "x" },
			[]string{"10.0.0.c (host id c", "10.0.0.a (host id a", "node nc (host id x) is not in the ring", "node na (host id y) is not in the ring"}},
		{"down, as two see it", "lab", func(v *View) { v.Facts[0].Endpoints[2].Up, v.Facts[1].Endpoints[2].Up = false, false },
			[]string{"node 10.0.0.b (host id b) is down, as node nc sees it"}},
		{"joining", "lab", func(v *View) { v.Facts[1].Endpoints[0].Normal = false },
			[]string{"node 10.0.0.c (host id c) is joining, leaving or moving, as node na sees it"}},
		{"one that another does not see", "lab", func(v *View) { v.Facts[1].Endpoints = v.Facts[1].Endpoints[:2] },
			[]string{"node na does not see node 10.0.0.b (host id b)"}},
		{"one that only gossip knows", "lab", func(v *View) { v.Facts[1].Endpoints[2].HostID, v.Facts[1].Endpoints[2].Address = "z", "10.0.0.z" },
			[]string{"node na sees a node that the system tables do not name: 10.0.0.z (host id z)", "node na does not see node 10.0.0.b (host id b)"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			v := view()
			tt.change(&v)
			requireLines(t, v.Check(tt.cluster), tt.want)
		})
	}
}

// requireLines compares the lines of an error with what each begins with, or has.
func requireLines(t *testing.T, err error, want []string) {
	t.Helper()
	if want == nil {
		require.NoError(t, err)
		return
	}
	require.Error(t, err)
	lines := strings.Split(err.Error(), "\n")
	require.Len(t, lines, len(want), err)
	for i, line := range lines {
		require.Contains(t, line, want[i])
	}
}

func TestSupported(t *testing.T) {
	t.Parallel()
	for _, release := range []string{"4.0", "4.0.19", "4.1.10-SNAPSHOT", "5.0-rc1", "5.0.9"} {
		require.NoError(t, supported(release), release)
	}
	for _, release := range []string{"", "3.11.1", "4.2.0", "5.01", "5.1", "40.1", "6.0"} {
		require.Error(t, supported(release), release)
	}
}

func TestNamed(t *testing.T) {
	t.Parallel()
	v := view()
	named := v.Named()
	require.Equal(t, []string{"na", "nb", "nc"}, []string{named[0].Name, named[1].Name, named[2].Name})
	require.Equal(t, members(), v.Members, "the view is as it was")
}

func TestCompareMembers(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(live []document.Member) []document.Member
		want   []string
	}{
		{"the same, in another order", func(l []document.Member) []document.Member {
			slices.Reverse(l)
			slices.Reverse(l[0].Tokens)
			return l
		}, nil},
		{"another address and version", func(l []document.Member) []document.Member {
			l[0].Address, l[0].Release, l[0].Name = "10.1.0.1", "5.0.10", "x"
			return l
		}, nil},
		{"fewer", func(l []document.Member) []document.Member { return l[:2] },
			[]string{"the backup is of 3 nodes, the ring has 2: scale it to 3 first", "no node of the ring has host id b (was-b in the backup)"}},
		{"more", func(l []document.Member) []document.Member {
			return append(l, document.Member{HostID: "e", Address: "10.0.0.e"}, document.Member{HostID: "d", Address: "10.0.0.d"})
		}, []string{"the backup is of 3 nodes, the ring has 5: scale it to 3 first", "node 10.0.0.d (host id d) is not in the backup", "node 10.0.0.e (host id e) is not in the backup"}},
		{"replaced", func(l []document.Member) []document.Member { l[1].HostID = "z"; return l },
			[]string{"no node of the ring has host id a (was-a in the backup): its volume must be restored", "node 10.0.0.a (host id z) is not in the backup"}},
		{"moved", func(l []document.Member) []document.Member { l[2].Tokens = []string{"b"}; return l },
			[]string{"node 10.0.0.b (host id b) has other tokens than in the backup"}},
		{"another rack", func(l []document.Member) []document.Member { l[0].Rack = "r2"; return l },
			[]string{"node 10.0.0.c (host id c) is in dc1/r2, in the backup it was in dc1/r1"}},
		{"another datacenter", func(l []document.Member) []document.Member { l[0].Datacenter = "dc2"; return l },
			[]string{"node 10.0.0.c (host id c) is in dc2/r1, in the backup it was in dc1/r1"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			requireLines(t, CompareMembers(members(), tt.change(members())), tt.want)
		})
	}
}

// TestForgottenAddresses: gossip keeps the addresses that restarted pods had, without a host id, for a while.
func TestForgottenAddresses(t *testing.T) {
	t.Parallel()
	member := document.Member{HostID: "a", Address: "10.0.0.2", Datacenter: "dc1", Rack: "r1"}
	view := func(extra wire.Endpoint) View {
		own := wire.Endpoint{Address: "10.0.0.2", HostID: "a", Datacenter: "dc1", Rack: "r1", Up: true, Normal: true}
		return View{ClusterName: "c", Members: []document.Member{member}, Names: []string{"n1"},
			Facts: []wire.Facts{{HostID: "a", Release: "5.0.9", Endpoints: []wire.Endpoint{own, extra}}}}
	}
	require.NoError(t, view(wire.Endpoint{Address: "10.0.0.1"}).Check("c"))
	require.ErrorContains(t, view(wire.Endpoint{Address: "10.0.0.1", HostID: "b"}).Check("c"), "10.0.0.1 (host id b) is down")
	require.ErrorContains(t, view(wire.Endpoint{Address: "10.0.0.1", Up: true}).Check("c"), "do not name: 10.0.0.1")
}

func TestMajorMinor(t *testing.T) {
	t.Parallel()
	for release, want := range map[string][2]int{"4.0.19": {4, 0}, "5.0-beta1": {5, 0}, "5.1-SNAPSHOT": {5, 1}, "": {0, 0}, "x": {0, 0}} {
		major, minor := MajorMinor(release)
		require.Equal(t, want, [2]int{major, minor}, release)
	}
}
