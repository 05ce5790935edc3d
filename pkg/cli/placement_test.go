package cli

import (
	"slices"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/flow"
)

// usage runs a command line that must be wrong usage, and returns the reason.
func usage(t *testing.T, args ...string) string {
	t.Helper()
	code, stdout, reason := run(t, args...)
	require.Equal(t, int(flow.Usage), code, reason)
	require.Empty(t, stdout)
	return reason
}

// Every flag that takes a number or a time has a range, on every command.
func TestNumbersHaveRanges(t *testing.T) {
	t.Parallel()
	bad := map[string][]string{
		"duration": {"-5s", "-1ns", "10", "soon", "9000h", ""}, "float": {"-1", "5", "200%", "NaN", "Inf", ""}, "int": {"0", "-3", "99999999999", "1.5", ""},
	}
	seen := map[string]int{}
	for _, cmd := range everyCommand(testApp().root()) {
		for _, f := range flagsOf(cmd) {
			for _, value := range bad[f.Value.Type()] {
				seen[f.Value.Type()]++
				err := f.Value.Set(value)
				require.ErrorContains(t, err, "must be a", "%s --%s %s", cmd.Name(), f.Name, value)
				require.NotContains(t, err.Error(), "strconv")
			}
			require.NotContains(t, []string{"int64", "uint", "float64", "int32"}, f.Value.Type(), f.Name)
		}
	}
	require.Len(t, seen, 3)
	require.Greater(t, seen["duration"], 60)
	require.Contains(t, usage(t, "plan", "--workers", "0"), "must be a number from 1 to 64")
	require.Contains(t, usage(t, "after-restore", "--min-free", "200%"), "such as 0.05 for 5%")
	require.Contains(t, usage(t, "before-backup", "--snapshot-timeout", "0"), "from 1ms to 8760h")
	require.Contains(t, usage(t, "clean", "--run-as", "0"), "leave it out for the default")
	for _, good := range [][2]string{{"keep-earlier", "0"}, {"max-skew", "0"}, {"snapshot-timeout", "8760h"}, {"min-free", "1"}, {"min-free", "0"}} {
		require.NoError(t, testApp().beforeBackup().Flags().Set(good[0], good[1]))
	}
}

func findCommand(t *testing.T, name string) *cobra.Command {
	t.Helper()
	cmd, _, err := testApp().root().Find([]string{name})
	require.NoError(t, err)
	return cmd
}

// sample is a legal value of a flag.
func sample(f *pflag.Flag) string {
	switch f.Value.Type() {
	case "duration":
		return "5m"
	case "int":
		return "5"
	}
	if f.Name == "peers" {
		return "keep"
	}
	return "x"
}

// What only one place has is refused in the other, for every command that has the flag.
func TestFlagsOfTheOtherPlace(t *testing.T) {
	t.Parallel()
	tried := 0
	for _, name := range needTarget() {
		cmd := findCommand(t, name)
		for _, flag := range onlyInKubernetes() {
			f := cmd.Flags().Lookup(flag)
			if f == nil {
				f = cmd.InheritedFlags().Lookup(flag)
			}
			if f == nil || slices.Contains([]string{"namespace", "datacenter"}, flag) {
				continue
			}
			tried++
			reason := usage(t, name, "--inventory", "/nowhere", "--"+flag, sample(f))
			require.Contains(t, reason, "--"+flag+" is for Kubernetes only")
		}
		require.Contains(t, usage(t, name, "--namespace", "db", "--agent", "/x"), "--agent is for hosts only")
		require.Contains(t, usage(t, name, "--inventory", "/x", "--namespace", "db"), "use one or the other")
		require.Contains(t, usage(t, name, "--inventory", "/x", "--datacenter", "dc1"), "use one or the other")
	}
	require.Greater(t, tried, 70)
	reason := usage(t, "after-restore", "--inventory", "/x", "--context", "c", "--peers", "forget", "--image", "i:1", "--cql-tls-secret", "s")
	for _, flag := range []string{"context", "peers", "image", "cql-tls-secret"} {
		require.Contains(t, reason, "--"+flag+" is for Kubernetes only", "all at once")
	}
}

func TestFlagsWithoutMeaning(t *testing.T) {
	t.Parallel()
	require.Contains(t, usage(t, "generate", "all", "--context", "c"), "--context has no meaning for generate")
	require.Contains(t, usage(t, "generate", "all", "--inventory", "/x"), "--inventory has no meaning for generate")
	require.Contains(t, usage(t, "doctor", "-n", "db", "--agent-dir", "/x"), "--agent-dir has no meaning for doctor")
	require.Contains(t, usage(t, "clean", "-n", "db", "--cql-tls-secret", "s"), "--cql-tls-secret has no meaning for clean")
	require.Contains(t, usage(t, "before-restore", "-n", "db", "--stop", "--yes", "--agent-path", "/x"), "--agent-path has no meaning for before-restore")
	require.Contains(t, usage(t, "clean", "-n", "db"), "set --image")
	require.Contains(t, usage(t, "clean", "-n", "db", "--image", "i:1", "--datacenter", "dc1", "data-0"), "leave out --datacenter")
	require.Contains(t, usage(t, "clean", "-n", "db", "--image", "i:1", "Data_0"), "is not the name of a claim")
	require.Contains(t, usage(t, "clean", "-n", "db", "--image", "i:1", "data-0", "data-0"), "claim data-0 is named twice")
	require.Contains(t, usage(t, "before-restore", "-n", "db", "--stop", "--yes", "--volume-snapshot-class", "fast"), "--stop takes no VolumeSnapshots")
}

func TestNamesInFlags(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"verify", "plan", "after-restore"} {
		for _, id := range []string{"x y", "../x", "a/b", "-x", "a\nb", " "} {
			require.Contains(t, usage(t, name, "--inventory", "/x", "--backup="+id), "is not the id of a backup", "%s %q", name, id)
		}
		code, _, reason := run(t, name, "--inventory", "/nowhere", "--backup=")
		require.Equal(t, int(flow.Usage), code)
		require.Contains(t, reason, "open /nowhere", "a Blueprint passes the id that its restore point has")
	}
	for _, globs := range []string{"", "zoo.a, zoo.b", "zoo.a,,zoo.b", " zoo.a"} {
		require.Contains(t, usage(t, "plan", "--inventory", "/x", "--include="+globs), "without spaces")
		require.Contains(t, usage(t, "after-restore", "--inventory", "/x", "--exclude="+globs), "without spaces")
	}
	for _, args := range [][]string{{"--namespace", "x y"}, {"--namespace", "../x"}, {"-n", "db", "--datacenter", "DC"}, {"-n", "db", "--cql-tls-secret", "a/b"}} {
		require.Contains(t, usage(t, append([]string{"status"}, args...)...), "is not a name in Kubernetes")
	}
	require.Contains(t, usage(t, "after-restore", "-n", "db", "--image", "a b"), "is not the name of an image")
}

// Variables are for all commands and both places: those of the other place are passed over.
func TestVariablesOfTheOtherPlace(t *testing.T) {
	t.Setenv("CASSHOOK_CONTEXT", "c")
	t.Setenv("CASSHOOK_PEERS", "keep")
	require.Contains(t, usage(t, "plan", "--inventory", "/nowhere"), "open /nowhere")
	t.Setenv("CASSHOOK_WORKERS", "0")
	require.Contains(t, usage(t, "plan", "--inventory", "/nowhere"), "must be a number from 1 to 64")
}
