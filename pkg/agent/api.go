package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/casshook/casshook/pkg/agent/wire"
)

// api is the Management API of the node. Paths, parameters and answers are those
// of its published OpenAPI document.
type api struct {
	base   string
	client *http.Client
}

// callLimit is longer than the 30 seconds after which the API itself gives up.
const callLimit = 45 * time.Second

func newAPI(address string) *api {
	transport := &http.Transport{MaxIdleConnsPerHost: 8}
	base := strings.TrimSuffix(address, "/")
	if socket, ok := strings.CutPrefix(address, "unix://"); ok {
		base = "http://localhost"
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", socket)
		}
	}
	return &api{base: base, client: &http.Client{Transport: transport, Timeout: callLimit}}
}

// apiError is an answer that is no success.
type apiError struct {
	method, path string
	status       int
	text         string
}

func (e *apiError) Error() string {
	return fmt.Sprintf("management API: %s %s: %d %s", e.method, e.path, e.status, e.text)
}

// call sends one request and decodes a JSON answer into result, if not nil.
func (a *api) call(ctx context.Context, method, path string, body, result any) error {
	var reader io.Reader
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			return err
		}
		reader = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, method, a.base+path, reader)
	if err != nil {
		return err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := a.client.Do(req)
	if err != nil {
		return fmt.Errorf("management API: %w", silent(ctx, err))
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("management API: %s %s: %w", method, path, silent(ctx, err))
	}
	if resp.StatusCode != http.StatusOK {
		return a.failed(&apiError{method, path, resp.StatusCode, strings.TrimSpace(string(text))})
	}
	if result == nil {
		return nil
	}
	if err := json.Unmarshal(text, result); err != nil {
		return fmt.Errorf("management API: %s %s: %w", method, path, err)
	}
	return nil
}

// silent tells the end of the client's own patience from other errors: Cassandra
// may have been asked and go on.
func silent(ctx context.Context, err error) error {
	if os.IsTimeout(err) && ctx.Err() == nil {
		return fmt.Errorf("%w: %w", err, errUnknown)
	}
	return err
}

// failed tells the 30-second limit from other errors: the API answers 500 "Query
// timed out after PT30S" while Cassandra goes on (management-api issue 292).
func (a *api) failed(e *apiError) error {
	if e.status == http.StatusInternalServerError && strings.Contains(strings.ToLower(e.text), "timed out") {
		return fmt.Errorf("%w: %w", e, errUnknown)
	}
	return e
}

// endpointStates is the part of metadata/endpoints that is used; all strings.
type endpointStates struct {
	Entity []map[string]string `json:"entity"`
}

func (a *api) facts(ctx context.Context) (wire.Facts, error) {
	f := wire.Facts{Via: "management API"}
	var states endpointStates
	if err := a.call(ctx, http.MethodGet, "/api/v0/metadata/endpoints", nil, &states); err != nil {
		return f, err
	}
	for _, e := range states.Entity {
		status := e["STATUS_WITH_PORT"]
		if status == "" {
			status = e["STATUS"]
		}
		if departed(status) {
			continue
		}
		f.Endpoints = append(f.Endpoints, wire.Endpoint{
			Address: strings.TrimPrefix(e["ENDPOINT_IP"], "/"), HostID: e["HOST_ID"], Datacenter: e["DC"], Rack: e["RACK"],
			Up: e["IS_ALIVE"] == "true", Normal: strings.HasPrefix(status, "NORMAL"),
		})
		if e["IS_LOCAL"] == "true" {
			f.HostID, f.Release = e["HOST_ID"], e["RELEASE_VERSION"]
		}
	}
	if f.HostID == "" {
		return f, fmt.Errorf("management API: metadata/endpoints has no entry for the local node")
	}
	return f, nil
}

// departed reports whether gossip only remembers that an endpoint left the ring,
// which it does for three days (Gossiper.aVeryLongTime); nodetool status does not
// show these either.
func departed(status string) bool {
	state, _, _ := strings.Cut(status, ",")
	return state == "LEFT" || state == "removed"
}

func (a *api) schemaVersions(ctx context.Context) (wire.SchemaVersions, error) {
	var versions wire.SchemaVersions
	err := a.call(ctx, http.MethodGet, "/api/v1/ops/node/schema/versions", nil, &versions)
	return versions, err
}

// keyspaceRequest is the body of ops/tables/flush.
type keyspaceRequest struct {
	Jobs     int      `json:"jobs"`
	Keyspace string   `json:"keyspace_name"`
	Tables   []string `json:"tables"`
}

func (a *api) flush(ctx context.Context, keyspaces []string) error {
	for _, ks := range keyspaces {
		err := a.call(ctx, http.MethodPost, "/api/v0/ops/tables/flush", keyspaceRequest{Keyspace: ks, Tables: []string{}}, nil)
		if err != nil && !isUnknown(err) { // the snapshot flushes what is left
			return err
		}
	}
	return nil
}

func (a *api) open(ctx context.Context) error {
	return a.call(ctx, http.MethodGet, "/api/v0/probes/readiness", nil, nil)
}

// snapshotRequest is the body of ops/node/snapshots; without keyspaces all of
// them are taken, those of the system included.
type snapshotRequest struct {
	Name      string   `json:"snapshot_name"`
	Keyspaces []string `json:"keyspaces,omitempty"`
}

func (a *api) snapshot(ctx context.Context, tag string, keyspaces ...string) error {
	return a.call(ctx, http.MethodPost, "/api/v0/ops/node/snapshots", snapshotRequest{tag, keyspaces}, nil)
}

func (a *api) clearSnapshot(ctx context.Context, tag string) error {
	return a.call(ctx, http.MethodDelete, "/api/v0/ops/node/snapshots?"+url.Values{"snapshotNames": {tag}}.Encode(), nil, nil)
}

func (a *api) refresh(ctx context.Context, keyspace, table string) error {
	q := url.Values{"keyspaceName": {keyspace}, "table": {table}}
	return a.call(ctx, http.MethodPost, "/api/v0/ops/keyspace/refresh?"+q.Encode(), nil, nil)
}

func (a *api) loader() loader { return &refresher{api: a} }
