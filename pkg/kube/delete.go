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
func (o *operatorRing) Deletable(ctx context.Context) error {
	ds, err := o.ring.refresh(ctx)
	if err != nil {
		return flow.Fail(flow.Precondition, err)
	}
	for _, d := range ds {
		owner, err := ownerOf(ctx, o.client, d)
		if err != nil {
			return flow.Fail(flow.Precondition, err)
		}
		if owner != nil {
			return flow.Failf(flow.Precondition, "%s would be made again at once: delete or change the %s, or use --stop", d, owner)
		}
	}
	return nil
}

// Delete deletes the ring's CassandraDatacenters and waits, up to Limits.Stop,
// until they and all pods are gone, and the volume claims unless these are kept. The
// superuser's secret stays, as the operator leaves it.
func (o *operatorRing) Delete(ctx context.Context, keepVolumes bool, progress func(string)) error {
	if err := o.Deletable(ctx); err != nil {
		return err
	}
	claims, err := o.ring.volumeClaims(ctx)
	if err != nil {
		return flow.Fail(flow.Precondition, err)
	}
	gone := &deletion{ring: o.ring, client: o.client, keep: keepVolumes, claims: map[types.UID]bool{}}
	for _, claim := range claims {
		gone.claims[claim.UID] = true
	}
	var problems []error
	for _, d := range o.ring.Datacenters() {
		problems = append(problems, deleteDatacenter(ctx, o.client, d, keepVolumes))
	}
	if err := errors.Join(problems...); err != nil {
		return err
	}
	wait := await{limit: o.limits.Stop, every: waitPoll, what: "the ring is gone", code: flow.HalfWay, progress: progress}
	return o.client.until(ctx, wait, gone.left)
}

func deleteDatacenter(ctx context.Context, c *apiClient, d *Datacenter, keepVolumes bool) error {
	if keepVolumes {
		err := patchDatacenter(ctx, c, d, map[string]any{"metadata": map[string]any{"annotations": map[string]any{keepClaims: "false"}}})
		if err != nil {
			return fmt.Errorf("%s: have its volumes kept: %w", d, err)
		}
	}
	uid := types.UID(d.UID)
	err := c.do(ctx, newRequest("delete", "cassandradatacenters", d.Namespace, d.Name), func(ctx context.Context) error {
		return c.dynamic.Resource(datacenterResource()).Namespace(d.Namespace).Delete(ctx, d.Name, metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &uid}})
	})
	if absent(err) || apierrors.IsConflict(err) { // deleted already, and maybe made again: the wait tells
		return nil
	}
	return err
}

// deletion is the wait for a ring to go.
type deletion struct {
	client *apiClient
	ring   *dcRing
	keep   bool
	claims map[types.UID]bool
}

// left is what is still there.
func (d *deletion) left(ctx context.Context) (waiting []string, err error) {
	all, err := listDatacenters(ctx, d.client, d.ring.Namespace())
	if err != nil {
		return nil, err
	}
	for _, now := range all {
		if now.ClusterName == d.ring.ClusterName() {
			waiting = append(waiting, now.String()+" is being deleted")
			if !slices.ContainsFunc(d.ring.Datacenters(), func(was *Datacenter) bool { return was.UID == now.UID }) {
				return nil, flow.Failf(flow.HalfWay, "%s was made again: see who does that", now)
			}
		}
	}
	o, err := d.ring.objects(ctx)
	if err != nil {
		return nil, err
	}
	for _, pod := range o.pods {
		waiting = append(waiting, "pod "+pod.Name+" is still there")
	}
	for _, claim := range o.claims {
		if !d.keep && d.claims[claim.UID] {
			waiting = append(waiting, "the volume claim "+claim.Name+" is still there")
		}
	}
	slices.Sort(waiting)
	return waiting, nil
}
