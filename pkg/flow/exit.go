package flow

import (
	"errors"
	"fmt"
	"slices"
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

// severity orders codes where several errors are joined, as those of several rings
// or nodes: the worst one wins. Failed, which is also the code of errors without
// one, says least.
func severity(code Code) int {
	return slices.Index([]Code{Done, Failed, Usage, Precondition, Corrupt, Locked, Differences, HalfWay, Interrupted}, code)
}

// codeIn is the code that an error was given. Of a chain it is the outermost, of
// joined errors the worst.
func codeIn(err error) (code Code, given bool) {
	for err != nil {
		if c, ok := err.(*coded); ok { //nolint:errorlint // the loop unwraps
			return c.code, true
		}
		if joined, ok := err.(interface{ Unwrap() []error }); ok { //nolint:errorlint // the same
			return worst(joined.Unwrap())
		}
		err = errors.Unwrap(err)
	}
	return Failed, false
}

func worst(errs []error) (code Code, given bool) {
	for _, err := range errs {
		if c, ok := codeIn(err); ok && (!given || severity(c) > severity(code)) {
			code, given = c, true
		}
	}
	return code, given
}

// Fail gives an error an exit code. An error that has one keeps the code that it
// was given first, which is nearest to the cause.
func Fail(code Code, err error) error {
	if err == nil {
		return nil
	}
	if _, given := codeIn(err); given {
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

// CodeOf is the exit code of an error: Failed where it has none. Of joined errors it
// is the worst: Interrupted, HalfWay, Differences, Locked, Corrupt, Precondition,
// Usage, Failed, in this order.
func CodeOf(err error) Code {
	if err == nil {
		return Done
	}
	code, given := codeIn(err)
	if !given {
		return Failed
	}
	return code
}

// AfterChange corrects the code of a run that left changes behind: none may say that
// nothing was touched, or that all was undone.
func AfterChange(err error) error {
	switch CodeOf(err) {
	case Failed, Usage, Precondition, Corrupt, Locked:
		return Recode(HalfWay, err)
	}
	return err
}
