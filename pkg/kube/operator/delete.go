package operator

import (
	"context"
	"errors"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/kube/api"
	"github.com/casshook/casshook/pkg/kube/datacenter"
	"github.com/casshook/casshook/pkg/kube/objects"
)

// keepClaims has cass-operator leave the claims when its datacenter is deleted, which it
// deletes otherwise (DeletePVCAnnotation, since 1.25).
const keepClaims = "cassandra.datastax.com/delete-pvc"

// Deletable says why Delete would refuse to begin: a K8ssandraCluster that makes the
// datacenters anew. It is for those who do other things before.
func (o *Ring) Deletable(ctx context.Context) error {
	ds, err := o.ring.Refresh(ctx)
	if err != nil {
		return flow.Fail(flow.Precondition, err)
	}
	for _, d := range ds {
		owner, err := ownerOf(ctx, o.client, d)
		if err != nil {
			return flow.Fail(flow.Precondition, err)
		}
		if owner != nil {
			return flow.Failf(flow.Precondition, "%s would be recreated immediately: delete or change the %s, or use --stop", d, owner)
		}
	}
	return nil
}

// Delete deletes the ring's CassandraDatacenters and waits, up to Limits.Stop,
// until they and all pods are gone, and the volume claims unless these are kept. The
// superuser's secret stays, as the operator leaves it.
func (o *Ring) Delete(ctx context.Context, keepVolumes bool, progress func(string)) error {
	if err := o.Deletable(ctx); err != nil {
		return err
	}
	claims, err := o.ring.VolumeClaims(ctx)
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
	wait := flow.Waiting{Limit: o.limits.Stop, Every: datacenter.Poll, For: "the ring to be gone", Code: flow.HalfWay, Progress: progress}
	return o.client.Wait(ctx, wait, gone.left)
}

func deleteDatacenter(ctx context.Context, c *api.Client, d *datacenter.Datacenter, keepVolumes bool) error {
	if keepVolumes {
		err := patchDatacenter(ctx, c, d, map[string]any{"metadata": map[string]any{"annotations": map[string]any{keepClaims: "false"}}})
		if err != nil {
			return fmt.Errorf("%s: keep its volumes: %w", d, err)
		}
	}
	uid := types.UID(d.UID)
	err := c.Do(ctx, api.NewRequest("delete", "cassandradatacenters", d.Namespace, d.Name), func(ctx context.Context) error {
		return c.Dynamic.Resource(objects.DatacenterResource()).Namespace(d.Namespace).Delete(ctx, d.Name, metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &uid}})
	})
	if api.Absent(err) || apierrors.IsConflict(err) { // deleted already, and maybe made again: the wait tells
		return nil
	}
	return err
}

// deletion is the wait for a ring to go.
type deletion struct {
	client *api.Client
	ring   *datacenter.Ring
	keep   bool
	claims map[types.UID]bool
}

// left is what is still there.
func (d *deletion) left(ctx context.Context) (waiting []string, err error) {
	all, err := datacenter.List(ctx, d.client, d.ring.Namespace())
	if err != nil {
		return nil, err
	}
	for _, now := range all {
		if now.ClusterName == d.ring.ClusterName() {
			waiting = append(waiting, now.String()+" is being deleted")
			if !slices.ContainsFunc(d.ring.Datacenters(), func(was *datacenter.Datacenter) bool { return was.UID == now.UID }) {
				return nil, flow.Failf(flow.HalfWay, "%s was recreated: find out what does that", now)
			}
		}
	}
	o, err := d.ring.Objects(ctx)
	if err != nil {
		return nil, err
	}
	for _, pod := range o.Pods {
		waiting = append(waiting, "pod "+pod.Name+" is still there")
	}
	for _, claim := range o.Claims {
		if !d.keep && d.claims[claim.UID] {
			waiting = append(waiting, "the volume claim "+claim.Name+" is still there")
		}
	}
	slices.Sort(waiting)
	return waiting, nil
}
