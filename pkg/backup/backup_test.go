package backup

import (
	"testing"
	"time"

	"github.com/casshook/casshook/pkg/ledger"

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

func summary(id, volume string, complete bool) ledger.Backup {
	return ledger.Backup{ID: id, Volume: volume, Complete: complete}
}

func TestNewID(t *testing.T) {
	t.Parallel()
	a, err := newID()
	require.NoError(t, err)
	require.True(t, document.ValidID(a), a)
}

func TestRemovable(t *testing.T) {
	t.Parallel()
	restore := func(volume string, done bool) []ledger.Restore {
		stage := ledger.Loaded
		if done {
			stage = ledger.Done
		}
		return []ledger.Restore{{ID: "r", BackupID: older, Volume: volume, Scope: ledger.All(), Stage: stage}}
	}
	for _, c := range []struct {
		name   string
		first  ledger.Volume // of n1; its identity is v1
		own    []string
		refuse string
	}{
		{"nothing", ledger.Volume{}, nil, ""},
		{"made on this volume", ledger.Volume{Backups: []ledger.Backup{summary(older, "v1", true)}}, []string{older}, ""},
		{"two of this volume", ledger.Volume{Backups: []ledger.Backup{summary(older, "v1", true), summary(newer, "v1", false)}}, []string{older, newer}, ""},
		{"never completed on another volume", ledger.Volume{Backups: []ledger.Backup{summary(older, "v0", false)}}, []string{older}, ""},
		{"of another volume", ledger.Volume{Backups: []ledger.Backup{summary(older, "v0", true)}}, nil, "the volume was restored and carries backup"},
		{"of another volume, beside one of this", ledger.Volume{Backups: []ledger.Backup{summary(newer, "v1", true), summary(older, "v0", true)}}, nil, "the volume was restored and carries backup"},
		{"documents that cannot be read", ledger.Volume{Backups: []ledger.Backup{{ID: older, Complete: true, Problem: "torn"}}}, nil, "cannot tell whether backup"},
		{"under a claim made anew", ledger.Volume{Backups: []ledger.Backup{summary(older, "pvc/c1/p1", true)}, Attributes: document.Attributes{document.Claim: "c2", document.PersistentVolume: "p1"}}, nil, "cannot tell whether backup"},
		{"of another volume, restored", ledger.Volume{Backups: []ledger.Backup{summary(older, "v0", true)}, Restores: restore("v1", true)}, []string{older}, ""},
		{"of another volume, loaded and not done", ledger.Volume{Backups: []ledger.Backup{summary(older, "v0", true)}, Restores: restore("v1", false)}, nil, "an after-restore of backup"},
		{"restored on the volume before this copy", ledger.Volume{Backups: []ledger.Backup{summary(older, "v0", true)}, Restores: restore("v0", true)}, nil, "the volume was restored and carries backup"},
		{"another backup was restored", ledger.Volume{Backups: []ledger.Backup{summary(newer, "v0", true)}, Restores: restore("v1", true)}, nil, "the volume was restored and carries backup"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.first.Identity, c.first.Node = "v1", "n1"
			second := ledger.Volume{Identity: "v2", Node: "n2", Backups: []ledger.Backup{summary(older, "v2", true)}}
			own, err := removable([]ledger.Volume{c.first, second}, ledger.BeforeBackup, ledger.Selection{})
			if c.refuse != "" {
				require.Equal(t, flow.Precondition, flow.CodeOf(err))
				require.ErrorContains(t, err, "node n1: "+c.refuse)
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
	stopped := func(at ledger.Stage) ledger.Volume {
		return ledger.Volume{Node: "n1", Identity: "v1", Backups: []ledger.Backup{summary(older, "v1", true)},
			Restores: []ledger.Restore{{ID: "r", BackupID: older, Volume: "v1", Scope: orders(), Stage: at}}}
	}
	_, err := removable([]ledger.Volume{stopped(ledger.Schema)}, ledger.Remove, ledger.Selection{})
	require.Equal(t, flow.Precondition, flow.CodeOf(err))
	require.ErrorContains(t, err, "stopped half-way")
	require.ErrorContains(t, err, "--include shop.orders")
	for _, v := range []ledger.Volume{stopped(ledger.Done), stopped(ledger.Staged)} {
		own, err := removable([]ledger.Volume{v}, ledger.Remove, ledger.Selection{})
		require.NoError(t, err)
		require.Equal(t, [][]string{{older}}, own)
	}
}

func orders() ledger.Scope {
	return ledger.Scope{Tables: []document.TableName{{Keyspace: "shop", Name: "orders"}}}
}

// TestAPartDoesNotFreeTheWhole: after-restore --include shop.orders ended on restored
// volumes, and nothing else was restored.
func TestAPartDoesNotFreeTheWhole(t *testing.T) {
	t.Parallel()
	v := ledger.Volume{Node: "n1", Identity: "v1", Backups: []ledger.Backup{summary(older, "v0", true)},
		Restores: []ledger.Restore{{ID: "part", BackupID: older, Volume: "v1", Scope: orders(), Stage: ledger.Done}}}
	for _, op := range []ledger.Operation{ledger.BeforeBackup, ledger.Remove} {
		_, err := removable([]ledger.Volume{v}, op, ledger.Selection{})
		require.Equal(t, flow.Precondition, flow.CodeOf(err), op)
		require.ErrorContains(t, err, "only a part of backup")
	}
	v.Restores = append(v.Restores, ledger.Restore{ID: "whole", BackupID: older, Volume: "v1", Scope: ledger.All(), Stage: ledger.Done})
	own, err := removable([]ledger.Volume{v}, ledger.BeforeBackup, ledger.Selection{})
	require.NoError(t, err)
	require.Equal(t, [][]string{{older}}, own)
}

// TestNoTrap: a restore of one table stopped while it changed the schema, and one of
// more tables then did all of it and ended.
func TestNoTrap(t *testing.T) {
	t.Parallel()
	more := ledger.Scope{Tables: append(orders().Tables, document.TableName{Keyspace: "shop", Name: "users"})}
	volume := func(done ledger.Scope) []ledger.Volume {
		return []ledger.Volume{{Node: "n1", Identity: "v1", Backups: []ledger.Backup{summary(older, "v1", true)}, Restores: []ledger.Restore{
			{ID: "a", BackupID: older, Volume: "v1", Scope: orders(), Stage: ledger.Schema},
			{ID: "b", BackupID: older, Volume: "v1", Scope: done, Stage: ledger.Done},
		}}}
	}
	for _, done := range []ledger.Scope{more, ledger.All()} {
		_, err := removable(volume(done), ledger.BeforeBackup, ledger.Selection{})
		require.NoError(t, err)
	}
	_, err := removable(volume(ledger.Scope{Tables: more.Tables[1:]}), ledger.BeforeBackup, ledger.Selection{})
	require.Equal(t, flow.Precondition, flow.CodeOf(err), "that did another table")
}

func TestRemovableNamesEveryNode(t *testing.T) {
	t.Parallel()
	foreign := ledger.Volume{Identity: "v", Backups: []ledger.Backup{summary(older, "v0", true), summary(newer, "v0", true)}}
	first, second := foreign, foreign
	first.Node, second.Node = "n1", "n2"
	_, err := removable([]ledger.Volume{first, second}, ledger.BeforeBackup, ledger.Selection{})
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
	node := func(name string, backups ...ledger.Backup) NodeStatus {
		return NodeStatus{Name: name, Volume: ledger.Volume{Identity: "v-" + name, Backups: backups}}
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
	require.Equal(t, []string{"the backup includes a node with host id h2, but its volume is missing"}, compareNodes(sessions, opened("h1", "x"), true))
	require.Empty(t, compareNodes(sessions, opened("h1", "x"), false), "it may be that of a node that cannot be reached")
}
