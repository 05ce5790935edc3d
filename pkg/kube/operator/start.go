// Package operator has cass-operator and k8ssandra-operator stop, start and delete
// datacenters and set the passwords of roles, and waits until that is done.
package operator

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/kube/api"
	"github.com/casshook/casshook/pkg/kube/datacenter"
	"github.com/casshook/casshook/pkg/kube/objects"
	"github.com/casshook/casshook/pkg/kube/stopped"
)

// Limits bound what operators are waited for; defaults where 0.
type Limits struct {
	// Stop is how long to wait until the last pod of a ring that stops, or is
	// deleted, is gone; Start until all nodes of one that was stopped are up, which
	// start one after the other; Passwords until the operator has set the passwords
	// of roles again.
	Stop, Start, Passwords time.Duration
}

const (
	defaultPasswords = 2 * time.Minute
	// A node takes one to two minutes when all is well, and another when not.
	defaultStart     = 10 * time.Minute
	defaultStartNode = 3 * time.Minute
)

func (l Limits) filled() Limits {
	l.Stop, l.Passwords = cmp.Or(l.Stop, stopped.DefaultStop), cmp.Or(l.Passwords, defaultPasswords)
	return l
}

// Ring is a ring as operators see it, who stop, start and delete it.
type Ring struct {
	client  *api.Client
	ring    *datacenter.Ring
	stopped *stopped.Ring
	limits  Limits
}

// New makes one of a ring that can be stopped.
func New(client *api.Client, of *datacenter.Ring, off *stopped.Ring, l Limits) *Ring {
	return &Ring{client: client, ring: of, stopped: off, limits: l.filled()}
}

// Start implements ring.StoppedRing: the operator starts the nodes of all datacenters, one
// node after the other. Once it was told to, an error is flow.HalfWay: run again, it goes on waiting.
func (o *Ring) Start(ctx context.Context, progress func(string)) error {
	if err := o.setStopped(ctx, false, progress); err != nil {
		return err
	}
	ready := datacenter.NewRing(o.client, o.ring.Datacenters()) // at the demand Ready, whatever this one's is
	limit := o.limits.Start
	if limit == 0 {
		limit = defaultStart + time.Duration(ready.Size())*defaultStartNode
	}
	err := ready.AwaitReady(ctx, limit, func(s *datacenter.Survey) {
		progress(fmt.Sprintf("%d of %d nodes are up; waiting: %s", s.Up, s.Size, s.Reason()))
	})
	return flow.Recode(flow.HalfWay, err)
}

// Stop stops all nodes, and waits until none is left. The volumes stay. Once the
// operator was told to, an error is flow.HalfWay.
func (o *Ring) Stop(ctx context.Context, progress func(string)) error {
	if err := o.setStopped(ctx, true, progress); err != nil {
		return err
	}
	_, err := o.stopped.Await(ctx, progress)
	return flow.Recode(flow.HalfWay, err)
}

// carryLimit is how long k8ssandra-operator may take to write what its cluster says
// into a datacenter.
const carryLimit = 2 * time.Minute

// setStopped writes spec.stopped of all datacenters where their spec is written, and
// waits until it is in all of them.
func (o *Ring) setStopped(ctx context.Context, stopped bool, progress func(string)) error {
	ds, err := o.ring.Refresh(ctx)
	if err != nil {
		return flow.Fail(flow.Precondition, err)
	}
	for _, d := range ds {
		if d.Deleted {
			return flow.Failf(flow.Precondition, "%s is being deleted: wait until it is gone, and create or restore it again", d)
		}
	}
	owners := map[string]*cluster{}
	var problems []error
	for _, d := range ds {
		owner, changed, err := setStoppedOf(ctx, o.client, d, stopped)
		// k8ssandra-operator carries changes over only: where its cluster said so before,
		// somebody wrote the datacenter itself.
		if err == nil && !changed && d.Stopped != stopped {
			err = patchDatacenter(ctx, o.client, d, map[string]any{"spec": map[string]any{"stopped": stopped}})
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("set spec.stopped of %s to %t: %w", d, stopped, err))
		}
		owners[d.Name] = owner
	}
	if len(problems) > 0 {
		return errors.Join(problems...)
	}
	wait := flow.Waiting{Limit: carryLimit, Every: datacenter.Poll, For: fmt.Sprintf("spec.stopped to be %t", stopped), Code: flow.HalfWay, Progress: progress}
	return o.client.Wait(ctx, wait, func(ctx context.Context) ([]string, error) {
		ds, err := o.ring.Refresh(ctx)
		return carried(ds, owners, stopped), err
	})
}

// carried says which datacenters do not say yet what they should.
func carried(ds []*datacenter.Datacenter, owners map[string]*cluster, stopped bool) []string {
	var waiting []string
	for _, d := range ds {
		switch owner := owners[d.Name]; {
		case d.Stopped == stopped:
		case owner == nil:
			waiting = append(waiting, fmt.Sprintf("spec.stopped of %s was changed back: something else writes its spec", d))
		default:
			waiting = append(waiting, fmt.Sprintf("k8ssandra-operator has not updated %s from %s: check that it is running", d, owner))
		}
	}
	slices.Sort(waiting)
	return waiting
}

// patchDatacenter is a JSON merge patch.
func patchDatacenter(ctx context.Context, c *api.Client, d *datacenter.Datacenter, change map[string]any) error {
	patch, err := json.Marshal(change)
	if err != nil {
		return err
	}
	return c.Do(ctx, api.NewRequest("patch", "cassandradatacenters", d.Namespace, d.Name), func(ctx context.Context) error {
		_, err := c.Dynamic.Resource(objects.DatacenterResource()).Namespace(d.Namespace).Patch(ctx, d.Name, types.MergePatchType, patch, metav1.PatchOptions{})
		return err
	})
}

// Stopped implements ring.StoppedRing.
func (o *Ring) Stopped(ctx context.Context) (bool, error) {
	ds, err := o.ring.Refresh(ctx)
	if err != nil {
		return false, flow.Fail(flow.Precondition, err)
	}
	var stopped, running []string
	for _, d := range ds {
		if d.Stopped {
			stopped = append(stopped, d.Name)
		} else {
			running = append(running, d.Name)
		}
	}
	switch {
	case len(stopped) == 0:
		return false, nil
	case len(running) > 0:
		return false, flow.Failf(flow.Precondition, "ring %q is only partly stopped (stopped: %s; running: %s): set spec.stopped to the same value in all of its datacenters",
			o.ring.ClusterName(), strings.Join(stopped, ", "), strings.Join(running, ", "))
	}
	if err := o.checkCreated(ctx, ds); err != nil {
		return false, err
	}
	return true, nil
}
