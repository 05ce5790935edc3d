package flow

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// recorder is an Observer with a call log, which steps write to as well.
type recorder struct{ log []string }

var _ Observer = (*recorder)(nil)

func (r *recorder) Begin(step string) {
	if undone, ok := strings.CutPrefix(step, "undoing: "); ok {
		r.add("undoing %s", undone)
		return
	}
	r.add("begin %s", step)
}
func (r *recorder) Progress(message string) { r.add("progress %s", message) }

func (r *recorder) End(step string, took time.Duration, err error) {
	if took < 0 {
		r.add("negative duration")
	}
	if strings.HasPrefix(step, "undoing: ") {
		r.add("undone: %v", err)
		return
	}
	r.add("end %s: %v", step, err)
}

func (r *recorder) add(format string, args ...any) {
	r.log = append(r.log, fmt.Sprintf(format, args...))
}

// only are the lines of the log that begin with a prefix, without it.
func (r *recorder) only(prefix string) []string {
	found := []string{}
	for _, line := range r.log {
		if text, ok := strings.CutPrefix(line, prefix); ok {
			found = append(found, text)
		}
	}
	return found
}

// steps are four, of which the third has no undo; the one named fails.
func (r *recorder) steps(fails string, err error) []Step {
	step := func(name string) Step {
		return Step{
			Name: name,
			Do: func(context.Context) error {
				r.add("do %s", name)
				if name == fails {
					return err
				}
				return nil
			},
			Undo: func(context.Context) error { r.add("undo %s", name); return nil },
		}
	}
	steps := []Step{step("a"), step("b"), step("c"), step("d")}
	steps[2].Undo = nil
	return steps
}

func TestSkippedStepsAreNeitherSeenNorUndone(t *testing.T) {
	t.Parallel()
	var r recorder
	broken := errors.New("broken")
	steps := r.steps("d", broken)
	ran := false
	steps[0].Do = func(context.Context) error { ran = true; return nil }
	steps[1].Skip = func() bool { return ran } // asked when its turn comes
	steps[2].Skip = func() bool { return !ran }
	require.Same(t, broken, Run(t.Context(), steps, &r))
	require.Equal(t, []string{"a", "c", "d"}, r.only("begin "))
	require.Equal(t, []string{"d", "a"}, r.only("undo "))
}

func TestRunWithAFailureAtEachStep(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, fails  string
		done, undone []string
	}{
		{"none", "", []string{"a", "b", "c", "d"}, []string{}},
		{"first", "a", []string{"a"}, []string{"a"}},
		{"second", "b", []string{"a", "b"}, []string{"b", "a"}},
		{"one without undo", "c", []string{"a", "b", "c"}, []string{"b", "a"}},
		{"last", "d", []string{"a", "b", "c", "d"}, []string{"d", "b", "a"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var r recorder
			broken := errors.New("broken")
			err := Run(t.Context(), r.steps(tt.fails, broken), &r)
			require.Equal(t, tt.done, r.only("do "))
			require.Equal(t, tt.done, r.only("begin "))
			require.Equal(t, tt.undone, r.only("undo "))
			require.Equal(t, tt.undone, r.only("undoing "))
			if tt.fails == "" {
				require.NoError(t, err)
				return
			}
			require.Same(t, broken, err, "nothing is added to it")
			ends := r.only("end ")
			require.Equal(t, tt.fails+": broken", ends[len(ends)-1])
			require.Len(t, ends, len(tt.done))
		})
	}
}

func TestUndoErrorsAreJoined(t *testing.T) {
	t.Parallel()
	var r recorder
	steps := r.steps("d", Failf(Locked, "broken"))
	for _, i := range []int{0, 3} {
		steps[i].Undo = func(context.Context) error { r.add("undo %s", steps[i].Name); return errors.New("stuck") }
	}
	err := Run(t.Context(), steps, &r)
	require.EqualError(t, err, "broken\nundo of d: stuck\nundo of a: stuck")
	require.Equal(t, []string{"d", "b", "a"}, r.only("undo "), "one that fails does not keep the others from running")
	require.Equal(t, HalfWay, CodeOf(err))
}

func TestAnUndoThatFailedIsNeitherUnchangedNorUndone(t *testing.T) {
	t.Parallel()
	for code, want := range map[Code]Code{
		Failed: HalfWay, Usage: HalfWay, Precondition: HalfWay, Corrupt: HalfWay, Locked: HalfWay,
		HalfWay: HalfWay, Differences: Differences, Interrupted: Interrupted,
	} {
		var r recorder
		steps := r.steps("b", Failf(code, "broken"))
		steps[0].Undo = func(context.Context) error { return Failf(Interrupted, "stuck") } // its code is not the run's
		err := Run(t.Context(), steps, &r)
		require.Equal(t, want, CodeOf(err), code)
		require.EqualError(t, err, "broken\nundo of a: stuck")
	}
}

