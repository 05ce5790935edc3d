package api

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/flow"
)

// steps is a clock that passes without waiting.
type steps struct{ now time.Time }

func (s *steps) Now() time.Time { return s.now }

func (s *steps) Wait(ctx context.Context, d time.Duration) error {
	s.now = s.now.Add(d)
	return context.Cause(ctx)
}

func TestWait(t *testing.T) {
	t.Parallel()
	gone := errors.New("gone")
	for _, c := range []struct {
		name  string
		looks [][]string
		err   error
		code  flow.Code
		want  string
		told  []string
	}{
		{"at once", [][]string{nil}, nil, 0, "", nil},
		{"later", [][]string{{"a"}, {"a"}, {"b"}, nil}, nil, 0, "", []string{"waiting for the end: a", "waiting for the end: b"}},
		{"never", [][]string{{"a"}}, nil, flow.Precondition, "waited 3s for the end: a", []string{"waiting for the end: a"}},
		{"an error", nil, gone, flow.Failed, "gone", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			client, looked, told := &Client{Clock: &steps{}}, 0, []string(nil)
			err := client.Wait(t.Context(), flow.Waiting{Limit: 3 * time.Second, Every: time.Second, For: "the end", Progress: func(m string) { told = append(told, m) }},
				func(context.Context) ([]string, error) {
					if c.err != nil {
						return nil, c.err
					}
					looked++
					return c.looks[min(looked, len(c.looks))-1], nil
				})
			require.Equal(t, c.told, told)
			if c.want == "" {
				require.NoError(t, err)
				require.Equal(t, len(c.looks), looked)
				return
			}
			require.EqualError(t, err, c.want)
			require.Equal(t, c.code, flow.CodeOf(err))
		})
	}
}

func TestWaitEndsWithTheContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("stopped"))
	client := &Client{Clock: &steps{}}
	err := client.Wait(ctx, flow.Waiting{Limit: time.Hour, Every: time.Second, For: "the end", Code: flow.HalfWay}, func(context.Context) ([]string, error) { return []string{"a"}, nil })
	require.EqualError(t, err, "waiting for the end: stopped: a")
}

func TestFew(t *testing.T) {
	t.Parallel()
	require.Empty(t, Few(nil))
	require.Equal(t, "a; b; c; d", Few([]string{"a", "b", "c", "d"}))
	require.Equal(t, "a; b; c; d; and 2 more", Few([]string{"a", "b", "c", "d", "e", "f"}))
}
