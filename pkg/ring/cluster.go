package ring

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"sort"
	"time"

	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/ledger"
)

// Cluster is an open connection to a whole ring: a session with the agent of every
// node, in the order of their host ids, CQL to one of them, the ring as all of them
// see it, and the ring's lock. Backups and restores begin with it.
type Cluster struct {
	Target   Target
	Sessions []*Session
	CQL      CQL
	View     View
	lock     Held
	// credentials are kept for connections to further nodes.
	credentials Credentials
}

// Connect starts the agents at all nodes.
func Connect(ctx context.Context, target Target) (*Cluster, error) {
	nodes, err := target.Nodes.Nodes(ctx)
	if err != nil {
		return nil, flow.Fail(flow.Precondition, err)
	}
	sessions, err := OpenAll(ctx, target.Exec, nodes)
	if err != nil {
		return nil, flow.Fail(flow.Precondition, err)
	}
	return &Cluster{Target: target, Sessions: sessions}, nil
}

// ReadRing asks every node for the ring, logs in with CQL, and checks that all of
// it is there, up and normal, and of one schema. It sorts the sessions.
//
// Where the target says that nodes may have come up moments ago, the ring gets some
// time to find itself.
func (c *Cluster) ReadRing(ctx context.Context) error {
	credentials, err := c.Target.Nodes.Credentials(ctx)
	if err != nil { // no time heals that
		return flow.Fail(flow.Precondition, err)
	}
	c.credentials = credentials
	var last error
	w := flow.Waiting{For: "the nodes to see each other", Limit: c.Target.SettleTimeout, Every: settlePoll}
	err = flow.Wait(ctx, w, func(ctx context.Context) (string, error) {
		if last = c.readRing(ctx, credentials); last == nil {
			return "", nil
		}
		c.closeCQL()
		return last.Error(), nil
	})
	if errors.Is(err, flow.ErrLimit) {
		return last // it has its own code
	}
	return err
}

// settlePoll is how often a ring is looked at that has not found itself.
const settlePoll = 2 * time.Second

func (c *Cluster) readRing(ctx context.Context, credentials Credentials) error {
	facts, err := CallAll[wire.Facts](ctx, c.Sessions, wire.OpFacts, struct{}{})
	if err != nil {
		return flow.Fail(flow.Precondition, fmt.Errorf("every node must be up: %w", err))
	}
	c.sort(facts)
	if c.CQL, err = c.Target.Login(ctx, c.Target.Dialer, c.Sessions[0].Node, credentials); err != nil {
		return err
	}
	r, err := c.CQL.Ring(ctx)
	if err != nil {
		return err
	}
	c.View.ClusterName, c.View.Members = r.ClusterName, r.Members
	if err := c.View.Check(c.Target.ClusterName); err != nil {
		return flow.Fail(flow.Precondition, err)
	}
	if c.Target.AgreementTimeout > 0 {
		if _, err = c.CQL.WaitAgreement(ctx, c.Target.AgreementTimeout); errors.Is(err, flow.ErrLimit) {
			err = flow.Recode(flow.Precondition, err)
		}
	} else {
		_, err = c.CQL.SchemaVersion(ctx)
	}
	return flow.Fail(flow.Precondition, err)
}

// sort orders sessions and facts by host id, which is the order of locks.
func (c *Cluster) sort(facts []wire.Facts) {
	order := make([]int, len(facts))
	for i := range order {
		order[i] = i
	}
	sort.Slice(order, func(i, j int) bool { return facts[order[i]].HostID < facts[order[j]].HostID })
	sessions := c.Sessions
	c.Sessions, c.View.Facts, c.View.Names = nil, nil, nil
	for _, i := range order {
		c.Sessions = append(c.Sessions, sessions[i])
		c.View.Facts = append(c.View.Facts, facts[i])
		c.View.Names = append(c.View.Names, sessions[i].Node.Name)
	}
}

