package stopped

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/kube/datacenter"
	"github.com/casshook/casshook/pkg/kube/objects"
)

// stoppedDatacenter is a look at a datacenter that is stopped, or is to be.
type stoppedDatacenter struct {
	datacenter *datacenter.Datacenter
	// sets are the StatefulSets of the racks, in the order of the spec; nil where one
	// is missing.
	sets []*appsv1.StatefulSet
	// waiting is what is not yet as it is when nothing runs any more.
	waiting []string
}

func (s *stoppedDatacenter) wait(format string, args ...any) {
	s.waiting = append(s.waiting, fmt.Sprintf(format, args...))
}

// look tests whether a datacenter is stopped. The condition comes first, before
// the drains, and progress may say Ready all the time; what counts is that nothing is
// left that could run, and nothing that could start it.
func look(o *datacenter.Objects, d *datacenter.Datacenter) *stoppedDatacenter {
	s := &stoppedDatacenter{datacenter: d}
	if !d.Stopped {
		s.wait("%s is not stopped: set spec.stopped to true%s", d, d.InOwner())
	} else if !d.True("Stopped") {
		s.wait("%s is not stopped yet: check that cass-operator is running", d)
	}
	owned := o.SetsOf(d)
	for _, rack := range d.Racks {
		var found *appsv1.StatefulSet
		for _, set := range owned {
			if set.Labels[objects.RackLabel] == objects.CleanLabel(rack) {
				found = set
			}
		}
		s.sets = append(s.sets, found)
		if found == nil {
			s.wait("%s has no StatefulSet of the rack %s yet", d, rack)
		}
	}
	for _, set := range owned {
		if wanted := set.Spec.Replicas; wanted == nil || *wanted > 0 || set.Status.Replicas > 0 {
			s.wait("StatefulSet %s is not at 0 replicas", set.Name)
		}
	}
	for i := range o.Pods {
		if pod := &o.Pods[i]; has(d, pod, owned) {
			s.wait("pod %s is still there", pod.Name)
		}
	}
	return s
}

// has tells a pod of the datacenter, by its StatefulSet or, where that is another's or
// gone, by the label, which in old versions of cass-operator is Cassandra's name.
func has(d *datacenter.Datacenter, pod *corev1.Pod, owned []*appsv1.StatefulSet) bool {
	if ref := metav1.GetControllerOf(pod); ref != nil {
		for _, set := range owned {
			if set.UID == ref.UID {
				return true
			}
		}
	}
	label := pod.Labels[objects.DatacenterLabel]
	return label == objects.CleanLabel(d.Name) || label == objects.CleanLabel(d.CassandraName)
}

// State is a look at a ring that is stopped, or is to be.
type State struct {
	objects *datacenter.Objects
	parts   []*stoppedDatacenter
}

// Await waits until no node of the ring runs. A datacenter that is not to stop is
// an error at once.
func (r *Ring) Await(ctx context.Context, progress func(string)) (*State, error) {
	var found *State
	wait := flow.Waiting{Limit: r.options.StopLimit, Every: datacenter.Poll, For: "the ring to be stopped", Progress: progress}
	err := r.client.Wait(ctx, wait, func(ctx context.Context) (waiting []string, err error) {
		if found, err = r.look(ctx); err != nil {
			return nil, err
		}
		for _, part := range found.parts {
			if problem := unstoppable(part.datacenter); problem != nil {
				return nil, problem
			}
			waiting = append(waiting, part.waiting...)
		}
		return waiting, nil
	})
	return found, err
}

// unstoppable says why there is nothing to wait for.
func unstoppable(d *datacenter.Datacenter) error {
	switch {
	case d.Deleted:
		return flow.Failf(flow.Precondition, "%s is being deleted, and its volumes with it: wait until it is gone, and restore it again", d)
	case !d.Stopped:
		return flow.Failf(flow.Precondition, "%s is not stopped: set spec.stopped to true%s", d, d.InOwner())
	}
	return nil
}

func (r *Ring) look(ctx context.Context) (*State, error) {
	ds, err := r.ring.Refresh(ctx)
	if err != nil {
		return nil, flow.Fail(flow.Precondition, err)
	}
	o, err := r.ring.Objects(ctx)
	if err != nil {
		return nil, flow.Fail(flow.Precondition, err)
	}
	s := &State{objects: o}
	for _, d := range ds {
		s.parts = append(s.parts, look(o, d))
	}
	return s, nil
}
