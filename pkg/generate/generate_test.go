package generate

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"github.com/casshook/casshook/pkg/blueprint"
	"github.com/casshook/casshook/pkg/kube"
)

// fileOf finds a file.
func fileOf(t *testing.T, files []File, path string) File {
	t.Helper()
	for _, f := range files {
		if f.Path == path {
			return f
		}
	}
	t.Fatalf("no %s", path)
	return File{}
}

func decode[T any](t *testing.T, f File) T {
	t.Helper()
	var value T
	require.NoError(t, yaml.UnmarshalStrict(f.Content, &value), f.Path)
	return value
}

func paths(files []File) []string {
	var out []string
	for _, f := range files {
		out = append(out, f.Path)
	}
	return out
}

// TestPolicies has the rules that lose data in silence when they are broken.
func TestPolicies(t *testing.T) {
	t.Parallel()
	files, err := Generate(Default())
	require.NoError(t, err)
	own := blueprint.FilterEntry{MatchLabels: kube.OwnLabels()}

	hooks := decode[blueprint.Policy](t, fileOf(t, files, "examples/policy-hooks/policy.yaml")).Spec.Actions[0].BackupParameters
	require.Equal(t, []blueprint.FilterEntry{blueprint.StatefulSets(), own}, hooks.Filters.ExcludeResources)
	require.Equal(t, "before-backup", hooks.Hooks.PreHook.ActionName)
	require.Equal(t, "after-backup", hooks.Hooks.OnSuccess.ActionName)
	require.Equal(t, "on-failure", hooks.Hooks.OnFailure.ActionName)

	bound := decode[blueprint.Policy](t, fileOf(t, files, "examples/resource-bound/policy.yaml")).Spec.Actions[0].BackupParameters
	require.Equal(t, []blueprint.FilterEntry{own}, bound.Filters.ExcludeResources, "without StatefulSets no bound hook runs")
	require.Nil(t, bound.Hooks.PreHook)
	require.Nil(t, bound.Hooks.OnSuccess)
	require.Equal(t, &blueprint.Hook{Blueprint: "casshook-resource-bound", ActionName: "on-failure"}, bound.Hooks.OnFailure)
	require.NotEmpty(t, bound.Profile.Name, "without a profile restorePosthook does not run")

	bp := decode[blueprint.Blueprint](t, fileOf(t, files, "blueprints/resource-bound/blueprint.yaml"))
	require.NotContains(t, bp.Actions, blueprint.Backup, "Kasten would not snapshot the volumes")

	for _, s := range Strategies() {
		restore := decode[blueprint.RestoreAction](t, fileOf(t, files, exampleDir(s)+"/restore-cassandra.yaml"))
		require.Equal(t, []blueprint.FilterEntry{blueprint.StatefulSets(), own}, restore.Spec.Filters.ExcludeResources, "a restore of StatefulSets hangs")
		require.Equal(t, s == PolicyHooks, restore.Spec.Hooks.OnSuccess != nil)
		run := decode[blueprint.RunAction](t, fileOf(t, files, exampleDir(s)+"/run.yaml"))
		require.Equal(t, decode[blueprint.Policy](t, fileOf(t, files, exampleDir(s)+"/policy.yaml")).Metadata.Name, run.Spec.Subject.Name)
	}
	require.Equal(t, []blueprint.Operation{{Op: "add", Path: "/spec/stopped", Value: true}},
		decode[blueprint.TransformSet](t, fileOf(t, files, "blueprints/transforms/create-stopped.yaml")).Spec.Transforms[0].JSON)
}

func TestRetention(t *testing.T) {
	t.Parallel()
	o := Default()
	require.Nil(t, o.retention())
	o.Frequency = "@weekly"
	require.Equal(t, map[string]int{"daily": 7, "weekly": 4, "monthly": 12}, o.retention())
	o.Retention = map[string]int{"weekly": 1}
	require.Equal(t, o.Retention, o.retention())
}

func TestStrategies(t *testing.T) {
	t.Parallel()
	for _, s := range Strategies() {
		o := Default()
		o.Strategy = s
		files, err := Generate(o)
		require.NoError(t, err)
		other := map[Strategy]string{PolicyHooks: string(ResourceBound), ResourceBound: string(PolicyHooks)}[s]
		for _, f := range files {
			require.NotContains(t, f.Path, other)
		}
		require.Equal(t, s == PolicyHooks, strings.Contains(strings.Join(paths(files), " "), overrideDir), "overrides are for policy hooks")
	}
}

