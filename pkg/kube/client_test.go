package kube

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/flow"
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
		opts      Options
		namespace string
		refusal   string
	}{
		{"current context", Options{Kubeconfig: file}, "first", ""},
		{"another context", Options{Kubeconfig: file, Context: "two"}, "default", ""},
		{"namespace given", Options{Kubeconfig: file, Namespace: "mine"}, "mine", ""},
		{"no such context", Options{Kubeconfig: file, Context: "three"}, "", `context "three" does not exist`},
		{"no such file", Options{Kubeconfig: file + "x"}, "", "no such file"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			client, err := Connect(c.opts)
			if c.refusal != "" {
				require.ErrorContains(t, err, c.refusal)
				require.Equal(t, flow.Usage, flow.CodeOf(err))
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.namespace, client.Namespace())
		})
	}
}

func TestConnectByEnvironment(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config")
	require.NoError(t, os.WriteFile(file, []byte(twoContexts), 0o600))
	t.Setenv("KUBECONFIG", file)
	client, err := Connect(Options{})
	require.NoError(t, err)
	require.Equal(t, "first", client.Namespace())
	t.Setenv("KUBECONFIG", file+"x")
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	_, err = Connect(Options{})
	require.ErrorContains(t, err, "no kubernetes to talk to: give --kubeconfig")
}

// The clock of a laptop may be off by minutes: what is parked is judged by the
// server's.
func TestServerTime(t *testing.T) {
	t.Parallel()
	for name, off := range map[string]time.Duration{"ahead": 10 * time.Minute, "behind": -10 * time.Minute, "nearly the same": time.Second} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Date", time.Now().Add(off).UTC().Format(http.TimeFormat))
			}))
			defer s.Close()
			served := &serverTime{}
			resp, err := (&http.Client{Transport: served.wrap(http.DefaultTransport)}).Get(s.URL)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			want := off
			if off < precision {
				want = max(0, -off) * -1
			}
			require.InDelta(t, want.Seconds(), time.Until(served.Now()).Seconds(), 2)
			if name == "nearly the same" {
				require.Zero(t, served.ahead.Load(), "the header's second is no difference of clocks")
			}
		})
	}
}

func TestUserAgent(t *testing.T) {
	t.Parallel()
	var agent string
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { agent = r.UserAgent() }))
	defer s.Close()
	server := &server{t: t, http: s}
	client := server.client(Options{Release: "v9"})
	_, err := client.Rings(t.Context(), Selection{})
	require.Error(t, err)
	require.Equal(t, "casshook/v9", agent)
}
