//go:build ring

package standin_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/test/lab/cassandra"
	"github.com/casshook/casshook/test/lab/mgmtapi-standin/contract"
)

// api calls one node's stand-in and checks both sides of every call against the OpenAPI document.
type api struct {
	t      *testing.T
	doc    *contract.Contract
	client *http.Client
	base   string
}

type answer struct {
	status int
	text   string
}

func document(t *testing.T) *contract.Contract {
	t.Helper()
	doc, err := contract.Load("testdata/management-api-openapi.json")
	require.NoError(t, err)
	return doc
}

func (a *api) call(method, path string, query url.Values, body any) answer {
	a.t.Helper()
	var text []byte
	if body != nil {
		var err error
		text, err = json.Marshal(body)
		require.NoError(a.t, err)
	}
	target := path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	build := func(base string) *http.Request {
		request, err := http.NewRequestWithContext(a.t.Context(), method, base+target, bytes.NewReader(text))
		require.NoError(a.t, err)
		if body != nil {
			request.Header.Set("Content-Type", "application/json")
		}
		return request
	}
	response, err := a.client.Do(build(a.base))
	require.NoError(a.t, err)
	got, err := io.ReadAll(response.Body)
	require.NoError(a.t, err)
	require.NoError(a.t, response.Body.Close())
	require.NoError(a.t, a.doc.Check(a.t.Context(), build(""), response, got))
	return answer{response.StatusCode, string(got)}
}

func (a *api) get(path string, query url.Values, into any) {
	a.t.Helper()
	got := a.call(http.MethodGet, path, query, nil)
	require.Equal(a.t, http.StatusOK, got.status, got.text)
	require.NoError(a.t, json.Unmarshal([]byte(got.text), into), got.text)
}

type entities struct {
	Entity []map[string]string `json:"entity"`
}

// startRing leaves nothing behind, and says so if something is.
func startRing(t *testing.T, options cassandra.Options) *cassandra.Ring {
	t.Helper()
	dir, err := os.MkdirTemp(cassandra.Scratch(), "lab")
	require.NoError(t, err)
	options.Dir = dir
	ring, err := cassandra.Start(t.Context(), options)
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, ring.Remove(context.Background()))
		require.NoDirExists(t, dir)
	})
	return ring
}

// execute runs CQL statements on node 1.
func execute(t *testing.T, ring *cassandra.Ring, statements ...string) {
	t.Helper()
	session, err := ring.Node(1).Connect(t.Context())
	require.NoError(t, err)
	defer session.Close()
	for _, statement := range statements {
		require.NoError(t, session.Query(statement).ExecContext(t.Context()), statement)
	}
}
