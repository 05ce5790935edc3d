//go:build ring

package standin_test

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/test/lab/cassandra"
	"github.com/casshook/casshook/test/lab/mgmtapi-standin/contract"
)

const (
	endpointsPath   = "/api/v0/metadata/endpoints"
	snapshotsPath   = "/api/v0/ops/node/snapshots"
	refreshPath     = "/api/v0/ops/keyspace/refresh"
	flushPath       = "/api/v0/ops/tables/flush"
	tablesPath      = "/api/v0/ops/tables"
	keyspacesPath   = "/api/v0/ops/keyspace"
	versionsPath    = "/api/v1/ops/node/schema/versions"
	compactionsPath = "/api/v1/ops/tables/compactions"
)

func TestContract(t *testing.T) {
	for name, options := range contractRings() {
		t.Run(name, func(t *testing.T) {
			ring := startRing(t, options)
			execute(t, ring,
				"CREATE KEYSPACE shop WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}",
				"CREATE TABLE shop.orders (id int PRIMARY KEY, city text)",
				"CREATE MATERIALIZED VIEW shop.by_city AS SELECT * FROM shop.orders WHERE id IS NOT NULL AND city IS NOT NULL"+
					" PRIMARY KEY (city, id)",
				"INSERT INTO shop.orders (id, city) VALUES (1, 'Rome')",
			)
			node := ring.Node(1)
			doc := document(t)
			for transport, at := range map[string]api{
				"socket": {doc: doc, client: node.APIClient(), base: "http://localhost"},
				"tcp":    {doc: doc, client: http.DefaultClient, base: node.APIURL},
			} {
				t.Run(transport, func(t *testing.T) {
					at.t = t
					metadata(&at, node, options.Version)
					schema(&at)
					snapshots(&at)
					refused(&at)
					refresh(&at)
					failures(&at)
				})
			}
			limits(t, ring, doc)
			accessLog(t, node)
		})
	}
}

func metadata(a *api, node *cassandra.Node, version string) {
	for path, want := range map[string]string{
		"/api/v0/probes/liveness": "OK", "/api/v0/probes/readiness": "OK",
		"/api/v0/metadata/versions/release": version, "/api/v0/metadata/localdc": "dc1",
	} {
		require.Equal(a.t, answer{200, want}, a.call(http.MethodGet, path, nil, nil), path)
	}
	var features map[string]any
	a.get("/api/v0/metadata/versions/features", nil, &features)
	require.Equal(a.t, version, features["cassandra_version"])

	var endpoints entities
	a.get(endpointsPath, nil, &endpoints)
	require.Len(a.t, endpoints.Entity, 1)
	one := endpoints.Entity[0]
	for key, want := range map[string]string{
		"ENDPOINT_IP": node.Address, "DC": "dc1", "RACK": "r1", "IS_ALIVE": "true", "IS_LOCAL": "true", "CLUSTER_NAME": "lab",
		"PARTITIONER": "org.apache.cassandra.dht.Murmur3Partitioner", "RELEASE_VERSION": version,
	} {
		require.Equal(a.t, want, one[key], key)
	}
	require.Len(a.t, strings.Split(one["TOKENS"], ","), 16)
	require.True(a.t, strings.HasPrefix(one["STATUS_WITH_PORT"], "NORMAL,"), one["STATUS_WITH_PORT"])
	require.Len(a.t, one["HOST_ID"], 36)

	versions := map[string][]string{}
	a.get(versionsPath, nil, &versions)
	require.Equal(a.t, map[string][]string{one["SCHEMA"]: {node.Address}}, versions)
}

func schema(a *api) {
	var names []string
	a.get(tablesPath, url.Values{"keyspaceName": {"shop"}}, &names)
	require.Equal(a.t, []string{"orders"}, names, "views are not listed")
	a.get(tablesPath, url.Values{"keyspaceName": {"nothing"}}, &names)
	require.Empty(a.t, names)
	a.get(keyspacesPath, nil, &names)
	require.Subset(a.t, names, []string{"shop", "system", "system_schema", "system_auth", "system_traces", "system_distributed"})
	a.get(keyspacesPath, url.Values{"keyspaceName": {"shop"}}, &names)
	require.Equal(a.t, []string{"shop"}, names)
	var running []map[string]any
	a.get(compactionsPath, nil, &running)
}

