package kastenstandin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/rand"
)

// helper is a VolumeSnapshot with its VolumeSnapshotContent that leads from the
// target namespace to a snapshot of the storage.
type helper struct{ snapshot, content, claim string }

// restoreVolumes deletes the workloads that will be restored, since they use the
// claims, then replaces every claim by one made from its snapshot. Claims that an
// earlier attempt has restored stay, and so do the workloads then.
func (s *restore) restoreVolumes(ctx context.Context) error {
	claims := slices.DeleteFunc(slices.Clone(s.objects), func(o object) bool { return !o.isClaim() || s.restored[o.ID] })
	if len(claims) == 0 {
		return nil
	}
	for _, o := range s.objects {
		if !o.isWorkload() {
			continue
		}
		_, err := s.clientOf(o.ID).Get(ctx, o.Name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			continue
		}
		if err == nil {
			err = s.dropWorkload(ctx, o.ID)
		}
		if err != nil {
			return fmt.Errorf("stop %s: %w", o.ID, err)
		}
	}
	for _, claim := range claims {
		if err := s.restoreClaim(ctx, claim); err != nil {
			return err
		}
		s.restored[claim.ID] = true
	}
	return nil
}

func (s *restore) restoreClaim(ctx context.Context, claim object) error {
	volume := s.point.volumeOf(claim.Name)
	_, err := s.clientOf(claim.ID).Get(ctx, claim.Name, metav1.GetOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("get %s: %w", claim.ID, err)
	}
	exists := err == nil
	if exists && volume == nil {
		s.note(EventKeep, claim.ID.String(), "the restore point has no snapshot of it")
		return nil
	}
	if exists {
		if err := s.step(EventDropClaim, claim.Name, func() error { return s.dropClaim(ctx, claim.ID) }); err != nil {
			return err
		}
	}
	return s.step(EventClaim, claim.Name, func() error {
		u := s.cleanClaim(claim)
		if volume != nil {
			snapshot, err := s.sourceOf(ctx, volume)
			if err != nil {
				return err
			}
			source := map[string]any{"apiGroup": snapshotGroup, "kind": "VolumeSnapshot", "name": snapshot}
			if err := unstructured.SetNestedMap(u.Object, source, "spec", "dataSource"); err != nil {
				return err
			}
		}
		_, err := s.clientOf(claim.ID).Create(ctx, u, metav1.CreateOptions{})
		return err
	})
}

// dropClaim deletes a claim; while a pod uses it, it stays.
func (s *restore) dropClaim(ctx context.Context, id ID) error {
	if err := s.clientOf(id).Delete(ctx, id.Name, metav1.DeleteOptions{}); err != nil {
		return err
	}
	err := s.awaitGone(ctx, id)
	if err == nil {
		return nil
	}
	pods, listErr := s.client(corev1.SchemeGroupVersion.WithResource("pods")).List(ctx, metav1.ListOptions{})
	if listErr != nil {
		return errors.Join(err, listErr)
	}
	for i := range pods.Items {
		if slices.Contains(podClaims(newObject(corev1.SchemeGroupVersion.WithResource("pods"), &pods.Items[i])), id.Name) {
			err = fmt.Errorf("%w; pod %s uses it", err, pods.Items[i].GetName())
		}
	}
	return err
}

// cleanClaim is a claim without its volume.
func (s *restore) cleanClaim(claim object) *unstructured.Unstructured {
	u := s.clean(claim)
	for _, fields := range [][]string{{"spec", "volumeName"}, {"spec", "dataSource"}, {"spec", "dataSourceRef"}, {"metadata", "finalizers"}, {"status"}} {
		unstructured.RemoveNestedField(u.Object, fields...)
	}
	annotations := u.GetAnnotations()
	for key := range annotations {
		if strings.HasPrefix(key, "pv.kubernetes.io/") || strings.HasPrefix(key, "volume.kubernetes.io/") || strings.HasPrefix(key, "volume.beta.kubernetes.io/") {
			delete(annotations, key)
		}
	}
	u.SetAnnotations(annotations)
	return u
}

