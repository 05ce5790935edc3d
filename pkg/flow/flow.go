// Package flow runs hooks and restores as visible lists of steps, undoes what a
// failed run changed, and turns errors into exit codes.
package flow

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Step is one step of a flow. Flows are slice literals, read top to bottom.
type Step struct {
	// Name is what people read, in the present participle: "taking snapshots".
	Name string
	// Skip passes over the step, unseen, when what came before it left nothing to
	// do; nil never does.
	Skip func() bool
	Do   func(ctx context.Context) error
	// Undo reverses Do after a later step failed, or after Do itself failed
	// half-way. Nil says that the step changes nothing or needs no undo.
	Undo func(ctx context.Context) error
	// Destroys says that Do removes what no undo brings back. Once it has begun, no
	// error of the run has a code that says "nothing was touched" or "undone".
	Destroys bool
}

// Observer is told how a flow goes.
type Observer interface {
	// Begin is called before a step, End after it with its duration.
	Begin(step string)
	End(step string, took time.Duration, err error)
	// Progress is called any number of times within a step.
	Progress(message string)
}

// undoTimeout bounds each undo, which runs after a failure, when the flow's own
// context may be gone.
const undoTimeout = 2 * time.Minute

// Run runs the steps in order. When one fails, the undos of it and of all steps
// before run in reverse, each under a context of its own with its own deadline; their
// errors are joined. An undo that fails leaves something behind, as a step that
// destroys does: then codes that deny it become HalfWay.
func Run(ctx context.Context, steps []Step, observer Observer) error {
	var run []Step
	destroyed := false
	for _, step := range steps {
		if step.Skip != nil && step.Skip() {
			continue
		}
		run = append(run, step)
		observer.Begin(step.Name)
		started := time.Now()
		err := ctx.Err()
		if err == nil {
			destroyed = destroyed || step.Destroys
			err = step.Do(ctx)
		}
		if err != nil && ctx.Err() != nil {
			err = interrupted(fmt.Errorf("%s: interrupted: %w", step.Name, err), destroyed)
		}
		if err != nil && destroyed {
			err = AfterChange(err)
		}
		observer.End(step.Name, time.Since(started), err)
		if err != nil {
			return undo(ctx, run, observer, err)
		}
	}
	return nil
}

// interrupted gives an interruption its code: what counts more than that is a run that
// was stopped half-way, which must be run again.
func interrupted(err error, destroyed bool) error {
	if destroyed {
		return Fail(HalfWay, err)
	}
	return Fail(Interrupted, err)
}

func undo(ctx context.Context, steps []Step, observer Observer, err error) error {
	errs := []error{err}
	for i := len(steps) - 1; i >= 0; i-- {
		if steps[i].Undo == nil {
			continue
		}
		name := "undoing: " + steps[i].Name
		observer.Begin(name)
		started := time.Now()
		undoErr := undoOne(ctx, steps[i])
		observer.End(name, time.Since(started), undoErr)
		if undoErr != nil {
			errs = append(errs, fmt.Errorf("undo of %s: %w", steps[i].Name, undoErr))
		}
	}
	if len(errs) == 1 {
		return err
	}
	// An undo's own code must not become the flow's.
	return AfterChange(Recode(CodeOf(err), errors.Join(errs...)))
}

func undoOne(ctx context.Context, step Step) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTimeout)
	defer cancel()
	err := step.Undo(ctx)
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("not done after %s: %w", undoTimeout, err)
	}
	return err
}
