package kube

import (
	"context"
	"errors"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/casshook/casshook/pkg/flow"
)

// keepClaims has cass-operator leave the claims when its datacenter is deleted, which it
// deletes otherwise (DeletePVCAnnotation, since 1.25).
const keepClaims = "cassandra.datastax.com/delete-pvc"

// Deletable says why Delete would refuse to begin: a K8ssandraCluster that makes the
// datacenters anew. It is for those who do other things before.
func (t *Target) Deletable(ctx context.Context) error {
	ds, err := t.refresh(ctx)
	if err != nil {
		return flow.Fail(flow.Precondition, err)
	}
	for _, d := range ds {
		owner, err := t.client.ownerOf(ctx, d)
		if err != nil {
			return flow.Fail(flow.Precondition, err)
		}
		if owner != nil {
			return flow.Failf(flow.Precondition, "%s would be made again at once: delete or change the %s, or use --stop", d, owner)
		}
	}
	return nil
}

// Delete deletes the ring's CassandraDatacenters and waits, up to Options.StopLimit,
// until they and all pods are gone, and the volume claims unless these are kept. The
// superuser's secret stays, as the operator leaves it.
func (t *Target) Delete(ctx context.Context, keepVolumes bool, progress func(string)) error {
	if err := t.Deletable(ctx); err != nil {
		return err
	}
	claims, err := t.ringClaims(ctx)
	if err != nil {
		return flow.Fail(flow.Precondition, err)
	}
	gone := &departure{target: t, keep: keepVolumes, claims: map[types.UID]bool{}}
	for _, claim := range claims {
		gone.claims[claim.UID] = true
	}
	var problems []error
	for _, d := range t.Datacenters() {
		problems = append(problems, t.client.deleteDatacenter(ctx, d, keepVolumes))
	}
	if err := errors.Join(problems...); err != nil {
		return err
	}
	wait := await{limit: t.client.opts.StopLimit, every: waitPoll, what: "the ring is gone", code: flow.HalfWay, progress: progress}
	return t.client.until(ctx, wait, gone.left)
}

func (c *Client) deleteDatacenter(ctx context.Context, d *Datacenter, keepVolumes bool) error {
	if keepVolumes {
		err := c.patchDatacenter(ctx, d, map[string]any{"metadata": map[string]any{"annotations": map[string]any{keepClaims: "false"}}})
		if err != nil {
			return fmt.Errorf("%s: have its volumes kept: %w", d, err)
		}
	}
	uid := types.UID(d.UID)
	err := c.do(ctx, request{"delete", "cassandradatacenters", d.Namespace, d.Name}, func(ctx context.Context) error {
		return c.dynamic.Resource(datacenterResource()).Namespace(d.Namespace).Delete(ctx, d.Name, metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &uid}})
	})
	if absent(err) || apierrors.IsConflict(err) { // deleted already, and maybe made again: the wait tells
		return nil
	}
	return err
}

// departure is the wait for a ring to go.
type departure struct {
	target *Target
	keep   bool
	claims map[types.UID]bool
}

// left is what is still there.
func (r *departure) left(ctx context.Context) (waiting []string, err error) {
	t := r.target
	all, err := t.client.datacenters(ctx, t.namespace)
	if err != nil {
		return nil, err
	}
	for _, d := range all {
		if d.ClusterName == t.cluster {
			waiting = append(waiting, d.String()+" is being deleted")
			if !slices.ContainsFunc(t.Datacenters(), func(was *Datacenter) bool { return was.UID == d.UID }) {
				return nil, flow.Failf(flow.HalfWay, "%s was made again: see who does that", d)
			}
		}
	}
	o, err := t.objects(ctx)
	if err != nil {
		return nil, err
	}
	for _, pod := range o.pods {
		waiting = append(waiting, "pod "+pod.Name+" is still there")
	}
	for _, claim := range o.claims {
		if !r.keep && r.claims[claim.UID] {
			waiting = append(waiting, "the volume claim "+claim.Name+" is still there")
		}
	}
	slices.Sort(waiting)
	return waiting, nil
}
