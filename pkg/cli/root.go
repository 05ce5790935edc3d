// Package cli is the command line: one file per command, which turns flags into
// options and makes one call. Errors become exit codes here and nowhere else.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/casshook/casshook/pkg/escape"
	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/report"
)

// Release is the version of casshook; set by the linker's -X.
var Release = "dev"

// app is what all commands share.
type app struct {
	place  place
	output string
	// printed counts documents.
	printed int
	stdout  io.Writer
	stderr  io.Writer
}

// Run executes the command line and returns the exit code. The last line on
// stderr of a run that failed is the reason.
func Run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	stderr = escape.Lines(stderr)
	a := &app{stdout: stdout, stderr: stderr}
	root := a.root()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err != nil {
		fmt.Fprintf(stderr, "casshook: %s\n", oneLine(err))
	}
	return int(exitCode(ctx, err))
}

// exitCode is the code of an error. A signal makes checks fail in many ways, with
// codes of their own: what counts then is that the run was interrupted, unless it
// left something half-way.
func exitCode(ctx context.Context, err error) flow.Code {
	code := flow.CodeOf(err)
	if err != nil && ctx.Err() != nil && code != flow.HalfWay && code != flow.Differences {
		return flow.Interrupted
	}
	return code
}

// oneLine makes one line of an error that joins several.
func oneLine(err error) string {
	var parts []string
	for _, line := range strings.Split(err.Error(), "\n") {
		if line = strings.TrimSpace(line); line != "" {
			parts = append(parts, line)
		}
	}
	return strings.Join(parts, "; ")
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:           "casshook",
		Short:         "Consistent volume-snapshot backups for Apache Cassandra, with verified restores",
		Long:          "casshook makes volume snapshots of an Apache Cassandra ring consistent, and verifies\nevery restore.",
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.NoArgs,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			if err := fromEnvironment(cmd.Flags(), a.stderr); err != nil {
				return err
			}
			if err := flow.Fail(flow.Usage, report.CheckFormat(a.output)); err != nil {
				return err
			}
			return checkFlags(cmd)
		},
	}
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	root.SetHelpTemplate(root.HelpTemplate() + "\n" + flow.Codes + "\n")
	f := root.PersistentFlags()
	a.place.flags(f)
	f.StringVarP(&a.output, "output", "o", report.FormatTable, "output format: table, json, yaml, or kanister (adds the outputs of a Kanister phase); one document per ring")
	root.AddCommand(a.beforeBackup(), a.afterBackup(), a.onFailure(), a.beforeRestore(), a.afterRestore(), a.planCommand(), a.clean(), a.discard(),
		a.verify(), a.status(), a.list(), a.doctor(), a.generate(), a.version())
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return flow.Fail(flow.Usage, err) })
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	documentEnvironment(root)
	usageErrors(root)
	return root
}

// usageErrors gives wrong arguments and unknown commands the code of wrong usage.
func usageErrors(cmd *cobra.Command) {
	check := cmd.Args
	cmd.Args = func(c *cobra.Command, args []string) error {
		if check == nil {
			return nil
		}
		return flow.Fail(flow.Usage, check(c, args))
	}
	if !cmd.Runnable() {
		cmd.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
	}
	for _, child := range cmd.Commands() {
		usageErrors(child)
	}
}

func (a *app) steps() *report.Steps { return report.NewSteps(a.stderr) }

// print prints one document; those of several rings follow one another.
func (a *app) print(value any, table func(io.Writer)) error {
	a.printed++
	if a.printed > 1 && a.output == report.FormatYAML {
		if _, err := fmt.Fprintln(a.stdout, "---"); err != nil {
			return err
		}
	}
	return report.Print(a.stdout, a.output, value, table)
}

// printWith prints the result of a run that may have failed with err; its code
// stays that of err when the printing fails too.
func (a *app) printWith(err error, value any, table func(io.Writer)) error {
	if printErr := a.print(value, table); printErr != nil {
		return errors.Join(err, printErr)
	}
	return err
}

// printChange is printWith for the result of a run that changed something.
func (a *app) printChange(err error, value any, table func(io.Writer)) error {
	return joinLate(err, a.print(value, table))
}

// joinLate adds an error that came after the work of a run, which itself may have failed with err.
func joinLate(err, late error) error {
	if err == nil {
		return afterChange(late)
	}
	return errors.Join(err, late)
}

// afterChange gives an error that came after something was changed a code that does not deny it.
func afterChange(err error) error {
	switch flow.CodeOf(err) {
	case flow.HalfWay, flow.Differences, flow.Interrupted:
		return err
	}
	return flow.Recode(flow.HalfWay, err)
}
