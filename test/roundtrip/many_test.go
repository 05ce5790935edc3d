//go:build ring

package roundtrip

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	gocql "github.com/apache/cassandra-gocql-driver/v2"
	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/backup"
	"github.com/casshook/casshook/pkg/restore"
	"github.com/casshook/casshook/test/lab/cassandra"
)

const manyTables = 100

// many starts three nodes with a hundred tables, whose schema is larger than an
// argument of a command may be.
func many(t testing.TB) *world {
	t.Helper()
	w := start(t, cassandra.Options{Version: "5.0.9", Nodes: 3})
	w.exec(t, "CREATE KEYSPACE many WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 2}")
	comment := strings.Repeat("A long comment; it's ''quoted''. ", 50)
	for i := range manyTables {
		w.exec(t, fmt.Sprintf("CREATE TABLE many.t%d (id int PRIMARY KEY, v text) WITH comment = '%s'", i, strings.ReplaceAll(comment, "'", "''")))
	}
	require.NoError(t, w.ring.WaitUp(t.Context()))
	for i := range manyTables {
		for row := range 5 {
			w.exec(t, fmt.Sprintf("INSERT INTO many.t%d (id, v) VALUES (%d, 'v')", i, row))
		}
	}
	return w
}

// TestThreeNodes is what one node cannot show: costs that must not grow with
// nodes or tables, and nodes that differ.
func TestThreeNodes(t *testing.T) {
	t.Parallel()
	w := many(t)
	t.Run("the cost of a hundred tables", func(t *testing.T) { w.countCosts(t) })
	t.Run("nodes that differ", func(t *testing.T) { w.refuseDifferentNodes(t) })
	t.Run("a schema that the nodes disagree on", func(t *testing.T) { w.refuseDisagreement(t) })
	t.Run("a node that is down", func(t *testing.T) {
		id := w.backup(t)
		require.NoError(t, w.ring.KillNode(t.Context(), 3))
		for _, args := range [][]string{{"before-backup"}, {"after-restore", "--in-place"}} {
			r := w.casshook(t, args...)
			require.Equal(t, 3, r.code, r.stderr)
			require.Contains(t, r.reason(), "node n3")
		}
		require.Len(t, w.glob(t, "casshook/casshook-*"), 1, "the backup is still there")
		require.Contains(t, w.must(t, "on-failure").stdout, "removed "+id, "cleaning up needs no Cassandra")
		require.NoError(t, w.ring.StartAll(t.Context()))
	})
}

// countCosts counts processes, calls of the Management API, and statements.
func (w *world) countCosts(t *testing.T) {
	want := w.digest(t)
	w.resetCalls(t)
	var b backup.Result
	require.NoError(t, json.Unmarshal([]byte(w.must(t, "before-backup", "-o", "json").stdout), &b))
	require.Positive(t, b.Skew.StartMS)
	require.GreaterOrEqual(t, b.Skew.TotalMS, b.Skew.StartMS)
	require.Less(t, b.Statements, int64(40), "statements must not grow with tables")
	require.Equal(t, 3, w.calls(t, "POST", "/ops/node/snapshots"), "one snapshot a node")
	require.Less(t, w.calls(t, "POST", ""), 3*15, "calls must not grow with tables")
	schema, err := os.Stat(w.glob(t, "casshook/*/schema.jsonl")[0])
	require.NoError(t, err)
	require.Greater(t, schema.Size(), int64(128<<10), "the schema is larger than an argument may be")

	for i := range manyTables {
		w.exec(t, fmt.Sprintf("INSERT INTO many.t%d (id, v) VALUES (1000, 'later')", i))
	}
	w.resetCalls(t)
	starts := w.countStarts(t)
	var r restore.Report
	require.NoError(t, json.Unmarshal([]byte(w.must(t, "after-restore", "--in-place", "-o", "json").stdout), &r))
	require.Equal(t, 3, starts(), "one agent process a node")
	loads := 0
	for _, p := range r.Tables {
		require.Equal(t, p.Expected, p.Taken)
		for _, n := range p.Expected {
			loads += min(n, 1)
		}
	}
	require.Equal(t, loads, w.calls(t, "POST", "/ops/keyspace/refresh"), "one refresh a node and table with data")
	require.Less(t, r.Statements, int64(manyTables+60), "one TRUNCATE a table, and a constant")
	w.same(t, want)
}

