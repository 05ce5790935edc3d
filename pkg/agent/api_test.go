package agent

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"github.com/casshook/casshook/pkg/ledger"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/agent/apitest"
	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/document"
)

// endpoints answers with the states of nodes.
func endpoints(t *testing.T, states ...map[string]string) http.HandlerFunc {
	t.Helper()
	content, err := json.Marshal(map[string]any{"entity": states, "variant": map[string]string{}})
	require.NoError(t, err)
	return apitest.Answer(http.StatusOK, string(content))
}

// silentHandler answers nothing until the client has gone.
func silentHandler() http.HandlerFunc {
	return func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // else the end of the connection is not noticed
		<-r.Context().Done()
	}
}

func state(change map[string]string) map[string]string {
	s := map[string]string{
		"ENDPOINT_IP": "127.0.0.1", "HOST_ID": hostA, "DC": "dc1", "RACK": "r1", "IS_ALIVE": "true",
		"STATUS_WITH_PORT": "NORMAL,-1", "RELEASE_VERSION": "5.0.9", "IS_LOCAL": "false",
	}
	for k, v := range change {
		s[k] = v
	}
	return s
}

func TestAPIFacts(t *testing.T) {
	t.Parallel()
	f := newFakeAPI(t, newVolume(t, 1))
	f.Answer(apitest.Endpoints, endpoints(t,
		state(map[string]string{"HOST_ID": hostB, "ENDPOINT_IP": "/127.0.0.2", "IS_ALIVE": "false", "STATUS_WITH_PORT": "shutdown,true"}),
		state(map[string]string{"IS_LOCAL": "true"}),
		state(map[string]string{"HOST_ID": hostC, "STATUS_WITH_PORT": "", "STATUS": "BOOT,1", "RACK": "r 2"}),
		state(map[string]string{"HOST_ID": "left", "STATUS_WITH_PORT": "LEFT,-1,1760000000000", "IS_ALIVE": "false"}),
		state(map[string]string{"HOST_ID": "removed", "STATUS_WITH_PORT": "removed,x,1760000000000", "IS_ALIVE": "false"}),
	))
	got, err := ask[wire.Facts](open(t, f.volume.node(f.URL)), wire.OpFacts, none{})
	require.NoError(t, err)
	require.Equal(t, wire.Facts{Via: "management API", HostID: hostA, Release: "5.0.9", Endpoints: []wire.Endpoint{
		{Address: "127.0.0.2", HostID: hostB, Datacenter: "dc1", Rack: "r1"},
		{Address: "127.0.0.1", HostID: hostA, Datacenter: "dc1", Rack: "r1", Up: true, Normal: true},
		{Address: "127.0.0.1", HostID: hostC, Datacenter: "dc1", Rack: "r 2", Up: true},
	}}, got)
}

func TestAPIErrors(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		answer  http.HandlerFunc
		want    string
		unknown bool
	}{
		{"text of the error", apitest.Answer(500, "Snapshot x already exists.\n"), "management API: GET " + apitest.Endpoints + ": 500 Snapshot x already exists.", false},
		{"not found", apitest.Answer(404, "gone"), "404 gone", false},
		{"30 seconds", apitest.Answer(500, timedOut), "500 " + timedOut, true},
		{"the same words with another status", apitest.Answer(503, timedOut), "503", false},
		{"no JSON", apitest.Answer(200, "<html>"), "management API: GET " + apitest.Endpoints + ": invalid character", false},
		{"nobody local", apitest.Answer(200, `{"entity":[]}`), "has no entry for the local node", false},
		{"cut off", func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Length", "9") }, "unexpected EOF", false},
		{"silent", silentHandler(), "Client.Timeout", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(tt.answer)
			t.Cleanup(server.Close)
			a := newAPI(server.URL + "/")
			a.client.Timeout = 2 * time.Second
			_, err := a.facts(t.Context())
			require.ErrorContains(t, err, tt.want)
			require.Equal(t, tt.unknown, isUnknown(err))
		})
	}
	t.Run("a context that ends is no unknown outcome", func(t *testing.T) {
		t.Parallel()
		server := httptest.NewServer(silentHandler())
		t.Cleanup(server.Close)
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		require.False(t, isUnknown(newAPI(server.URL).snapshot(ctx, testID)))
	})
	t.Run("nobody listens", func(t *testing.T) {
		t.Parallel()
		err := newAPI("unix:///nowhere.sock").snapshot(t.Context(), testID)
		require.ErrorContains(t, err, "nowhere.sock")
		require.False(t, isUnknown(err))
	})
}

