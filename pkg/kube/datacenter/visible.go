package datacenter

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/kube/objects"
	"github.com/casshook/casshook/pkg/ring"
)

// Visible lists all nodes that the ring has or should have, by name and whatever state
// they are in: also those of a datacenter that is stopped. A node without a container
// that runs has a Problem. It is ring.Target's.
func (r *Ring) Visible(ctx context.Context) ([]ring.Node, error) {
	ds, err := r.Refresh(ctx)
	if err != nil {
		return nil, err
	}
	o, err := r.Objects(ctx)
	if err != nil {
		return nil, err
	}
	members := o.Assign(ds, &Survey{})
	nodes, seen := foreign(o, members), map[string]Sighting{}
	for _, d := range ds {
		for _, pod := range members[d] {
			v, err := VolumesOf(d, pod, o.Claims)
			n := nodeOf(d, pod, v)
			n.Problem = PodProblem(pod, Running)
			switch {
			case n.Problem != "":
			case err != nil:
				n.Problem = strings.TrimPrefix(err.Error(), "pod "+pod.Name+": ")
			case v.Identity == "":
				n.Problem = fmt.Sprintf("its volume claim %s is missing or not bound", v.Claim)
			}
			nodes, seen[pod.Name] = append(nodes, n), seenAs(d, pod, v)
		}
		nodes = append(nodes, o.absent(d, members[d])...)
	}
	slices.SortFunc(nodes, func(a, b ring.Node) int { return strings.Compare(a.Name, b.Name) })
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pods = seen
	return nodes, nil
}

// unreachable is a node of which only the name is known.
func unreachable(name, problem string) ring.Node {
	return ring.Node{Node: wire.Node{Name: name}, Problem: problem}
}

// foreign are pods that have the labels of Cassandra's, and are of no datacenter.
func foreign(o *Objects, members map[*Datacenter][]*corev1.Pod) []ring.Node {
	known := map[string]bool{}
	for _, pods := range members {
		for _, pod := range pods {
			known[pod.Name] = true
		}
	}
	var found []ring.Node
	for i := range o.Pods {
		if name := o.Pods[i].Name; !known[name] {
			found = append(found, unreachable(name, "is not of the operator's StatefulSets: delete the pod, or take its labels away"))
		}
	}
	return found
}

// absent are the nodes of a datacenter that have no pod.
func (o *Objects) absent(d *Datacenter, pods []*corev1.Pod) []ring.Node {
	problem := "no pod: see the events of its StatefulSet"
	if d.Stopped {
		problem = "stopped: no pod"
	}
	var found []ring.Node
	expected, shares := 0, d.Shares()
	for _, set := range o.SetsOf(d) {
		replicas := 0
		if set.Spec.Replicas != nil {
			replicas = int(*set.Spec.Replicas)
		}
		if i := slices.IndexFunc(d.Racks, func(rack string) bool { return objects.CleanLabel(rack) == set.Labels[objects.RackLabel] }); i >= 0 {
			replicas = max(replicas, shares[i]) // 0 where it is stopped
		}
		for ordinal := range replicas {
			name := fmt.Sprintf("%s-%d", set.Name, ordinal)
			expected++
			if !slices.ContainsFunc(o.Pods, func(p corev1.Pod) bool { return p.Name == name }) {
				found = append(found, unreachable(name, problem))
			}
		}
	}
	for n := max(expected, len(pods)); n < int(d.Size); n++ {
		found = append(found, unreachable(fmt.Sprintf("%s, node %d of %d", d, n+1, d.Size), "no pod, and no StatefulSet that would make it"))
	}
	return found
}
