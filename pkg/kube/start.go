package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/casshook/casshook/pkg/flow"
)

// Start implements ring.Offline: the operator starts the nodes of all datacenters, one
// node after the other. Once it was told to, an error is flow.HalfWay: run again, it goes on waiting.
func (t *Target) Start(ctx context.Context, progress func(string)) error {
	if err := t.setStopped(ctx, false, progress); err != nil {
		return err
	}
	ready := t.client.target(t.Datacenters()) // at the demand Ready, whatever this one's is
	limit := t.client.opts.StartLimit
	if limit == 0 {
		limit = defaultStart + time.Duration(ready.size())*defaultStartNode
	}
	err := ready.waitReady(ctx, limit, func(s *survey) {
		progress(fmt.Sprintf("%d of %d nodes are up; waiting: %s", s.up, s.size, s.reason()))
	})
	return flow.Recode(flow.HalfWay, err)
}

func (t *Target) size() int {
	size := int64(0)
	for _, d := range t.Datacenters() {
		size += d.Size
	}
	return int(size)
}

// Stop stops all nodes, and waits until none is left. The volumes stay. Once the
// operator was told to, an error is flow.HalfWay.
func (t *Target) Stop(ctx context.Context, progress func(string)) error {
	if err := t.setStopped(ctx, true, progress); err != nil {
		return err
	}
	_, err := t.awaitStill(ctx, progress)
	return flow.Recode(flow.HalfWay, err)
}

// carryLimit is how long k8ssandra-operator may take to write what its cluster says
// into a datacenter.
const carryLimit = 2 * time.Minute

// setStopped writes spec.stopped of all datacenters where their spec is written, and
// waits until it is in all of them.
func (t *Target) setStopped(ctx context.Context, stopped bool, progress func(string)) error {
	ds, err := t.refresh(ctx)
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
		owner, changed, err := t.client.setStoppedOf(ctx, d, stopped)
		// k8ssandra-operator carries changes over only: where its cluster said so before,
		// somebody wrote the datacenter itself.
		if err == nil && !changed && d.Stopped != stopped {
			err = t.client.patchDatacenter(ctx, d, map[string]any{"spec": map[string]any{"stopped": stopped}})
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("set spec.stopped of %s to %t: %w", d, stopped, err))
		}
		owners[d.Name] = owner
	}
	if len(problems) > 0 {
		return errors.Join(problems...)
	}
	wait := await{limit: carryLimit, every: waitPoll, what: fmt.Sprintf("spec.stopped is %t", stopped), code: flow.HalfWay, progress: progress}
	return t.client.until(ctx, wait, func(ctx context.Context) ([]string, error) {
		ds, err := t.refresh(ctx)
		return carried(ds, owners, stopped), err
	})
}

// carried says which datacenters do not say yet what they should.
func carried(ds []*Datacenter, owners map[string]*cluster, stopped bool) []string {
	var waiting []string
	for _, d := range ds {
		switch owner := owners[d.Name]; {
		case d.Stopped == stopped:
		case owner == nil:
			waiting = append(waiting, fmt.Sprintf("%s says the contrary again: somebody else writes its spec", d))
		default:
			waiting = append(waiting, fmt.Sprintf("k8ssandra-operator has not written it into %s, though %s says so: see that it runs", d, owner))
		}
	}
	slices.Sort(waiting)
	return waiting
}

// patchDatacenter is a JSON merge patch.
func (c *Client) patchDatacenter(ctx context.Context, d *Datacenter, change map[string]any) error {
	patch, err := json.Marshal(change)
	if err != nil {
		return err
	}
	return c.do(ctx, request{"patch", "cassandradatacenters", d.Namespace, d.Name}, func(ctx context.Context) error {
		_, err := c.dynamic.Resource(datacenterResource()).Namespace(d.Namespace).Patch(ctx, d.Name, types.MergePatchType, patch, metav1.PatchOptions{})
		return err
	})
}
