package operatorstandin

import (
	"context"
	"encoding/json"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// metadataPatch is a merge patch of labels and annotations; nil removes one.
func metadataPatch(labels, annotations map[string]any) ([]byte, error) {
	metadata := map[string]any{}
	if len(labels) > 0 {
		metadata["labels"] = labels
	}
	if len(annotations) > 0 {
		metadata["annotations"] = annotations
	}
	return json.Marshal(map[string]any{"metadata": metadata})
}

// label sets a label of a pod, in the cluster and in the snapshot; "" removes it.
func (r *round) label(ctx context.Context, pod *corev1.Pod, key, value string) error {
	labels := map[string]any{key: value}
	if value == "" {
		labels[key] = nil
	}
	if err := r.patchPod(ctx, pod, labels); err != nil {
		return err
	}
	pod.Labels = merged(pod.Labels, map[string]string{key: value})
	if value == "" {
		delete(pod.Labels, key)
	}
	return nil
}

func (r *round) patchPod(ctx context.Context, pod *corev1.Pod, labels map[string]any) error {
	patch, err := metadataPatch(labels, nil)
	if err != nil {
		return fmt.Errorf("label pod %s: %w", pod.Name, err)
	}
	if _, err := r.core.CoreV1().Pods(pod.Namespace).Patch(ctx, pod.Name, types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
		return fmt.Errorf("label pod %s: %w", pod.Name, err)
	}
	return nil
}

// podLabels keeps the labels of pods and claims. Claims that were restored under the right name get them here.
func (r *round) podLabels(ctx context.Context) (outcome, error) {
	for _, rack := range r.dc.racks() {
		set, wanted := r.set(rack), merged(r.dc.operatorLabels(), r.dc.rackLabels(rack.Name))
		for ordinal := range size(set) {
			if err := r.labelNode(ctx, podName(set.Name, ordinal), wanted); err != nil {
				return fail(err)
			}
		}
	}
	return proceed()
}

func (r *round) labelNode(ctx context.Context, name string, wanted map[string]string) error {
	labels := map[string]any{}
	for key, value := range wanted {
		labels[key] = value
	}
	if pod := r.seen.pod(r.dc, name); pod != nil && !includes(pod.Labels, wanted) {
		if err := r.patchPod(ctx, pod, labels); err != nil {
			return err
		}
		r.event(ctx, normalEvent, eventLabeledRackResource, "Update rack labels for Pod %s", name)
	}
	for _, volume := range r.dc.claimTemplates() {
		claim := r.seen.Claims[ClaimName(volume.Name, name)]
		if claim == nil || includes(claim.Labels, wanted) {
			continue
		}
		patch, err := metadataPatch(labels, nil)
		if err != nil {
			return fmt.Errorf("label claim %s: %w", claim.Name, err)
		}
		claims := r.core.CoreV1().PersistentVolumeClaims(claim.Namespace)
		if _, err := claims.Patch(ctx, claim.Name, types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
			return fmt.Errorf("label claim %s: %w", claim.Name, err)
		}
		r.event(ctx, normalEvent, eventLabeledRackResource, "Update rack labels for PersistentVolumeClaim %s", claim.Name)
	}
	return nil
}
