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

// Target is one ring in one namespace: all of its datacenters there.
type Target struct {
	// Demand is what Nodes asks of datacenters and pods.
	Demand Demand

	client    *Client
	namespace string
	cluster   string

	mu          sync.Mutex
	datacenters []*Datacenter
	// pods are as Nodes saw them last, by name.
	pods map[string]sighting
}

var (
	_ ring.Target          = (*Target)(nil)
	_ ring.Patient         = (*Target)(nil)
	_ ring.VolumeSnapshots = (*Target)(nil)
	_ ring.Offline         = (*Target)(nil)
	_ ring.Retirer         = (*Target)(nil)
)

// target makes the target of a ring's datacenters, which are at least one.
func (c *Client) target(members []*Datacenter) *Target {
	return &Target{client: c, namespace: members[0].Namespace, cluster: members[0].ClusterName, datacenters: members}
}

// Namespace is that of the datacenters.
func (t *Target) Namespace() string { return t.namespace }

// Datacenters are the ring's, as read last, by name.
func (t *Target) Datacenters() []*Datacenter {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.datacenters)
}

// Claims are the volume claims that a pod's Cassandra uses, as Nodes saw them
// last: server-data, and those of additionalVolumes.
func (t *Target) Claims(pod string) []Claim { return t.sighting(pod).claims }

func (t *Target) sighting(pod string) sighting {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.pods[pod]
}

// ClusterName implements ring.Nodes.
func (t *Target) ClusterName() string { return t.cluster }

// Nodes implements ring.Nodes. The operator's own list in status.nodeStatuses is
// not used: it lacks nodes that were never started and keeps those that are gone.
func (t *Target) Nodes(ctx context.Context) ([]ring.Node, error) {
	s, err := t.survey(ctx)
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
func (t *Target) refresh(ctx context.Context) ([]*Datacenter, error) {
	all, err := t.client.datacenters(ctx, t.namespace)
	if err != nil {
		return nil, err
	}
	members := slices.DeleteFunc(all, func(d *Datacenter) bool { return d.ClusterName != t.cluster })
	if len(members) == 0 {
		return nil, fmt.Errorf("the datacenters of the cluster %q are gone from namespace %s", t.cluster, t.namespace)
	}
	for _, d := range members {
		if err := t.client.loadConfig(ctx, d); err != nil {
			return nil, err
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.datacenters = members
	return members, nil
}

// Patience implements ring.Patient.
func (t *Target) Patience() time.Duration { return t.client.opts.Settle }

// waitPoll is how often WaitReady looks.
const waitPoll = 2 * time.Second

// WaitReady waits until the ring can be used at the target's demand, and tells
// progress what it waits for whenever that changes.
func (t *Target) WaitReady(ctx context.Context, limit time.Duration, progress func(string)) error {
	return t.waitReady(ctx, limit, func(s *survey) { progress("waiting: " + s.reason()) })
}

func (t *Target) waitReady(ctx context.Context, limit time.Duration, tell func(*survey)) error {
	deadline := t.client.clock.Now().Add(limit)
	told := ""
	for {
		s, err := t.survey(ctx)
		if err != nil {
			return flow.Fail(flow.Precondition, err)
		}
		if len(s.waiting) == 0 {
			return nil
		}
		reason := s.reason()
		if !t.client.clock.Now().Before(deadline) {
			return flow.Failf(flow.Precondition, "not ready after %s: %s", limit, reason)
		}
		if reason != told {
			tell(s)
			told = reason
		}
		if err := t.client.clock.Wait(ctx, waitPoll); err != nil {
			return fmt.Errorf("waiting until the ring is ready: %w: %s", err, reason)
		}
	}
}

// Credentials implements ring.Nodes: the superuser's secret of the datacenter
// that creates the superuser.
func (t *Target) Credentials(ctx context.Context) (ring.Credentials, error) {
	ds := t.Datacenters()
	d := ds[0]
	if i := slices.IndexFunc(ds, func(d *Datacenter) bool { return d.Annotations[skipUsersAnnotation] != "true" }); i >= 0 {
		d = ds[i]
	}
	data, err := t.client.secret(ctx, t.namespace, d.SuperuserSecret)
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
