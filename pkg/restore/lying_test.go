package restore

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/document"
	"github.com/casshook/casshook/pkg/flow"
)

// One node answers with other documents than its COMPLETE, or than the others have: its
// statements and grants would be run on the whole ring.
func TestOneNodeLies(t *testing.T) {
	t.Parallel()
	const id = "casshook-20261121T101530Z-4f2a"
	cluster, err := document.Encode(document.Cluster{Version: 1, BackupID: id, Members: []document.Member{{HostID: "h1"}, {HostID: "h2"}}})
	require.NoError(t, err)
	shared := map[string]string{document.ClusterFile: document.SHA256(cluster), document.SchemaFile: document.SHA256(nil), document.GrantsFile: document.SHA256(nil)}
	honest := func(host string) wire.OpenResult {
		complete := document.Complete{Version: 1, BackupID: id, Nodes: map[string]string{"h1": "x", "h2": "x"}, Shared: map[string]string{}}
		for name, digest := range shared {
			complete.Shared[name] = digest
		}
		return wire.OpenResult{Complete: complete, CompleteDigest: "d", Cluster: cluster, Member: document.Member{HostID: host}}
	}
	grants := []byte(`{"role":"mallory","resource":"data","permissions":["ALTER"]}` + "\n")
	for name, lie := range map[string]struct {
		change func(o *wire.OpenResult)
		want   string
	}{
		"grants": {func(o *wire.OpenResult) { o.Grants = grants }, "grants.jsonl does not match COMPLETE"},
		"schema": {func(o *wire.OpenResult) { o.Schema = []byte("{}\n") }, "schema.jsonl does not match COMPLETE"},
		"ring":   {func(o *wire.OpenResult) { o.Cluster = append(o.Cluster[:len(o.Cluster):len(o.Cluster)], ' ') }, "cluster.json does not match COMPLETE"},
		"grants and COMPLETE": {func(o *wire.OpenResult) {
			o.Grants = grants
			o.Complete.Shared[document.GrantsFile] = document.SHA256(grants)
		}, "its COMPLETE differs"},
		"another digest": {func(o *wire.OpenResult) { o.CompleteDigest = "e" }, "its COMPLETE differs"},
		"another node":   {func(o *wire.OpenResult) { o.Member.HostID = "h3" }, "host id h3 is not a node of the backup"},
		"none":           {func(*wire.OpenResult) {}, ""},
	} {
		for liar := range 2 {
			opened := []wire.OpenResult{honest("h1"), honest("h2")}
			lie.change(&opened[liar])
			_, err := newSource(id, []string{"n1", "n2"}, []wire.Facts{{HostID: "h1"}, {HostID: "h2"}}, opened)
			if lie.want == "" {
				require.NoError(t, err)
				continue
			}
			require.ErrorContains(t, err, lie.want, "%s, node %d", name, liar)
			require.Equal(t, flow.Corrupt, flow.CodeOf(err))
		}
	}
}
