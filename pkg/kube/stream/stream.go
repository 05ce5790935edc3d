// Package stream runs commands in the pods of Cassandra, copies the agent there, and
// connects to their CQL ports, all through the API server.
package stream

import (
	"context"
	"net/http"
	"net/url"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/httpstream"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/tools/remotecommand"
	"k8s.io/client-go/transport/spdy"

	"github.com/casshook/casshook/pkg/kube/api"
	"github.com/casshook/casshook/pkg/kube/objects"
	"github.com/casshook/casshook/pkg/ring"
)

// streams opens what is no request with an answer.
type streams interface {
	// exec runs argv in the pod's container of Cassandra until it ends or ctx
	// does; the error of a process that ended is a CodeExitError. It may return
	// while it still reads Stdin.
	exec(ctx context.Context, namespace, pod string, argv []string, opts remotecommand.StreamOptions) error
	// dial opens a connection for port-forwards to a pod.
	dial(namespace, pod string) (httpstream.Connection, error)
}

// apiStreams goes through the API server: WebSocket, and SPDY where the server or
// a proxy before it does not speak that.
type apiStreams struct {
	config *rest.Config
	rest   rest.Interface
}

var _ streams = (*apiStreams)(nil)

func (s *apiStreams) request(namespace, pod, subresource string) *rest.Request {
	return s.rest.Post().Resource("pods").Namespace(namespace).Name(pod).SubResource(subresource)
}

func fallBack(err error) bool {
	return httpstream.IsUpgradeFailure(err) || httpstream.IsHTTPSProxyError(err)
}

func (s *apiStreams) exec(ctx context.Context, namespace, pod string, argv []string, opts remotecommand.StreamOptions) error {
	url := s.request(namespace, pod, "exec").VersionedParams(&corev1.PodExecOptions{
		Container: objects.CassandraContainer, Command: argv,
		Stdin: opts.Stdin != nil, Stdout: opts.Stdout != nil, Stderr: opts.Stderr != nil,
	}, scheme.ParameterCodec).URL()
	second, err := remotecommand.NewSPDYExecutor(s.config, http.MethodPost, url)
	if err != nil {
		return err
	}
	first, err := remotecommand.NewWebSocketExecutor(s.config, http.MethodGet, url.String())
	if err != nil {
		return err
	}
	either, err := remotecommand.NewFallbackExecutor(first, second, fallBack)
	if err != nil {
		return err
	}
	return either.StreamWithContext(ctx, opts)
}

func (s *apiStreams) dial(namespace, pod string) (httpstream.Connection, error) {
	dialer, err := s.dialer(s.request(namespace, pod, "portforward").URL())
	if err != nil {
		return nil, err
	}
	conn, _, err := dialer.Dial(portforward.PortForwardProtocolV1Name)
	return conn, err
}

func (s *apiStreams) dialer(url *url.URL) (httpstream.Dialer, error) {
	first, err := portforward.NewSPDYOverWebsocketDialer(url, s.config)
	if err != nil {
		return nil, err
	}
	transport, upgrader, err := spdy.RoundTripperFor(s.config)
	if err != nil {
		return nil, err
	}
	second := spdy.NewDialer(upgrader, &http.Client{Transport: transport}, http.MethodPost, url)
	return portforward.NewFallbackDialer(first, second, fallBack), nil
}

// Options say where the agent is, and how CQL is spoken.
type Options struct {
	// AgentPath is where an image or an init container put the agent in the
	// container; it is used when it is executable there.
	AgentPath string
	// ClientTLSSecret names the secret with ca.crt, and tls.crt and tls.key where
	// the ring asks clients for a certificate, for CQL with client encryption.
	ClientTLSSecret string
	// Agents are copied into the containers.
	Agents *Agents
	// Seen are the pods of the ring by name; zero for one that was not listed.
	Seen func(pod string) SeenPod
}

// SeenPod is what is remembered of a pod when it was listed: by it a restart is told
// from a cut stream.
type SeenPod struct {
	UID         types.UID
	ContainerID string
	// TLS says that Cassandra's clients are to speak it.
	TLS bool
}

// Pods are exec and port-forward to the pods of a ring.
type Pods struct {
	client    *api.Client
	namespace string
	options   Options
	streams   streams
}

var (
	_ ring.Exec   = (*Pods)(nil)
	_ ring.Dialer = (*Pods)(nil)
)

// New reaches pods of a namespace.
func New(client *api.Client, namespace string, options Options) *Pods {
	return &Pods{client: client, namespace: namespace, options: options,
		streams: &apiStreams{config: client.Config, rest: client.Typed.CoreV1().RESTClient()}}
}
