package api

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/casshook/casshook/pkg/flow"
)

// serverTime knows the API server's clock by the Date header of its answers, to a
// second: the clocks of laptops and nodes may be minutes apart.
type serverTime struct {
	ahead atomic.Int64
}

var _ flow.Clock = (*serverTime)(nil)

// Now implements flow.Clock: the time by the API server's clock.
func (s *serverTime) Now() time.Time { return time.Now().Add(time.Duration(s.ahead.Load())) }

// Wait implements flow.Clock.
func (s *serverTime) Wait(ctx context.Context, d time.Duration) error { return flow.Sleep(ctx, d) }

// precision of a Date header: what is below tells nothing of the clocks.
const precision = 2 * time.Second

func (s *serverTime) note(date string) {
	at, err := http.ParseTime(date)
	if err != nil {
		return
	}
	ahead := time.Until(at)
	if ahead.Abs() < precision {
		ahead = 0
	}
	s.ahead.Store(int64(ahead))
}

// wrap is a rest.Config's wrapper that reads the header.
func (s *serverTime) wrap(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		resp, err := next.RoundTrip(r)
		if err == nil {
			s.note(resp.Header.Get("Date"))
		}
		return resp, err
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
