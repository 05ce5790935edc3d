package kube

import (
	"context"
	"fmt"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/casshook/casshook/pkg/flow"
)

// standstill is a look at a datacenter that is stopped, or is to be.
type standstill struct {
	datacenter *Datacenter
	// sets are the StatefulSets of the racks, in the order of the spec; nil where one
	// is missing.
	sets []*appsv1.StatefulSet
	// waiting is what is not yet as it is when nothing runs any more.
	waiting []string
}

func (s *standstill) wait(format string, args ...any) {
	s.waiting = append(s.waiting, fmt.Sprintf(format, args...))
}

// standstill tests whether a datacenter is stopped. The condition comes first, before
// the drains, and progress may say Ready all the time; what counts is that nothing is
// left that could run, and nothing that could start it.
func (o *objects) standstill(d *Datacenter) *standstill {
	s := &standstill{datacenter: d}
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
		if pod := &o.pods[i]; d.has(pod, owned) {
			s.wait("pod %s is still there", pod.Name)
		}
	}
	return s
}

func (o *objects) setsOf(d *Datacenter) []*appsv1.StatefulSet {
	var owned []*appsv1.StatefulSet
	for i := range o.sets {
		if ref := metav1.GetControllerOf(&o.sets[i]); ref != nil && string(ref.UID) == d.UID {
			owned = append(owned, &o.sets[i])
		}
	}
	return owned
}

// has tells a pod of the datacenter, by its StatefulSet or, where that is another's or
// gone, by the label, which in old versions of cass-operator is Cassandra's name.
func (d *Datacenter) has(pod *corev1.Pod, owned []*appsv1.StatefulSet) bool {
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

// shares are the nodes of each rack: the first ones get one more where the size cannot
// be shared out evenly (SplitRacks of cass-operator).
func (d *Datacenter) shares() []int {
	shares := make([]int, len(d.Racks))
	for i := range shares {
		shares[i] = int(d.Size) / len(shares)
		if i < int(d.Size)%len(shares) {
			shares[i]++
		}
	}
	return shares
}

// still is a ring at a standstill.
type still struct {
	objects *objects
	parts   []*standstill
}

// awaitStill waits until no node of the ring runs. A datacenter that is not to stop is
// an error at once.
func (t *Target) awaitStill(ctx context.Context, progress func(string)) (*still, error) {
	var found *still
	wait := await{limit: t.client.opts.StopLimit, every: waitPoll, what: "the ring is stopped", progress: progress}
	err := t.client.until(ctx, wait, func(ctx context.Context) (waiting []string, err error) {
		if found, err = t.still(ctx); err != nil {
			return nil, err
		}
		for _, part := range found.parts {
			if problem := part.datacenter.unstoppable(); problem != nil {
				return nil, problem
			}
			waiting = append(waiting, part.waiting...)
		}
		return waiting, nil
	})
	return found, err
}

// unstoppable says why there is nothing to wait for.
func (d *Datacenter) unstoppable() error {
	switch {
	case d.Deleted:
		return flow.Failf(flow.Precondition, "%s is being deleted, and its volumes with it: wait until it is gone, and restore it again", d)
	case !d.Stopped:
		return flow.Failf(flow.Precondition, "%s is not stopped: set spec.stopped to true%s", d, d.inOwner())
	}
	return nil
}

func (t *Target) still(ctx context.Context) (*still, error) {
	ds, err := t.refresh(ctx)
	if err != nil {
		return nil, flow.Fail(flow.Precondition, err)
	}
	o, err := t.objects(ctx)
	if err != nil {
		return nil, flow.Fail(flow.Precondition, err)
	}
	s := &still{objects: o}
	for _, d := range ds {
		s.parts = append(s.parts, o.standstill(d))
	}
	return s, nil
}

// Stopped implements ring.Offline.
func (t *Target) Stopped(ctx context.Context) (bool, error) {
	ds, err := t.refresh(ctx)
	if err != nil {
		return false, flow.Fail(flow.Precondition, err)
	}
	var stopped, running []string
	for _, d := range ds {
		if d.Stopped {
			stopped = append(stopped, d.Name)
		} else {
			running = append(running, d.Name)
		}
	}
	switch {
	case len(stopped) == 0:
		return false, nil
	case len(running) > 0:
		return false, flow.Failf(flow.Precondition, "of the ring %q are stopped: %s; and not: %s: a ring is restored as a whole, set spec.stopped alike in all of them",
			t.cluster, strings.Join(stopped, ", "), strings.Join(running, ", "))
	}
	if err := t.checkCreated(ctx, ds); err != nil {
		return false, err
	}
	return true, nil
}

// Placed implements ring.Offline.
func (t *Target) Placed() string { return t.namespace }
