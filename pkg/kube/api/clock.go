package api

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"
)

// clock is time where it decides something: by whose clock, and how it passes.
type clock interface {
	// Now is the time by the API server's clock.
	Now() time.Time
	// Wait lets a duration pass, or returns the cause of the context's end.
	Wait(ctx context.Context, d time.Duration) error
}

// serverTime knows the API server's clock by the Date header of its answers, to a
// second: the clocks of laptops and nodes may be minutes apart.
type serverTime struct {
	ahead atomic.Int64
}

var _ clock = (*serverTime)(nil)

// Now implements clock.
func (s *serverTime) Now() time.Time { return time.Now().Add(time.Duration(s.ahead.Load())) }

// Wait implements clock.
func (s *serverTime) Wait(ctx context.Context, d time.Duration) error { return Pause(ctx, d) }

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

// Pause waits, or returns the cause of the context's end.
func Pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
