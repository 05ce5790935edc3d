package front_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/test/lab/mgmtapi-standin/contract"
	"github.com/casshook/casshook/test/lab/mgmtapi-standin/front"
)

type answer struct {
	status int
	text   string
}

// client calls the API over the socket, and checks every call against the OpenAPI document.
type client struct {
	t    *testing.T
	doc  *contract.Contract
	http *http.Client
}

func newClient(t *testing.T, socket string) *client {
	t.Helper()
	doc, err := contract.Load("../testdata/management-api-openapi.json")
	require.NoError(t, err)
	return &client{t: t, doc: doc, http: &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
	}}}
}

func (c *client) try(method, path string, query url.Values) (answer, error) {
	target := path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	request := func(base string) *http.Request {
		r, err := http.NewRequestWithContext(c.t.Context(), method, base+target, bytes.NewReader(nil))
		require.NoError(c.t, err)
		return r
	}
	response, err := c.http.Do(request("http://localhost"))
	if err != nil {
		return answer{}, err
	}
	text, err := io.ReadAll(response.Body)
	if err := errors.Join(err, response.Body.Close()); err != nil {
		return answer{}, err
	}
	return answer{response.StatusCode, string(text)}, c.doc.Check(c.t.Context(), request(""), response, text)
}

func (c *client) call(method, path string, query url.Values) answer {
	c.t.Helper()
	got, err := c.try(method, path, query)
	require.NoError(c.t, err)
	return got
}

func (c *client) get(path string) answer {
	c.t.Helper()
	return c.call(http.MethodGet, path, nil)
}

func (c *client) post(path string, query url.Values) answer {
	c.t.Helper()
	return c.call(http.MethodPost, path, query)
}

// eventually repeats a GET until it is answered so.
func (c *client) eventually(path string, want answer, patience time.Duration) {
	c.t.Helper()
	require.Eventually(c.t, func() bool {
		got, err := c.try(http.MethodGet, path, nil)
		return err == nil && got == want
	}, patience, 20*time.Millisecond, "%s: %v", path, want)
}

// serve runs a front until the test ends or the returned function is called, which returns what Run did.
func serve(t *testing.T, o front.Options) (*client, func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	var result error
	go func() {
		defer close(done)
		result = front.Run(ctx, o, slog.New(slog.NewTextHandler(t.Output(), nil)))
	}()
	end := func() error {
		cancel()
		<-done
		return result
	}
	t.Cleanup(func() { require.NoError(t, end()) })
	c := newClient(t, o.Layout.Socket())
	require.Eventually(t, func() bool {
		select {
		case <-done:
			return true
		default:
		}
		_, err := c.try(http.MethodGet, "/api/v0/probes/liveness", nil)
		return err == nil
	}, time.Minute, 10*time.Millisecond)
	return c, end
}

// short is a directory whose name leaves room for a socket's path.
func short(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "front")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	return dir
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	return l.Addr().(*net.TCPAddr).Port
}
