// Package api is a connection to one API server: clients made of a kubeconfig or of
// the pod's service account, requests that are retried while the server cannot be
// reached, errors that name what a Role lacks, waits with a limit, and time by the
// server's clock.
package api

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"

	"github.com/casshook/casshook/pkg/flow"
)

// Options of connect.
type Options struct {
	// Kubeconfig, Context and Namespace are as kubectl has them: without a file
	// $KUBECONFIG, then ~/.kube/config, then the service account of the pod.
	Kubeconfig, Context, Namespace string
	// Release is the version that the User-Agent names.
	Release string
	// Notify is told what no error says, such as retries. Nil drops it.
	Notify func(message string)
}

// Client is a connection to one API server.
type Client struct {
	Typed   kubernetes.Interface
	Dynamic dynamic.Interface
	// Config is what the clients were made of, for streams.
	Config *rest.Config
	Clock  flow.Clock
	// Namespace is that of the options, of the kubeconfig, or of the pod.
	Namespace string
	tell      func(message string)
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
	c := &Client{Config: config, Namespace: namespace, tell: opts.Notify, patience: Patience}
	served := &serverTime{}
	c.Clock = served
	config.Wrap(served.wrap)
	if c.Typed, err = kubernetes.NewForConfig(config); err != nil {
		return nil, fmt.Errorf("kubernetes client: %w", err)
	}
	if c.Dynamic, err = dynamic.NewForConfig(config); err != nil {
		return nil, fmt.Errorf("kubernetes client: %w", err)
	}
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
		return nil, "", errors.New("no Kubernetes cluster configured: pass --kubeconfig, set KUBECONFIG, or run in a pod with a service account")
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

// Notify tells people what no error says.
func (c *Client) Notify(format string, args ...any) {
	if c.tell != nil {
		c.tell(fmt.Sprintf(format, args...))
	}
}

// Quiet silences the log that the Kubernetes libraries keep by themselves: what
// matters comes back as errors. It is for main, before anything else runs.
func Quiet() {
	klog.SetSlogLogger(slog.New(slog.DiscardHandler))
}

// Now is the time by the clock of the API server, which every run shares,
// wherever it runs; the machine's own before the first answer.
func (c *Client) Now() time.Time { return c.Clock.Now() }
