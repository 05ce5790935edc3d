package kube

import (
	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/ring"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
)

// ringOf is the only ring of a world.
func ringOf(w *world) *dcRing {
	w.t.Helper()
	found, err := findRings(w.t.Context(), w.client, Selection{})
	require.NoError(w.t, err)
	require.Len(w.t, found, 1)
	return found[0]
}

// stoppedOf is the only ring of a world, as one that is stopped.
func stoppedOf(w *world, opts jobOptions) *stoppedRing {
	w.t.Helper()
	return newStoppedRing(w.client, ringOf(w), opts)
}

// operatorOf is the only ring of a world, as operators see it.
func operatorOf(w *world, l limits) *operatorRing {
	w.t.Helper()
	return newOperatorRing(w.client, stoppedOf(w, jobOptions{StopLimit: l.Stop}), l)
}

// snapshotsOf are those of the only ring of a world.
func snapshotsOf(w *world, class string) *volumeSnapshots {
	w.t.Helper()
	return newVolumeSnapshots(w.client, ringOf(w), class)
}

// lockedOf is the ring "prod" of a world.
func lockedOf(w *world) lockedRing {
	return lockedRing{Namespace: "db", Cluster: "prod", Datacenters: func() []dcRef {
		var refs []dcRef
		for _, o := range w.list(cassandraGroup, "cassandradatacenters") {
			name := in(o, "metadata")["name"].(string)
			refs = append(refs, dcRef{Name: name, UID: "uid-" + name})
		}
		return refs
	}}
}

func lockerOf(w *world) *locker {
	clockOf(w.client).renewEvery = renewEvery
	return newLocker(w.client, lockedOf(w))
}

func recordOf(w *world, operation string, next flow.Observer) *Record {
	return NewRecord(w.client, lockedOf(w), operation, next)
}

// podsOf are the pods of a world, as they are now.
func podsOf(w *world, opts streamOptions) *podStreams {
	w.t.Helper()
	seen := map[string]seenPod{}
	for _, o := range w.list("", "pods") {
		var p corev1.Pod
		require.True(w.t, w.read("", "pods", in(o, "metadata")["name"].(string), &p))
		seen[p.Name] = seenPod{UID: p.UID, ContainerID: containerStatus(&p).ContainerID}
	}
	opts.Seen = func(pod string) seenPod { return seen[pod] }
	return newPodStreams(w.client, "db", opts)
}

// nodeOfPod is the first node of the datacenter dc1.
func nodeOfPod() ring.Node {
	return ring.Node{Node: wire.Node{Name: "set-dc1-0"}, Address: "10.0.0.1", CQLPort: 9042}
}
