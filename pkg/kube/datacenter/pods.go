package datacenter

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/kube/api"
	"github.com/casshook/casshook/pkg/kube/objects"
	"github.com/casshook/casshook/pkg/ring"
)

// Sighting is what is remembered of a pod: by which a restart is told from a cut
// stream, and what later steps need.
type Sighting struct {
	UID         types.UID
	ContainerID string
	TLS         bool
	claims      []objects.Claim
}

// Survey is a look at the datacenters and all that belongs to them.
type Survey struct {
	nodes []ring.Node
	// Up are the nodes that can be used already, of the size that is wanted.
	Up, Size int
	// Waiting is what may come right by itself or by a person's doing.
	Waiting []string
}

// Wait adds what is waited for.
func (s *Survey) Wait(format string, args ...any) {
	s.Waiting = append(s.Waiting, fmt.Sprintf(format, args...))
}

// Reason is short enough for a line of progress.
func (s *Survey) Reason() string { return api.Few(s.Waiting) }

// survey reads everything anew.
func (r *Ring) survey(ctx context.Context) (*Survey, error) {
	ds, err := r.Refresh(ctx)
	if err != nil {
		return nil, err
	}
	o, err := r.Objects(ctx)
	if err != nil {
		return nil, err
	}
	s := &Survey{}
	for _, d := range ds {
		for _, p := range d.Problems(r.Demand) {
			s.Wait("%s", p)
		}
	}
	members := o.Assign(ds, s)
	seen := map[string]Sighting{}
	for _, d := range ds {
		s.Size += int(d.Size)
		o.Count(d, members[d], s)
		for _, pod := range members[d] {
			node, saw, err := r.node(d, pod, o.Claims, s)
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

// Assign gives each datacenter the pods of its StatefulSets, whatever the pods'
// labels call it: old versions of cass-operator used Cassandra's name there.
func (o *Objects) Assign(ds []*Datacenter, s *Survey) map[*Datacenter][]*corev1.Pod {
	bySet := map[types.UID]*Datacenter{}
	for _, set := range o.Sets {
		for _, d := range ds {
			if ref := metav1.GetControllerOf(&set); ref != nil && string(ref.UID) == d.UID {
				bySet[set.UID] = d
			}
		}
	}
	members := map[*Datacenter][]*corev1.Pod{}
	for i := range o.Pods {
		pod := &o.Pods[i]
		ref := metav1.GetControllerOf(pod)
		if ref == nil || bySet[ref.UID] == nil || objects.Container(pod) == nil {
			s.Wait("pod %s has the labels of a Cassandra node (datacenter %q) but does not belong to the operator's StatefulSets: delete it, or remove its labels",
				pod.Name, pod.Labels[objects.DatacenterLabel])
			continue
		}
		members[bySet[ref.UID]] = append(members[bySet[ref.UID]], pod)
	}
	return members
}

// Count compares with spec.size and names what is missing.
func (o *Objects) Count(d *Datacenter, pods []*corev1.Pod, s *Survey) {
	if int64(len(pods)) == d.Size {
		return
	}
	if d.Unseen() {
		s.Wait("%s has %d of its %d nodes, since the operator has not processed it yet: wait", d, len(pods), d.Size)
		return
	}
	text := fmt.Sprintf("%s has %d of its %d nodes", d, len(pods), d.Size)
	if missing := o.missing(d, pods); len(missing) > 0 {
		text += "; missing pods: " + strings.Join(missing, ", ")
	}
	s.Wait("%s: wait until all pods exist, or check the events of its StatefulSets", text)
}

func (o *Objects) missing(d *Datacenter, pods []*corev1.Pod) []string {
	var missing []string
	for _, set := range o.Sets {
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
func (r *Ring) node(d *Datacenter, pod *corev1.Pod, claims map[string]corev1.PersistentVolumeClaim, s *Survey) (ring.Node, Sighting, error) {
	if problem := PodProblem(pod, r.Demand); problem != "" {
		s.Wait("pod %s %s", pod.Name, problem)
	} else {
		s.Up++
	}
	v, err := VolumesOf(d, pod, claims)
	if err != nil {
		return ring.Node{}, Sighting{}, err
	}
	if v.Identity == "" {
		s.Wait("pod %s: its volume claim %s is missing or not bound", pod.Name, v.Claim)
	}
	return nodeOf(d, pod, v), seenAs(d, pod, v), nil
}

func nodeOf(d *Datacenter, pod *corev1.Pod, v Volumes) ring.Node {
	return ring.Node{
		Node: wire.Node{Name: pod.Name, Volume: v.mount, DataDirs: v.DataDirs, API: objects.ManagementSocket,
			Nodetool: []string{objects.NodetoolCommand}, VolumeID: v.Identity},
		Address: pod.Status.PodIP, CQLPort: d.Config.CQLPort,
	}
}

func seenAs(d *Datacenter, pod *corev1.Pod, v Volumes) Sighting {
	saw := Sighting{UID: pod.UID, TLS: d.Config.ClientEncryption, claims: v.Claims}
	if status := objects.ContainerStatus(pod); status != nil {
		saw.ContainerID = status.ContainerID
	}
	return saw
}

// PodProblem says why nothing can be done in a pod; "" when it can.
func PodProblem(pod *corev1.Pod, demand Demand) string {
	status := objects.ContainerStatus(pod)
	switch {
	case pod.DeletionTimestamp != nil:
		return "is being deleted: wait until its successor runs"
	case pod.Status.Phase != corev1.PodRunning:
		return fmt.Sprintf("is %s: check its events", pod.Status.Phase)
	case status == nil || status.State.Running == nil:
		return "has no running container " + objects.CassandraContainer + objects.StateOf(status) + ": check its events and log"
	case pod.Status.PodIP == "":
		return "has no address yet"
	}
	if demand == Running {
		return ""
	}
	if state := pod.Labels[objects.NodeStateLabel]; state != objects.StartedState {
		return fmt.Sprintf("is in state %q: wait until the operator has started its Cassandra", state)
	}
	if !status.Ready {
		return "is not ready: its Cassandra does not answer"
	}
	return ""
}
