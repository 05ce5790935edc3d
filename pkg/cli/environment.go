package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/casshook/casshook/pkg/flow"
)

const environmentPrefix = "CASSHOOK_"

// fromVariable is the annotation of a flag that its variable has set.
const fromVariable = "casshook.io/variable"

// flagOnly ends the help of a flag that the environment never sets.
const flagOnly = " [flag only]"

func environmentName(flag string) string {
	return environmentPrefix + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// destroys reports whether a flag allows a command to remove data. A variable that a shell, a pod or a
// CI job still has from earlier must not decide that.
func destroys(flag string) bool {
	return slices.Contains([]string{"yes", "delete", "delete-keep-volumes", "in-place", "again", "accept-differences", "abandon", "skip"}, flag)
}

// documentEnvironment names every flag's variable in its help.
func documentEnvironment(cmd *cobra.Command) {
	name := func(f *pflag.Flag) {
		switch {
		case strings.Contains(f.Usage, environmentPrefix) || strings.HasSuffix(f.Usage, flagOnly):
		case destroys(f.Name):
			f.Usage += flagOnly
		default:
			f.Usage += " [$" + environmentName(f.Name) + "]"
		}
	}
	cmd.PersistentFlags().VisitAll(name)
	cmd.LocalFlags().VisitAll(name)
	for _, child := range cmd.Commands() {
		documentEnvironment(child)
	}
}

// fromEnvironment sets flags that were not given from their variables, and says on stderr which.
// No flag holds a secret, so values are shown.
func fromEnvironment(flags *pflag.FlagSet, stderr io.Writer) error {
	var problems []error
	var set []string
	flags.VisitAll(func(f *pflag.Flag) {
		variable := environmentName(f.Name)
		value, ok := os.LookupEnv(variable)
		switch {
		case f.Changed || !ok || f.Name == "help":
		case destroys(f.Name):
			problems = append(problems, fmt.Errorf("%s is set, but --%s is never taken from the environment: pass --%s, or unset the variable", variable, f.Name, f.Name))
		default:
			if err := flags.Set(f.Name, value); err != nil {
				problems = append(problems, fmt.Errorf("%s: %w", variable, err))
				return
			}
			f.Annotations = map[string][]string{fromVariable: {variable}}
			set = append(set, fmt.Sprintf("--%s=%s (%s)", f.Name, value, variable))
		}
	})
	if len(problems) == 0 && len(set) > 0 {
		fmt.Fprintf(stderr, "flags from the environment: %s\n", strings.Join(set, ", "))
	}
	return flow.Fail(flow.Usage, errors.Join(problems...))
}
