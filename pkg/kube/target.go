package kube

import (
	"context"
	"time"

	"github.com/casshook/casshook/pkg/doctor"
	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/ring"
)

// Target is one ring in one namespace: its datacenters, and all that is done with
// them.
type Target struct {
	*dcRing
	*podStreams
	*locker
	*stoppedRing
	*operatorRing
	*volumeSnapshots
	settle time.Duration
}

// Ring describes the ring to the flows, which need a Login beside it.
func (t *Target) Ring() ring.Target {
	return ring.Target{
		ClusterName: t.ClusterName(), Place: ring.Place{Namespace: t.Namespace()}, SettleTimeout: t.settle,
		Nodes: t.dcRing, Exec: t.podStreams, Dialer: t.podStreams, Locker: t.locker,
		VolumeSnapshots: t.volumeSnapshots, Passwords: passwords{t.operatorRing}, Stopped: t, Datacenters: t,
	}
}

// passwords are those that cass-operator sets from its secrets.
type passwords struct{ ring *operatorRing }

// Renew implements ring.Passwords.
func (p passwords) Renew(ctx context.Context, progress func(string)) error {
	return p.ring.RenewPasswords(ctx, progress)
}

// Rings finds the rings that are meant, sorted by their names.
func (c *Client) Rings(ctx context.Context, sel Selection) ([]*Target, error) {
	found, err := findRings(ctx, c.api, sel)
	if err != nil {
		return nil, err
	}
	var targets []*Target
	for _, r := range found {
		targets = append(targets, c.target(r))
	}
	return targets, nil
}

// target puts together all that is done with a ring.
func (c *Client) target(r *dcRing) *Target {
	stopped := newStoppedRing(c.api, r, c.jobOptions())
	return &Target{
		dcRing:          r,
		podStreams:      newPodStreams(c.api, r.Namespace(), c.streamOptions(r)),
		locker:          newLocker(c.api, locked(r)),
		stoppedRing:     stopped,
		operatorRing:    newOperatorRing(c.api, stopped, limits{Stop: c.opts.StopLimit, Start: c.opts.StartLimit, Passwords: c.opts.PasswordLimit}),
		volumeSnapshots: newVolumeSnapshots(c.api, r, c.opts.SnapshotClass),
		settle:          c.opts.Settle,
	}
}

func (c *Client) streamOptions(r *dcRing) streamOptions {
	return streamOptions{Agents: c.agents, AgentPath: c.opts.AgentPath, ClientTLSSecret: c.opts.ClientTLSSecret, Seen: func(pod string) seenPod {
		s := r.sighting(pod)
		return seenPod{UID: s.uid, ContainerID: s.containerID, TLS: s.tls}
	}}
}

// locked is what the lock needs of a ring.
func locked(r *dcRing) lockedRing {
	return lockedRing{Namespace: r.Namespace(), Cluster: r.ClusterName(), Datacenters: func() []dcRef {
		var refs []dcRef
		for _, d := range r.Datacenters() {
			refs = append(refs, dcRef{Name: d.Name, UID: d.UID})
		}
		return refs
	}}
}

func (c *Client) jobOptions() jobOptions {
	return jobOptions{Image: c.opts.Image, PullSecrets: c.opts.PullSecrets, RunAs: c.opts.RunAs, StopLimit: c.opts.StopLimit, JobStart: c.opts.JobStart}
}

// Record is the record of an operation on the ring, such as "before-backup".
func (t *Target) Record(operation string, next flow.Observer) *Record {
	return NewRecord(t.locker.client, locked(t.dcRing), operation, next)
}

// VolumeClaims takes volumes by the names of their claims, whether or not there is a
// datacenter that they are of; all data volumes of the namespace without names.
func (c *Client) VolumeClaims(ctx context.Context, named []string) (ring.Cleaner, error) {
	return newVolumeClaims(ctx, c.api, named, c.jobOptions())
}

// Facts reads what doctor examines.
func (c *Client) Facts(ctx context.Context, asked doctor.Asked) (*doctor.Facts, error) {
	return readFacts(ctx, c.api, asked)
}
