package kastenstandin

import (
	"fmt"
	"io"

	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"github.com/casshook/casshook/test/lab/kasten-standin/kanister"
)

// Home is where Kasten lives in a cluster, and as whom.
type Home struct{ Namespace, ServiceAccount string }

// Connect makes a Kasten, and a Kanister controller for it, in a cluster. Both say
// what they do on progress. The caller sets the remaining fields.
func Connect(config *rest.Config, catalog *Catalog, home Home, progress io.Writer) (*Kasten, error) {
	// The default of 5 requests a second would make every step a fifth of a second.
	config = rest.CopyConfig(config)
	config.QPS, config.Burst = 100, 200
	dyn, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("connect to the cluster: %w", err)
	}
	disco, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("connect to the cluster: %w", err)
	}
	streams, err := kanister.NewClusterStreams(config)
	if err != nil {
		return nil, err
	}
	controller := &kanister.Controller{
		Dynamic: dyn, Streams: streams,
		Namespace: home.Namespace, ServiceAccount: home.ServiceAccount, Log: progress,
	}
	return &Kasten{Dynamic: dyn, Discovery: disco, Actions: controller, Catalog: catalog, Namespace: home.Namespace, Progress: progress}, nil
}
