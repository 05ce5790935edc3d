package cli

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/generate"
)

// generateFlags are set beside the options, since a flag wins over the config
// file, which is read later.
type generateFlags struct {
	config, out, check string
	given              generate.Options
}

func (a *app) generate() *cobra.Command {
	g := &generateFlags{given: generate.Default()}
	kinds := generate.Kinds()
	cmd := &cobra.Command{
		Use:   "generate " + strings.Join(kinds, "|"),
		Short: "Generate the YAML files and scripts to protect datacenters with Kasten",
		Long: "generate writes Blueprints, bindings, policies, restores, roles, cleaner Jobs and\n" +
			"scripts. It does not need a cluster. With --out it writes a tree of files with a\n" +
			"kustomization in each directory. Without --out it writes one stream for\n" +
			"kubectl apply -f - (run, restore and clone: kubectl create -f -). --check compares\n" +
			"existing files and writes nothing.\n\n" +
			"A config file (apiVersion " + generate.APIVersion + ", kind " + generate.Kind + ") also sets options\n" +
			"without a flag: retention, restore, clone, hooks, podOverride and cleaner. Flags\n" +
			"override it.",
		ValidArgs: kinds,
		Args:      cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs),
		RunE:      func(cmd *cobra.Command, args []string) error { return a.runGenerate(cmd, g, args[0]) },
	}
	g.flags(cmd.Flags())
	return cmd
}

func (g *generateFlags) flags(f *pflag.FlagSet) {
	o := &g.given
	f.StringVar(&g.out, "out", "", "write files below this directory instead of one stream; only files generated earlier are overwritten")
	f.StringVar(&g.check, "check", "", "compare with the files in this directory; print a diff and exit 1 if any differs")
	f.StringVar(&g.config, "config", "", "config file")
	f.StringSliceVarP(&o.Namespaces, "namespace", "n", o.Namespaces, "namespaces to protect")
	f.StringVar(&o.Datacenter, "datacenter", o.Datacenter, "name of the only CassandraDatacenter to protect in each namespace (default: all)")
	f.StringVar((*string)(&o.Strategy), "strategy", string(o.Strategy), "policy-hooks or resource-bound (default: the files of both)")
	f.StringVar(&o.Image, "image", o.Image, "casshook image, with a tag or a digest")
	f.StringSliceVar(&o.ImagePullSecrets, "image-pull-secret", o.ImagePullSecrets, "secrets in Kasten's namespace to pull the image with")
	f.StringVar(&o.KastenNamespace, "kasten-namespace", o.KastenNamespace, "namespace of Kasten")
	f.StringVar(&o.ServiceAccount, "service-account", o.ServiceAccount, "service account of the hook pods, and name of its roles")
	f.StringVar(&o.Prefix, "prefix", o.Prefix, "name prefix of the objects in Kasten's namespace")
	f.StringVar(&o.Profile, "profile", o.Profile, "location profile in Kasten's namespace")
	f.StringVar(&o.Frequency, "frequency", o.Frequency, "how often the policy runs: @onDemand, @hourly, @daily, @weekly, @monthly, @yearly")
	f.StringSliceVar(&o.Cleaner.Claims, "claim", o.Cleaner.Claims, "claims of the data volumes of all nodes, for cleaner Jobs (default: those of an example)")
	f.StringVar(&o.RestorePoint, "restore-point", o.RestorePoint, "restore point for RestoreActions (default: a placeholder)")
}

func (a *app) runGenerate(cmd *cobra.Command, g *generateFlags, kind string) error {
	if cmd.Flags().Changed("ready-timeout") {
		return flow.Failf(flow.Usage, "generate does not use --ready-timeout or its variable: to set it for a hook, use hooks.<hook>.flags.ready-timeout in a --config file")
	}
	if g.out != "" && g.check != "" {
		return flow.Failf(flow.Usage, "--out writes and --check compares: use one or the other")
	}
	o, err := g.options(cmd.Flags())
	if err != nil {
		return flow.Fail(flow.Usage, err)
	}
	files, err := generate.Generate(o)
	if err = errors.Join(err, checkArguments(o)); err != nil {
		return flow.Fail(flow.Usage, err)
	}
	selected := generate.Select(files, kind)
	if len(selected) == 0 {
		return flow.Failf(flow.Usage, "strategy %s has no %s", o.Strategy, kind)
	}
	if g.check != "" {
		return a.checkFiles(g.check, selected, kind)
	}
	a.remind(o, kind)
	if g.out != "" {
		return a.writeFiles(g.out, selected)
	}
	return a.streamFiles(files, kind)
}

