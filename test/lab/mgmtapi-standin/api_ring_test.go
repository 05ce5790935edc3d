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

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"
	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/test/lab/cassandra"
)

// api calls one node's stand-in and checks both sides of every call against the OpenAPI document.
type api struct {
	t      *testing.T
	router routers.Router
	client *http.Client
	base   string
}

type answer struct {
	status int
	text   string
}

// contract reads the document of the real Management API. It calls the body of schema/versions a string where the real one
// sends an object (its own example shows that); here it is what is sent.
func contract(t *testing.T) routers.Router {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromFile("testdata/management-api-openapi.json")
	require.NoError(t, err)
	addresses := openapi3.NewArraySchema().WithItems(openapi3.NewStringSchema())
	doc.Paths.Value(versionsPath).Get.Responses.Value("200").Value.Content["application/json"].Schema =
		openapi3.NewObjectSchema().WithAdditionalProperties(addresses).NewRef()
	router, err := legacy.NewRouter(doc, openapi3.DisableExamplesValidation()) // some examples do not fit their own schema
	require.NoError(t, err)
	return router
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
	a.validate(build(""), response, got)
	return answer{response.StatusCode, string(got)}
}

// validate leaves out requests that are wrong on purpose: what was answered with 400 need not fit the document.
func (a *api) validate(request *http.Request, response *http.Response, body []byte) {
	a.t.Helper()
	route, parameters, err := a.router.FindRoute(request)
	require.NoError(a.t, err)
	input := &openapi3filter.RequestValidationInput{Request: request, PathParams: parameters, Route: route}
	if response.StatusCode != http.StatusBadRequest {
		require.NoError(a.t, openapi3filter.ValidateRequest(a.t.Context(), input))
	}
	declared := route.Operation.Responses.Value(map[int]string{200: "200", 400: "400", 500: "500"}[response.StatusCode])
	if response.StatusCode == http.StatusInternalServerError && declared == nil {
		return // the document names 500 only for readiness
	}
	require.NotNil(a.t, declared, "%s %s: status %d is not in the document", request.Method, request.URL, response.StatusCode)
	output := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: input, Status: response.StatusCode, Header: response.Header,
		Options: &openapi3filter.Options{IncludeResponseStatus: true},
	}
	output.SetBodyBytes(body)
	require.NoError(a.t, openapi3filter.ValidateResponse(a.t.Context(), output), "%s %s: %s", request.Method, request.URL, body)
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