// sourceOf is the name of a VolumeSnapshot in the target namespace: the one of the
// backup when it is there, else one made for this restore, which shares the
// storage's snapshot and leaves it alone when deleted.
func (s *restore) sourceOf(ctx context.Context, v *Volume) (string, error) {
	if v.Namespace == s.namespace {
		_, err := s.client(snapshotResource()).Get(ctx, v.Snapshot, metav1.GetOptions{})
		if err == nil {
			return v.Snapshot, nil
		}
		if !apierrors.IsNotFound(err) {
			return "", fmt.Errorf("get volume snapshot %s: %w", v.Snapshot, err)
		}
	}
	name := SnapshotPrefix + rand.String(10)
	h := helper{snapshot: name, content: name + "-content", claim: v.Claim}
	s.helpers = append(s.helpers, h)
	return name, s.createHelper(ctx, h, v)
}

func (s *restore) createHelper(ctx context.Context, h helper, v *Volume) error {
	labels := map[string]any{SnapshotLabel: s.namespace}
	spec := map[string]any{
		"deletionPolicy": "Retain", "driver": v.Driver, "source": map[string]any{"snapshotHandle": v.Handle},
		"volumeSnapshotRef": map[string]any{"name": h.snapshot, "namespace": s.namespace},
	}
	snapshotSpec := map[string]any{"source": map[string]any{"volumeSnapshotContentName": h.content}}
	if v.Class != "" {
		spec["volumeSnapshotClassName"], snapshotSpec["volumeSnapshotClassName"] = v.Class, v.Class
	}
	content := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": snapshotGroup + "/v1", "kind": "VolumeSnapshotContent", "spec": spec,
		"metadata": map[string]any{"name": h.content, "labels": labels},
	}}
	if _, err := s.Dynamic.Resource(contentResource()).Create(ctx, content, metav1.CreateOptions{}); err != nil {
		return fmt.Errorf("create volume snapshot content %s: %w", h.content, err)
	}
	snapshot := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": snapshotGroup + "/v1", "kind": "VolumeSnapshot", "spec": snapshotSpec,
		"metadata": map[string]any{"name": h.snapshot, "namespace": s.namespace, "labels": labels},
	}}
	if _, err := s.client(snapshotResource()).Create(ctx, snapshot, metav1.CreateOptions{}); err != nil {
		return fmt.Errorf("create volume snapshot %s: %w", h.snapshot, err)
	}
	_, err := s.awaitReady(ctx, h.snapshot)
	return err
}

// dropHelpers removes what was made for this restore, but for claims that still
// wait for their volume: those need it until a pod uses them.
func (s *restore) dropHelpers(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanUp)
	defer cancel()
	var problems []error
	for _, h := range s.helpers {
		claim, err := s.client(claimResource()).Get(ctx, h.claim, metav1.GetOptions{})
		if err == nil {
			if phase, _, _ := unstructured.NestedString(claim.Object, "status", "phase"); phase != "Bound" {
				s.note(EventKeep, "volumesnapshots/"+h.snapshot, "persistent volume claim "+h.claim+" has no volume yet")
				continue
			}
		} else if !apierrors.IsNotFound(err) {
			problems = append(problems, err)
			continue
		}
		problems = append(problems, s.dropHelper(ctx, h))
	}
	return errors.Join(problems...)
}

func (s *restore) dropHelper(ctx context.Context, h helper) error {
	for _, err := range []error{
		s.client(snapshotResource()).Delete(ctx, h.snapshot, metav1.DeleteOptions{}),
		s.Dynamic.Resource(contentResource()).Delete(ctx, h.content, metav1.DeleteOptions{}),
	} {
		if err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("delete what the restore of %s needed: %w", h.claim, err)
		}
	}
	return nil
}
