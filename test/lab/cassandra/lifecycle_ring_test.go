//go:build ring && full

package cassandra

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// started is a running ring that the test leaves no trace of.
func started(t *testing.T, o Options) *Ring {
	t.Helper()
	o.Dir = mustTemp(t)
	r, err := Start(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, r.Remove(context.Background()))
		requireNothingLeft(t, r)
	})
	return r
}

// requireNothingLeft looks for processes that mention the ring's directory and for its ports.
func requireNothingLeft(t *testing.T, r *Ring) {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*")
	require.NoError(t, err)
	for _, dir := range stats {
		pid, err := strconv.Atoi(filepath.Base(dir))
		require.NoError(t, err)
		require.False(t, alive(pid, r.Dir()+"/"), "process %d is left", pid)
	}
	require.True(t, netFree(r.state.Net, len(r.nodes)))
	for _, n := range r.nodes {
		require.True(t, portFree("127.0.0.1", n.JMXPort))
		require.Zero(t, n.PID())
	}
}

func run(t *testing.T, n *Node, statements ...string) {
	t.Helper()
	session, err := n.Connect(t.Context())
	require.NoError(t, err)
	defer session.Close()
	for _, statement := range statements {
		require.NoError(t, session.Query(statement).ExecContext(t.Context()), statement)
	}
}

func count(t *testing.T, n *Node, query string) int {
	t.Helper()
	session, err := n.Connect(t.Context())
	require.NoError(t, err)
	defer session.Close()
	iter := session.Query(query).IterContext(t.Context())
	rows := iter.NumRows()
	require.NoError(t, iter.Close(), query)
	return rows
}

// newTable makes keyspace ks with table ks.t and one row.
func newTable(t *testing.T, n *Node) {
	t.Helper()
	run(t, n, "CREATE KEYSPACE ks WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}",
		"CREATE TABLE ks.t (k int PRIMARY KEY, v text)", "INSERT INTO ks.t (k, v) VALUES (1, 'a')")
}

func TestLifecycle(t *testing.T) {
	for name, o := range map[string]Options{
		"5.0 latest": {Version: "5.0.9", Flavour: Latest, MultipleDataDirs: 2},
		"4.0":        {Version: "4.0.19"},
	} {
		t.Run(name, func(t *testing.T) {
			r := started(t, o)
			n := r.Node(1)
			newTable(t, n)
			volume, err := os.ReadDir(n.VolumeRoot)
			require.NoError(t, err)
			for _, entry := range volume {
				require.Contains(t, []string{"data", "data1", "commitlog", "hints", "saved_caches", "cdc_raw"}, entry.Name())
			}

			out, err := exec.Command(n.Nodetool[0], append(n.Nodetool[1:], "status")...).CombinedOutput()
			require.NoError(t, err, string(out))
			require.Contains(t, string(out), "UN  "+n.Address)

			require.ErrorContains(t, n.start(), "already running")
			require.NoError(t, r.Stop(t.Context()))
			requireNothingLeft(t, r)
			require.NoError(t, r.StartAll(t.Context()))
			require.Equal(t, 1, count(t, n, "SELECT * FROM ks.t"))

			run(t, n, "INSERT INTO ks.t (k, v) VALUES (2, 'b')")
			time.Sleep(2 * time.Second) // the commit log is synced ten times a second
			require.NoError(t, r.KillNode(t.Context(), 1))
			requireNothingLeft(t, r)
			require.NoError(t, r.StartNode(t.Context(), 1))
			require.Equal(t, 2, count(t, n, "SELECT * FROM ks.t"), "replayed from the commit log")
		})
	}
}

func TestFeaturesAreOnUnlessDisabled(t *testing.T) {
	view := "CREATE MATERIALIZED VIEW ks.m AS SELECT * FROM ks.t WHERE v IS NOT NULL AND k IS NOT NULL PRIMARY KEY (v, k)"
	sasi := "CREATE CUSTOM INDEX s ON ks.t (v) USING 'org.apache.cassandra.index.sasi.SASIIndex'"
	function := "CREATE FUNCTION ks.f (i int) CALLED ON NULL INPUT RETURNS int LANGUAGE java AS 'return i;'"
	for _, version := range Versions() {
		t.Run(version, func(t *testing.T) {
			r := started(t, Options{Version: version, API: APIOptions{Disable: true}, Features: Features{DisableSASI: true}})
			n := r.Node(1)
			newTable(t, n)
			run(t, n, view, function)
			session, err := n.Connect(t.Context())
			require.NoError(t, err)
			defer session.Close()
			require.ErrorContains(t, session.Query(sasi).ExecContext(t.Context()), "SASI indexes are disabled")
			require.Empty(t, n.APIURL)
			require.True(t, portFree(n.Address, apiPort), "no API on TCP")
		})
	}
}

func TestThreeNodes(t *testing.T) {
	r := started(t, Options{Version: "5.0.9", Nodes: 3, ClusterName: "three"})
	require.NoError(t, r.StopNode(t.Context(), 2))
	require.False(t, r.Node(2).Running())
	require.True(t, r.Node(1).Running())
	require.NoError(t, r.StartNode(t.Context(), 2))
	require.NoError(t, r.WaitUp(t.Context()))

	// A second ring beside the first, and one that is found again by its directory.
	other, err := Open(started(t, Options{Version: "4.0.19", Detached: true}).Dir())
	require.NoError(t, err)
	require.NotEqual(t, r.state.Net, other.state.Net)
	require.NoError(t, other.WaitUp(t.Context()))
	require.NoError(t, other.Stop(t.Context()))
	requireNothingLeft(t, other)
	require.NoError(t, r.Kill(t.Context()))
	require.NoError(t, r.StartAll(t.Context()))
}

// Two hundred tables with rows fit into the default heap.
func TestManyTables(t *testing.T) {
	r := started(t, Options{Version: "5.0.9"})
	n := r.Node(1)
	run(t, n, "CREATE KEYSPACE many WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}")
	var create, insert []string
	for i := range 200 {
		name := "many.t" + strconv.Itoa(i)
		create = append(create, "CREATE TABLE "+name+" (k int PRIMARY KEY, v text)")
		for k := range 5 {
			insert = append(insert, "INSERT INTO "+name+" (k, v) VALUES ("+strconv.Itoa(k)+", '"+strings.Repeat("x", 1000)+"')")
		}
	}
	run(t, n, create...)
	run(t, n, insert...)
	require.Equal(t, 5, count(t, n, "SELECT * FROM many.t199"))
}

// The errors of a start that cannot work.
func TestStartFails(t *testing.T) {
	dir := mustTemp(t)
	_, err := Start(t.Context(), Options{Version: "5.0.9", Dir: dir, YAML: map[string]string{"no_such_key": "1"}})
	require.ErrorContains(t, err, "its process has ended")
	require.ErrorContains(t, err, "no_such_key")
	r, err := Open(dir)
	require.NoError(t, err)
	requireNothingLeft(t, r)
}
