package kube

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/casshook/casshook/pkg/flow"
)

// stoppedDatacenter is a look at a datacenter that is stopped, or is to be.
type stoppedDatacenter struct {
	datacenter *Datacenter
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
func look(o *objects, d *Datacenter) *stoppedDatacenter {
	s := &stoppedDatacenter{datacenter: d}
	if !d.Stopped {
		s.wait("%s is not stopped: set spec.stopped to true%s", d, d.inOwner())
	} else if !d.True("Stopped") {
		s.wait("%s is not stopped yet: see that cass-operator runs", d)
	}
	owned := o.setsOf(d)
	for _, rack := range d.Racks {
		var found *appsv1.StatefulSet
		for _, set := range owned {
			if set.Labels[rackLabel] == cleanLabel(rack) {
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
	for i := range o.pods {
		if pod := &o.pods[i]; has(d, pod, owned) {
			s.wait("pod %s is still there", pod.Name)
		}
	}
	return s
}

// has tells a pod of the datacenter, by its StatefulSet or, where that is another's or
// gone, by the label, which in old versions of cass-operator is Cassandra's name.
func has(d *Datacenter, pod *corev1.Pod, owned []*appsv1.StatefulSet) bool {
	if ref := metav1.GetControllerOf(pod); ref != nil {
		for _, set := range owned {
			if set.UID == ref.UID {
				return true
			}
		}
	}
	label := pod.Labels[datacenterLabel]
	return label == cleanLabel(d.Name) || label == cleanLabel(d.CassandraName)
}

// stoppedState is a look at a ring that is stopped, or is to be.
type stoppedState struct {
	objects *objects
	parts   []*stoppedDatacenter
}

// awaitStopped waits until no node of the ring runs. A datacenter that is not to stop is
// an error at once.
func (r *stoppedRing) awaitStopped(ctx context.Context, progress func(string)) (*stoppedState, error) {
	var found *stoppedState
	wait := await{limit: r.options.StopLimit, every: waitPoll, what: "the ring is stopped", progress: progress}
	err := r.client.until(ctx, wait, func(ctx context.Context) (waiting []string, err error) {
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
func unstoppable(d *Datacenter) error {
	switch {
	case d.Deleted:
		return flow.Failf(flow.Precondition, "%s is being deleted, and its volumes with it: wait until it is gone, and restore it again", d)
	case !d.Stopped:
		return flow.Failf(flow.Precondition, "%s is not stopped: set spec.stopped to true%s", d, d.inOwner())
	}
	return nil
}

func (r *stoppedRing) look(ctx context.Context) (*stoppedState, error) {
	ds, err := r.ring.refresh(ctx)
	if err != nil {
		return nil, flow.Fail(flow.Precondition, err)
	}
	o, err := r.ring.objects(ctx)
	if err != nil {
		return nil, flow.Fail(flow.Precondition, err)
	}
	s := &stoppedState{objects: o}
	for _, d := range ds {
		s.parts = append(s.parts, look(o, d))
	}
	return s, nil
}
