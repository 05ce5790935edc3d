package cli

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/casshook/casshook/pkg/flow"
)

const environmentPrefix = "CASSHOOK_"

func environmentName(flag string) string {
	return environmentPrefix + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// documentEnvironment names every flag's variable in its help.
func documentEnvironment(cmd *cobra.Command) {
	name := func(f *pflag.Flag) {
		if !strings.Contains(f.Usage, environmentPrefix) {
			f.Usage += " [$" + environmentName(f.Name) + "]"
		}
	}
	cmd.PersistentFlags().VisitAll(name)
	cmd.LocalFlags().VisitAll(name)
	for _, child := range cmd.Commands() {
		documentEnvironment(child)
	}
}

// fromEnvironment sets flags that were not given from their variables.
func fromEnvironment(flags *pflag.FlagSet) error {
	var problems []error
	flags.VisitAll(func(f *pflag.Flag) {
		value, ok := os.LookupEnv(environmentName(f.Name))
		if f.Changed || !ok || f.Name == "help" {
			return
		}
		if err := flags.Set(f.Name, value); err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", environmentName(f.Name), err))
		}
	})
	return flow.Fail(flow.Usage, errors.Join(problems...))
}
