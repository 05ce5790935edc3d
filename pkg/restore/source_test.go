package restore

import (
	"strings"
	"testing"

	"github.com/casshook/casshook/pkg/ledger"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/document"
	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/schema"
)

const (
	older = "casshook-20261121T101530Z-ffff"
	newer = "casshook-20261122T101530Z-0000"
)

func names() []string { return []string{"n1", "n2", "n3"} }

// holding is a volume with backups: ids, with a leading "-" where COMPLETE lacks.
func holding(ids ...string) ledger.Volume {
	var v ledger.Volume
	for _, id := range ids {
		complete := id[0] != '-'
		if !complete {
			id = id[1:]
		}
		v.Backups = append(v.Backups, ledger.Backup{ID: id, Complete: complete})
	}
	return v
}

// backupOf3 is the documents of three nodes h1 to h3, and the facts of the nodes.
func backupOf3(t *testing.T) ([]wire.Facts, []wire.OpenResult) {
	t.Helper()
	cluster := document.Cluster{Version: document.Version, BackupID: older, ClusterName: "c"}
	complete := document.Complete{Nodes: map[string]string{}}
	var facts []wire.Facts
	for i, host := range []string{"h1", "h2", "h3"} {
		cluster.Members = append(cluster.Members, document.Member{HostID: host, Name: names()[i], Release: "4.1.10"})
		complete.Nodes[host] = "digest"
		facts = append(facts, wire.Facts{HostID: host, Release: "4.1.10"})
	}
	content, err := document.Encode(cluster)
	require.NoError(t, err)
	rows, err := document.EncodeLines([]schema.Row{{Keyspace: "ks", Type: "keyspace", Name: "ks", Statement: "CREATE KEYSPACE ks"}})
	require.NoError(t, err)
	grants, err := document.EncodeLines([]schema.Grant{{Role: "r", Resource: "data/ks", Permissions: []string{"SELECT"}}})
	require.NoError(t, err)
	complete.Shared = map[string]string{document.ClusterFile: document.SHA256(content), document.SchemaFile: document.SHA256(rows), document.GrantsFile: document.SHA256(grants)}
	var opened []wire.OpenResult
	for i := range facts {
		opened = append(opened, wire.OpenResult{
			Volume: "original-" + names()[i], Member: cluster.Members[i], Complete: complete, CompleteDigest: "same",
			Cluster: content, Schema: rows, Grants: grants,
		})
	}
	return facts, opened
}

func TestNewSource(t *testing.T) {
	t.Parallel()
	facts, opened := backupOf3(t)
	s, err := newSource(older, names(), facts, opened)
	require.NoError(t, err)
	require.Equal(t, older, s.id)
	require.Equal(t, "c", s.cluster.ClusterName)
	require.Equal(t, []schema.Row{{Keyspace: "ks", Type: "keyspace", Name: "ks", Statement: "CREATE KEYSPACE ks"}}, s.rows)
	require.Equal(t, []schema.Grant{{Role: "r", Resource: "data/ks", Permissions: []string{"SELECT"}}}, s.grants)
	require.Equal(t, opened, s.opened)
}

func TestNewSourceRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		edit func([]wire.Facts, []wire.OpenResult)
		code flow.Code
		want []string
	}{
		{"COMPLETE differs", func(_ []wire.Facts, o []wire.OpenResult) { o[1].CompleteDigest, o[2].CompleteDigest = "x", "y" }, flow.Corrupt,
			[]string{"node n2: its COMPLETE differs from that of node n1", "node n3: its COMPLETE differs"}},
		{"COMPLETE lacks a node", func(_ []wire.Facts, o []wire.OpenResult) { delete(o[0].Complete.Nodes, "h3") }, flow.Corrupt,
			[]string{"COMPLETE lacks node n3 (host id h3)"}},
		{"volume of another node", func(f []wire.Facts, _ []wire.OpenResult) { f[0].HostID, f[1].HostID = f[1].HostID, f[0].HostID }, flow.Precondition,
			[]string{"node n1: the volume belongs to host id h1 (n1 in the backup), but the node has host id h2", "node n2: the volume belongs to host id h2"}},
		{"new node", func(f []wire.Facts, _ []wire.OpenResult) { f[2].HostID = "h9" }, flow.Precondition, []string{"the node has host id h9"}},
		{"cluster.json", func(_ []wire.Facts, o []wire.OpenResult) { o[0].Cluster = []byte(`{"version":1`) }, flow.Corrupt, []string{"cluster.json"}},
		{"schema.jsonl", func(_ []wire.Facts, o []wire.OpenResult) { o[0].Schema = []byte("{") }, flow.Corrupt, []string{"schema.jsonl"}},
		{"grants.jsonl", func(_ []wire.Facts, o []wire.OpenResult) { o[0].Grants = []byte(`{"role":"r","more":1}`) }, flow.Corrupt, []string{"grants.jsonl"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			facts, opened := backupOf3(t)
			c.edit(facts, opened)
			s, err := newSource(older, names(), facts, opened)
			require.Nil(t, s)
			require.Equal(t, c.code, flow.CodeOf(err))
			for _, want := range c.want {
				require.ErrorContains(t, err, want)
			}
		})
	}
}

// Documents that only a newer casshook can read are whole: the backup is not corrupt.
func TestSourceOfANewerCasshook(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, from, to string
		code           flow.Code
		want           string
	}{
		{"another version", `"version": 1`, `"version": 2`, flow.Precondition, "needs casshook with format 2.0 or newer"},
		{"a newer minor with a field", `"version": 1`, `"version": 1, "minor": 9, "racks": []`, flow.Precondition, "field racks"},
		{"a newer minor with a field that may be ignored", `"version": 1`, `"version": 1, "minor": 9, "ignorable": ["racks"], "racks": []`, flow.Done, ""},
		{"a field that no format has", `"version": 1`, `"version": 1, "racks": []`, flow.Corrupt, "racks"},
		{"no document", `"version": 1`, `"version": `, flow.Corrupt, document.ClusterFile},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			facts, opened := backupOf3(t)
			content := string(opened[0].Cluster)
			require.Contains(t, content, tt.from)
			for i := range opened { // one map, of all nodes
				opened[i].Cluster = []byte(strings.Replace(content, tt.from, tt.to, 1))
				opened[i].Complete.Shared[document.ClusterFile] = document.SHA256(opened[i].Cluster)
			}
			_, err := newSource(older, names(), facts, opened)
			require.Equal(t, tt.code, flow.CodeOf(err))
			if tt.want != "" {
				require.ErrorContains(t, err, tt.want)
			}
		})
	}
}
