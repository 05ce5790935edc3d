package cli

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/casshook/casshook/pkg/flow"
)

// onlyInKubernetes and onlyOnHosts are flags that mean nothing in the other place.
func onlyInKubernetes() []string {
	return []string{"namespace", "datacenter", "kubeconfig", "context", "agent-dir", "agent-path", "cql-tls-secret", "ready-timeout", "settle-timeout",
		"image", "image-pull-secret", "run-as", "peers", "stop-timeout", "start-timeout", "volume-snapshot-timeout", "volume-snapshot-class"}
}

func onlyOnHosts() []string { return []string{"agent"} }

// unused are the flags of all commands that a command has no use for.
func unused(command string) []string {
	switch command {
	case "generate":
		return []string{"inventory", "agent", "kubeconfig", "context", "agent-dir", "agent-path", "cql-tls-secret", "settle-timeout"}
	case "doctor":
		return []string{"inventory", "agent", "agent-dir", "agent-path", "cql-tls-secret", "ready-timeout", "settle-timeout"}
	case "before-restore", "clean":
		return []string{"inventory", "agent", "agent-dir", "agent-path", "cql-tls-secret"}
	}
	return nil
}

// checkFlags refuses flags that would be ignored, and values that name nothing. All problems are
// reported at once.
func checkFlags(cmd *cobra.Command) error {
	if cmd.Name() == "generate" { // which has names and checks of its own
		return flow.Fail(flow.Usage, errors.Join(ignored(cmd.Flags(), unused("generate"), "has no meaning for generate: leave it out")...))
	}
	if onHosts(cmd) && inKubernetes(cmd) {
		return flow.Failf(flow.Usage, "--inventory is for hosts, --namespace and --datacenter are for Kubernetes: use one or the other")
	}
	return flow.Fail(flow.Usage, errors.Join(append(checkPlace(cmd), checkNames(cmd.Flags())...)...))
}

// checkPlace finds flags that mean nothing in the place that others name.
func checkPlace(cmd *cobra.Command) []error {
	none := unused(cmd.Name())
	switch {
	case onHosts(cmd) && none == nil:
		return ignored(cmd.Flags(), onlyInKubernetes(), "is for Kubernetes only: leave it out with --inventory")
	case onHosts(cmd): // the command says itself what to do on hosts
		return nil
	case none == nil && inKubernetes(cmd):
		return ignored(cmd.Flags(), onlyOnHosts(), "is for hosts only: leave it out with --namespace")
	}
	return ignored(cmd.Flags(), none, "has no meaning for "+cmd.Name()+": leave it out")
}

func onHosts(cmd *cobra.Command) bool { return textOf(cmd, "inventory") != "" }

func inKubernetes(cmd *cobra.Command) bool {
	return textOf(cmd, "namespace") != "" || textOf(cmd, "datacenter") != ""
}

func textOf(cmd *cobra.Command, flag string) string {
	if f := cmd.Flags().Lookup(flag); f != nil {
		return f.Value.String()
	}
	return ""
}

// ignored names the flags on the command line that are among those without a meaning.
func ignored(flags *pflag.FlagSet, names []string, why string) []error {
	var problems []error
	for _, name := range names {
		if given(flags, name) {
			problems = append(problems, fmt.Errorf("--%s %s", name, why))
		}
	}
	return problems
}

// given tells whether a flag is on the command line. A variable is for all commands and places: where it means nothing it
// is passed over.
func given(flags *pflag.FlagSet, name string) bool {
	f := flags.Lookup(name)
	return f != nil && f.Changed && f.Annotations[fromVariable] == nil
}

var (
	// idForm is what a backup's id is made of.
	idForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)
	// kubeForm is what a name in Kubernetes is made of.
	kubeForm = regexp.MustCompile(`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`)
	// imageForm is what an image's name is made of.
	ownerForm = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?$`)
	imageForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:/@-]*$`)
)

// checkNames checks what flags name. An id may be empty: a Blueprint passes the one of its restore point, if any.
func checkNames(flags *pflag.FlagSet) []error {
	var problems []error
	flags.Visit(func(f *pflag.Flag) {
		form, example := formOf(f.Name)
		values := []string{f.Value.String()}
		if list, ok := f.Value.(pflag.SliceValue); ok {
			if values = list.GetSlice(); len(values) == 0 {
				values = []string{""}
			}
		}
		for _, v := range values {
			switch {
			case f.Name == "backup" && v == "":
			case slices.Contains([]string{"include", "exclude"}, f.Name) && (v == "" || strings.TrimSpace(v) != v):
				problems = append(problems, fmt.Errorf("--%s %q: use keyspace.table or a glob such as 'shop.*', without spaces; leave the flag out for all tables", f.Name, v))
			case form != nil && !form.MatchString(v):
				problems = append(problems, fmt.Errorf("--%s %q is not %s", f.Name, v, example))
			}
		}
	})
	return problems
}

func formOf(flag string) (form *regexp.Regexp, example string) {
	switch flag {
	case "backup":
		return idForm, "the id of a backup, such as casshook-20260102T030405Z-1a2b (casshook list shows them)"
	case "namespace", "datacenter", "cql-tls-secret", "image-pull-secret", "volume-snapshot-class", "kasten-namespace", "service-account":
		return kubeForm, "a name in Kubernetes: lower-case letters, digits, - and ."
	case "owner":
		return ownerForm, "an owner: letters, digits, '.', '_' and '-', such as the name of a policy"
	case "image":
		return imageForm, "the name of an image, such as registry.example.com/casshook:1.0"
	}
	return nil, ""
}

// checkClaims checks the names of claims that are arguments.
func checkClaims(claims []string) error {
	var problems []error
	for i, name := range claims {
		switch {
		case !kubeForm.MatchString(name):
			problems = append(problems, fmt.Errorf("%q is not the name of a claim, which has lower-case letters, digits, dots and dashes only", name))
		case slices.Contains(claims[:i], name):
			problems = append(problems, fmt.Errorf("claim %s is named twice", name))
		}
	}
	return flow.Fail(flow.Usage, errors.Join(problems...))
}
