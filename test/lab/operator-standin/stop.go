package operatorstandin

import (
	"context"
	"net/http"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
)

// stop drains and removes the pods of a stopped datacenter, rack after rack. It runs before pods are looked after, so that it
// works with nodes that do not start; a drain that fails is only logged, for the node goes down anyway.
func (r *round) stop(ctx context.Context) (outcome, error) {
	if !r.dc.Spec.Stopped {
		return proceed()
	}
	stopping := false
	for _, rack := range r.dc.racks() {
		set := r.set(rack)
		if size(set) == 0 {
			continue
		}
		if !stopping {
			stopping = true
			r.condition(conditionStopped, true)
			r.condition(conditionReady, false)
			if err := r.saveStatus(ctx); err != nil { // seen before the drains, which take their time
				return fail(err)
			}
			r.event(ctx, normalEvent, eventStoppingDatacenter, "Stopping datacenter")
		}
		r.drain(ctx, rack)
		if err := r.empty(ctx, set); err != nil {
			return fail(err)
		}
	}
	if stopping {
		return wait("the end of all pods")
	}
	return proceed()
}

func (r *round) empty(ctx context.Context, set *appsv1.StatefulSet) error {
	if err := r.resize(ctx, set, 0); err != nil {
		return err
	}
	return r.saveStatus(ctx)
}

func (r *round) drain(ctx context.Context, rack Rack) {
	for _, pod := range r.seen.labelled(r.dc.rackLabels(rack.Name)) {
		if !reachable(pod, r.now(), r.waits.ManagementAPI) {
			continue
		}
		if _, err := r.call(ctx, pod, http.MethodPost, pathDrain, nil); err != nil {
			r.log.Warn("drain; stopping the node nevertheless", "pod", pod.Name, "error", err)
		}
	}
}

// quiet ends a stop and a resume with two quiet periods. They begin when the last pod is gone, or the last node ready; the
// period in the status tells whether they have been had, so that nothing is lost with the process.
func (r *round) quiet(context.Context) (outcome, error) {
	var since time.Time
	switch {
	case r.status.is(conditionResuming):
		for _, pod := range r.seen.datacenter(r.dc) {
			since = latest(since, readySince(pod))
		}
	case r.dc.Spec.Stopped && r.status.Progress == progressUpdating && r.status.condition(conditionReady) != nil:
		if pods := r.seen.datacenter(r.dc); len(pods) > 0 {
			return wait("the end of pod %s", pods[0].Name)
		}
		since = r.status.condition(conditionStopped).LastTransitionTime.Time
	default:
		return proceed()
	}
	if had := r.status.QuietPeriod; r.waits.Quiet == 0 || had != nil && had.After(since) {
		return proceed()
	}
	r.quietUntil(r.now().Add(2 * r.waits.Quiet))
	return wait("two quiet periods")
}

func latest(times ...time.Time) time.Time {
	return slices.MaxFunc(times, func(a, b time.Time) int { return a.Compare(b) })
}
