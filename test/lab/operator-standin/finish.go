package operatorstandin

import (
	"context"
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// nodeStatuses records host ID, address and rack of every node that was started. A host ID is asked for once. A started node that
// cannot tell it ends the round, as in the real one.
func (r *round) nodeStatuses(ctx context.Context) (outcome, error) {
	for _, failed := range r.failures.take(r.dc.UID) {
		if !slices.Contains(r.status.FailedStarts, failed) {
			r.status.FailedStarts = append(r.status.FailedStarts, failed)
		}
	}
	for _, pod := range r.seen.datacenter(r.dc) {
		if !wasStarted(pod) || pod.DeletionTimestamp != nil {
			continue
		}
		node := r.status.NodeStatuses[pod.Name]
		if pod.Status.PodIP != "" && reachable(pod, r.now(), r.waits.ManagementAPI) {
			node.IP, node.Rack = pod.Status.PodIP, pod.Labels[rackLabel]
			if node.HostID == "" {
				id, err := r.hostID(ctx, pod)
				if err != nil {
					return fail(fmt.Errorf("ask for the host ID: %w", err))
				}
				node.HostID = id
			}
		}
		r.status.know(pod.Name, node)
	}
	return proceed()
}

// hostIDs waits until every pod's is known.
func (r *round) hostIDs(context.Context) (outcome, error) {
	if r.dc.Spec.Stopped {
		return proceed()
	}
	for _, pod := range r.seen.datacenter(r.dc) {
		if r.status.NodeStatuses[pod.Name].HostID == "" {
			return wait("the host ID of pod %s", pod.Name)
		}
	}
	return proceed()
}

// clearConditions ends whatever was going on. After scaling up the real operator makes a cleanup task here.
func (r *round) clearConditions(context.Context) (outcome, error) {
	if r.status.is(conditionScalingUp) {
		r.condition(conditionScalingUp, false)
	}
	r.condition(conditionStopped, r.dc.Spec.Stopped)
	for _, name := range []string{conditionReplacingNodes, conditionUpdating, conditionRolling, conditionResuming, conditionScalingDown} {
		r.condition(name, false)
	}
	r.condition(conditionValid, true)
	return proceed()
}

// initialized: a datacenter that was created stopped has no condition Ready at all.
func (r *round) initialized(context.Context) (outcome, error) {
	r.condition(conditionInitialized, true)
	if !r.dc.Spec.Stopped {
		r.condition(conditionReady, true)
	}
	return proceed()
}

// complete says that everything up to this generation is done.
func (r *round) complete(context.Context) (outcome, error) {
	r.status.Progress = progressReady
	r.status.ObservedGeneration = r.dc.Generation
	r.quietUntil(r.now().Add(r.waits.Settled))
	r.memory.completed = r.fingerprint
	r.log.Info("reconciled", "namespace", r.dc.Namespace, "datacenter", r.dc.Name, "stopped", r.dc.Spec.Stopped)
	return proceed()
}

func timestamp(at time.Time) *metav1.Time {
	stamp := metav1.NewTime(at)
	return &stamp
}