func snapshots(a *api) {
	list := func(query url.Values) []map[string]string {
		var got entities
		a.get(snapshotsPath, query, &got)
		return got.Entity
	}
	take := func(body map[string]any) answer { return a.call(http.MethodPost, snapshotsPath, nil, body) }
	ok := answer{200, "OK"}

	require.Empty(a.t, list(nil))
	require.Equal(a.t, ok, take(map[string]any{"snapshot_name": "all"}))
	require.Equal(a.t, answer{500, "Failed to execute method NodeOps.takeSnapshot"}, take(map[string]any{"snapshot_name": "all"}))
	require.Equal(a.t, ok, take(map[string]any{"snapshot_name": "ks", "keyspaces": []string{"shop"}, "skip_flush": true}))
	require.Equal(a.t, ok, take(map[string]any{"snapshot_name": "one", "keyspaces": []string{"shop"}, "table_name": "orders"}))
	require.Equal(a.t, ok, take(map[string]any{"snapshot_name": "two", "keyspace_tables": []string{"shop.orders", "shop.by_city"}}))

	require.Greater(a.t, len(list(url.Values{"snapshotNames": {"all"}})), 20)
	require.Len(a.t, list(url.Values{"snapshotNames": {"ks"}}), 2, "table and view")
	require.Len(a.t, list(url.Values{"snapshotNames": {"one", "two"}}), 3)
	require.Len(a.t, list(url.Values{"snapshotNames": {"all"}, "keyspaces": {"shop"}}), 2)
	one := list(url.Values{"snapshotNames": {"one"}})[0]
	require.Equal(a.t, "one", one["Snapshot name"])
	require.Equal(a.t, "shop", one["Keyspace name"])
	require.Equal(a.t, "orders", one["Column family name"])

	remove := func(query url.Values) answer { return a.call(http.MethodDelete, snapshotsPath, query, nil) }
	require.Equal(a.t, ok, remove(url.Values{"snapshotNames": {"unknown"}}))
	require.Equal(a.t, ok, remove(url.Values{"snapshotNames": {"all"}, "keyspaces": {"shop"}}))
	require.Empty(a.t, list(url.Values{"snapshotNames": {"all"}, "keyspaces": {"shop"}}))
	require.NotEmpty(a.t, list(url.Values{"snapshotNames": {"all"}}))
	require.Equal(a.t, ok, remove(url.Values{"snapshotNames": {"all", "ks"}}))
	require.Len(a.t, list(nil), 3)
	require.Equal(a.t, ok, remove(nil))
	require.Empty(a.t, list(nil))
}

// refused are requests that the real API answers with 400.
func refused(a *api) {
	const single = "Exactly 1 keyspace must be specified when specifying table_name"
	for _, c := range []struct {
		body map[string]any
		want string
	}{
		{map[string]any{"keyspaces": []string{"a"}, "keyspace_tables": []string{"a.b"}},
			"When specifying keyspace_tables, specifying keyspaces is not allowed"},
		{map[string]any{"table_name": "t"}, single},
		{map[string]any{"table_name": "t", "keyspaces": []string{"a", "b"}}, single},
	} {
		require.Equal(a.t, answer{400, c.want}, a.call(http.MethodPost, snapshotsPath, nil, c.body))
	}
	require.Equal(a.t, 400, a.call(http.MethodPost, snapshotsPath, nil, map[string]any{"tag": "unknown field"}).status)
	require.Equal(a.t, answer{400, "Must provide a keyspace name"}, a.call(http.MethodPost, refreshPath, nil, nil))
	require.Equal(a.t, answer{400, "table must be provided"},
		a.call(http.MethodPost, refreshPath, url.Values{"keyspaceName": {"shop"}}, nil))
	require.Equal(a.t, answer{400, "List tables failed. Non-empty 'keyspaceName' must be provided"},
		a.call(http.MethodGet, tablesPath, url.Values{"keyspaceName": {""}}, nil))
}

