package operatorstandin

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// statefulSet is the wanted one of a rack. Kubernetes does not delete its claims, and neither does the operator until the
// datacenter goes.
func (d *Datacenter) statefulSet(rack Rack, replicas int32, image string) (*appsv1.StatefulSet, error) {
	template, err := d.podTemplate(rack, image)
	if err != nil {
		return nil, err
	}
	minReady := int32(5)
	if d.Spec.MinReadySeconds != nil {
		minReady = *d.Spec.MinReadySeconds
	}
	labels := merged(d.operatorLabels(), d.rackLabels(rack.Name))
	var claims []corev1.PersistentVolumeClaim
	for _, volume := range d.claimTemplates() {
		claims = append(claims, corev1.PersistentVolumeClaim{
			ObjectMeta: metav1.ObjectMeta{Name: volume.Name, Labels: maps.Clone(labels), Annotations: maps.Clone(d.Spec.AdditionalAnnotations)},
			Spec:       *volume.PVCSpec.DeepCopy(),
		})
	}
	set := &appsv1.StatefulSet{
		ObjectMeta: metav1.ObjectMeta{
			Name: d.StatefulSetName(rack.Name), Namespace: d.Namespace, OwnerReferences: d.owner(),
			Labels: labels, Annotations: merged(d.Spec.AdditionalAnnotations),
		},
		Spec: appsv1.StatefulSetSpec{
			Replicas:             &replicas,
			Selector:             &metav1.LabelSelector{MatchLabels: d.rackLabels(rack.Name)},
			ServiceName:          d.AllPodsServiceName(),
			PodManagementPolicy:  appsv1.ParallelPodManagement,
			UpdateStrategy:       appsv1.StatefulSetUpdateStrategy{Type: appsv1.RollingUpdateStatefulSetStrategyType},
			MinReadySeconds:      minReady,
			Template:             *template,
			VolumeClaimTemplates: claims,
		},
	}
	set.Annotations[hashAnnotation], err = templateSum(set)
	return set, err
}

// templateSum is of what can change in a StatefulSet: its pod template and minReadySeconds.
func templateSum(set *appsv1.StatefulSet) (string, error) {
	text, err := json.Marshal([]any{set.Spec.Template, set.Spec.MinReadySeconds})
	if err != nil {
		return "", fmt.Errorf("sum pod template: %w", err)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:]), nil
}

// set is the rack's StatefulSet as it is, nil when there is none.
func (r *round) set(rack Rack) *appsv1.StatefulSet {
	return r.seen.StatefulSets[r.dc.StatefulSetName(rack.Name)]
}

// createRacks makes the StatefulSets that are missing, all in one round. Those of a datacenter that is created stopped have no
// replicas, and it is Stopped at once.
func (r *round) createRacks(ctx context.Context) (outcome, error) {
	created := false
	for i, rack := range r.dc.racks() {
		if r.set(rack) != nil {
			continue
		}
		set, err := r.dc.statefulSet(rack, r.dc.replicas()[i], r.image)
		if err != nil {
			return fail(err)
		}
		r.status.Progress = progressUpdating
		if _, err := r.core.AppsV1().StatefulSets(r.dc.Namespace).Create(ctx, set, metav1.CreateOptions{}); err != nil {
			return fail(fmt.Errorf("create stateful set %s: %w", set.Name, err))
		}
		r.event(ctx, normalEvent, eventCreatedResource, "Created statefulset %s", set.Name)
		created = true
	}
	if !created {
		return proceed()
	}
	if r.dc.Spec.Stopped {
		r.condition(conditionStopped, true)
	}
	return wait("the pods of new racks")
}

// caughtUp waits until the StatefulSets' controller has seen what was asked of it, and deletes pods that wait for a claim
// that does not exist: the controller would not make it for a pod that is there (kubernetes/kubernetes#74374).
func (r *round) caughtUp(ctx context.Context) (outcome, error) {
	for _, rack := range r.dc.racks() {
		set := r.set(rack)
		if set == nil {
			continue
		}
		if set.Generation != set.Status.ObservedGeneration {
			return wait("the controller of stateful set %s", set.Name)
		}
		for ordinal := range set.Status.Replicas {
			if name := podName(set.Name, ordinal); r.seen.pod(r.dc, name) == nil {
				return wait("pod %s", name)
			}
		}
	}
	for _, pod := range r.seen.datacenter(r.dc) {
		if pod.Status.Phase == corev1.PodPending && pod.DeletionTimestamp == nil && r.seen.Claims[ClaimName(dataVolume, pod.Name)] == nil {
			r.event(ctx, warningEvent, eventDeletingStuckPod, "Pod %s waits for a PersistentVolumeClaim that does not exist", pod.Name)
			if err := r.deletePod(ctx, pod); err != nil {
				return fail(err)
			}
			return wait("pod %s again", pod.Name)
		}
	}
	return proceed()
}

