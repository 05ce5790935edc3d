package cli

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/casshook/casshook/pkg/doctor"
	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/kube"
)

func (a *app) doctor() *cobra.Command {
	var asked doctor.Asked
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check the cluster for problems with Kasten backups and restores, and suggest fixes",
		Long: "doctor inspects the CassandraDatacenters of a namespace and Kasten's configuration.\n" +
			"It changes nothing. It exits with 3 if backups or restores would fail, or if it may\n" +
			"not look at the datacenters, else with 0; warnings and other checks that could not run\n" +
			"do not change the exit code. docs/doctor.md describes each check and the\n" +
			"permissions that doctor needs.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !cmd.Flags().Changed("hook-timeout") {
				asked.HookTimeout = 0 // what Kasten's configuration says
			}
			return a.examine(cmd, asked)
		},
	}
	f := cmd.Flags()
	f.StringVar(&asked.KastenNamespace, "kasten-namespace", "kasten-io", "namespace of Kasten")
	f.StringVar(&asked.ServiceAccount, "service-account", "casshook", "service account of the hook pods")
	f.StringVar(&asked.Image, "image", "", "casshook image (default: that of the Blueprints in use)")
	number{f, "hook-timeout", "time limit for hooks in Kasten (default: from Kasten's configuration, if readable)"}.timeout(&asked.HookTimeout, 20*time.Minute)
	return cmd
}

func (a *app) examine(cmd *cobra.Command, asked doctor.Asked) error {
	switch {
	case a.place.inventory != "":
		return flow.Failf(flow.Usage, "doctor is for Kubernetes only: use --namespace, not --inventory")
	case a.place.namespace == "":
		return flow.Failf(flow.Usage, "no namespace selected: use --namespace NAMESPACE")
	}
	p := a.place
	client, err := kube.Connect(kube.Options{
		Kubeconfig: p.kubeconfig, Context: p.context, Namespace: p.namespace, Release: Release,
		Notify: func(message string) { fmt.Fprintln(a.stderr, message) },
	})
	if err != nil {
		return err
	}
	asked.Namespace, asked.Datacenter = p.namespace, p.datacenter
	facts, err := client.Facts(cmd.Context(), asked)
	if err != nil {
		return err
	}
	diagnosis := doctor.Examine(facts)
	if why := facts.Blind(); why != "" {
		err = flow.Failf(flow.Precondition, "the datacenters of namespace %s could not be checked: %s", asked.Namespace, why)
	}
	if failing := diagnosis.Failing(); len(failing) > 0 {
		err = flow.Failf(flow.Precondition, "backups or restores of namespace %s would fail: fix %s", asked.Namespace, strings.Join(failing, ", "))
	}
	return a.printWith(err, diagnosis, diagnosis.Write)
}
