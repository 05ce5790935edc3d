package flow

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Waiting describes a wait with a limit.
type Waiting struct {
	// For is the condition, as it reads after "waiting for": "all nodes to be up".
	For string
	// Limit ends the wait with an error; 0 looks once. Every is the pause between
	// two looks.
	Limit, Every time.Duration
	// Code of the error at the limit; Failed when 0.
	Code Code
	// Progress is told what is still missing, whenever that changes; may be nil.
	Progress func(message string)
	// Clock that counts; that of this machine when nil.
	Clock Clock
}

// Clock is time as a wait needs it.
type Clock interface {
	Now() time.Time
	// Wait lets a duration pass, or returns the cause of the context's end.
	Wait(ctx context.Context, d time.Duration) error
}

// machine is the clock of this machine.
type machine struct{}

// Now implements Clock.
func (machine) Now() time.Time { return time.Now() }

// Wait implements Clock.
func (machine) Wait(ctx context.Context, d time.Duration) error { return Sleep(ctx, d) }

// ErrLimit tells the error of a wait that reached its limit from others.
var ErrLimit = errors.New("the limit of a wait")

// limitError is at the limit; ErrLimit adds nothing to its text.
type limitError struct{ text string }

func (e *limitError) Error() string        { return e.text }
func (e *limitError) Is(target error) bool { return target == ErrLimit } //nolint:errorlint // Is is asked link by link

// Wait looks until nothing is missing. The look returns what is missing in words,
// "" when the condition holds; an error of the look ends the wait and is returned as
// it is. The last look is at the limit. The error then is ErrLimit and says what was
// still missing; at the end of the context it says that, too, and the cause.
//
// The limit is no deadline for a look: one that may hang needs its own.
func Wait(ctx context.Context, w Waiting, look func(context.Context) (missing string, err error)) error {
	clock := w.Clock
	if clock == nil {
		clock = machine{}
	}
	started, told := clock.Now(), ""
	for {
		missing, err := look(ctx)
		if err != nil || missing == "" {
			return err
		}
		left := w.Limit - clock.Now().Sub(started)
		if left <= 0 {
			return Fail(max(w.Code, Failed), &limitError{fmt.Sprintf("waited %s for %s: %s", w.Limit, w.For, missing)})
		}
		if missing != told && w.Progress != nil {
			w.Progress("waiting for " + w.For + ": " + missing)
			told = missing
		}
		if err := clock.Wait(ctx, min(w.Every, left)); err != nil {
			return fmt.Errorf("waiting for %s: %w: %s", w.For, err, missing)
		}
	}
}

// Sleep pauses, or returns the cause of the context's end.
func Sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
