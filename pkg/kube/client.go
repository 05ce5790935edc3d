// Package kube reaches Cassandra in Kubernetes: CassandraDatacenters of
// cass-operator, their pods through exec and port-forward of the API server, a
// Lease as the ring's lock, a ConfigMap and Events as what people see. It is the
// only package of the product that talks to Kubernetes.
package kube

import (
	"time"

	"github.com/casshook/casshook/pkg/kube/api"
	"github.com/casshook/casshook/pkg/kube/stream"
)

// Options of Connect.
type Options struct {
	// Kubeconfig, Context and Namespace are as kubectl has them: without a file
	// $KUBECONFIG, then ~/.kube/config, then the service account of the pod.
	Kubeconfig, Context, Namespace string
	// Release is the version that the User-Agent names.
	Release string
	// AgentDir holds casshook-agent-linux-<architecture>; see stream.NewAgents for
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
	// its pods say, or the volume's files where it has no datacenter.
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

// Client is a connection to one API server.
type Client struct {
	api    *api.Client
	agents *stream.Agents
	opts   Options
}

// Connect reads the configuration and makes the clients. It sends no request.
func Connect(opts Options) (*Client, error) {
	c, err := api.Connect(api.Options{
		Kubeconfig: opts.Kubeconfig, Context: opts.Context, Namespace: opts.Namespace, Release: opts.Release, Notify: opts.Notify,
	})
	if err != nil {
		return nil, err
	}
	return &Client{api: c, agents: stream.NewAgents(opts.AgentDir), opts: opts}, nil
}

// Namespace is that of the options, of the kubeconfig, or of the pod.
func (c *Client) Namespace() string { return c.api.Namespace }

// Now is the time by the clock of the API server, which every run shares,
// wherever it runs; the machine's own before the first answer.
func (c *Client) Now() time.Time { return c.api.Now() }
