package operatorstandin

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// deletion is the finalizer's work: no replicas, no claims, then the datacenter may go. What has the datacenter as owner goes by
// itself; the superuser's secret stays.
func (r *round) deletion(ctx context.Context) (outcome, error) {
	if r.dc.DeletionTimestamp == nil {
		return proceed()
	}
	if !slices.Contains(r.dc.Finalizers, finalizer) {
		return wait("other finalizers")
	}
	if r.status.Progress != progressUpdating {
		r.status.Progress = progressUpdating
		if err := r.saveStatus(ctx); err != nil {
			return fail(err)
		}
	}
	for _, rack := range r.dc.racks() {
		if set := r.set(rack); set != nil && size(set) > 0 {
			if err := r.resize(ctx, set, 0); err != nil {
				return fail(err)
			}
		}
	}
	if err := r.unwatchSecrets(ctx); err != nil {
		return fail(err)
	}
	if waitFor, err := r.deleteClaims(ctx); waitFor != "" || err != nil {
		return outcome{end: true, waitFor: waitFor}, err
	}
	if err := r.setFinalizers(ctx, nil); err != nil {
		return fail(err)
	}
	r.gone = true
	return outcome{end: true}, nil
}

// deleteClaims deletes every claim with the datacenter's labels, also those that other programs made or restored, once no pod
// of any kind refers to one of them.
func (r *round) deleteClaims(ctx context.Context) (string, error) {
	if r.dc.Annotations[deleteClaimsAnnotation] == "false" {
		return "", nil
	}
	claims := r.seen.owned(r.dc)
	for _, pod := range r.seen.Pods {
		for _, volume := range pod.Spec.Volumes {
			for _, claim := range claims {
				if volume.PersistentVolumeClaim != nil && volume.PersistentVolumeClaim.ClaimName == claim.Name {
					return fmt.Sprintf("the end of pod %s, which uses claim %s", pod.Name, claim.Name), nil
				}
			}
		}
	}
	for _, claim := range claims {
		err := r.core.CoreV1().PersistentVolumeClaims(claim.Namespace).Delete(ctx, claim.Name, metav1.DeleteOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			return "", fmt.Errorf("delete claim %s: %w", claim.Name, err)
		}
		r.event(ctx, normalEvent, eventDeletedClaim, "Deleted claim %s", claim.Name)
	}
	return "", nil
}

func (r *round) addFinalizer(ctx context.Context) (outcome, error) {
	if _, without := r.dc.Annotations[noFinalizerAnnotation]; without || slices.Contains(r.dc.Finalizers, finalizer) {
		return proceed()
	}
	if err := r.setFinalizers(ctx, append(slices.Clone(r.dc.Finalizers), finalizer)); err != nil {
		return fail(err)
	}
	return proceed()
}

// setFinalizers fails with a conflict when the datacenter changed since it was read.
func (r *round) setFinalizers(ctx context.Context, names []string) error {
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"finalizers": names, "resourceVersion": r.resourceVersion()}})
	if err != nil {
		return fmt.Errorf("write finalizers: %w", err)
	}
	updated, err := r.custom.Resource(Resource()).Namespace(r.dc.Namespace).
		Patch(ctx, r.dc.Name, types.MergePatchType, patch, metav1.PatchOptions{})
	if err != nil {
		return fmt.Errorf("write finalizers: %w", err)
	}
	r.dc.Finalizers, r.dc.ResourceVersion = names, updated.GetResourceVersion()
	return nil
}

// resourceVersion is that of the last write, or of the read; nil where there is none, as in fakes.
func (r *round) resourceVersion() any {
	if r.dc.ResourceVersion == "" {
		return nil
	}
	return r.dc.ResourceVersion
}
