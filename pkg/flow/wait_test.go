package flow

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// looks is a look with a call log: what is missing at each second since it was made.
type looks struct {
	missing []string
	at      []time.Duration
	made    time.Time
}

func (l *looks) look(context.Context) (string, error) {
	passed := time.Since(l.made)
	l.at = append(l.at, passed)
	return l.missing[min(int(passed/time.Second), len(l.missing)-1)], nil
}

func TestWait(t *testing.T) {
	t.Parallel()
	const s = time.Second
	tests := []struct {
		name         string
		limit, every time.Duration
		code         Code
		missing      []string
		looks        []time.Duration
		told         []string
		err          string
		want         Code
	}{
		{"nothing is missing", 5 * s, s, 0, []string{""}, []time.Duration{0}, nil, "", Done},
		{"what is told changes", 9 * s, s, 0, []string{"a and b", "a and b", "b", ""}, []time.Duration{0, s, 2 * s, 3 * s},
			[]string{"waiting for all nodes: a and b", "waiting for all nodes: b"}, "", Done},
		{"the limit", 2 * s, s, 0, []string{"a"}, []time.Duration{0, s, 2 * s}, []string{"waiting for all nodes: a"}, "waited 2s for all nodes: a", Failed},
		{"the last look is at the limit", 3 * s, 2 * s, 0, []string{"a", "a", "a", ""}, []time.Duration{0, 2 * s, 3 * s}, []string{"waiting for all nodes: a"}, "", Done},
		{"the error says what is missing last", s, s, Differences, []string{"a and b", "b"}, []time.Duration{0, s},
			[]string{"waiting for all nodes: a and b"}, "waited 1s for all nodes: b", Differences},
		{"no limit is one look", 0, s, Precondition, []string{"a"}, []time.Duration{0}, nil, "waited 0s for all nodes: a", Precondition},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var told []string
				l := &looks{missing: tt.missing, made: time.Now()}
				err := Wait(t.Context(), Waiting{For: "all nodes", Limit: tt.limit, Every: tt.every, Code: tt.code,
					Progress: func(m string) { told = append(told, m) }}, l.look)
				require.Equal(t, tt.want, CodeOf(err))
				if tt.err != "" {
					require.EqualError(t, err, tt.err)
					require.ErrorIs(t, err, ErrLimit)
				}
				require.Equal(t, tt.looks, l.at)
				require.Equal(t, tt.told, told)
			})
		})
	}
}

func TestWaitEndsWithTheContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		lost := errors.New("the lock was lost")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(2500*time.Millisecond, func() { cancel(lost) })
		l := &looks{missing: []string{"a"}, made: time.Now()}
		err := Wait(ctx, Waiting{For: "all nodes", Limit: time.Hour, Every: time.Second}, l.look)
		require.ErrorIs(t, err, lost)
		require.EqualError(t, err, "waiting for all nodes: the lock was lost: a")
		require.Len(t, l.at, 3)
		require.Equal(t, 2500*time.Millisecond, time.Since(l.made), "it does not end its pause first")
	})
}

func TestWaitEndsWithAnErrorOfTheLook(t *testing.T) {
	t.Parallel()
	broken := Failf(Corrupt, "broken")
	count := 0
	err := Wait(t.Context(), Waiting{Limit: time.Hour, Code: HalfWay}, func(context.Context) (string, error) {
		count++
		return "a", broken
	})
	require.Same(t, broken, err)
	require.NotErrorIs(t, err, ErrLimit)
	require.Equal(t, 1, count)
}

// serverClock is a minute ahead, and passes only when it is waited for.
type serverClock struct {
	now   time.Time
	waits []time.Duration
}

var _ Clock = (*serverClock)(nil)

func (c *serverClock) Now() time.Time { return c.now }

func (c *serverClock) Wait(_ context.Context, d time.Duration) error {
	c.now, c.waits = c.now.Add(d), append(c.waits, d)
	return nil
}

func TestWaitByAnotherClock(t *testing.T) {
	t.Parallel()
	c := &serverClock{now: time.Now().Add(time.Minute)}
	err := Wait(t.Context(), Waiting{For: "all nodes", Limit: time.Hour, Every: 25 * time.Minute, Clock: c}, func(context.Context) (string, error) { return "a", nil })
	require.EqualError(t, err, "waited 1h0m0s for all nodes: a")
	require.Equal(t, []time.Duration{25 * time.Minute, 25 * time.Minute, 10 * time.Minute}, c.waits)
}
