package cleaner

import (
	"errors"
	"fmt"
)

// Exit codes of casshook-agent clean: those that all commands of casshook have.
const (
	ExitDone         = 0   // done, or nothing to do
	ExitFailed       = 1   // failed, nothing was changed
	ExitUsage        = 2   // wrong usage
	ExitPrecondition = 3   // a precondition is not met, nothing was touched
	ExitCorrupt      = 4   // the backup is incomplete or corrupt, nothing was touched
	ExitHalfWay      = 5   // stopped half-way, run the same command again
	ExitLocked       = 7   // another agent works on the volume
	ExitInterrupted  = 130 // interrupted, nothing was touched
)

// exitError is an error that knows its exit code.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

// exitWith gives an error a code, unless it has one: that is nearer to the cause.
func exitWith(code int, err error) error {
	var known *exitError
	if err == nil || errors.As(err, &known) {
		return err
	}
	return &exitError{code, err}
}

func refuse(format string, args ...any) error {
	return &exitError{ExitPrecondition, fmt.Errorf(format, args...)}
}

func damaged(format string, args ...any) error {
	return &exitError{ExitCorrupt, fmt.Errorf(format, args...)}
}

// ExitCode is the exit code of an error of Clean.
func ExitCode(err error) int {
	var e *exitError
	switch {
	case err == nil:
		return ExitDone
	case errors.As(err, &e):
		return e.code
	}
	return ExitFailed
}