// agreementPoll is how often agreement is looked for.
const agreementPoll = 50 * time.Millisecond

// WaitAgreement waits until all nodes have one schema version. The coordinator's
// Management API asks every node at once; without it gossip tells, a second or
// two later.
func (c *Cluster) WaitAgreement(ctx context.Context, patience time.Duration) error {
	gossip := false
	w := flow.Waiting{For: "schema agreement", Limit: patience, Every: agreementPoll}
	err := flow.Wait(ctx, w, func(ctx context.Context) (string, error) {
		var versions wire.SchemaVersions
		if err := c.Sessions[0].Call(ctx, wire.OpSchema, struct{}{}, &versions); err != nil {
			return "", err
		}
		if gossip = len(versions) == 0; gossip || len(versions) == 1 {
			return "", nil
		}
		return fmt.Sprintf("the nodes disagree on the schema: %v", versions), nil
	})
	if err != nil || !gossip {
		return err
	}
	_, err = c.CQL.WaitAgreement(ctx, patience)
	return err
}

// Inspect reads what lies on every volume.
func (c *Cluster) Inspect(ctx context.Context) ([]ledger.Volume, error) {
	volumes, err := CallAll[ledger.Volume](ctx, c.Sessions, wire.OpInspect, struct{}{})
	if err != nil {
		return nil, err
	}
	for i, s := range c.Sessions {
		volumes[i].Node = s.Node.Name
	}
	return ledger.Resolve(volumes), nil
}

// ChooseBackup is ledger.Choose with exit codes: no backup is a precondition that
// is not met, one that is nowhere complete is corrupt.
func ChooseBackup(volumes []ledger.Volume, wanted string) (string, error) {
	id, err := ledger.Choose(volumes, wanted)
	if errors.Is(err, ledger.ErrNoBackup) {
		return "", flow.Fail(flow.Precondition, err)
	}
	return id, flow.Fail(flow.Corrupt, err)
}

// Lock takes the lock of the ring for an operation.
func (c *Cluster) Lock(ctx context.Context, operation, backupID string, parkedFor time.Duration) error {
	var err error
	c.lock, err = c.Target.Locker.Acquire(ctx, c.Sessions, Claim{Holder: Holder(), Operation: operation, BackupID: backupID, ParkedFor: parkedFor})
	return err
}

// Holder names this run, as locks do.
func Holder() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return fmt.Sprintf("%s-%d-%s", host, os.Getpid(), rand.Text()[:8])
}

// UnderLock has the steps end when the lock is lost, which was taken before.
func (c *Cluster) UnderLock(steps ...flow.Step) []flow.Step {
	return UnderLock(func() Held { return c.lock }, steps...)
}

// Park leaves the lock without a holder.
func (c *Cluster) Park(ctx context.Context) error { return c.lock.Park(ctx) }

// Unlock gives the lock back, if it is held.
func (c *Cluster) Unlock(ctx context.Context) error {
	if c.lock == nil {
		return nil
	}
	return c.lock.Release(ctx)
}

// Close ends everything that is open.
func (c *Cluster) Close() {
	c.closeCQL()
	CloseAll(c.Sessions)
}

func (c *Cluster) closeCQL() {
	if c.CQL != nil {
		c.CQL.Close()
		c.CQL = nil
	}
}

// CheckSpace refuses when a volume has less than a fraction of it free.
func CheckSpace(sessions []*Session, volumes []ledger.Volume, fraction float64) error {
	var problems []error
	for i, v := range volumes {
		if float64(v.Free) < fraction*float64(v.Total) {
			problems = append(problems, fmt.Errorf("node %s: volume %s has %.1f%% free, needs %.1f%%",
				sessions[i].Node.Name, sessions[i].Node.Volume, 100*float64(v.Free)/float64(v.Total), 100*fraction))
		}
	}
	return flow.Fail(flow.Precondition, errors.Join(problems...))
}
