package kube

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/ring"
)

// sighting is what is remembered of a pod: by which a restart is told from a cut
// stream, and what later steps need.
type sighting struct {
	uid         types.UID
	containerID string
	tls         bool
	claims      []Claim
}

// survey is a look at the datacenters and all that belongs to them.
type survey struct {
	nodes []ring.Node
	// up are the nodes that can be used already, of the size that is wanted.
	up, size int
	// waiting is what may come right by itself or by a person's doing.
	waiting []string
}

func (s *survey) wait(format string, args ...any) {
	s.waiting = append(s.waiting, fmt.Sprintf(format, args...))
}

// reason is short enough for a line of progress.
func (s *survey) reason() string { return few(s.waiting) }

// survey reads everything anew.
func (r *dcRing) survey(ctx context.Context) (*survey, error) {
	ds, err := r.refresh(ctx)
	if err != nil {
		return nil, err
	}
	o, err := r.objects(ctx)
	if err != nil {
		return nil, err
	}
	s := &survey{}
	for _, d := range ds {
		for _, p := range d.Problems(r.Demand) {
			s.wait("%s", p)
		}
	}
	members := o.assign(ds, s)
	seen := map[string]sighting{}
	for _, d := range ds {
		s.size += int(d.Size)
		o.count(d, members[d], s)
		for _, pod := range members[d] {
			node, saw, err := r.node(d, pod, o.claims, s)
			if err != nil {
				return nil, err
			}
			s.nodes, seen[pod.Name] = append(s.nodes, node), saw
		}
	}
	slices.SortFunc(s.nodes, func(a, b ring.Node) int { return strings.Compare(a.Name, b.Name) })
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pods = seen
	return s, nil
}

// assign gives each datacenter the pods of its StatefulSets, whatever the pods'
// labels call it: old versions of cass-operator used Cassandra's name there.
func (o *objects) assign(ds []*Datacenter, s *survey) map[*Datacenter][]*corev1.Pod {
	bySet := map[types.UID]*Datacenter{}
	for _, set := range o.sets {
		for _, d := range ds {
			if ref := metav1.GetControllerOf(&set); ref != nil && string(ref.UID) == d.UID {
				bySet[set.UID] = d
			}
		}
	}
	members := map[*Datacenter][]*corev1.Pod{}
	for i := range o.pods {
		pod := &o.pods[i]
		ref := metav1.GetControllerOf(pod)
		if ref == nil || bySet[ref.UID] == nil || container(pod) == nil {
			s.wait("pod %s has the labels of a Cassandra node (datacenter %q) but is not of the operator's StatefulSets: delete it, or take its labels away",
				pod.Name, pod.Labels[datacenterLabel])
			continue
		}
		members[bySet[ref.UID]] = append(members[bySet[ref.UID]], pod)
	}
	return members
}

// count compares with spec.size and names what is missing.
func (o *objects) count(d *Datacenter, pods []*corev1.Pod, s *survey) {
	if int64(len(pods)) == d.Size {
		return
	}
	text := fmt.Sprintf("%s has %d of its %d nodes", d, len(pods), d.Size)
	if missing := o.missing(d, pods); len(missing) > 0 {
		text += ", missing are the pods " + strings.Join(missing, ", ")
	}
	s.wait("%s: wait until all pods are there, and see the events of its StatefulSets", text)
}

func (o *objects) missing(d *Datacenter, pods []*corev1.Pod) []string {
	var missing []string
	for _, set := range o.sets {
		ref := metav1.GetControllerOf(&set)
		if ref == nil || string(ref.UID) != d.UID || set.Spec.Replicas == nil {
			continue
		}
		for i := range *set.Spec.Replicas {
			name := fmt.Sprintf("%s-%d", set.Name, i)
			if !slices.ContainsFunc(pods, func(p *corev1.Pod) bool { return p.Name == name }) {
				missing = append(missing, name)
			}
		}
	}
	return missing
}

// node makes the node of a pod, and says what is not yet right with it.
func (r *dcRing) node(d *Datacenter, pod *corev1.Pod, claims map[string]corev1.PersistentVolumeClaim, s *survey) (ring.Node, sighting, error) {
	if problem := unfit(pod, r.Demand); problem != "" {
		s.wait("pod %s %s", pod.Name, problem)
	} else {
		s.up++
	}
	v, err := readVolumes(d, pod, claims)
	if err != nil {
		return ring.Node{}, sighting{}, err
	}
	if v.identity == "" {
		s.wait("pod %s: its volume claim %s is missing or not bound", pod.Name, v.claim)
	}
	saw := sighting{uid: pod.UID, tls: d.Config.ClientEncryption, claims: v.claims}
	if status := containerStatus(pod); status != nil {
		saw.containerID = status.ContainerID
	}
	return ring.Node{
		Node: wire.Node{Name: pod.Name, Volume: v.mount, DataDirs: v.dataDirs, API: managementSocket,
			Nodetool: []string{nodetoolCommand}, VolumeID: v.identity},
		Address: pod.Status.PodIP, CQLPort: d.Config.CQLPort,
	}, saw, nil
}

// unfit says why nothing can be done in a pod; "" when it can.
func unfit(pod *corev1.Pod, demand Demand) string {
	status := containerStatus(pod)
	switch {
	case pod.DeletionTimestamp != nil:
		return "is being deleted: wait until its successor runs"
	case pod.Status.Phase != corev1.PodRunning:
		return fmt.Sprintf("is %s: see its events", pod.Status.Phase)
	case status == nil || status.State.Running == nil:
		return "has no running container " + cassandraContainer + stateOf(status) + ": see its events and log"
	case pod.Status.PodIP == "":
		return "has no address yet"
	}
	if demand == Running {
		return ""
	}
	if state := pod.Labels[nodeStateLabel]; state != startedState {
		return fmt.Sprintf("is in state %q: wait until the operator has started its Cassandra", state)
	}
	if !status.Ready {
		return "is not ready: its Cassandra does not answer"
	}
	return ""
}