func TestAPIRequests(t *testing.T) {
	t.Parallel()
	f := newFakeAPI(t, newVolume(t, 1))
	a := newAPI(f.URL)
	require.NoError(t, a.open(t.Context()))
	require.NoError(t, a.flush(t.Context(), []string{"a", `"b;`}))
	require.NoError(t, a.snapshot(t.Context(), testID))
	require.NoError(t, a.refresh(t.Context(), "k s&table=x", `"T";#%`))
	require.Equal(t, []string{
		"GET /api/v0/probes/readiness",
		`POST /api/v0/ops/tables/flush {"jobs":0,"keyspace_name":"a","tables":[]}`,
		`POST /api/v0/ops/tables/flush {"jobs":0,"keyspace_name":"\"b;","tables":[]}`,
		`POST /api/v0/ops/node/snapshots {"snapshot_name":"` + testID + `"}`,
		"POST /api/v0/ops/keyspace/refresh?keyspaceName=k+s%26table%3Dx&table=%22T%22%3B%23%25",
	}, f.Calls(""))
	f.Answer(apitest.Flush, apitest.Answer(500, timedOut), apitest.Answer(500, "no such keyspace"))
	err := a.flush(t.Context(), []string{"slow", "gone", "never"})
	require.ErrorContains(t, err, "no such keyspace")
	require.Len(t, f.Calls(apitest.Flush), 4, "the slow flush is passed over, the failed one ends it")
}

// snapshotArgs asks for a snapshot of two tables.
func snapshotArgs(wait time.Duration) wire.SnapshotArgs {
	return wire.SnapshotArgs{Tag: testID, Wait: wait, Tables: []document.TableRef{ref("ks", "a", tableOne), ref("ks", "b", tableTwo)}}
}

// manifests are what says that a table's snapshot is there.
func manifest(v *volume, dir int, name, id string) string {
	return filepath.Join(document.SnapshotDir(v.data[dir], "ks", name, id, testID), "manifest.json")
}

func TestSnapshot(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name        string
		made        int // tables that have the snapshot at once
		late        bool
		answer      http.HandlerFunc
		kind, wants string
	}{
		{name: "all there", made: 2},
		{name: "one lacks it", made: 1, kind: wire.KindMissing, wants: "snapshot " + testID + ": missing for 1 of 2 tables: ks.b (directory ks/b-" + tableTwo + " not found in "},
		{name: "the tag exists", made: 2, answer: apitest.Answer(500, "Snapshot "+testID+" already exists."), wants: "already exists"},
		{name: "slow, but all come", made: 1, late: true, answer: apitest.Answer(500, timedOut)},
		{name: "slow, and one never comes", made: 1, answer: apitest.Answer(500, timedOut), wants: "waited 700ms for snapshot " + testID + ", whose call timed out: missing for 1 of 2 tables: ks.b ("},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			v := newVolume(t, 2)
			f := newFakeAPI(t, v)
			f.Answer(apitest.Snapshots, tt.answer)
			c := hold(t, v.node(f.URL))
			wait700 := 700 * time.Millisecond
			if tt.late {
				wait700 = patience
			}
			id := c.send(wire.OpSnapshot, snapshotArgs(wait700))
			c.event(wire.EventReady)
			require.Empty(t, f.Calls(apitest.Snapshots), "nothing before the barrier")
			v.write(manifest(v, 1, "a", tableOne), "{}")
			if tt.made == 2 {
				v.write(manifest(v, 0, "b", tableTwo), "{}")
			}
			began := time.Now().UTC()
			c.line(`{"op":"go"}`)
			c.event(wire.EventStarted)
			if tt.late {
				go func() {
					time.Sleep(2 * pollEvery)
					v.write(manifest(v, 0, "b", tableTwo), "{}")
				}()
			}
			r, err := wait[wire.SnapshotResult](c, id)
			require.Equal(t, []wire.Event{{Kind: wire.EventFinished}}, c.events)
			if tt.wants != "" {
				requireKind(t, err, tt.kind, tt.wants)
				return
			}
			require.NoError(t, err)
			require.WithinRange(t, r.Start, began, r.End)
			require.Len(t, f.Calls(apitest.Snapshots), 1)
			if tt.late {
				require.Greater(t, r.End.Sub(r.Start), pollEvery)
			}
		})
	}
}

