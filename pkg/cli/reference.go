package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/casshook/casshook/pkg/flow"
)

// Reference is docs/reference.md: every command with its flags, their defaults
// and variables, and the exit codes, as Markdown.
func Reference() string {
	root := (&app{stdout: io.Discard, stderr: io.Discard}).root()
	var out strings.Builder
	out.WriteString("# Commands, flags and exit codes\n\n<!-- Generated: go test ./pkg/cli -run TestReference -update -->\n\n")
	fmt.Fprintf(&out, "%s\n\n```text\n%s\n```\n\n", root.Long, flow.Codes)
	out.WriteString("The last line on stderr of a command that failed is the reason. Results go to\nstdout, everything else to stderr. " +
		"A flag on the command line wins over its\nvariable, which wins over the default. Flags taken from variables are printed on\nstderr at the start of a run.\n\n" +
		"With several rings the worst code wins: 130, then 5, 6, 7, 4, 3, 2, 1.\n\n" +
		"Flags that allow a command to remove data have no variable. A run where such a\nvariable is set and the flag is not passed ends with 2 and does nothing.\n\n## Flags of all commands\n\n")
	writeFlags(&out, root.PersistentFlags())
	for _, cmd := range root.Commands() {
		if cmd.IsAvailableCommand() {
			writeCommand(&out, cmd)
		}
	}
	return out.String()
}

func writeCommand(out *strings.Builder, cmd *cobra.Command) {
	fmt.Fprintf(out, "\n## %s\n\n%s.\n", cmd.Name(), strings.TrimSuffix(cmd.Short, "."))
	if cmd.HasSubCommands() {
		var names []string
		for _, child := range cmd.Commands() {
			names = append(names, "`"+child.CommandPath()+"`")
		}
		fmt.Fprintf(out, "\nCommands: %s.\n", strings.Join(names, ", "))
		return
	}
	if cmd.Long != "" {
		fmt.Fprintf(out, "\n%s\n", cmd.Long)
	}
	if len(cmd.Aliases) > 0 {
		fmt.Fprintf(out, "\nAlso called `%s`.\n", strings.Join(cmd.Aliases, "`, `"))
	}
	if cmd.HasAvailableLocalFlags() {
		out.WriteString("\n")
		writeFlags(out, cmd.LocalFlags())
	}
}

func writeFlags(out *strings.Builder, flags *pflag.FlagSet) {
	out.WriteString("| Flag | Default | Variable | Meaning |\n|---|---|---|---|\n")
	flags.VisitAll(func(f *pflag.Flag) {
		kind, usage := pflag.UnquoteUsage(f)
		name := "--" + f.Name
		if f.Shorthand != "" {
			name = "-" + f.Shorthand + ", " + name
		}
		if kind != "" {
			name += " " + kind
		}
		preset := f.DefValue
		if preset == "[]" {
			preset = ""
		}
		if preset != "" {
			preset = "`" + preset + "`"
		}
		variable := "`" + environmentName(f.Name) + "`"
		if destroys(f.Name) {
			variable = "none"
		}
		usage = strings.TrimSuffix(strings.TrimSuffix(usage, " [$"+environmentName(f.Name)+"]"), flagOnly)
		fmt.Fprintf(out, "| `%s` | %s | %s | %s |\n", name, preset, variable, strings.ReplaceAll(usage, "|", `\|`))
	})
}
