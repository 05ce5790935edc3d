package lock

import (
	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/kube/internal/kubetest"
)

// lockedOf is the ring "prod" of a world.
func lockedOf(w *kubetest.World) Ring {
	return Ring{Namespace: "db", Cluster: "prod", Datacenters: func() []Datacenter {
		var refs []Datacenter
		for _, o := range w.List(kubetest.CassandraGroup, "cassandradatacenters") {
			name := kubetest.In(o, "metadata")["name"].(string)
			refs = append(refs, Datacenter{Name: name, UID: "uid-" + name})
		}
		return refs
	}}
}

func lockerOf(w *kubetest.World) *Locker {
	kubetest.ClockOf(w.Client).RenewEvery = renewEvery
	return New(w.Client, lockedOf(w))
}

func recordOf(w *kubetest.World, operation string, next flow.Observer) *Record {
	return NewRecord(w.Client, lockedOf(w), operation, next)
}
