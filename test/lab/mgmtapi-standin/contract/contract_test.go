package contract_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/test/lab/mgmtapi-standin/contract"
)

func TestCheck(t *testing.T) {
	t.Parallel()
	doc, err := contract.Load("../testdata/management-api-openapi.json")
	require.NoError(t, err)
	const text, object = "text/plain", "application/json"
	for name, c := range map[string]struct {
		method, target string
		status         int
		kind, body     string
		want           string // part of the error; none when empty
	}{
		"as declared":          {"POST", "/api/v0/lifecycle/start", 201, text, "OK", ""},
		"without a body":       {"GET", "/api/v0/lifecycle/pid", 204, "", "", ""},
		"thrown":               {"POST", "/api/v0/ops/node/drain", 500, text, "Failed", ""},
		"thrown instead":       {"GET", "/api/v0/probes/cluster", 500, text, "Failed", ""},
		"list of seeds":        {"POST", "/api/v0/ops/seeds/reload", 200, object, `["a"]`, ""},
		"no list of seeds":     {"POST", "/api/v0/ops/seeds/reload", 200, object, `"a"`, "must be an array"},
		"undeclared status":    {"POST", "/api/v0/lifecycle/start", 200, text, "OK", "not in the document"},
		"undeclared path":      {"GET", "/api/v0/lifecycle/start", 200, text, "OK", "method not allowed"},
		"role with text flags": {"GET", "/api/v0/ops/auth/role", 200, object, `[{"super":"true"}]`, "must be a boolean"},
		"wrong parameter":      {"GET", "/api/v0/probes/cluster?rf_per_dc=x", 200, "", "", "rf_per_dc"},
		"refused":              {"POST", "/api/v0/lifecycle/start?replace_ip=x", 400, text, "no", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			request := httptest.NewRequest(c.method, c.target, nil)
			request.URL.Host, request.Host = "", ""
			response := &http.Response{StatusCode: c.status, Header: http.Header{}}
			if c.kind != "" {
				response.Header.Set("Content-Type", c.kind)
			}
			err := doc.Check(t.Context(), request, response, []byte(c.body))
			if c.want == "" {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, c.want)
			}
		})
	}
}
