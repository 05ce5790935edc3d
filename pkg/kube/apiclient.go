package kube

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/casshook/casshook/pkg/flow"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
)

// connectOptions of connect.
type connectOptions struct {
	// Kubeconfig, Context and Namespace are as kubectl has them: without a file
	// $KUBECONFIG, then ~/.kube/config, then the service account of the pod.
	Kubeconfig, Context, Namespace string
	// Release is the version that the User-Agent names.
	Release string
	// Notify is told what no error says, such as retries. Nil drops it.
	Notify func(message string)
}

// apiClient is a connection to one API server.
type apiClient struct {
	typed   kubernetes.Interface
	dynamic dynamic.Interface
	// config is what the clients were made of, for streams.
	config *rest.Config
	clock  clock
	// namespace is that of the options, of the kubeconfig, or of the pod.
	namespace string
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

// connect reads the configuration and makes the clients. It sends no request.
func connect(opts connectOptions) (*apiClient, error) {
	config, namespace, err := configuration(opts)
	if err != nil {
		return nil, flow.Fail(flow.Usage, err)
	}
	c := &apiClient{config: config, namespace: namespace, tell: opts.Notify, patience: patience}
	served := &serverTime{}
	c.clock = served
	config.Wrap(served.wrap)
	if c.typed, err = kubernetes.NewForConfig(config); err != nil {
		return nil, fmt.Errorf("kubernetes client: %w", err)
	}
	if c.dynamic, err = dynamic.NewForConfig(config); err != nil {
		return nil, fmt.Errorf("kubernetes client: %w", err)
	}
	return c, nil
}

// configuration follows kubectl's rules, and falls back to the service account of
// the pod where there is no kubeconfig at all.
func configuration(opts connectOptions) (*rest.Config, string, error) {
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

// notify tells people what no error says.
func (c *apiClient) notify(format string, args ...any) {
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
func (c *apiClient) Now() time.Time { return c.clock.Now() }
