package kube

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/ring"
)

// volumeClaims are volume claims by name, whether or not there is a datacenter that they are of.
type volumeClaims struct {
	client    *apiClient
	options   jobOptions
	namespace string
	// names of the claims that are meant; all data volumes' when empty.
	names []string
}

var _ ring.Cleaner = (*volumeClaims)(nil)

// dataMount is where the data volume is mounted where no pod says it: as cass-operator
// does.
const dataMount = "/var/lib/cassandra"

// newVolumeClaims takes the named claims of the client's namespace, or all that are called
// server-data-*. Those of a CassandraDatacenter, which must be stopped, are mounted as its
// pods do, and by a user like theirs; for others it is the options that say. It fails where
// a named claim is not there.
func newVolumeClaims(ctx context.Context, c *apiClient, named []string, options jobOptions) (*volumeClaims, error) {
	v := &volumeClaims{client: c, options: options.filled(), namespace: c.namespace, names: named}
	_, err := v.chosen(ctx)
	return v, err
}

// StoppedNodes implements ring.Cleaner. A node is called as its pod would be.
func (v *volumeClaims) StoppedNodes(ctx context.Context) ([]ring.StoppedNode, error) {
	return v.volumes().stoppedNodes(ctx)
}

// Clean implements ring.Cleaner.
func (v *volumeClaims) Clean(ctx context.Context, tasks []ring.CleanTask, progress func(node, message string)) ([]ring.CleanOutcome, error) {
	return v.volumes().clean(ctx, tasks, progress)
}

func (v *volumeClaims) volumes() *volumes {
	return &volumes{client: v.client, options: v.options, namespace: v.namespace, look: v.nodes}
}

// dataPrefix begins the names of data volumes' claims; that of the pod follows.
const dataPrefix = dataVolume + "-"

// chosen are the claims that are meant, by name.
func (v *volumeClaims) chosen(ctx context.Context) ([]Claim, error) {
	list, err := v.client.claims(ctx, v.namespace)
	if err != nil {
		return nil, flow.Fail(flow.Precondition, err)
	}
	var found []Claim
	missing := map[string]bool{}
	for _, name := range v.names {
		missing[name] = true
	}
	for _, claim := range list {
		if missing[claim.Name] || len(v.names) == 0 && strings.HasPrefix(claim.Name, dataPrefix) {
			found = append(found, Claim{Name: claim.Name, UID: string(claim.UID), VolumeName: claim.Spec.VolumeName, Volume: dataVolume, Mount: dataMount})
			delete(missing, claim.Name)
		}
	}
	switch {
	case len(missing) > 0:
		return nil, flow.Failf(flow.Precondition, "namespace %s has no volume claims %s: restore them first", v.namespace, strings.Join(slices.Sorted(maps.Keys(missing)), ", "))
	case len(found) == 0:
		return nil, flow.Failf(flow.Precondition, "namespace %s has no volume claims %s*: restore them first, or name others", v.namespace, dataPrefix)
	}
	return found, nil
}

// nodes are the nodes of the claims.
func (v *volumeClaims) nodes(ctx context.Context, progress func(string)) ([]stoppedNode, error) {
	claims, err := v.chosen(ctx)
	if err != nil {
		return nil, err
	}
	targets, err := v.rings(ctx)
	if err != nil {
		return nil, flow.Fail(flow.Precondition, err)
	}
	var found []stoppedNode
	var problems []error
	owned := map[string]bool{}
	for _, r := range targets {
		nodes, err := r.nodesOf(ctx, claims, progress)
		found, problems = append(found, nodes...), append(problems, err)
		for _, node := range nodes {
			owned[node.Volume] = true
		}
	}
	for _, claim := range claims {
		if !owned[claim.Name] {
			found = append(found, v.unowned(claim))
		}
	}
	return found, flow.Fail(flow.Precondition, errors.Join(problems...))
}

// rings are those of the namespace; none where cass-operator is not installed.
func (v *volumeClaims) rings(ctx context.Context) (targets []*stoppedRing, err error) {
	all, err := listDatacenters(ctx, v.client, v.namespace)
	if absent(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	members := byCluster(all)
	for _, name := range slices.Sorted(maps.Keys(members)) {
		targets = append(targets, newStoppedRing(v.client, newRing(v.client, members[name]), v.options))
	}
	return targets, nil
}

// unowned is the node of a claim that is nobody's.
func (v *volumeClaims) unowned(claim Claim) stoppedNode {
	opts := v.options
	job := CleanerJob{Namespace: v.namespace, Claim: claim.Name, Image: opts.Image, PullSecrets: opts.PullSecrets, Mounts: []Claim{claim}, Once: true}
	if opts.RunAs != 0 {
		job.SecurityContext = operatorSecurityContext(opts.RunAs)
	}
	return stoppedNode{
		StoppedNode: ring.StoppedNode{Name: strings.TrimPrefix(claim.Name, dataPrefix), Volume: claim.Name, Identity: claim.identity()},
		job:         job,
	}
}

// nodesOf are the ring's nodes of some claims. Without any, the ring is left alone.
func (r *stoppedRing) nodesOf(ctx context.Context, claims []Claim, progress func(string)) ([]stoppedNode, error) {
	o, err := r.ring.objects(ctx)
	if err != nil || !slices.ContainsFunc(claims, func(c Claim) bool { return o.setOf(c.Name) != nil }) {
		return nil, err
	}
	state, err := r.stoppedNow(ctx, progress)
	if err != nil {
		return nil, err
	}
	var found []stoppedNode
	var problems []error
	for _, claim := range claims {
		set := state.objects.setOf(claim.Name)
		if set == nil {
			continue
		}
		ordinal, _ := ordinalOf(set, claim.Name)
		for _, part := range state.parts {
			if !slices.Contains(part.sets, set) {
				continue
			}
			node, err := nodeOf(part.datacenter, set, ordinal, state.objects.claims, r.options)
			if err == nil && node.Volume != claim.Name {
				err = fmt.Errorf("the volume claim %s belongs to the node %s: name its data volume %s, and this one comes along", claim.Name, node.Name, node.Volume)
			}
			found, problems = append(found, node), append(problems, err)
		}
	}
	return found, errors.Join(problems...)
}
