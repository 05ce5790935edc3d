package kube

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	appsv1 "k8s.io/api/apps/v1"

	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/ring"
)

// Loose are volume claims by name, whether or not there is a datacenter that they are of.
type Loose struct {
	client    *Client
	namespace string
	// names of the claims that are meant; all data volumes' when empty.
	names []string
}

var _ ring.Shelf = (*Loose)(nil)

// looseMount is where the data volume is mounted where no pod says it: as cass-operator
// does.
const looseMount = "/var/lib/cassandra"

// Loose takes the named claims of a namespace (the client's when empty), or all that are
// called server-data-*. Those of a CassandraDatacenter, which must be stopped, are mounted
// as its pods do, and by a user like theirs; for others it is Options that says. It fails
// where a named claim is not there.
func (c *Client) Loose(ctx context.Context, namespace string, claims []string) (*Loose, error) {
	if namespace == "" {
		namespace = c.namespace
	}
	l := &Loose{client: c, namespace: namespace, names: claims}
	_, err := l.chosen(ctx)
	return l, err
}

// StoppedNodes implements ring.Shelf. A node is called as its pod would be.
func (l *Loose) StoppedNodes(ctx context.Context) ([]ring.StoppedNode, error) {
	return l.shelf().stoppedNodes(ctx)
}

// Clean implements ring.Shelf.
func (l *Loose) Clean(ctx context.Context, tasks []ring.CleanTask, progress func(node, message string)) ([]ring.CleanOutcome, error) {
	return l.shelf().clean(ctx, tasks, progress)
}

func (l *Loose) shelf() *shelf {
	return &shelf{client: l.client, namespace: l.namespace, look: l.shelved}
}

// dataPrefix begins the names of data volumes' claims; that of the pod follows.
const dataPrefix = dataVolume + "-"

// chosen are the claims that are meant, by name.
func (l *Loose) chosen(ctx context.Context) ([]Claim, error) {
	list, err := l.client.claims(ctx, l.namespace)
	if err != nil {
		return nil, flow.Fail(flow.Precondition, err)
	}
	var found []Claim
	missing := map[string]bool{}
	for _, name := range l.names {
		missing[name] = true
	}
	for _, claim := range list {
		if missing[claim.Name] || len(l.names) == 0 && strings.HasPrefix(claim.Name, dataPrefix) {
			found = append(found, Claim{Name: claim.Name, UID: string(claim.UID), VolumeName: claim.Spec.VolumeName, Volume: dataVolume, Mount: looseMount})
			delete(missing, claim.Name)
		}
	}
	switch {
	case len(missing) > 0:
		return nil, flow.Failf(flow.Precondition, "namespace %s has no volume claims %s: restore them first", l.namespace, strings.Join(slices.Sorted(maps.Keys(missing)), ", "))
	case len(found) == 0:
		return nil, flow.Failf(flow.Precondition, "namespace %s has no volume claims %s*: restore them first, or name others", l.namespace, dataPrefix)
	}
	return found, nil
}

// shelved are the nodes of the claims.
func (l *Loose) shelved(ctx context.Context, progress func(string)) ([]shelved, error) {
	claims, err := l.chosen(ctx)
	if err != nil {
		return nil, err
	}
	targets, err := l.rings(ctx)
	if err != nil {
		return nil, flow.Fail(flow.Precondition, err)
	}
	var found []shelved
	var problems []error
	owned := map[string]bool{}
	for _, t := range targets {
		nodes, err := t.shelvedOf(ctx, claims, progress)
		found, problems = append(found, nodes...), append(problems, err)
		for _, node := range nodes {
			owned[node.Volume] = true
		}
	}
	for _, claim := range claims {
		if !owned[claim.Name] {
			found = append(found, l.loose(claim))
		}
	}
	return found, flow.Fail(flow.Precondition, errors.Join(problems...))
}

// rings are those of the namespace; none where cass-operator is not installed.
func (l *Loose) rings(ctx context.Context) ([]*Target, error) {
	all, err := l.client.datacenters(ctx, l.namespace)
	if absent(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	byCluster := map[string][]*Datacenter{}
	for _, d := range all {
		byCluster[d.ClusterName] = append(byCluster[d.ClusterName], d)
	}
	var targets []*Target
	for _, name := range slices.Sorted(maps.Keys(byCluster)) {
		targets = append(targets, l.client.target(byCluster[name]))
	}
	return targets, nil
}

// loose is the node of a claim that is nobody's.
func (l *Loose) loose(claim Claim) shelved {
	opts := l.client.opts
	job := CleanerJob{Namespace: l.namespace, Claim: claim.Name, Image: opts.Image, PullSecrets: opts.PullSecrets, Mounts: []Claim{claim}, Once: true}
	if opts.RunAs != 0 {
		job.SecurityContext = operatorSecurityContext(opts.RunAs)
	}
	return shelved{
		StoppedNode: ring.StoppedNode{Name: strings.TrimPrefix(claim.Name, dataPrefix), Volume: claim.Name, Identity: claim.identity()},
		job:         job,
	}
}

// shelvedOf are the ring's nodes of some claims. Without any, the ring is left alone.
func (t *Target) shelvedOf(ctx context.Context, claims []Claim, progress func(string)) ([]shelved, error) {
	o, err := t.objects(ctx)
	if err != nil || !slices.ContainsFunc(claims, func(c Claim) bool { return o.setOf(c.Name) != nil }) {
		return nil, err
	}
	still, err := t.stillNow(ctx, progress)
	if err != nil {
		return nil, err
	}
	var found []shelved
	var problems []error
	for _, claim := range claims {
		set := still.objects.setOf(claim.Name)
		if set == nil {
			continue
		}
		ordinal, _ := ordinalOf(set, claim.Name)
		for _, part := range still.parts {
			if !slices.Contains(part.sets, set) {
				continue
			}
			node, err := shelve(part.datacenter, set, ordinal, still.objects.claims, t.client.opts)
			if err == nil && node.Volume != claim.Name {
				err = fmt.Errorf("the volume claim %s belongs to the node %s: name its data volume %s, and this one comes along", claim.Name, node.Name, node.Volume)
			}
			found, problems = append(found, node), append(problems, err)
		}
	}
	return found, errors.Join(problems...)
}

// setOf is the StatefulSet that a claim is of, by its name; nil where it is of none.
func (o *objects) setOf(claim string) *appsv1.StatefulSet {
	for i := range o.sets {
		if _, ok := ordinalOf(&o.sets[i], claim); ok {
			return &o.sets[i]
		}
	}
	return nil
}

// ordinalOf is the ordinal of the pod that a StatefulSet makes a claim for.
func ordinalOf(set *appsv1.StatefulSet, claim string) (int, bool) {
	for _, template := range set.Spec.VolumeClaimTemplates {
		rest, ok := strings.CutPrefix(claim, template.Name+"-"+set.Name+"-")
		ordinal, err := strconv.Atoi(rest)
		if ok && err == nil && ordinal >= 0 && strconv.Itoa(ordinal) == rest {
			return ordinal, true
		}
	}
	return 0, false
}
