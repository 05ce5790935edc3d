package report

import (
	"bytes"
	"errors"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestSteps(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	clock := time.Unix(1000, 0)
	s := NewSteps(&out)
	s.now = func() time.Time { return clock }
	after := func(d time.Duration, message string) { clock = clock.Add(d); s.Progress(message) }

	s.Begin("flushing")
	after(0, "at once")
	after(progressEvery-time.Millisecond, "still too early")
	after(time.Millisecond, "first")
	after(progressEvery/2, "too soon after the first")
	after(progressEvery/2, "second")
	after(time.Hour, "third")
	s.End("flushing", 1500*time.Millisecond, nil)

	clock = clock.Add(time.Hour)
	s.Begin("loading")
	after(progressEvery/2, "a step's time begins with it")
	s.End("loading", 83*time.Second, errors.New("reason that is printed at the end"))

	require.Equal(t, "  … first\n  … second\n  … third\n✓ flushing (1.50 s)\n✗ loading (1m23s)\n", out.String())
}

// Progress comes from all nodes at once; the race detector looks on.
func TestStepsConcurrently(t *testing.T) {
	t.Parallel()
	s := NewSteps(io.Discard)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			s.Begin("x")
			s.Progress("y")
			s.End("x", 0, nil)
		})
	}
	wg.Wait()
}
