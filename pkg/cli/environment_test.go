package cli

import (
	"bytes"
	"io"
	"testing"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/restore"
)

func TestEnvironmentName(t *testing.T) {
	t.Parallel()
	require.Equal(t, "CASSHOOK_LOAD_TIMEOUT", environmentName("load-timeout"))
}

// The environment is the process's, so these do not run in parallel.
func TestEnvironment(t *testing.T) {
	t.Run("sets a flag", func(t *testing.T) {
		t.Setenv("CASSHOOK_INVENTORY", "/from/environment")
		code, _, reason := run(t, "list")
		require.Equal(t, int(flow.Usage), code)
		require.Contains(t, reason, "/from/environment")
	})
	t.Run("a flag wins", func(t *testing.T) {
		t.Setenv("CASSHOOK_INVENTORY", "/from/environment")
		_, _, reason := run(t, "list", "--inventory", "/from/flag")
		require.Contains(t, reason, "/from/flag")
	})
	t.Run("a flag with the default as its value wins", func(t *testing.T) {
		t.Setenv("CASSHOOK_OUTPUT", "xml")
		code, _, _ := run(t, "version", "-o", "table")
		require.Zero(t, code)
	})
	t.Run("bad values are all named", func(t *testing.T) {
		t.Setenv("CASSHOOK_WORKERS", "many")
		t.Setenv("CASSHOOK_LOAD_TIMEOUT", "long")
		code, _, reason := run(t, "plan")
		require.Equal(t, int(flow.Usage), code)
		require.Contains(t, reason, "CASSHOOK_WORKERS: ")
		require.Contains(t, reason, "CASSHOOK_LOAD_TIMEOUT: ")
	})
	t.Run("of another command", func(t *testing.T) {
		t.Setenv("CASSHOOK_WORKERS", "many")
		code, _, reason := run(t, "version")
		require.Zero(t, code, reason)
	})
	t.Run("help is no variable", func(t *testing.T) {
		t.Setenv("CASSHOOK_HELP", "please")
		code, _, reason := run(t, "version")
		require.Zero(t, code, reason)
	})
	t.Run("lists", func(t *testing.T) {
		t.Setenv("CASSHOOK_INCLUDE", "a.*,b.t")
		var opts restore.Options
		flags := pflag.NewFlagSet("", pflag.ContinueOnError)
		restoreFlags(flags, &opts)
		require.NoError(t, fromEnvironment(flags, io.Discard))
		require.Equal(t, []string{"a.*", "b.t"}, opts.Include)
	})
}

// What removes data is asked for on the command line or not at all: the commands that have such a flag end with an error
// of usage before they connect to anything.
func TestDestructiveFlagsAreNeverFromTheEnvironment(t *testing.T) {
	commands := map[string][]string{
		"yes": {"before-restore", "discard"}, "delete": {"before-restore"}, "delete-keep-volumes": {"before-restore"},
		"in-place": {"after-restore", "plan", "clean"}, "again": {"after-restore", "plan", "clean"}, "accept-differences": {"after-restore", "plan"},
		"abandon": {"after-restore"}, "skip": {"after-restore"},
	}
	for flag, names := range commands {
		for _, name := range names {
			for _, value := range []string{"true", "false", ""} {
				t.Run(name+" "+flag+"="+value, func(t *testing.T) {
					t.Setenv(environmentName(flag), value)
					code, stdout, reason := run(t, name, "--namespace", "shop", "--kubeconfig", "/nowhere")
					require.Equal(t, int(flow.Usage), code, reason)
					require.Contains(t, reason, environmentName(flag)+" is set")
					require.Contains(t, reason, "pass --"+flag)
					require.Empty(t, stdout)
				})
			}
		}
	}
	for _, cmd := range everyCommand(testApp().root()) {
		for _, f := range flagsOf(cmd) {
			require.Equal(t, destroys(f.Name), commands[f.Name] != nil, f.Name)
		}
	}
	t.Run("a flag that is passed needs no look at the variable", func(t *testing.T) {
		t.Setenv("CASSHOOK_YES", "true")
		t.Setenv("CASSHOOK_DELETE", "true")
		code, _, reason := run(t, "before-restore", "--yes", "--delete=false", "--stop", "--inventory", "/nowhere")
		require.Equal(t, int(flow.Usage), code)
		require.Contains(t, reason, "before-restore is for Kubernetes")
	})
	t.Run("a command without the flag runs", func(t *testing.T) {
		t.Setenv("CASSHOOK_YES", "true")
		code, _, reason := run(t, "version")
		require.Zero(t, code, reason)
	})
}

func TestFlagsFromTheEnvironmentAreShown(t *testing.T) {
	t.Setenv("CASSHOOK_NAMESPACE", "shop")
	t.Setenv("CASSHOOK_OUTPUT", "json")
	t.Setenv("CASSHOOK_DATACENTER", "dc1")
	var out, errs bytes.Buffer
	require.Zero(t, Run(t.Context(), []string{"version", "--datacenter", "dc2"}, &out, &errs))
	require.Equal(t, "flags from the environment: --namespace=shop (CASSHOOK_NAMESPACE), --output=json (CASSHOOK_OUTPUT)\n", errs.String())
	require.Equal(t, Release+"\n", out.String())
}