// options are the defaults, with the config file over them and the flags over that.
func (g *generateFlags) options(flags *pflag.FlagSet) (generate.Options, error) {
	o := generate.Default()
	if g.config != "" {
		content, err := os.ReadFile(g.config)
		if err != nil {
			return o, fmt.Errorf("config: %w", err)
		}
		if err := generate.ReadConfig(content, &o); err != nil {
			return o, fmt.Errorf("config %s: %w", g.config, err)
		}
		o.Invocation += " --config=" + strings.ReplaceAll(g.config, " ", `\ `)
	}
	flags.Visit(func(f *pflag.Flag) { g.apply(f, &o) })
	return o, nil
}

// apply sets what a flag says, and has the headers tell it where it shows.
func (g *generateFlags) apply(f *pflag.Flag, o *generate.Options) {
	switch f.Name {
	case "namespace":
		o.Namespaces = g.given.Namespaces
		o.Invocation += " --namespace=" + strings.Join(o.Namespaces, ",")
		return
	case "image-pull-secret":
		o.ImagePullSecrets = g.given.ImagePullSecrets
		o.Invocation += " --image-pull-secret=" + strings.Join(o.ImagePullSecrets, ",")
		return
	case "claim":
		o.Cleaner.Claims = g.given.Cleaner.Claims
		o.Invocation += " --claim=" + strings.Join(o.Cleaner.Claims, ",")
		return
	case "strategy":
		o.Strategy = g.given.Strategy
		return
	case "datacenter":
		o.Datacenter = g.given.Datacenter
	case "image":
		o.Image = g.given.Image
	case "kasten-namespace":
		o.KastenNamespace = g.given.KastenNamespace
	case "service-account":
		o.ServiceAccount = g.given.ServiceAccount
	case "prefix":
		o.Prefix = g.given.Prefix
	case "profile":
		o.Profile = g.given.Profile
	case "frequency":
		o.Frequency = g.given.Frequency
	case "restore-point":
		o.RestorePoint = g.given.RestorePoint
	default:
		return
	}
	o.Invocation += " --" + f.Name + "=" + f.Value.String()
}

// checkArguments parses the flags of the hooks as the hooks will.
func checkArguments(o generate.Options) error {
	var problems []error
	all := o.Arguments()
	for _, field := range slices.Sorted(maps.Keys(all)) {
		if len(all[field]) == 1 {
			continue // no flags
		}
		root := (&app{}).root()
		cmd, rest, err := root.Find(all[field])
		if err == nil {
			err = cmd.ParseFlags(rest)
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", field, err))
		}
	}
	return errors.Join(problems...)
}

// remind says on stderr what the files still lack.
func (a *app) remind(o generate.Options, kind string) {
	if o.Image == generate.PlaceholderImage && slices.Contains([]string{generate.KindAll, generate.KindBlueprint, generate.KindOverride, generate.KindCleaner, generate.KindScripts}, kind) {
		fmt.Fprintf(a.stderr, "the image is a placeholder (%s): set --image\n", o.Image)
	}
	if kind == generate.KindCleaner && slices.Equal(o.Cleaner.Claims, generate.Default().Cleaner.Claims) {
		fmt.Fprintln(a.stderr, "the claims are those of an example: set --claim for each data volume")
	}
}

func (a *app) checkFiles(dir string, files []generate.File, kind string) error {
	diff, err := generate.Compare(dir, files, kind == generate.KindAll)
	if err != nil {
		return err
	}
	if diff == "" {
		return nil
	}
	if _, err := fmt.Fprint(a.stdout, diff); err != nil {
		return err
	}
	return fmt.Errorf("files below %s differ from the output of casshook generate %s", dir, kind)
}

func (a *app) writeFiles(dir string, files []generate.File) error {
	if err := generate.Write(dir, files); err != nil {
		return err
	}
	for _, f := range files {
		if _, err := fmt.Fprintln(a.stdout, f.Path); err != nil {
			return err
		}
	}
	return nil
}

func (a *app) streamFiles(files []generate.File, kind string) error {
	stream, err := generate.Stream(files, kind)
	if err != nil {
		return flow.Fail(flow.Usage, err)
	}
	for i, f := range stream {
		if i > 0 {
			if _, err := fmt.Fprintln(a.stdout, "---"); err != nil {
				return err
			}
		}
		if _, err := a.stdout.Write(f.Content); err != nil {
			return err
		}
	}
	return nil
}
