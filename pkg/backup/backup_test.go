package backup

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/document"
	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/ring"
)

const (
	older = "casshook-20261121T101530Z-ffff"
	newer = "casshook-20261122T101530Z-0000"
)

func summary(id, volume string, complete bool) wire.BackupSummary {
	return wire.BackupSummary{ID: id, Volume: volume, Complete: complete}
}

func TestNewID(t *testing.T) {
	t.Parallel()
	a, err := newID()
	require.NoError(t, err)
	require.True(t, document.ValidID(a), a)
}

func TestOwnBackups(t *testing.T) {
	t.Parallel()
	restore := func(volume string, done bool) []wire.RestoreSummary {
		return []wire.RestoreSummary{{ID: "r", BackupID: older, Volume: volume, Loaded: true, Done: done}}
	}
	for _, c := range []struct {
		name   string
		first  wire.Volume // of n1; its identity is v1
		own    []string
		refuse bool
	}{
		{"nothing", wire.Volume{}, nil, false},
		{"made on this volume", wire.Volume{Backups: []wire.BackupSummary{summary(older, "v1", true)}}, []string{older}, false},
		{"two of this volume", wire.Volume{Backups: []wire.BackupSummary{summary(older, "v1", true), summary(newer, "v1", false)}}, []string{older, newer}, false},
		{"never completed on another volume", wire.Volume{Backups: []wire.BackupSummary{summary(older, "v0", false)}}, []string{older}, false},
		{"of another volume", wire.Volume{Backups: []wire.BackupSummary{summary(older, "v0", true)}}, nil, true},
		{"of another volume, beside one of this", wire.Volume{Backups: []wire.BackupSummary{summary(newer, "v1", true), summary(older, "v0", true)}}, nil, true},
		{"documents that cannot be read", wire.Volume{Backups: []wire.BackupSummary{{ID: older, Complete: true, Problem: "torn"}}}, nil, true},
		{"of another volume, restored", wire.Volume{Backups: []wire.BackupSummary{summary(older, "v0", true)}, Restores: restore("v1", true)}, []string{older}, false},
		{"of another volume, loaded and not done", wire.Volume{Backups: []wire.BackupSummary{summary(older, "v0", true)}, Restores: restore("v1", false)}, nil, true},
		{"restored on the volume before this copy", wire.Volume{Backups: []wire.BackupSummary{summary(older, "v0", true)}, Restores: restore("v0", true)}, nil, true},
		{"another backup was restored", wire.Volume{Backups: []wire.BackupSummary{summary(newer, "v0", true)}, Restores: restore("v1", true)}, nil, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.first.Identity = "v1"
			second := wire.Volume{Identity: "v2", Backups: []wire.BackupSummary{summary(older, "v2", true)}}
			own, err := ownBackups([]string{"n1", "n2"}, []wire.Volume{c.first, second})
			if c.refuse {
				require.Equal(t, flow.Precondition, flow.CodeOf(err))
				require.ErrorContains(t, err, "node n1: the volume was restored and carries backup")
				require.NotContains(t, err.Error(), "n2")
				require.Nil(t, own, "nothing is removed anywhere")
				return
			}
			require.NoError(t, err)
			require.Equal(t, [][]string{c.own, {older}}, own)
		})
	}
}

// TestHalfWay keeps a backup from being replaced while a restore in place of it
// stopped after it began to change live data.
func TestHalfWay(t *testing.T) {
	t.Parallel()
	begun := func(step string, done bool) wire.Volume {
		return wire.Volume{Identity: "v1", Backups: []wire.BackupSummary{summary(older, "v1", true)},
			Restores: []wire.RestoreSummary{{ID: "r", BackupID: older, Volume: "v1", Done: done, Steps: []wire.JournalEntry{{Step: step}}}}}
	}
	_, err := ownBackups([]string{"n1"}, []wire.Volume{begun(wire.StepSchema, false)})
	require.Equal(t, flow.Precondition, flow.CodeOf(err))
	require.ErrorContains(t, err, "stopped half-way")
	for _, v := range []wire.Volume{begun(wire.StepSchema, true), begun("staging the snapshots", false)} {
		own, err := ownBackups([]string{"n1"}, []wire.Volume{v})
		require.NoError(t, err)
		require.Equal(t, [][]string{{older}}, own)
	}
}

func TestOwnBackupsNamesEveryNode(t *testing.T) {
	t.Parallel()
	foreign := wire.Volume{Identity: "v", Backups: []wire.BackupSummary{summary(older, "v0", true), summary(newer, "v0", true)}}
	_, err := ownBackups([]string{"n1", "n2"}, []wire.Volume{foreign, foreign})
	for _, want := range []string{"node n1: ", "node n2: ", older, newer} {
		require.ErrorContains(t, err, want)
	}
}

