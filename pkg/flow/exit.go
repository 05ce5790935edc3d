package flow

import (
	"errors"
	"fmt"
)

// Code is the exit code of a command. The codes are API: they stand in every
// help text and scripts rely on them.
type Code int

// Exit codes.
const (
	Done         Code = 0   // done
	Failed       Code = 1   // failed, state unchanged or undone
	Usage        Code = 2   // wrong usage
	Precondition Code = 3   // a precondition is not met, nothing was touched
	Corrupt      Code = 4   // the backup is incomplete or corrupt, nothing was touched
	HalfWay      Code = 5   // stopped half-way, run again to resume
	Differences  Code = 6   // restored, but verification found differences
	Locked       Code = 7   // locked by another operation
	Interrupted  Code = 130 // interrupted
)

// Codes is the table of exit codes for help texts.
const Codes = `Exit codes:
  0    done
  1    failed, state unchanged or undone
  2    wrong usage
  3    a precondition is not met, nothing was touched
  4    the backup is incomplete or corrupt, nothing was touched
  5    stopped half-way, run the same command again to resume
  6    restored, but verification found differences
  7    locked by another operation
  130  interrupted`

type coded struct {
	code Code
	err  error
}

func (c *coded) Error() string { return c.err.Error() }
func (c *coded) Unwrap() error { return c.err }

// Fail gives an error an exit code. An error that has one keeps the code that it
// was given first, which is nearest to the cause.
func Fail(code Code, err error) error {
	if err == nil {
		return nil
	}
	var c *coded
	if errors.As(err, &c) {
		return err
	}
	return &coded{code, err}
}

// Recode gives an error a code, whatever code it had.
func Recode(code Code, err error) error {
	if err == nil {
		return nil
	}
	return &coded{code, err}
}

// Failf is Fail of a new error.
func Failf(code Code, format string, args ...any) error {
	return Fail(code, fmt.Errorf(format, args...))
}

// CodeOf is the exit code of an error: Failed where it has none.
func CodeOf(err error) Code {
	if err == nil {
		return Done
	}
	var c *coded
	if errors.As(err, &c) {
		return c.code
	}
	return Failed
}
