package operatorstandin

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// startPods brings up every node of the datacenter, in the real operator's order (CheckPodsReady): readiness, stuck pods,
// seeds, nodes known from before all together, and else one node after the other in the whole cluster, the first of each rack first.
func (r *round) startPods(ctx context.Context) (outcome, error) {
	if r.dc.Spec.Stopped {
		return proceed()
	}
	if err := r.followReadiness(ctx); err != nil {
		return fail(err)
	}
	if deleted, err := r.deleteStuck(ctx); deleted != "" || err != nil {
		return outcome{end: true, waitFor: "pod " + deleted + " again"}, err
	}
	seeds, err := r.labelSeeds(ctx)
	if err != nil {
		return fail(err)
	}
	for _, part := range []func(context.Context, int) (string, error){r.startKnown, r.awaitStarting, r.startFirst, r.health, r.startRest} {
		if waitFor, err := part(ctx, seeds); waitFor != "" || err != nil {
			return outcome{end: true, waitFor: waitFor}, err
		}
	}
	return r.allStarted()
}

// followReadiness moves the labels with the readiness of the container.
func (r *round) followReadiness(ctx context.Context) error {
	for _, pod := range r.seen.datacenter(r.dc) {
		wanted := state(pod)
		switch {
		case wanted == started && !ready(pod):
			wanted = startedNotReady
		case (wanted == startedNotReady || wanted == starting) && ready(pod):
			wanted = started
		}
		if wanted == state(pod) {
			continue
		}
		before := state(pod)
		if err := r.label(ctx, pod, stateLabel, wanted); err != nil {
			return err
		}
		if before == starting {
			r.event(ctx, normalEvent, eventStartedCassandra, "Started Cassandra for pod %s", pod.Name)
			r.status.FailedStarts = slices.DeleteFunc(r.status.FailedStarts, func(failed string) bool { return failed == pod.Name })
		}
	}
	return nil
}

// deleteStuck deletes one pod that will not get ready by itself: its container ended after it was asked to start, or a started
// node has been without readiness for too long.
func (r *round) deleteStuck(ctx context.Context) (string, error) {
	for _, pod := range r.seen.datacenter(r.dc) {
		reason := ""
		switch {
		case pod.DeletionTimestamp != nil || ready(pod) || state(pod) == readyToStart:
		case terminatedBefore(pod):
			reason = "its Cassandra container terminated"
		case state(pod) == startedNotReady && unreadyFor(pod, r.now(), r.waits.NotReady):
			reason = "it lost its readiness"
		}
		if reason == "" {
			continue
		}
		r.event(ctx, warningEvent, eventDeletingStuckPod, "Pod %s got stuck after %s", pod.Name, reason)
		return pod.Name, r.deletePod(ctx, pod)
	}
	return "", nil
}

func (r *round) deletePod(ctx context.Context, pod *corev1.Pod) error {
	uid := metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &pod.UID}}
	if err := r.core.CoreV1().Pods(pod.Namespace).Delete(ctx, pod.Name, uid); err != nil {
		return fmt.Errorf("delete pod %s: %w", pod.Name, err)
	}
	return nil
}

// labelSeeds labels the first ready pods of each rack as seeds, tells the started nodes when that changed, and returns how
// many ready seeds the datacenter has. A starting pod keeps its label.
func (r *round) labelSeeds(ctx context.Context) (int, error) {
	count, changed := 0, false
	for i, rack := range r.dc.racks() {
		left := r.dc.seeds()[i]
		for _, pod := range r.seen.labelled(r.dc.rackLabels(rack.Name)) {
			has, should := pod.Labels[seedLabel] == "true", ready(pod) && left > 0
			value, reason := "true", eventLabeledPodAsSeed
			if should {
				left--
				count++
			} else {
				value, reason = "", eventUnlabeledPodAsSeed
			}
			if has == should || !should && state(pod) == starting {
				continue
			}
			if err := r.label(ctx, pod, seedLabel, value); err != nil {
				return 0, err
			}
			r.event(ctx, normalEvent, reason, "Seed label of pod %s: %q", pod.Name, value)
			changed = true
		}
	}
	if changed {
		r.reloadSeeds(ctx)
	}
	return count, nil
}

// reloadSeeds is best effort: a node that cannot be told reads its seeds at its next start.
func (r *round) reloadSeeds(ctx context.Context) {
	for _, pod := range r.seen.cluster(r.dc) {
		if state(pod) != started || !ready(pod) {
			continue
		}
		if _, err := r.call(ctx, pod, http.MethodPost, pathSeeds, nil); err != nil {
			r.log.Warn("reload seeds", "pod", pod.Name, "error", err)
		}
	}
}

// startKnown is the fast path: with a ready seed, all nodes that have been in the ring start together.
func (r *round) startKnown(ctx context.Context, seeds int) (string, error) {
	if seeds == 0 || r.dc.Annotations[parallelAnnotation] == "false" {
		return "", nil
	}
	waitFor := ""
	for _, pod := range r.seen.datacenter(r.dc) {
		if _, known := r.status.NodeStatuses[pod.Name]; !known {
			continue
		}
		unready, err := r.startNode(ctx, pod, false)
		if err != nil {
			return "", err
		}
		if unready {
			waitFor = "nodes of the ring that start together, " + pod.Name + " among them"
		}
	}
	return waitFor, nil
}

