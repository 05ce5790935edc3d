// Command kasten-standin runs policies and restores as Kasten would, in a cluster
// without Kasten.
//
// Exit codes: 0 done, 1 failed.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"
	"k8s.io/client-go/tools/clientcmd"

	kastenstandin "github.com/casshook/casshook/test/lab/kasten-standin"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := root().ExecuteContext(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "kasten-standin:", err)
		os.Exit(1)
	}
}

// options are the flags of all commands.
type options struct {
	files                          []string
	dir, namespace, serviceAccount string
	snapshotClass                  string
	attempts                       int
	noForceRoot, noBuiltIns        bool
}

func root() *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:           "kasten-standin",
		Short:         "What Kasten does around a Blueprint, without Kasten",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	flags := cmd.PersistentFlags()
	flags.StringArrayVarP(&o.files, "file", "f", nil, "YAML with Blueprints, BlueprintBindings, Policies, RestoreActions, TransformSets; repeatable")
	flags.StringVar(&o.dir, "dir", "restore-points", "folder of the restore points")
	flags.StringVar(&o.namespace, "namespace", "kasten-io", "Kasten's namespace, which must exist")
	flags.StringVar(&o.serviceAccount, "service-account", "default", "service account of pods in Kasten's namespace")
	flags.StringVar(&o.snapshotClass, "snapshot-class", "", "VolumeSnapshotClass; the cluster's default when left out")
	flags.IntVar(&o.attempts, "attempts", 3, "attempts of a backup or restore")
	flags.BoolVar(&o.noForceRoot, "no-force-root", false, "forceRootInBlueprintActions=false")
	flags.BoolVar(&o.noBuiltIns, "no-built-ins", false, "kanister.managedDataServicesBlueprintsEnabled=false")
	cmd.AddCommand(validate(&o), policy(&o), restore(&o), retire(&o))
	return cmd
}

// connect uses $KUBECONFIG, else ~/.kube/config.
func (o *options) connect(cmd *cobra.Command) (*kastenstandin.Kasten, error) {
	catalog, err := kastenstandin.LoadCatalog(o.files...)
	if err != nil {
		return nil, err
	}
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, nil).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("KUBECONFIG: %w", err)
	}
	k, err := kastenstandin.Connect(config, catalog, kastenstandin.Home{Namespace: o.namespace, ServiceAccount: o.serviceAccount}, cmd.ErrOrStderr())
	if err != nil {
		return nil, err
	}
	if k.Dir, err = filepath.Abs(o.dir); err != nil {
		return nil, err
	}
	k.SnapshotClass, k.Attempts, k.NoForceRoot, k.NoBuiltIns = o.snapshotClass, o.attempts, o.noForceRoot, o.noBuiltIns
	return k, nil
}

// show prints results as JSON on stdout, one a line.
func show(cmd *cobra.Command, results ...*kastenstandin.Result) error {
	for _, result := range results {
		if result == nil {
			continue
		}
		if err := json.NewEncoder(cmd.OutOrStdout()).Encode(result); err != nil {
			return err
		}
	}
	return nil
}

func validate(o *options) *cobra.Command {
	return &cobra.Command{
		Use: "validate", Short: "Check the files as kanctl and Kasten would; needs no cluster", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := kastenstandin.LoadCatalog(o.files...)
			return err
		},
	}
}

func policy(o *options) *cobra.Command {
	return &cobra.Command{
		Use: "run POLICY", Short: "Run a policy of the files now", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			k, err := o.connect(cmd)
			if err != nil {
				return err
			}
			p := k.Catalog.Policies[args[0]]
			if p == nil {
				return fmt.Errorf("policy %s is not in the files", args[0])
			}
			results, err := k.RunPolicy(cmd.Context(), p)
			return errors.Join(err, show(cmd, results...))
		},
	}
}

func restore(o *options) *cobra.Command {
	point := ""
	cmd := &cobra.Command{
		Use: "restore", Short: "Run the RestoreActions of the files", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			k, err := o.connect(cmd)
			if err != nil {
				return err
			}
			if len(k.Catalog.RestoreActions) == 0 {
				return errors.New("there is no RestoreAction in the files")
			}
			for _, action := range k.Catalog.RestoreActions {
				if point != "" {
					action.Spec.Subject.Name = point
				}
				result, err := k.Restore(cmd.Context(), action)
				if err = errors.Join(err, show(cmd, result)); err != nil {
					return err
				}
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&point, "restore-point", "", "instead of the one that the RestoreActions name")
	return cmd
}

func retire(o *options) *cobra.Command {
	return &cobra.Command{
		Use: "retire RESTORE-POINT", Short: "Remove a restore point with its snapshots", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			k, err := o.connect(cmd)
			if err != nil {
				return err
			}
			result, err := k.Retire(cmd.Context(), args[0])
			return errors.Join(err, show(cmd, result))
		},
	}
}