func TestSkew(t *testing.T) {
	t.Parallel()
	at := func(ms float64) time.Time {
		return time.Unix(1000, 0).Add(time.Duration(ms * float64(time.Millisecond)))
	}
	for _, c := range []struct {
		name   string
		stamps []stamp
		want   document.Skew
	}{
		{"one node", []stamp{{at(0), at(5)}}, document.Skew{StartMS: 0, TotalMS: 5}},
		{"the first is first", []stamp{{at(0), at(5)}, {at(3), at(4)}}, document.Skew{StartMS: 3, TotalMS: 5}},
		{"the first is last", []stamp{{at(9), at(20)}, {at(2), at(30)}, {at(1), at(4)}}, document.Skew{StartMS: 8, TotalMS: 29}},
		{"parts of a millisecond", []stamp{{at(0), at(1)}, {at(0.126), at(1.004)}}, document.Skew{StartMS: 0.13, TotalMS: 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.want, skewOf(c.stamps))
		})
	}
}

func TestList(t *testing.T) {
	t.Parallel()
	node := func(name string, backups ...wire.BackupSummary) NodeStatus {
		return NodeStatus{Name: name, Volume: wire.Volume{Identity: "v-" + name, Backups: backups}}
	}
	unreadable := summary(older, "v-b", true)
	unreadable.Problem = "node.json: torn"
	for _, c := range []struct {
		name  string
		nodes []NodeStatus
		want  []Listed
	}{
		{"none", []NodeStatus{node("a"), node("b")}, []Listed{}},
		{"own, complete", []NodeStatus{node("a", summary(older, "v-a", true)), node("b", summary(older, "v-b", true))},
			[]Listed{{ID: older, Complete: true, Nodes: []string{"a", "b"}, Volumes: "own"}}},
		{"restored", []NodeStatus{node("a", summary(older, "x", true)), node("b", summary(older, "y", true))},
			[]Listed{{ID: older, Complete: true, Nodes: []string{"a", "b"}, Volumes: "restored"}}},
		{"own and restored", []NodeStatus{node("a", summary(older, "v-a", true)), node("b", summary(older, "y", true))},
			[]Listed{{ID: older, Complete: true, Nodes: []string{"a", "b"}, Volumes: "mixed"}}},
		{"restored and own", []NodeStatus{node("a", summary(older, "x", true)), node("b", summary(older, "v-b", true)), node("c", summary(older, "v-c", true))},
			[]Listed{{ID: older, Complete: true, Nodes: []string{"a", "b", "c"}, Volumes: "mixed"}}},
		{"on one node only", []NodeStatus{node("a"), node("b", summary(older, "v-b", true))},
			[]Listed{{ID: older, Nodes: []string{"b"}, Volumes: "own"}}},
		{"not complete on one node", []NodeStatus{node("a", summary(older, "v-a", false)), node("b", summary(older, "v-b", true))},
			[]Listed{{ID: older, Nodes: []string{"a", "b"}, Volumes: "own"}}},
		{"problem", []NodeStatus{node("a", summary(older, "v-a", true)), node("b", unreadable)},
			[]Listed{{ID: older, Complete: true, Nodes: []string{"a", "b"}, Volumes: "own", Problems: []string{"b: node.json: torn"}}}},
		{"oldest first", []NodeStatus{node("a", summary(newer, "v-a", true), summary(older, "v-a", true))},
			[]Listed{{ID: older, Complete: true, Nodes: []string{"a"}, Volumes: "own"}, {ID: newer, Complete: true, Nodes: []string{"a"}, Volumes: "own"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.want, List(c.nodes))
		})
	}
}

func TestCompareNodes(t *testing.T) {
	t.Parallel()
	sessions := []*ring.Session{{Node: ring.Node{Node: wire.Node{Name: "n1"}}}, {Node: ring.Node{Node: wire.Node{Name: "n2"}}}}
	complete := document.Complete{Nodes: map[string]string{"h1": "d", "h2": "d"}}
	opened := func(second, digest string) []wire.OpenResult {
		return []wire.OpenResult{
			{Member: document.Member{HostID: "h1"}, Complete: complete, CompleteDigest: "x"},
			{Member: document.Member{HostID: second}, Complete: complete, CompleteDigest: digest},
		}
	}
	require.Empty(t, compareNodes(sessions, opened("h2", "x"), true))
	require.Equal(t, []string{"node n2: its COMPLETE differs from that of node n1"}, compareNodes(sessions, opened("h2", "y"), true))
	require.Equal(t, []string{"the backup has a node with host id h2, whose volume is not here"}, compareNodes(sessions, opened("h1", "x"), true))
	require.Empty(t, compareNodes(sessions, opened("h1", "x"), false), "it may be that of a node that cannot be reached")
}
