package kube

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/ring"
)

// dcRing is one ring in one namespace: all of its datacenters there, and their pods.
type dcRing struct {
	// Demand is what Nodes asks of datacenters and pods.
	Demand Demand

	client    *apiClient
	namespace string
	cluster   string

	mu          sync.Mutex
	datacenters []*Datacenter
	// pods are as Nodes saw them last, by name.
	pods map[string]sighting
}

var _ ring.Nodes = (*dcRing)(nil)

// newRing makes the ring of datacenters, which are at least one and all of it.
func newRing(client *apiClient, members []*Datacenter) *dcRing {
	return &dcRing{client: client, namespace: members[0].Namespace, cluster: members[0].ClusterName, datacenters: members}
}

// Namespace is that of the datacenters.
func (r *dcRing) Namespace() string { return r.namespace }

// Datacenters are the ring's, as read last, by name.
func (r *dcRing) Datacenters() []*Datacenter {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.datacenters)
}

// Claims are the volume claims that a pod's Cassandra uses, as Nodes saw them
// last: server-data, and those of additionalVolumes.
func (r *dcRing) Claims(pod string) []Claim { return r.sighting(pod).claims }

func (r *dcRing) sighting(pod string) sighting {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.pods[pod]
}

// ClusterName implements ring.Nodes.
func (r *dcRing) ClusterName() string { return r.cluster }

// Nodes implements ring.Nodes. The operator's own list in status.nodeStatuses is
// not used: it lacks nodes that were never started and keeps those that are gone.
func (r *dcRing) Nodes(ctx context.Context) ([]ring.Node, error) {
	s, err := r.survey(ctx)
	if err != nil {
		return nil, err
	}
	var problems []error
	for _, text := range s.waiting {
		problems = append(problems, errors.New(text))
	}
	return s.nodes, errors.Join(problems...)
}

// refresh reads the ring's datacenters again.
func (r *dcRing) refresh(ctx context.Context) ([]*Datacenter, error) {
	all, err := listDatacenters(ctx, r.client, r.namespace)
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

// waitPoll is how often WaitReady looks.
const waitPoll = 2 * time.Second

// WaitReady waits until the ring can be used at the target's demand, and tells
// progress what it waits for whenever that changes.
func (r *dcRing) WaitReady(ctx context.Context, limit time.Duration, progress func(string)) error {
	return r.waitReady(ctx, limit, func(s *survey) { progress("waiting: " + s.reason()) })
}

func (r *dcRing) waitReady(ctx context.Context, limit time.Duration, tell func(*survey)) error {
	deadline := r.client.clock.Now().Add(limit)
	told := ""
	for {
		s, err := r.survey(ctx)
		if err != nil {
			return flow.Fail(flow.Precondition, err)
		}
		if len(s.waiting) == 0 {
			return nil
		}
		reason := s.reason()
		if !r.client.clock.Now().Before(deadline) {
			return flow.Failf(flow.Precondition, "not ready after %s: %s", limit, reason)
		}
		if reason != told {
			tell(s)
			told = reason
		}
		if err := r.client.clock.Wait(ctx, waitPoll); err != nil {
			return fmt.Errorf("waiting until the ring is ready: %w: %s", err, reason)
		}
	}
}

// Credentials implements ring.Nodes: the superuser's secret of the datacenter
// that creates the superuser.
func (r *dcRing) Credentials(ctx context.Context) (ring.Credentials, error) {
	ds := r.Datacenters()
	d := ds[0]
	if i := slices.IndexFunc(ds, func(d *Datacenter) bool { return d.Annotations[skipUsersAnnotation] != "true" }); i >= 0 {
		d = ds[i]
	}
	data, err := r.client.secret(ctx, r.namespace, d.SuperuserSecret)
	if absent(err) {
		return ring.Credentials{}, fmt.Errorf("%s: its superuser's secret is missing: restore it, or see that cass-operator runs, which makes it: %w", d, err)
	}
	if err != nil {
		return ring.Credentials{}, fmt.Errorf("%s: superuser: %w", d, err)
	}
	for _, key := range []string{usernameKey, passwordKey} {
		if len(data[key]) == 0 || !utf8.Valid(data[key]) {
			return ring.Credentials{}, fmt.Errorf("%s: superuser: the secret %s has no key %q with a text: cass-operator wants %q and %q",
				d, d.SuperuserSecret, key, usernameKey, passwordKey)
		}
	}
	return ring.Credentials{Username: string(data[usernameKey]), Password: string(data[passwordKey])}, nil
}

// size is the number of nodes that the ring is to have.
func (r *dcRing) size() int {
	size := int64(0)
	for _, d := range r.Datacenters() {
		size += d.Size
	}
	return int(size)
}
