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
	"github.com/casshook/casshook/pkg/kube/objects"
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
	own := blueprint.FilterEntry{MatchLabels: objects.OwnLabels()}

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
		run := decode[blueprint.RunAction](t, fileOf(t, files, exampleDir(s)+"/run.yaml"))
		require.Equal(t, decode[blueprint.Policy](t, fileOf(t, files, exampleDir(s)+"/policy.yaml")).Metadata.Name, run.Spec.Subject.Name)
	}
}

// TestRestores has what RestoreActions do by option.
func TestRestores(t *testing.T) {
	t.Parallel()
	own := blueprint.FilterEntry{MatchLabels: objects.OwnLabels()}
	stopped := []blueprint.TransformRef{{JSON: []blueprint.Operation{}, TransformSetRef: blueprint.Ref{Name: "casshook-create-stopped", Namespace: "kasten-io"}}}
	for _, offline := range []bool{false, true} {
		for _, first := range []bool{false, true} {
			o := Default()
			o.Restore = Restore{Offline: offline, StopFirst: first}
			files, err := Generate(o)
			require.NoError(t, err)
			for _, s := range Strategies() {
				restore := decode[blueprint.RestoreAction](t, fileOf(t, files, exampleDir(s)+"/restore-cassandra.yaml"))
				require.Equal(t, []blueprint.FilterEntry{blueprint.StatefulSets(), own}, restore.Spec.Filters.ExcludeResources, "a restore of StatefulSets hangs")
				require.Equal(t, s == PolicyHooks, restore.Spec.Hooks.OnSuccess != nil)
				applied := string(fileOf(t, files, exampleDir(s)+"/kustomization.yaml").Content)
				require.Equal(t, offline, strings.Contains(applied, transformsDir), "the set that the restore names")
				if offline {
					require.Equal(t, stopped, restore.Spec.Transforms)
				} else {
					require.Empty(t, restore.Spec.Transforms)
				}
				if first {
					require.Equal(t, &blueprint.Hook{Blueprint: "casshook-" + string(s), ActionName: "before-restore"}, restore.Spec.Hooks.PreHook)
				} else {
					require.Nil(t, restore.Spec.Hooks.PreHook)
				}
			}
			copied := decode[blueprint.RestoreAction](t, fileOf(t, files, "examples/clone/restore-cassandra.yaml"))
			require.Equal(t, "cassandra-clone", copied.Spec.TargetNamespace)
			require.Equal(t, "cassandra-clone", copied.Metadata.Namespace, "Kasten wants it there")
			require.Equal(t, "cassandra", copied.Spec.Subject.Namespace)
			require.Equal(t, stopped, copied.Spec.Transforms, "a copy that starts at once joins the original")
			require.Equal(t, &blueprint.Hook{Blueprint: "casshook-policy-hooks", ActionName: "after-restore"}, copied.Spec.Hooks.OnSuccess)
			require.Nil(t, copied.Spec.Hooks.PreHook)
		}
	}
}

func TestCreateStopped(t *testing.T) {
	t.Parallel()
	transforms := func(o Options) []blueprint.Transform {
		files, err := Generate(o)
		require.NoError(t, err)
		return decode[blueprint.TransformSet](t, fileOf(t, files, "blueprints/transforms/create-stopped.yaml")).Spec.Transforms
	}
	all := transforms(Default())
	require.Len(t, all, 2)
	require.Equal(t, blueprint.Resource{Group: "cassandra.datastax.com", Resource: "cassandradatacenters"}, all[0].Subject)
	require.Equal(t, []blueprint.Operation{{Op: "add", Path: "/spec/stopped", Value: true}}, all[0].JSON)
	require.Equal(t, blueprint.Resource{Group: "k8ssandra.io", Resource: "k8ssandraclusters"}, all[1].Subject)
	require.Equal(t, []blueprint.Operation{{Op: "add", Path: "/spec/cassandra/datacenters/*/stopped", Value: true}}, all[1].JSON)
	o := Default()
	o.Datacenter = "dc1"
	one := transforms(o)
	require.Equal(t, "dc1", one[0].Subject.Name)
	require.Equal(t, blueprint.Operation{Op: "test", Path: "/spec/cassandra/datacenters/0/metadata/name", Value: "dc1"}, one[1].JSON[0])
	require.Equal(t, "/spec/cassandra/datacenters/0/stopped", one[1].JSON[1].Path)
}

