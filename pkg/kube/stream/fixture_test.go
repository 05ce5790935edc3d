package stream

import (
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/kube/internal/kubetest"
	"github.com/casshook/casshook/pkg/kube/objects"
	"github.com/casshook/casshook/pkg/ring"
)

// podsOf are the pods of a world, as they are now.
func podsOf(w *kubetest.World, opts Options) *Pods {
	w.T.Helper()
	seen := map[string]SeenPod{}
	for _, o := range w.List("", "pods") {
		var p corev1.Pod
		require.True(w.T, w.Read("", "pods", kubetest.In(o, "metadata")["name"].(string), &p))
		seen[p.Name] = SeenPod{UID: p.UID, ContainerID: objects.ContainerStatus(&p).ContainerID}
	}
	opts.Seen = func(pod string) SeenPod { return seen[pod] }
	return New(w.Client, "db", opts)
}

// nodeOfPod is the first node of the datacenter dc1.
func nodeOfPod() ring.Node {
	return ring.Node{Node: wire.Node{Name: "set-dc1-0"}, Address: "10.0.0.1", CQLPort: 9042}
}