// awaitStarting lets no node start while another one of the cluster does. A start that this process did not send is sent again,
// since the process that labelled the pod may have ended before it sent it.
func (r *round) awaitStarting(ctx context.Context, _ int) (string, error) {
	for _, pod := range r.seen.cluster(r.dc) {
		if state(pod) != starting {
			continue
		}
		ours := includes(pod.Labels, r.dc.datacenterLabels())
		if ours && !r.memory.sent[pod.UID] && reachable(pod, r.now(), r.waits.ManagementAPI) {
			r.send(ctx, pod)
		}
		return "the start of pod " + pod.Name, nil
	}
	return "", nil
}

// startFirst starts the pod of the highest ordinal of each rack. The very first one is labelled as seed before.
func (r *round) startFirst(ctx context.Context, seeds int) (string, error) {
	asSeed := seeds == 0 && len(r.dc.Spec.AdditionalSeeds) == 0
	for _, rack := range r.dc.racks() {
		if set := r.set(rack); size(set) > 0 {
			name := podName(set.Name, size(set)-1)
			if unready, err := r.startNamed(ctx, name, asSeed); unready || err != nil {
				return "the first node of rack " + rack.Name + ", pod " + name, err
			}
		}
	}
	return "", nil
}

// startRest starts the others one after the other, rack by rack, in descending order.
func (r *round) startRest(ctx context.Context, _ int) (string, error) {
	for back := int32(1); ; back++ {
		more := false
		for _, rack := range r.dc.racks() {
			set := r.set(rack)
			if size(set) < back {
				continue
			}
			more = true
			name := podName(set.Name, size(set)-back)
			if unready, err := r.startNamed(ctx, name, false); unready || err != nil {
				return "pod " + name, err
			}
		}
		if !more {
			return "", nil
		}
	}
}

func (r *round) startNamed(ctx context.Context, name string, asSeed bool) (bool, error) {
	pod := r.seen.pod(r.dc, name)
	if pod == nil {
		return true, nil
	}
	return r.startNode(ctx, pod, asSeed)
}

// startNode says whether the node is not ready yet, and starts it when it may be started.
func (r *round) startNode(ctx context.Context, pod *corev1.Pod, asSeed bool) (bool, error) {
	if ready(pod) {
		return false, nil
	}
	if state(pod) != readyToStart || pod.DeletionTimestamp != nil || !reachable(pod, r.now(), r.waits.ManagementAPI) {
		return true, nil
	}
	if asSeed {
		if err := r.label(ctx, pod, seedLabel, "true"); err != nil {
			return true, err
		}
		r.event(ctx, normalEvent, eventLabeledPodAsSeed, "Labeled pod a seed node %s", pod.Name)
	}
	r.event(ctx, normalEvent, eventStartingCassandra, "Starting Cassandra for pod %s", pod.Name)
	if err := r.label(ctx, pod, stateLabel, starting); err != nil {
		return true, err
	}
	now := metav1.NewTime(r.now())
	r.status.LastNodeStarted = &now
	r.send(ctx, pod)
	return true, nil
}

// send asks a pod to start Cassandra, beside the loop. A pod that cannot is deleted, so that a new one tries again.
func (r *round) send(ctx context.Context, pod *corev1.Pod) {
	r.memory.sent[pod.UID] = true
	pod = pod.DeepCopy()
	r.spawn(func() {
		// The round ends before the start does: its context must not end the start, and the call has a limit of its own.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.waits.Start+r.waits.Request)
		defer cancel()
		_, err := r.call(ctx, pod, http.MethodPost, pathStart, nil)
		if err == nil {
			return
		}
		r.log.Warn("start Cassandra", "pod", pod.Name, "error", err)
		r.event(ctx, warningEvent, eventStartingCassandra, "Failed to start pod %s, deleting it", pod.Name)
		r.failures.add(r.dc.UID, pod.Name)
		if err := r.deletePod(ctx, pod); err != nil {
			r.log.Warn("delete pod that did not start", "pod", pod.Name, "error", err)
		}
	})
}

// health probes LOCAL_QUORUM at every started node of the cluster before more nodes are started.
func (r *round) health(ctx context.Context, _ int) (string, error) {
	query := url.Values{"consistency_level": {"LOCAL_QUORUM"}, "rf_per_dc": {strconv.Itoa(len(r.dc.racks()))}}
	for _, pod := range r.seen.cluster(r.dc) {
		if state(pod) != started {
			continue
		}
		if _, err := r.call(ctx, pod, http.MethodGet, pathProbe, query); err != nil {
			if r.status.is(conditionHealthy) || r.status.condition(conditionHealthy) == nil {
				r.event(ctx, warningEvent, eventUnhealthyDatacenter, "Pod %s failed the LOCAL_QUORUM check", pod.Name)
			}
			r.condition(conditionHealthy, false)
			return "LOCAL_QUORUM at pod " + pod.Name, nil
		}
	}
	r.condition(conditionHealthy, true)
	return "", nil
}

func (r *round) allStarted() (outcome, error) {
	up := int32(0)
	for _, pod := range r.seen.datacenter(r.dc) {
		if ready(pod) && wasStarted(pod) {
			up++
		}
	}
	if up < r.dc.Spec.Size {
		return wait("%d of %d started and ready nodes", up, r.dc.Spec.Size)
	}
	return proceed()
}

// quietUntil begins a quiet period, or does nothing when it would be over already.
func (r *round) quietUntil(end time.Time) {
	if end.After(r.now()) {
		until := metav1.NewTime(end)
		r.status.QuietPeriod = &until
	}
}
