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
		opts      connectOptions
		namespace string
		refusal   string
	}{
		{"current context", connectOptions{Kubeconfig: file}, "first", ""},
		{"another context", connectOptions{Kubeconfig: file, Context: "two"}, "default", ""},
		{"namespace given", connectOptions{Kubeconfig: file, Namespace: "mine"}, "mine", ""},
		{"no such context", connectOptions{Kubeconfig: file, Context: "three"}, "", `context "three" does not exist`},
		{"no such file", connectOptions{Kubeconfig: file + "x"}, "", "no such file"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			client, err := connect(c.opts)
			if c.refusal != "" {
				require.ErrorContains(t, err, c.refusal)
				require.Equal(t, flow.Usage, flow.CodeOf(err))
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.namespace, client.namespace)
		})
	}
}

func TestConnectByEnvironment(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config")
	require.NoError(t, os.WriteFile(file, []byte(twoContexts), 0o600))
	t.Setenv("KUBECONFIG", file)
	client, err := connect(connectOptions{})
	require.NoError(t, err)
	require.Equal(t, "first", client.namespace)
	t.Setenv("KUBECONFIG", file+"x")
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	_, err = connect(connectOptions{})
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
	client := server.client(connectOptions{Release: "v9"})
	_, err := client.claims(t.Context(), "db")
	require.Error(t, err)
	require.Equal(t, "casshook/v9", agent)
}