func refresh(a *api) {
	for _, table := range []string{"orders", "by_city"} { // a view, too
		query := url.Values{"keyspaceName": {"shop"}, "table": {table}}
		require.Equal(a.t, answer{200, "OK"}, a.call(http.MethodPost, refreshPath, query, nil))
	}
	for _, body := range []map[string]any{
		{"keyspace_name": "shop", "tables": []string{"orders"}, "jobs": 0},
		{"keyspace_name": "shop", "tables": []string{}, "jobs": 0},
		{"keyspace_name": "", "tables": []string{}, "jobs": 0},
	} {
		require.Equal(a.t, answer{200, "OK"}, a.call(http.MethodPost, flushPath, nil, body))
	}
}

func failures(a *api) {
	query := url.Values{"keyspaceName": {"shop"}, "table": {"nothing"}}
	require.Equal(a.t, answer{500, "Failed to execute method NodeOps.loadNewSSTables"}, a.call(http.MethodPost, refreshPath, query, nil))
	body := map[string]any{"keyspace_name": "nothing", "tables": []string{}, "jobs": 0}
	require.Equal(a.t, answer{500, "Failed to execute method NodeOps.forceKeyspaceFlush"}, a.call(http.MethodPost, flushPath, nil, body))
}

// limits: a call over its limit is answered with 500 while its work goes on.
func limits(t *testing.T, ring *cassandra.Ring, doc *contract.Contract) {
	node := ring.Node(1)
	a := &api{t: t, doc: doc, client: node.APIClient(), base: "http://localhost"}
	require.NoError(t, node.SetAPI(cassandra.APIOptions{
		Limit: 1500 * time.Millisecond, Delay: map[string]time.Duration{"takeSnapshot": 2 * time.Second},
	}))
	begin := time.Now()
	got := a.call(http.MethodPost, snapshotsPath, nil, map[string]any{"snapshot_name": "late", "keyspaces": []string{"shop"}})
	require.Equal(t, answer{500, "Query timed out after PT1.5S"}, got)
	require.InDelta(t, 1.5, time.Since(begin).Seconds(), 0.45)
	var now entities
	a.get(snapshotsPath, url.Values{"snapshotNames": {"late"}}, &now)
	require.Empty(t, now.Entity)
	require.Eventually(t, func() bool {
		a.get(snapshotsPath, url.Values{"snapshotNames": {"late"}}, &now)
		return len(now.Entity) == 2
	}, 10*time.Second, 100*time.Millisecond, "the snapshot comes about all the same")
	require.NoError(t, node.SetAPI(cassandra.APIOptions{}))
	require.Equal(t, answer{200, "OK"}, a.call(http.MethodDelete, snapshotsPath, nil, nil))
}

// accessLog: one line per request; and what HTTP clients of other kinds send is understood.
func accessLog(t *testing.T, node *cassandra.Node) {
	require.NoError(t, node.ResetAPICalls())
	send := func(method, target, kind string, body io.Reader) int {
		request, err := http.NewRequestWithContext(t.Context(), method, node.APIURL+target, body)
		require.NoError(t, err)
		request.Header.Set("Content-Type", kind)
		response, err := http.DefaultClient.Do(request)
		require.NoError(t, err)
		_, err = io.Copy(io.Discard, response.Body)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		return response.StatusCode
	}
	unknownLength := struct{ io.Reader }{strings.NewReader(`{"snapshot_name": "chunked", "keyspaces": ["shop"]}`)}
	require.Equal(t, 200, send("POST", snapshotsPath, "application/json", unknownLength))
	require.Equal(t, 415, send("POST", snapshotsPath, "text/plain", strings.NewReader("{}")))
	require.Equal(t, 400, send("POST", snapshotsPath, "application/json", strings.NewReader("{")))
	require.Equal(t, 405, send("PUT", snapshotsPath, "application/json", nil))
	require.Equal(t, 404, send("GET", "/api/v0/nothing", "", nil))
	require.Equal(t, 200, send("DELETE", snapshotsPath+"?snapshotNames=chunked", "", nil))
	calls, err := node.APICalls()
	require.NoError(t, err)
	require.Equal(t, []cassandra.APICall{
		{Method: "POST", Target: snapshotsPath, Status: 200},
		{Method: "POST", Target: snapshotsPath, Status: 415},
		{Method: "POST", Target: snapshotsPath, Status: 400},
		{Method: "PUT", Target: snapshotsPath, Status: 405},
		{Method: "GET", Target: "/api/v0/nothing", Status: 404},
		{Method: "DELETE", Target: snapshotsPath + "?snapshotNames=chunked", Status: 200},
	}, calls)
}