func TestStream(t *testing.T) {
	t.Parallel()
	two := Default()
	two.Namespaces = []string{"a", "b"}
	for name, c := range map[string]struct {
		kind     string
		strategy Strategy
		want     []string
		err      string
	}{
		"all of policy hooks": {KindAll, PolicyHooks, []string{"blueprints/rbac/role-a.yaml", "blueprints/rbac/role-b.yaml", "blueprints/rbac/serviceaccount.yaml",
			"blueprints/policy-hooks/blueprint.yaml", "blueprints/transforms/create-stopped.yaml", "examples/policy-hooks/policy.yaml"}, ""},
		"all, bound": {KindAll, ResourceBound, []string{"blueprints/rbac/role-a.yaml", "blueprints/rbac/role-b.yaml", "blueprints/rbac/serviceaccount.yaml",
			"blueprints/resource-bound/blueprint.yaml", "blueprints/transforms/create-stopped.yaml", "blueprints/resource-bound/binding.yaml", "examples/resource-bound/policy.yaml"}, ""},
		"all of both":             {KindAll, EveryStrategy, nil, "use --strategy policy-hooks or --strategy resource-bound, or --out DIR"},
		"policies of both":        {KindPolicy, EveryStrategy, nil, "policy depends on the strategy"},
		"binding of its one":      {KindBinding, EveryStrategy, []string{"blueprints/resource-bound/binding.yaml"}, ""},
		"run":                     {KindRun, ResourceBound, []string{"examples/resource-bound/run.yaml"}, ""},
		"rbac of both":            {KindRBAC, EveryStrategy, []string{"blueprints/rbac/role-a.yaml", "blueprints/rbac/role-b.yaml", "blueprints/rbac/serviceaccount.yaml"}, ""},
		"override":                {KindOverride, EveryStrategy, []string{"blueprints/overrides/k10-k8ssandra-bp-0.0.4.yaml", "blueprints/overrides/k10-k8ssandra-bp-0.0.5.yaml"}, ""},
		"scripts":                 {KindScripts, EveryStrategy, nil, "use --out DIR"},
		"restores of all at once": {KindRestore, PolicyHooks, nil, "2 namespaces would be restored at once"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := two
			o.Strategy = c.strategy
			files, err := Generate(o)
			require.NoError(t, err)
			stream, err := Stream(files, c.kind)
			if c.err != "" {
				require.ErrorContains(t, err, c.err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.want, paths(stream))
		})
	}
}

func TestSelectIsWhole(t *testing.T) {
	t.Parallel()
	files, err := Generate(Default())
	require.NoError(t, err)
	count := len(Select(files, kindTree))
	for _, kind := range Kinds()[1:] {
		require.NotEmpty(t, Select(files, kind), kind)
		count += len(Select(files, kind))
	}
	require.Len(t, Select(files, KindAll), count)
}

// TestScripts runs them with a program that tells its arguments.
func TestScripts(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	program := filepath.Join(dir, "casshook")
	require.NoError(t, os.WriteFile(program, []byte("#!/bin/sh\nfor a; do echo \"$a\"; done\nexit 5\n"), 0o700))
	for _, datacenter := range []string{"", "dc1"} {
		o := Default()
		o.Datacenter = datacenter
		files, err := Generate(o)
		require.NoError(t, err)
		scripts := Select(files, KindScripts)
		require.Equal(t, []string{"hooks/cassandra_after_backup.sh", "hooks/cassandra_after_restore.sh", "hooks/cassandra_before_backup.sh"}, paths(scripts))
		tree := filepath.Join(dir, "tree"+datacenter)
		require.NoError(t, Write(tree, scripts))
		for _, f := range scripts {
			command := strings.ReplaceAll(strings.TrimSuffix(strings.TrimPrefix(f.Path, "hooks/cassandra_"), ".sh"), "_", "-")
			want := []string{command, "--namespace=a b;$(c)", "--x", "y z"}
			if datacenter != "" {
				want = []string{command, "--namespace=a b;$(c)", "--datacenter=dc1", "--x", "y z"}
			}
			path := filepath.Join(tree, f.Path)
			for _, variable := range []string{"PATH=" + dir + ":" + os.Getenv("PATH"), "CASSHOOK=" + program} {
				cmd := exec.CommandContext(t.Context(), path, "a b;$(c)", "--x", "y z")
				cmd.Env = []string{variable}
				out, err := cmd.Output()
				var exit *exec.ExitError
				require.ErrorAs(t, err, &exit)
				require.Equal(t, 5, exit.ExitCode())
				require.Equal(t, strings.Join(want, "\n")+"\n", string(out))
			}
			out, err := exec.CommandContext(t.Context(), path).CombinedOutput()
			var exit *exec.ExitError
			require.ErrorAs(t, err, &exit)
			require.Equal(t, 2, exit.ExitCode())
			require.Contains(t, string(out), "usage: ")
			checkShell(t, path)
		}
	}
}

// checkShell reads a script with shellcheck where that is, else with the shell.
func checkShell(t *testing.T, path string) {
	t.Helper()
	args := []string{"sh", "-n", path}
	if _, err := exec.LookPath("shellcheck"); err == nil {
		args = []string{"shellcheck", "--norc", path}
	}
	out, err := exec.CommandContext(t.Context(), args[0], args[1:]...).CombinedOutput()
	require.NoError(t, err, string(out))
}