// rackLabels keeps the labels of StatefulSets.
func (r *round) rackLabels(ctx context.Context) (outcome, error) {
	for _, rack := range r.dc.racks() {
		set, wanted := r.set(rack), merged(r.dc.operatorLabels(), r.dc.rackLabels(rack.Name))
		if includes(set.Labels, wanted) {
			continue
		}
		set = set.DeepCopy()
		set.Labels = merged(set.Labels, wanted)
		if err := r.update(ctx, set); err != nil {
			return fail(err)
		}
		r.event(ctx, normalEvent, eventLabeledRackResource, "Update rack labels for StatefulSet %s", set.Name)
	}
	return proceed()
}

// update writes a StatefulSet and puts the answer into the snapshot.
func (r *round) update(ctx context.Context, set *appsv1.StatefulSet) error {
	updated, err := r.core.AppsV1().StatefulSets(r.dc.Namespace).Update(ctx, set, metav1.UpdateOptions{})
	if err != nil {
		return fmt.Errorf("update stateful set %s: %w", set.Name, err)
	}
	r.seen.StatefulSets[set.Name] = updated
	return nil
}

// resize sets the replicas of a rack.
func (r *round) resize(ctx context.Context, set *appsv1.StatefulSet, replicas int32) error {
	r.status.Progress = progressUpdating
	set = set.DeepCopy()
	set.Spec.Replicas = &replicas
	return r.update(ctx, set)
}

func size(set *appsv1.StatefulSet) int32 {
	if set.Spec.Replicas == nil {
		return 1
	}
	return *set.Spec.Replicas
}

// scale grows racks: resuming when the datacenter was stopped, scaling up when it was ready. It never makes a rack smaller.
func (r *round) scale(ctx context.Context) (outcome, error) {
	for i, rack := range r.dc.racks() {
		set, wanted := r.set(rack), r.dc.replicas()[i]
		if size(set) > wanted && !r.dc.Spec.Stopped {
			return fail(fmt.Errorf("rack %s has %d nodes and should have %d: this stand-in does not decommission", rack.Name, size(set), wanted))
		}
		if size(set) >= wanted {
			continue
		}
		switch {
		case r.status.is(conditionStopped):
			r.condition(conditionStopped, false)
			r.condition(conditionResuming, true)
		case r.status.is(conditionReady):
			r.condition(conditionScalingUp, true)
		}
		r.event(ctx, normalEvent, eventScalingUpRack, "Scaling up rack %s", rack.Name)
		if err := r.resize(ctx, set, wanted); err != nil {
			return fail(err)
		}
	}
	return proceed()
}

// podTemplates brings the racks to the wanted pod template, one rack after the other; a stopped datacenter too.
func (r *round) podTemplates(ctx context.Context) (outcome, error) {
	for i, rack := range r.dc.racks() {
		wanted, err := r.dc.statefulSet(rack, r.dc.replicas()[i], r.image)
		if err != nil {
			return fail(err)
		}
		set := r.set(rack)
		if set.Annotations[hashAnnotation] == wanted.Annotations[hashAnnotation] {
			if status := set.Status; status.UpdatedReplicas < status.Replicas && status.UpdateRevision != status.CurrentRevision {
				return wait("the rolling update of rack %s", rack.Name)
			}
			continue
		}
		r.condition(conditionUpdating, true)
		r.status.Progress = progressUpdating
		r.event(ctx, normalEvent, eventUpdatingRack, "Updating rack %s", rack.Name)
		set = set.DeepCopy()
		set.Annotations = merged(set.Annotations, wanted.Annotations)
		set.Spec.Template, set.Spec.MinReadySeconds = wanted.Spec.Template, wanted.Spec.MinReadySeconds
		if err := r.update(ctx, set); err != nil {
			return fail(err)
		}
		r.quietUntil(r.now().Add(r.waits.Quiet))
		return wait("the rolling update of rack %s", rack.Name)
	}
	return proceed()
}
