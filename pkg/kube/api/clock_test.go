package api

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

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
