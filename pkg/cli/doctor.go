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
		Short: "Say what will go wrong with backups and restores by Kasten, and how to mend it",
		Long: "doctor reads what is in Kubernetes about the CassandraDatacenters of a namespace,\n" +
			"and changes nothing. Exit 0 when nothing would fail, 3 when something will;\n" +
			"warnings, and what could not be looked at, do not change the code. docs/doctor.md\n" +
			"tells about each check, and what permissions doctor needs beside those of hooks.",
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
	f.StringVar(&asked.Image, "image", "", "image of casshook; that of the Blueprints in use when left out")
	f.DurationVar(&asked.HookTimeout, "hook-timeout", 20*time.Minute, "how long Kasten lets a hook run; what Kasten's configuration says when left out, if it can be read")
	return cmd
}

func (a *app) examine(cmd *cobra.Command, asked doctor.Asked) error {
	switch {
	case a.place.inventory != "":
		return flow.Failf(flow.Usage, "doctor is for Kubernetes: give --namespace, not --inventory")
	case a.place.namespace == "":
		return flow.Failf(flow.Usage, "no namespace given: use --namespace NAMESPACE")
	case asked.KastenNamespace == "" || asked.ServiceAccount == "":
		return flow.Failf(flow.Usage, "--kasten-namespace and --service-account need a name")
	case cmd.Flags().Changed("hook-timeout") && asked.HookTimeout <= 0:
		return flow.Failf(flow.Usage, "--hook-timeout must be more than nothing")
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
	if failing := diagnosis.Failing(); len(failing) > 0 {
		err = flow.Failf(flow.Precondition, "backups or restores of namespace %s would fail: mend %s", asked.Namespace, strings.Join(failing, ", "))
	}
	return a.printWith(err, diagnosis, diagnosis.Write)
}