func TestSnapshotThatIsGivenUpFreesTheAgent(t *testing.T) {
	t.Parallel()
	v := newVolume(t, 1)
	f := newFakeAPI(t, v)
	c := hold(t, v.node(f.URL))
	waiting := c.send(wire.OpSnapshot, snapshotArgs(time.Second))
	c.event(wire.EventReady)
	next := c.send(wire.OpClear, wire.ClearArgs{BackupIDs: []string{testID}})
	_, err := wait[none](c, waiting)
	require.ErrorContains(t, err, "cancelled before it started")
	_, err = wait[wire.ClearResult](c, next)
	require.NoError(t, err)

	c.line(`{"op":"go"}`) // late, and twice
	c.line(`{"op":"go"}`)
	_, err = ask[ledger.Volume](c, wire.OpInspect, none{})
	require.NoError(t, err)
	waiting = c.send(wire.OpSnapshot, snapshotArgs(time.Second))
	c.event(wire.EventReady)
	time.Sleep(50 * time.Millisecond)
	next = c.send(wire.OpInspect, none{})
	_, err = wait[none](c, waiting)
	require.ErrorContains(t, err, "cancelled before it started", "a release of before opens no barrier")
	require.Empty(t, f.Calls(apitest.Snapshots))
	_, err = wait[ledger.Volume](c, next)
	require.NoError(t, err)
}

func TestSnapshotNeedsAReadyNode(t *testing.T) {
	t.Parallel()
	v := newVolume(t, 1)
	f := newFakeAPI(t, v)
	f.Answer(apitest.Readiness, apitest.Answer(500, "not ready"))
	_, err := ask[none](hold(t, v.node(f.URL)), wire.OpSnapshot, snapshotArgs(time.Second))
	require.ErrorContains(t, err, "not ready")
	require.Empty(t, f.Calls(apitest.Snapshots))
}

func TestSchemaVersions(t *testing.T) {
	t.Parallel()
	f := newFakeAPI(t, newVolume(t, 1))
	f.Answer(apitest.SchemaVersions, apitest.Answer(200, `{"v1":["127.0.0.1"],"UNREACHABLE":["127.0.0.2"]}`), apitest.Answer(500, "no"))
	c := open(t, f.volume.node(f.URL))
	got, err := ask[wire.SchemaVersions](c, wire.OpSchema, none{})
	require.NoError(t, err)
	require.Equal(t, wire.SchemaVersions{"v1": {"127.0.0.1"}, "UNREACHABLE": {"127.0.0.2"}}, got)
	_, err = ask[wire.SchemaVersions](c, wire.OpSchema, none{})
	require.ErrorContains(t, err, "500 no")
	got, err = (&nodetool{}).schemaVersions(t.Context())
	require.NoError(t, err)
	require.Nil(t, got, "left to gossip")
}