// refuseDifferentNodes gives casshook a part of the ring, volumes of other nodes,
// and a backup that one node lacks.
func (w *world) refuseDifferentNodes(t *testing.T) {
	w.backup(t)
	content, err := os.ReadFile(w.inventory)
	require.NoError(t, err)
	third := strings.LastIndex(string(content), "\n- address:")
	part := filepath.Join(t.TempDir(), "part.yaml")
	require.NoError(t, os.WriteFile(part, content[:third+1], 0o600))
	for _, args := range [][]string{{"before-backup"}, {"after-restore", "--in-place"}} {
		w.refused(t, 3, "the ring has a node that this run does not see", append(args, "--inventory", part)...)
	}
	one, two := w.ring.Node(1).VolumeRoot, w.ring.Node(2).VolumeRoot
	w.refused(t, 3, "the volume belongs to host id", "after-restore", "--in-place", "--inventory", w.edited(t, one, two, two, one))
	complete := strings.Replace(w.glob(t, "casshook/casshook-*/COMPLETE")[0], one, w.ring.Node(3).VolumeRoot, 1)
	require.NoError(t, os.Rename(complete, complete+".away"))
	w.refused(t, 4, "not complete on node n3", "after-restore", "--in-place")
	require.NoError(t, os.Rename(complete+".away", complete))
	w.must(t, "after-restore", "--in-place", "--dry-run")
	w.must(t, "after-backup")
}

// refuseDisagreement writes another schema version into what every node keeps of
// its peers.
func (w *world) refuseDisagreement(t *testing.T) {
	change := func(version func(peer string) string) {
		for _, n := range w.ring.Nodes() {
			session, err := n.Connect(t.Context())
			require.NoError(t, err)
			for _, peer := range w.ring.Nodes() {
				if peer != n {
					require.NoError(t, session.Query("UPDATE system.peers_v2 SET schema_version = "+version(peer.Address)+" WHERE peer = '"+peer.Address+"' AND peer_port = 7000").Exec())
				}
			}
			session.Close()
		}
	}
	var version gocql.UUID
	require.NoError(t, w.session.Query("SELECT schema_version FROM system.local").Consistency(gocql.One).Scan(&version))
	change(func(string) string { return "uuid()" })
	w.refused(t, 3, "the nodes disagree on the schema", "before-backup")
	w.refused(t, 3, "the nodes disagree on the schema", "after-restore", "--in-place")
	change(func(string) string { return version.String() })
}

func (w *world) resetCalls(t testing.TB) {
	t.Helper()
	for _, n := range w.ring.Nodes() {
		require.NoError(t, n.ResetAPICalls())
	}
}

// calls counts calls of the Management API on all nodes.
func (w *world) calls(t *testing.T, method, path string) int {
	t.Helper()
	count := 0
	for _, n := range w.ring.Nodes() {
		calls, err := n.APICalls()
		require.NoError(t, err)
		for _, c := range calls {
			if c.Method == method && strings.Contains(c.Target, path) {
				count++
			}
		}
	}
	return count
}

// countStarts replaces the agent by a script that counts its starts.
func (w *world) countStarts(t *testing.T) func() int {
	t.Helper()
	dir := t.TempDir()
	log := filepath.Join(dir, "starts")
	script := fmt.Sprintf("#!/bin/sh\necho start >> %s\nexec %s \"$@\"\n", log, filepath.Join(binaries, "casshook-agent"))
	path := filepath.Join(dir, "agent")
	require.NoError(t, os.WriteFile(path, []byte(script), 0o755))
	w.agent = path
	t.Cleanup(func() { w.agent = "" })
	return func() int {
		content, err := os.ReadFile(log)
		require.NoError(t, err)
		return strings.Count(string(content), "start")
	}
}

// BenchmarkManyTables prints the times of the hooks with a hundred tables on
// three nodes, schema unchanged. It asserts nothing: machines differ.
func BenchmarkManyTables(b *testing.B) {
	w := many(b)
	w.must(b, "before-backup")
	w.must(b, "after-backup")
	for _, step := range [][]string{{"before-backup"}, {"verify", "--full"}, {"after-restore", "--in-place", "--keep-backup"}, {"after-backup"}} {
		b.Run(step[0], func(b *testing.B) {
			for range b.N {
				r := w.must(b, step...)
				lines := strings.Split(strings.TrimSpace(r.stdout), "\n")
				fmt.Printf("\n%s%s\n", r.stderr, lines[len(lines)-1])
			}
		})
	}
}
