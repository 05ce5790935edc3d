package ring

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/flow"
)

// errTaken is how a lock is lost in these tests.
var errTaken = errors.New("the lock was taken by other-1")

// plainLock is a lock without anything behind it.
type plainLock struct{ *Hold }

func (plainLock) Park(context.Context) error    { return nil }
func (plainLock) Release(context.Context) error { return nil }

type silent struct{}

func (silent) Begin(string)                     {}
func (silent) End(string, time.Duration, error) {}
func (silent) Progress(string)                  {}

func TestHold(t *testing.T) {
	t.Parallel()
	begun, end := context.WithCancel(t.Context())
	h := NewHold(begun)
	end()
	ctx, cancel := h.Context(t.Context())
	defer cancel()
	require.NoError(t, ctx.Err(), "a lock outlives the context that it was taken under")
	parent, stop := context.WithCancel(t.Context())
	ofParent, cancel := h.Context(parent)
	defer cancel()
	stop()
	require.Equal(t, context.Canceled, context.Cause(ofParent))
	given, cancel := h.Context(t.Context())
	cancel()
	h.Lose(errTaken)
	h.Lose(errors.New("another cause"))
	<-ctx.Done()
	require.Equal(t, errTaken, context.Cause(ctx), "the first cause counts")
	require.Equal(t, context.Canceled, context.Cause(given), "it had ended before")
	late, cancel := h.Context(t.Context())
	defer cancel()
	<-late.Done()
	require.Equal(t, errTaken, context.Cause(late), "lost is lost")
}

func TestUnderLock(t *testing.T) {
	t.Parallel()
	waiting := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	caused := func(ctx context.Context) error { <-ctx.Done(); return context.Cause(ctx) }
	for _, tt := range []struct {
		name string
		// lose and interrupt are done while the step runs; before is when it has not begun.
		before, lose, interrupt bool
		do                      func(context.Context) error
		code                    flow.Code
		want                    string
	}{
		{name: "held", do: func(context.Context) error { return nil }},
		{name: "fails by itself", do: func(context.Context) error { return errors.New("broken") }, code: flow.Failed, want: "broken"},
		{name: "lost", lose: true, do: waiting, code: flow.Locked, want: "the lock was taken by other-1: context canceled"},
		{name: "lost, and said so", lose: true, do: caused, code: flow.Locked, want: "the lock was taken by other-1"},
		{name: "lost, after something was done", lose: true, do: func(ctx context.Context) error { return flow.Fail(flow.HalfWay, waiting(ctx)) },
			code: flow.HalfWay, want: "the lock was taken by other-1: context canceled"},
		{name: "lost, and called an interruption", lose: true, do: func(ctx context.Context) error { return flow.Fail(flow.Interrupted, waiting(ctx)) },
			code: flow.Locked, want: "the lock was taken by other-1: context canceled"},
		{name: "lost, and ended all the same", lose: true, do: func(ctx context.Context) error { <-ctx.Done(); return nil },
			code: flow.Locked, want: "the lock was taken by other-1"},
		{name: "lost before", before: true, do: func(context.Context) error { return errors.New("it was begun") }, code: flow.Locked, want: "the lock was taken by other-1"},
		{name: "interrupted", interrupt: true, do: waiting, code: flow.Interrupted, want: "working: interrupted: context canceled"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, interrupt := context.WithCancel(t.Context())
				defer interrupt()
				lock := plainLock{NewHold(ctx)}
				if tt.before {
					lock.Lose(errTaken)
				}
				go func() {
					synctest.Wait()
					if tt.lose {
						lock.Lose(errTaken)
					}
					if tt.interrupt {
						interrupt()
					}
				}()
				err := flow.Run(ctx, UnderLock(func() Held { return lock }, flow.Step{Name: "working", Do: tt.do}), silent{})
				require.Equal(t, tt.code, flow.CodeOf(err))
				if tt.want == "" {
					require.NoError(t, err)
					return
				}
				require.EqualError(t, err, tt.want)
			})
		})
	}
}

// TestUnderLockAsksLate: the lock is taken by a step of the same flow.
func TestUnderLockAsksLate(t *testing.T) {
	t.Parallel()
	var held Held
	steps := []flow.Step{{Name: "taking", Do: func(ctx context.Context) error { held = plainLock{NewHold(ctx)}; return nil }}}
	ran, undone := false, false
	steps = append(steps, UnderLock(func() Held { return held },
		flow.Step{Name: "working", Do: func(context.Context) error { ran = true; return nil }, Undo: func(context.Context) error { undone = true; return nil }},
		flow.Step{Name: "lost", Do: func(context.Context) error { held.(plainLock).Lose(errTaken); return nil }},
		flow.Step{Name: "late", Do: func(context.Context) error { return nil }},
	)...)
	require.ErrorIs(t, flow.Run(t.Context(), steps, silent{}), errTaken)
	require.True(t, ran && undone)
}