// TestCloneNamespace makes one where none is given.
func TestCloneNamespace(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 63)
	for name, c := range map[string]struct {
		given      string
		namespaces []string
		want       string
	}{
		"given":           {"x", []string{"a"}, "x"},
		"made":            {"", []string{"a", "b"}, "a-clone"},
		"protected":       {"", []string{"a", "a-clone", "a-clone2"}, "a-clone3"},
		"long":            {"", []string{long}, long[:57] + "-clone"},
		"long, protected": {"", []string{long, long[:57] + "-clone"}, long[:56] + "-clone2"},
		"ends in a dash":  {"", []string{long[:56] + "-aaaaaa"}, long[:56] + "-clone"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := Default()
			o.Namespaces, o.Clone.Namespace = c.namespaces, c.given
			require.Equal(t, c.want, o.copyNamespace())
			_, err := Generate(o)
			require.NoError(t, err)
		})
	}
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
		hook := decode[blueprint.RestoreAction](t, fileOf(t, files, "examples/clone/restore-cassandra.yaml")).Spec.Hooks.OnSuccess
		bp := decode[blueprint.Blueprint](t, fileOf(t, files, blueprintDir(s)+"/blueprint.yaml"))
		require.Equal(t, bp.Metadata.Name, hook.Blueprint)
		require.Contains(t, bp.Actions, hook.ActionName)
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
		"restores of all at once": {KindRestore, PolicyHooks, nil, "this would restore 2 namespaces"},
		"clones of all at once":   {KindClone, EveryStrategy, nil, "this would restore 2 namespaces"},
		"cleaner":                 {KindCleaner, EveryStrategy, []string{"examples/cleaner/clean-a.yaml", "examples/cleaner/clean-b.yaml"}, ""},
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
	const hostileName = "a b;$(c)"
	for _, datacenter := range []string{"", "dc1"} {
		o := Default()
		o.Datacenter = datacenter
		if datacenter != "" {
			o.Cleaner.ImagePullSecrets = []string{"p", "q"}
		}
		files, err := Generate(o)
		require.NoError(t, err)
		tree := filepath.Join(dir, "tree"+datacenter)
		require.NoError(t, Write(tree, Select(files, KindScripts)))
		only, pull := "", ""
		if datacenter != "" {
			only, pull = "--datacenter=dc1|", "--image-pull-secret=p|--image-pull-secret=q|"
		}
		image := "--image=" + PlaceholderImage + "|" + pull
		want := map[string]string{
			"cassandra_before_backup.sh":  "before-backup|--namespace=a b;$(c)|" + only + "--x|y z",
			"cassandra_after_backup.sh":   "after-backup|--namespace=a b;$(c)|" + only + "--x|y z",
			"cassandra_before_restore.sh": "before-restore|--namespace=a b;$(c)|" + only + "--x|y z",
			"cassandra_after_restore.sh":  "after-restore|--namespace=a b;$(c)|" + only + image + "--x|y z",
			"clean-up-launcher.sh":        "clean|--namespace=a b;$(c)|" + image + "--x|y z|--|-p;$(c)",
		}
		var all []string
		for _, f := range Select(files, KindScripts) {
			name, path := filepath.Base(f.Path), filepath.Join(tree, f.Path)
			all = append(all, name)
			words := []string{hostileName, "--x", "y z"}
			if name == "clean-up-launcher.sh" {
				words = append([]string{"-p;$(c)"}, words...)
			}
			for _, variable := range []string{"PATH=" + dir + ":" + os.Getenv("PATH"), "CASSHOOK=" + program} {
				out, code := runScript(t, []string{variable}, path, words...)
				require.Equal(t, 5, code)
				require.Equal(t, strings.ReplaceAll(want[name], "|", "\n")+"\n", out)
			}
			for missing := range len(words) - 2 {
				out, code := runScript(t, nil, path, words[:missing]...)
				require.Equal(t, 2, code)
				require.Contains(t, out, "usage: ")
			}
			checkShell(t, path)
		}
		require.Len(t, want, len(all))
		environment := []string{"CASSHOOK=" + program, "CASSHOOK_IMAGE=other:1"}
		out, _ := runScript(t, environment, filepath.Join(tree, "hooks/cassandra_after_restore.sh"), "n")
		require.Contains(t, out, "--image=other:1\n")
		out, _ = runScript(t, environment, filepath.Join(tree, "hooks/cassandra_before_restore.sh"), "n")
		require.Equal(t, "before-restore\n--namespace=n\n"+strings.ReplaceAll(only, "|", "\n")+"--yes\n--stop\n", out)
	}
}

// runScript returns what a script says and its exit code, which is not 0.
func runScript(t *testing.T, environment []string, path string, args ...string) (string, int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Env = environment
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit)
	return string(out), exit.ExitCode()
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
