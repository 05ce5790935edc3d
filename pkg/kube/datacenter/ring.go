package datacenter

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/kube/api"
	"github.com/casshook/casshook/pkg/kube/objects"
	"github.com/casshook/casshook/pkg/ring"
)

// Ring is one ring in one namespace: all of its datacenters there, and their pods.
type Ring struct {
	// Demand is what Nodes asks of datacenters and pods.
	Demand Demand

	client    *api.Client
	namespace string
	cluster   string

	mu          sync.Mutex
	datacenters []*Datacenter
	// pods are as Nodes saw them last, by name.
	pods map[string]Sighting
}

var _ ring.Nodes = (*Ring)(nil)

// NewRing makes the ring of datacenters, which are at least one and all of it.
func NewRing(client *api.Client, members []*Datacenter) *Ring {
	return &Ring{client: client, namespace: members[0].Namespace, cluster: members[0].ClusterName, datacenters: members}
}

// Namespace is that of the datacenters.
func (r *Ring) Namespace() string { return r.namespace }

// Datacenters are the ring's, as read last, by name.
func (r *Ring) Datacenters() []*Datacenter {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.datacenters)
}

// Claims are the volume claims that a pod's Cassandra uses, as Nodes saw them
// last: server-data, and those of additionalVolumes.
func (r *Ring) Claims(pod string) []objects.Claim { return r.Seen(pod).claims }

// Seen is what Nodes saw of a pod last.
func (r *Ring) Seen(pod string) Sighting {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.pods[pod]
}

// ClusterName implements ring.Nodes.
func (r *Ring) ClusterName() string { return r.cluster }

// Nodes implements ring.Nodes. The operator's own list in status.nodeStatuses is
// not used: it lacks nodes that were never started and keeps those that are gone.
func (r *Ring) Nodes(ctx context.Context) ([]ring.Node, error) {
	s, err := r.survey(ctx)
	if err != nil {
		return nil, err
	}
	var problems []error
	for _, text := range s.Waiting {
		problems = append(problems, errors.New(text))
	}
	return s.nodes, errors.Join(problems...)
}

// Refresh reads the ring's datacenters again.
func (r *Ring) Refresh(ctx context.Context) ([]*Datacenter, error) {
	all, err := List(ctx, r.client, r.namespace)
	if err != nil {
		return nil, err
	}
	members := slices.DeleteFunc(all, func(d *Datacenter) bool { return d.ClusterName != r.cluster })
	if len(members) == 0 {
		return nil, fmt.Errorf("the datacenters of the cluster %q are gone from namespace %s", r.cluster, r.namespace)
	}
	for _, d := range members {
		if err := loadConfig(ctx, r.client, d); err != nil {
			return nil, err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.datacenters = members
	return members, nil
}

// Poll is how often WaitReady looks.
const Poll = 2 * time.Second

// WaitReady waits until the ring can be used at the target's demand, and tells
// progress what it waits for whenever that changes.
func (r *Ring) WaitReady(ctx context.Context, limit time.Duration, progress func(string)) error {
	return r.AwaitReady(ctx, limit, func(s *Survey) { progress("waiting: " + s.Reason()) })
}

// AwaitReady is WaitReady with all that is known at each change.
func (r *Ring) AwaitReady(ctx context.Context, limit time.Duration, tell func(*Survey)) error {
	var s *Survey
	w := flow.Waiting{For: "the ring to be ready", Limit: limit, Every: Poll, Code: flow.Precondition, Clock: r.client.Clock, Progress: func(string) { tell(s) }}
	return flow.Wait(ctx, w, func(ctx context.Context) (_ string, err error) {
		if s, err = r.survey(ctx); err != nil || len(s.Waiting) == 0 {
			return "", flow.Fail(flow.Precondition, err)
		}
		return s.Reason(), nil
	})
}

// Credentials implements ring.Nodes: the superuser's secret of the datacenter
// that creates the superuser.
func (r *Ring) Credentials(ctx context.Context) (ring.Credentials, error) {
	ds := r.Datacenters()
	d := ds[0]
	if i := slices.IndexFunc(ds, func(d *Datacenter) bool { return d.Annotations[objects.SkipUsersAnnotation] != "true" }); i >= 0 {
		d = ds[i]
	}
	data, err := r.client.Secret(ctx, r.namespace, d.SuperuserSecret)
	if api.Absent(err) {
		return ring.Credentials{}, fmt.Errorf("%s: its superuser secret is missing: restore it, or check that cass-operator, which creates it, is running: %w", d, err)
	}
	if err != nil {
		return ring.Credentials{}, fmt.Errorf("%s: superuser: %w", d, err)
	}
	for _, key := range []string{objects.UsernameKey, objects.PasswordKey} {
		if len(data[key]) == 0 || !utf8.Valid(data[key]) {
			return ring.Credentials{}, fmt.Errorf("%s: superuser: secret %s: key %q is missing or empty; cass-operator expects %q and %q",
				d, d.SuperuserSecret, key, objects.UsernameKey, objects.PasswordKey)
		}
	}
	return ring.Credentials{Username: string(data[objects.UsernameKey]), Password: string(data[objects.PasswordKey])}, nil
}

// Size is the number of nodes that the ring is to have.
func (r *Ring) Size() int {
	size := int64(0)
	for _, d := range r.Datacenters() {
		size += d.Size
	}
	return int(size)
}
