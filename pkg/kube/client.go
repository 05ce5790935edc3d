// Package kube reaches Cassandra in Kubernetes: CassandraDatacenters of
// cass-operator, their pods through exec and port-forward of the API server, a
// Lease as the ring's lock, a ConfigMap and Events as what people see. It is the
// only package of the product that talks to Kubernetes.
package kube

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"

	"github.com/casshook/casshook/pkg/flow"
)

// Options of Connect.
type Options struct {
	// Kubeconfig, Context and Namespace are as kubectl has them: without a file
	// $KUBECONFIG, then ~/.kube/config, then the service account of the pod.
	Kubeconfig, Context, Namespace string
	// Release is the version that the User-Agent names.
	Release string
	// AgentDir holds casshook-agent-linux-<architecture>; see newAgents for
	// where they are looked for without it.
	AgentDir string
	// AgentPath is where an image or an init container put the agent in the
	// container; it is used when it is executable there.
	AgentPath string
	// Settle is how long the nodes have to see one another: the operator calls a
	// datacenter Ready some seconds before gossip knows the new addresses of its pods.
	Settle time.Duration
	// ClientTLSSecret names the secret with ca.crt, and tls.crt and tls.key where
	// the ring asks clients for a certificate, for CQL with client encryption.
	ClientTLSSecret string
	// Image is casshook's own, which the cleaner's Jobs run; PullSecrets are for it,
	// besides those of Cassandra's pods.
	Image       string
	PullSecrets []string
	// RunAs is the user, and group, of the cleaner instead of Cassandra's own: as
	// its pods say, else cass-operator's default.
	RunAs int64
	// SnapshotClass is for SnapshotVolumes; the storage's default one when empty.
	SnapshotClass string
	// StopLimit is how long to wait until the last pod of a ring that stops, or is
	// deleted, is gone; StartLimit until all nodes of one that was stopped are up,
	// which start one after the other; JobStart until the pod of a cleaner's Job
	// runs; PasswordLimit until the operator has set the passwords of roles again.
	// Defaults where 0.
	StopLimit, StartLimit, JobStart, PasswordLimit time.Duration
	// Notify is told what no error says: retries, a lock that is waited for, a
	// record that could not be written. Nil drops it.
	Notify func(message string)
}

const (
	defaultStop      = 10 * time.Minute
	defaultJobStart  = 5 * time.Minute
	defaultPasswords = 2 * time.Minute
	// A node takes one to two minutes when all is well, and another when not.
	defaultStart     = 10 * time.Minute
	defaultStartNode = 3 * time.Minute
)

// filled has defaults where nothing is given; StartLimit's depends on the ring.
func (o Options) filled() Options {
	o.StopLimit, o.JobStart, o.PasswordLimit = cmp.Or(o.StopLimit, defaultStop), cmp.Or(o.JobStart, defaultJobStart), cmp.Or(o.PasswordLimit, defaultPasswords)
	return o
}

// Client is a connection to one API server, and one namespace of it.
type Client struct {
	typed     kubernetes.Interface
	dynamic   dynamic.Interface
	streams   streams
	clock     clock
	namespace string
	opts      Options
	agents    *agents
	// patience bounds the retries of one request.
	patience time.Duration
}

const (
	// queries per second and burst: a ring of hundred nodes is some hundred
	// requests, and client-go's default of 5 would make them 20 seconds.
	queries = 50
	burst   = 100
)

// Connect reads the configuration and makes the clients. It sends no request.
func Connect(opts Options) (*Client, error) {
	config, namespace, err := configuration(opts)
	if err != nil {
		return nil, flow.Fail(flow.Usage, err)
	}
	c := &Client{namespace: namespace, opts: opts.filled(), agents: newAgents(opts.AgentDir), patience: patience}
	served := &serverTime{}
	c.clock = served
	config.Wrap(served.wrap)
	if c.typed, err = kubernetes.NewForConfig(config); err != nil {
		return nil, fmt.Errorf("kubernetes client: %w", err)
	}
	if c.dynamic, err = dynamic.NewForConfig(config); err != nil {
		return nil, fmt.Errorf("kubernetes client: %w", err)
	}
	c.streams = &apiStreams{config: config, rest: c.typed.CoreV1().RESTClient()}
	return c, nil
}

// configuration follows kubectl's rules, and falls back to the service account of
// the pod where there is no kubeconfig at all.
func configuration(opts Options) (*rest.Config, string, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = opts.Kubeconfig
	overrides := &clientcmd.ConfigOverrides{CurrentContext: opts.Context}
	overrides.Context.Namespace = opts.Namespace
	loading := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, overrides)
	config, err := loading.ClientConfig()
	if clientcmd.IsEmptyConfig(err) || errors.Is(err, rest.ErrNotInCluster) {
		return nil, "", errors.New("no kubernetes to talk to: give --kubeconfig, set KUBECONFIG, or run in a pod with a service account")
	}
	if err != nil {
		return nil, "", fmt.Errorf("kubeconfig: %w", err)
	}
	namespace, _, err := loading.Namespace()
	if err != nil {
		return nil, "", fmt.Errorf("kubeconfig: namespace: %w", err)
	}
	if opts.Namespace != "" { // in a pod the service account's would win
		namespace = opts.Namespace
	}
	release := opts.Release
	if release == "" {
		release = "dev"
	}
	config.UserAgent = "casshook/" + release
	config.QPS, config.Burst = queries, burst
	return config, namespace, nil
}

// Namespace is the namespace of the client.
func (c *Client) Namespace() string { return c.namespace }

// Now is the time by the clock of the API server, which every run shares,
// wherever it runs; the machine's own before the first answer.
func (c *Client) Now() time.Time { return c.clock.Now() }

func (c *Client) notify(format string, args ...any) {
	if c.opts.Notify != nil {
		c.opts.Notify(fmt.Sprintf(format, args...))
	}
}

// Quiet silences the log that the Kubernetes libraries keep by themselves: what
// matters comes back as errors. It is for main, before anything else runs.
func Quiet() {
	klog.SetLogger(logr.Discard())
}

// hostname names this process in objects.
func hostname() string {
	host, err := os.Hostname()
	if err != nil {
		return "unknown"
	}
	return host
}

// pause waits, or returns the cause of the context's end.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
