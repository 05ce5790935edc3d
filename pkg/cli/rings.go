package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/casshook/casshook/pkg/cql"
	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/hosts"
	"github.com/casshook/casshook/pkg/kube"
	"github.com/casshook/casshook/pkg/ring"
)

// place is where the rings are that the flags name: hosts or Kubernetes.
type place struct {
	inventory string
	agent     string

	kubeconfig, context string
	namespace           string
	datacenter          string
	agentDir, agentPath string
	tlsSecret           string
	wait, settle        time.Duration
	// image, pullSecrets and snapshotClass are of what only some commands do.
	image, snapshotClass string
	pullSecrets          []string
	runAs                int64
	stop, start          time.Duration
}

// defaultReady is for a ring that is all but up.
const defaultReady = 15 * time.Minute

func (p *place) flags(f *pflag.FlagSet) {
	f.StringVar(&p.inventory, "inventory", "", "inventory file of the ring's hosts, for Cassandra outside of Kubernetes")
	f.StringVar(&p.agent, "agent", "", "path of casshook-agent on this machine (default: beside casshook)")
	f.StringVarP(&p.namespace, "namespace", "n", "", "namespace of the CassandraDatacenters, for Cassandra in Kubernetes")
	f.StringVar(&p.datacenter, "datacenter", "", "work on this single-datacenter ring only (default: all rings in the namespace)")
	f.StringVar(&p.kubeconfig, "kubeconfig", "", "kubeconfig file (default: $KUBECONFIG, ~/.kube/config, or the pod's service account)")
	f.StringVar(&p.context, "context", "", "kubeconfig context to use")
	f.StringVar(&p.agentDir, "agent-dir", "", "directory with casshook-agent-linux-amd64 and -arm64 (default: agents/ beside casshook)")
	f.StringVar(&p.agentPath, "agent-path", "", "path of casshook-agent in the containers, if an image or init container provides it")
	f.StringVar(&p.tlsSecret, "cql-tls-secret", "", "secret for CQL with client encryption: ca.crt, and tls.crt and tls.key if clients need a certificate")
	number{f, "ready-timeout", "how long to wait for a datacenter to become ready"}.timeout(&p.wait, defaultReady)
	number{f, "settle-timeout", "how long ready nodes may take to see each other"}.period(&p.settle, 30*time.Second)
}

// subject is one ring that a command works on.
type subject struct {
	ring.Target
	name string
	// kube is nil on hosts.
	kube *kube.Target
}

// subjects finds the rings that the flags name; at least one.
func (a *app) subjects(ctx context.Context) ([]*subject, error) {
	p := a.place
	inKubernetes := p.namespace != "" || p.datacenter != ""
	switch {
	case p.inventory != "" && inKubernetes:
		return nil, flow.Failf(flow.Usage, "--inventory is for hosts, --namespace and --datacenter are for Kubernetes: use one or the other")
	case p.inventory != "":
		t, err := hosts.Load(p.inventory)
		if err != nil {
			return nil, flow.Fail(flow.Usage, err)
		}
		if p.agent != "" {
			t.UseAgent(p.agent)
		}
		return []*subject{{Target: loggingIn(t.Ring()), name: t.ClusterName()}}, nil
	}
	client, err := a.connect()
	if err != nil {
		return nil, err
	}
	targets, err := client.Rings(ctx, kube.Selection{Namespace: p.namespace, Datacenter: p.datacenter})
	if err != nil {
		return nil, err
	}
	var found []*subject
	for _, t := range targets {
		found = append(found, &subject{Target: loggingIn(t.Ring()), name: t.ClusterName(), kube: t})
	}
	return found, nil
}

// loggingIn is a ring with CQL.
func loggingIn(target ring.Target) ring.Target {
	target.Login = cql.Login
	return target
}

// connect to the Kubernetes that the flags name.
func (a *app) connect() (*kube.Client, error) {
	p := a.place
	if p.namespace == "" {
		return nil, flow.Failf(flow.Usage, "no ring selected: use --namespace NAMESPACE for Kubernetes, or --inventory FILE for hosts")
	}
	start := p.start // 0: by the number of nodes, which start one after the other
	if start == 0 && p.wait != defaultReady {
		start = p.wait
	}
	return kube.Connect(kube.Options{
		Kubeconfig: p.kubeconfig, Context: p.context, Namespace: p.namespace, Release: Release, AgentDir: p.agentDir, AgentPath: p.agentPath,
		ClientTLSSecret: p.tlsSecret, Settle: p.settle, Notify: func(message string) { fmt.Fprintln(a.stderr, message) },
		Image: p.image, PullSecrets: p.pullSecrets, SnapshotClass: p.snapshotClass,
		RunAs: p.runAs, StopLimit: p.stop, StartLimit: start,
	})
}

// work is what a command does with each ring.
type work struct {
	operation string
	// any state of the ring will do.
	any bool
	// offline is done instead where the ring is stopped.
	offline func(ctx context.Context, s *subject, observer flow.Observer) (backupID string, err error)
	// running is enough: Cassandra need not be up.
	running bool
	// silent leaves no record in Kubernetes: nothing is changed.
	silent bool
	// stop with the first ring that fails; else all are tried.
	stop bool
	// prepare is called once with the number of rings, before the first of them; nil needs none.
	prepare func(rings int) error
	// do returns the id of the backup, if any.
	do func(ctx context.Context, s *subject, observer flow.Observer) (backupID string, err error)
}

// each works on all rings, one after the other. Of several errors the worst code wins.
func (a *app) each(cmd *cobra.Command, w work) error {
	subjects, err := a.subjects(cmd.Context())
	if err != nil {
		return err
	}
	if w.prepare != nil {
		if err := w.prepare(len(subjects)); err != nil {
			return err
		}
	}
	var problems []error
	for _, s := range subjects {
		if len(subjects) > 1 {
			fmt.Fprintf(a.stderr, "ring %q\n", s.name)
		}
		err := a.one(cmd.Context(), w, s)
		if err != nil && len(subjects) > 1 {
			err = fmt.Errorf("ring %q: %w", s.name, err)
		}
		if err != nil && w.stop {
			return err
		}
		problems = append(problems, err)
	}
	return errors.Join(problems...)
}

func (a *app) one(ctx context.Context, w work, s *subject) error {
	steps := a.steps()
	if s.kube == nil {
		_, err := w.do(ctx, s, steps)
		return err
	}
	if w.running {
		s.kube.NeedRunning()
	}
	do, stopped, err := w.way(ctx, s)
	if err != nil {
		return err
	}
	if w.silent {
		_, err := do(ctx, s, steps)
		return err
	}
	record := s.kube.Record(w.operation, steps)
	record.Start(ctx)
	if !w.any && !stopped {
		err = a.ready(ctx, s, record)
	}
	id := ""
	if err == nil {
		id, err = do(ctx, s, record)
	}
	record.Finish(ctx, id, err)
	return err
}

// way is what is done with a ring, stopped or not.
func (w work) way(ctx context.Context, s *subject) (do func(context.Context, *subject, flow.Observer) (string, error), stopped bool, err error) {
	if w.offline != nil {
		stopped, err = s.kube.Stopped(ctx)
	}
	if stopped {
		return w.offline, true, err
	}
	return w.do, false, err
}

// ready waits as a step of its own, so that people see what for.
func (a *app) ready(ctx context.Context, s *subject, observer flow.Observer) error {
	return flow.Run(ctx, []flow.Step{{Name: "waiting for the datacenters to become ready", Do: func(ctx context.Context) error {
		return s.kube.WaitReady(ctx, a.place.wait, observer.Progress)
	}}}, observer)
}
