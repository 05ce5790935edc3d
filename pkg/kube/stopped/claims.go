package stopped

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/kube/api"
	"github.com/casshook/casshook/pkg/kube/datacenter"
	"github.com/casshook/casshook/pkg/kube/objects"
	"github.com/casshook/casshook/pkg/ring"
)

// Claims are volume claims by name, whether or not there is a datacenter that they are of.
type Claims struct {
	client    *api.Client
	options   Options
	namespace string
	// names of the claims that are meant; all data volumes' when empty.
	names []string
	// owners of claims that are nobody's, as their volumes say.
	owners owners
}

var _ ring.Cleaner = (*Claims)(nil)

// dataMount is where the data volume is mounted where no pod says it: as cass-operator
// does.
const dataMount = "/var/lib/cassandra"

// NewClaims takes the named claims of the client's namespace, or all that are called
// server-data-*. Those of a CassandraDatacenter, which must be stopped, are mounted as its
// pods do, and by a user like theirs; for others it is the options that say, or else the owner of the volume's
// files. It fails where
// a named claim is not there.
func NewClaims(ctx context.Context, c *api.Client, named []string, options Options) (*Claims, error) {
	v := &Claims{client: c, options: options.filled(), namespace: c.Namespace, names: named}
	_, err := v.chosen(ctx)
	return v, err
}

// StoppedNodes implements ring.Cleaner. A node is called as its pod would be.
func (v *Claims) StoppedNodes(ctx context.Context) ([]ring.StoppedNode, error) {
	return v.volumes().stoppedNodes(ctx)
}

// Clean implements ring.Cleaner.
func (v *Claims) Clean(ctx context.Context, tasks []ring.CleanTask, progress func(node, message string)) ([]ring.CleanOutcome, error) {
	return v.volumes().clean(ctx, tasks, progress)
}

func (v *Claims) volumes() *volumes {
	return &volumes{client: v.client, options: v.options, namespace: v.namespace, look: v.nodes}
}

// dataPrefix begins the names of data volumes' claims; that of the pod follows.
const dataPrefix = objects.DataVolume + "-"

// chosen are the claims that are meant, by name.
func (v *Claims) chosen(ctx context.Context) ([]objects.Claim, error) {
	list, err := v.client.Claims(ctx, v.namespace)
	if err != nil {
		return nil, flow.Fail(flow.Precondition, err)
	}
	var found []objects.Claim
	missing := map[string]bool{}
	for _, name := range v.names {
		missing[name] = true
	}
	for _, claim := range list {
		if missing[claim.Name] || len(v.names) == 0 && strings.HasPrefix(claim.Name, dataPrefix) {
			found = append(found, objects.Claim{Name: claim.Name, UID: string(claim.UID), VolumeName: claim.Spec.VolumeName, Volume: objects.DataVolume, Mount: dataMount})
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
func (v *Claims) nodes(ctx context.Context, progress func(string)) ([]node, error) {
	claims, err := v.chosen(ctx)
	if err != nil {
		return nil, err
	}
	targets, err := v.rings(ctx)
	if err != nil {
		return nil, flow.Fail(flow.Precondition, err)
	}
	var found []node
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
func (v *Claims) rings(ctx context.Context) (targets []*Ring, err error) {
	all, err := datacenter.List(ctx, v.client, v.namespace)
	if api.Absent(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	members := datacenter.ByCluster(all)
	for _, name := range slices.Sorted(maps.Keys(members)) {
		targets = append(targets, New(v.client, datacenter.NewRing(v.client, members[name]), v.options))
	}
	return targets, nil
}

// unowned is the node of a claim that is nobody's.
func (v *Claims) unowned(claim objects.Claim) node {
	opts := v.options
	job := objects.CleanerJob{Namespace: v.namespace, Claim: claim.Name, Image: opts.Image, PullSecrets: opts.PullSecrets, Mounts: []objects.Claim{claim}, Once: true}
	n := node{StoppedNode: ring.StoppedNode{Name: strings.TrimPrefix(claim.Name, dataPrefix), Volume: claim.Name, Identity: claim.Identity()}, job: job}
	if opts.RunAs != 0 {
		n.job.SecurityContext = objects.SecurityContextOf(opts.RunAs)
		return n
	}
	n.owners = &v.owners
	n.job.SecurityContext = n.owners.context(claim.Name)
	return n
}

// nodesOf are the ring's nodes of some claims. Without any, the ring is left alone.
func (r *Ring) nodesOf(ctx context.Context, claims []objects.Claim, progress func(string)) ([]node, error) {
	o, err := r.ring.Objects(ctx)
	if err != nil || !slices.ContainsFunc(claims, func(c objects.Claim) bool { return o.SetOf(c.Name) != nil }) {
		return nil, err
	}
	state, err := r.now(ctx, progress)
	if err != nil {
		return nil, err
	}
	var found []node
	var problems []error
	for _, claim := range claims {
		set := state.objects.SetOf(claim.Name)
		if set == nil {
			continue
		}
		ordinal, _ := datacenter.OrdinalOf(set, claim.Name)
		for _, part := range state.parts {
			if !slices.Contains(part.sets, set) {
				continue
			}
			node, err := nodeOf(part.datacenter, set, ordinal, state.objects.Claims, r.options)
			if err == nil && node.Volume != claim.Name {
				err = fmt.Errorf("the volume claim %s belongs to node %s: pass its data volume %s instead, which includes this one", claim.Name, node.Name, node.Volume)
			}
			found, problems = append(found, node), append(problems, err)
		}
	}
	return found, errors.Join(problems...)
}