// TestUndosHaveADeadlineEach: a slow one does not leave the lock behind.
func TestUndosHaveADeadlineEach(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var r recorder
		steps := r.steps("d", errors.New("broken"))
		steps[1].Undo = func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
		unlocked := errors.New("not called")
		steps[0].Undo = func(ctx context.Context) error {
			unlocked = ctx.Err()
			deadline, _ := ctx.Deadline()
			require.Equal(t, undoTimeout, time.Until(deadline))
			return nil
		}
		err := Run(t.Context(), steps, &r)
		require.NoError(t, unlocked)
		require.EqualError(t, err, "broken\nundo of b: not done after 2m0s: context deadline exceeded")
		require.Equal(t, HalfWay, CodeOf(err))
	})
}

func TestAfterAStepThatDestroysNothingSaysUntouched(t *testing.T) {
	t.Parallel()
	codes := map[Code]Code{
		Failed: HalfWay, Usage: HalfWay, Precondition: HalfWay, Corrupt: HalfWay, Locked: HalfWay,
		HalfWay: HalfWay, Differences: Differences, Interrupted: Interrupted,
	}
	for code, destroyed := range codes {
		for fails, want := range map[string]Code{"a": code, "b": destroyed, "c": destroyed, "d": destroyed} {
			var r recorder
			steps := r.steps(fails, Failf(code, "broken"))
			steps[1].Destroys = true
			err := Run(t.Context(), steps, &r)
			require.Equal(t, want, CodeOf(err), "code %d at step %s", code, fails)
			require.EqualError(t, err, "broken")
		}
	}
}

func TestInterruptedAfterAStepThatDestroys(t *testing.T) {
	t.Parallel()
	for i, want := range []Code{Interrupted, HalfWay, HalfWay} { // interrupted in this step
		ctx, cancel := context.WithCancel(t.Context())
		var r recorder
		steps := r.steps("", nil)
		steps[1].Destroys = true
		steps[i].Do = func(context.Context) error { cancel(); return nil } // it ends the next one
		err := Run(ctx, steps, &r)
		require.ErrorIs(t, err, context.Canceled)
		require.Equal(t, want, CodeOf(err), i)
	}
}

func TestUndoHasAContextOfItsOwn(t *testing.T) {
	t.Parallel()
	type key struct{}
	var r recorder
	ctx, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, "kept"))
	steps := r.steps("", nil)
	steps[1].Do = func(ctx context.Context) error { cancel(); return ctx.Err() }
	var inUndo error
	steps[0].Undo = func(ctx context.Context) error {
		inUndo = ctx.Err()
		deadline, ok := ctx.Deadline()
		require.True(t, ok && time.Until(deadline) > time.Minute)
		require.Equal(t, "kept", ctx.Value(key{}))
		return nil
	}
	err := Run(ctx, steps, &r)
	require.NoError(t, inUndo)
	require.Equal(t, Interrupted, CodeOf(err))
	require.EqualError(t, err, "b: interrupted: context canceled")
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, []string{"a"}, r.only("do "), "no step begins after it")
}

func TestInterruptedBetweenSteps(t *testing.T) {
	t.Parallel()
	var r recorder
	ctx, cancel := context.WithCancel(t.Context())
	steps := r.steps("", nil)
	steps[1].Do = func(context.Context) error { cancel(); return nil } // it ended all the same
	err := Run(ctx, steps, &r)
	require.Equal(t, Interrupted, CodeOf(err))
	require.Equal(t, []string{"a"}, r.only("do "))
	require.Equal(t, []string{"b", "a"}, r.only("undo "))
}

func TestInterruptedAtTheEndIsDone(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	var r recorder
	steps := r.steps("", nil)
	steps[3].Do = func(context.Context) error { cancel(); return nil }
	require.NoError(t, Run(ctx, steps, &r))
	require.Empty(t, r.only("undo "))
}

func TestInterruptedKeepsTheCodeGivenFirst(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	var r recorder
	steps := r.steps("", nil)
	steps[2].Do = func(context.Context) error { cancel(); return Failf(HalfWay, "stopped") }
	err := Run(ctx, steps, &r)
	require.Equal(t, HalfWay, CodeOf(err))
	require.EqualError(t, err, "c: interrupted: stopped")
}
