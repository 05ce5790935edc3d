package kube

import (
	"context"
	"errors"
	"time"

	"github.com/casshook/casshook/pkg/doctor"
	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/kube/api"
	"github.com/casshook/casshook/pkg/kube/datacenter"
	"github.com/casshook/casshook/pkg/kube/facts"
	"github.com/casshook/casshook/pkg/kube/lock"
	"github.com/casshook/casshook/pkg/kube/operator"
	"github.com/casshook/casshook/pkg/kube/snapshot"
	"github.com/casshook/casshook/pkg/kube/stopped"
	"github.com/casshook/casshook/pkg/kube/stream"
	"github.com/casshook/casshook/pkg/ring"
)

// Each is a ring in its own way.
type (
	datacenters  = datacenter.Ring
	stoppedRing  = stopped.Ring
	operatedRing = operator.Ring
)

// Target is one ring in one namespace: its datacenters, and all that is done with
// them.
type Target struct {
	*datacenters
	*stream.Pods
	*lock.Locker
	*stoppedRing
	*operatedRing
	*snapshot.Volumes
	api    *api.Client
	settle time.Duration
	// clusterHash identifies the Kubernetes; empty when unknown.
	clusterHash string
}

// Ring describes the ring to the flows, which need a Login beside it.
func (t *Target) Ring() ring.Target {
	return ring.Target{
		ClusterName: t.ClusterName(), Place: ring.Place{Namespace: t.Namespace(), ClusterHash: t.clusterHash}, SettleTimeout: t.settle,
		Nodes: t.datacenters, Visible: t.Visible, Exec: t.Pods, Dialer: t.Pods, Locker: t.Locker,
		VolumeSnapshots: t.Volumes, Passwords: passwords{t.operatedRing}, Stopped: t, Datacenters: t,
	}
}

// passwords are those that cass-operator sets from its secrets.
type passwords struct{ ring *operator.Ring }

// Renew implements ring.Passwords.
func (p passwords) Renew(ctx context.Context, progress func(string)) error {
	return p.ring.RenewPasswords(ctx, progress)
}

// Selection says which rings are meant.
type Selection = datacenter.Selection

// NoDatacenter tells the error of a namespace without any CassandraDatacenter.
func NoDatacenter(err error) bool { return errors.Is(err, datacenter.ErrNoDatacenter) }

// NeedRunning is for what only needs the volumes' documents: it is enough that the
// containers run, whatever the datacenter says.
func (t *Target) NeedRunning() { t.Demand = datacenter.Running }

// Rings finds the rings that are meant, sorted by their names.
func (c *Client) Rings(ctx context.Context, sel Selection) ([]*Target, error) {
	found, err := datacenter.Find(ctx, c.api, sel)
	if err != nil {
		return nil, err
	}
	hash, err := c.api.ClusterHash(ctx, found[0].Namespace())
	if err != nil {
		return nil, flow.Fail(flow.Precondition, err)
	}
	var targets []*Target
	for _, r := range found {
		t := c.target(r)
		t.clusterHash = hash
		targets = append(targets, t)
	}
	return targets, nil
}

// Place is that of a namespace.
func (c *Client) Place(ctx context.Context, namespace string) (ring.Place, error) {
	hash, err := c.api.ClusterHash(ctx, namespace)
	return ring.Place{Namespace: namespace, ClusterHash: hash}, flow.Fail(flow.Precondition, err)
}

// target puts together all that is done with a ring.
func (c *Client) target(r *datacenter.Ring) *Target {
	off := stopped.New(c.api, r, c.jobOptions())
	return &Target{
		datacenters:  r,
		Pods:         stream.New(c.api, r.Namespace(), c.streamOptions(r)),
		Locker:       lock.New(c.api, locked(r)),
		stoppedRing:  off,
		operatedRing: operator.New(c.api, r, off, operator.Limits{Stop: c.opts.StopLimit, Start: c.opts.StartLimit, Passwords: c.opts.PasswordLimit}),
		Volumes:      snapshot.New(c.api, r, c.opts.SnapshotClass),
		api:          c.api,
		settle:       c.opts.Settle,
	}
}

func (c *Client) streamOptions(r *datacenter.Ring) stream.Options {
	return stream.Options{Agents: c.agents, AgentPath: c.opts.AgentPath, ClientTLSSecret: c.opts.ClientTLSSecret, Seen: func(pod string) stream.SeenPod {
		s := r.Seen(pod)
		return stream.SeenPod{UID: s.UID, ContainerID: s.ContainerID, TLS: s.TLS}
	}}
}

// locked is what the lock needs of a ring.
func locked(r *datacenter.Ring) lock.Ring {
	return lock.Ring{Namespace: r.Namespace(), Cluster: r.ClusterName(), Datacenters: func() []lock.Datacenter {
		var refs []lock.Datacenter
		for _, d := range r.Datacenters() {
			refs = append(refs, lock.Datacenter{Name: d.Name, UID: d.UID})
		}
		return refs
	}}
}

func (c *Client) jobOptions() stopped.Options {
	return stopped.Options{Image: c.opts.Image, PullSecrets: c.opts.PullSecrets, RunAs: c.opts.RunAs, StopLimit: c.opts.StopLimit, JobStart: c.opts.JobStart}
}

// Record is the record of an operation on the ring, such as "before-backup".
func (t *Target) Record(operation string, next flow.Observer) *lock.Record {
	return lock.NewRecord(t.api, locked(t.datacenters), operation, next)
}

// VolumeClaims takes volumes by the names of their claims, whether or not there is a
// datacenter that they are of; all data volumes of the namespace without names.
func (c *Client) VolumeClaims(ctx context.Context, named []string) (ring.Cleaner, error) {
	return stopped.NewClaims(ctx, c.api, named, c.jobOptions())
}

// Facts reads what doctor examines.
func (c *Client) Facts(ctx context.Context, asked doctor.Asked) (*doctor.Facts, error) {
	return facts.Read(ctx, c.api, asked)
}
