package api_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/kube/api"
	"github.com/casshook/casshook/pkg/kube/internal/kubetest"
)

const twoContexts = `{"apiVersion":"v1","kind":"Config","current-context":"one",
	"clusters":[{"name":"c","cluster":{"server":"http://127.0.0.1:1"}}],
	"contexts":[{"name":"one","context":{"cluster":"c","namespace":"first"}},{"name":"two","context":{"cluster":"c"}}]}`

func TestConnect(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "config")
	require.NoError(t, os.WriteFile(file, []byte(twoContexts), 0o600))
	for _, c := range []struct {
		name      string
		opts      api.Options
		namespace string
		refusal   string
	}{
		{"current context", api.Options{Kubeconfig: file}, "first", ""},
		{"another context", api.Options{Kubeconfig: file, Context: "two"}, "default", ""},
		{"namespace given", api.Options{Kubeconfig: file, Namespace: "mine"}, "mine", ""},
		{"no such context", api.Options{Kubeconfig: file, Context: "three"}, "", `context "three" does not exist`},
		{"no such file", api.Options{Kubeconfig: file + "x"}, "", "no such file"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			client, err := api.Connect(c.opts)
			if c.refusal != "" {
				require.ErrorContains(t, err, c.refusal)
				require.Equal(t, flow.Usage, flow.CodeOf(err))
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.namespace, client.Namespace)
		})
	}
}

func TestConnectByEnvironment(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config")
	require.NoError(t, os.WriteFile(file, []byte(twoContexts), 0o600))
	t.Setenv("KUBECONFIG", file)
	client, err := api.Connect(api.Options{})
	require.NoError(t, err)
	require.Equal(t, "first", client.Namespace)
	t.Setenv("KUBECONFIG", file+"x")
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	_, err = api.Connect(api.Options{})
	require.ErrorContains(t, err, "no Kubernetes cluster configured: pass --kubeconfig")
}

// The clock of a laptop may be off by minutes: what is parked is judged by the
// server's.
func TestUserAgent(t *testing.T) {
	t.Parallel()
	var agent string
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { agent = r.UserAgent() }))
	defer s.Close()
	server := &kubetest.Server{T: t, HTTP: s}
	client := server.Connect(api.Options{Release: "v9"})
	_, err := client.Claims(t.Context(), "db")
	require.Error(t, err)
	require.Equal(t, "casshook/v9", agent)
}
