package kastenstandin

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/rand"
)

const snapshotGroup = "snapshot.storage.k8s.io"

func snapshotResource() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: snapshotGroup, Version: "v1", Resource: "volumesnapshots"}
}

func contentResource() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: snapshotGroup, Version: "v1", Resource: "volumesnapshotcontents"}
}

func claimResource() schema.GroupVersionResource {
	return schema.GroupVersionResource{Version: "v1", Resource: "persistentvolumeclaims"}
}

// Volume is the snapshot of one claim.
type Volume struct {
	Claim     string `json:"claim"`
	Namespace string `json:"namespace"`
	// Snapshot and Content are the VolumeSnapshot and its VolumeSnapshotContent.
	Snapshot string `json:"volumeSnapshot"`
	Content  string `json:"volumeSnapshotContent"`
	// Handle is what the storage calls the snapshot, Driver the storage.
	Handle string `json:"snapshotHandle"`
	Driver string `json:"driver"`
	Class  string `json:"volumeSnapshotClass,omitempty"`
	// Cut is when the storage cut the snapshot.
	Cut time.Time `json:"creationTime,omitzero"`
}

// snapshot creates the VolumeSnapshots of all claims, then waits for each. What it
// created is returned even with an error.
func (r *run) snapshot(ctx context.Context, claims []string) ([]Volume, error) {
	var volumes []Volume
	for _, claim := range claims {
		v := Volume{Claim: claim, Namespace: r.namespace, Snapshot: SnapshotPrefix + rand.String(10)}
		err := r.step(EventSnapshot, claim, func() error { return r.createSnapshot(ctx, v) })
		if err != nil {
			return volumes, err
		}
		volumes = append(volumes, v)
	}
	for i := range volumes {
		err := r.step(EventSnapshotReady, volumes[i].Claim, func() error { return r.awaitSnapshot(ctx, &volumes[i]) })
		if err != nil {
			return volumes, err
		}
	}
	return volumes, nil
}

func (r *run) createSnapshot(ctx context.Context, v Volume) error {
	claim, err := r.client(claimResource()).Get(ctx, v.Claim, metav1.GetOptions{})
	if err != nil {
		return err
	}
	if phase, _, _ := unstructured.NestedString(claim.Object, "status", "phase"); phase != "Bound" {
		return fmt.Errorf("persistent volume claim %s is %q, not Bound", v.Claim, phase)
	}
	spec := map[string]any{"source": map[string]any{"persistentVolumeClaimName": v.Claim}}
	if r.SnapshotClass != "" {
		spec["volumeSnapshotClassName"] = r.SnapshotClass
	}
	u := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": snapshotGroup + "/v1", "kind": "VolumeSnapshot", "spec": spec,
		"metadata": map[string]any{"name": v.Snapshot, "namespace": v.Namespace, "labels": map[string]any{SnapshotLabel: r.namespace}},
	}}
	_, err = r.client(snapshotResource()).Create(ctx, u, metav1.CreateOptions{})
	return err
}

// awaitSnapshot waits until a snapshot is ready, and lets it outlive the
// VolumeSnapshot, so that a namespace that is deleted can be restored.
func (r *run) awaitSnapshot(ctx context.Context, v *Volume) error {
	u, err := r.awaitReady(ctx, v.Snapshot)
	if err != nil {
		return err
	}
	v.Content, _, _ = unstructured.NestedString(u.Object, "status", "boundVolumeSnapshotContentName")
	v.Class, _, _ = unstructured.NestedString(u.Object, "spec", "volumeSnapshotClassName")
	if cut, found, _ := unstructured.NestedString(u.Object, "status", "creationTime"); found {
		if v.Cut, err = time.Parse(time.RFC3339, cut); err != nil {
			return err
		}
	}
	content, err := r.Dynamic.Resource(contentResource()).Get(ctx, v.Content, metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("get the content of volume snapshot %s: %w", v.Snapshot, err)
	}
	v.Handle, _, _ = unstructured.NestedString(content.Object, "status", "snapshotHandle")
	v.Driver, _, _ = unstructured.NestedString(content.Object, "spec", "driver")
	if v.Handle == "" {
		return fmt.Errorf("volume snapshot content %s has no handle", v.Content)
	}
	return r.deletionPolicy(ctx, v.Content, "Retain")
}

func (r *run) awaitReady(ctx context.Context, snapshot string) (*unstructured.Unstructured, error) {
	var latest *unstructured.Unstructured
	err := r.await(ctx, or(r.Limits.Volume, 15*time.Minute), "volume snapshot "+snapshot+" to be ready", func(ctx context.Context) (bool, error) {
		u, err := r.client(snapshotResource()).Get(ctx, snapshot, metav1.GetOptions{})
		if err != nil {
			return false, err
		}
		latest = u
		ready, _, _ := unstructured.NestedBool(u.Object, "status", "readyToUse")
		return ready, nil
	})
	if err != nil && latest != nil {
		if message, found, _ := unstructured.NestedString(latest.Object, "status", "error", "message"); found {
			err = fmt.Errorf("%w: %s", err, message)
		}
	}
	return latest, err
}

func (r *run) deletionPolicy(ctx context.Context, content, policy string) error {
	patch := []byte(`{"spec":{"deletionPolicy":"` + policy + `"}}`)
	_, err := r.Dynamic.Resource(contentResource()).Patch(ctx, content, types.MergePatchType, patch, metav1.PatchOptions{})
	if err != nil {
		return fmt.Errorf("set the deletion policy of volume snapshot content %s: %w", content, err)
	}
	return nil
}

// dropSnapshots deletes VolumeSnapshots with what the storage keeps of them. What
// is gone already is no error.
func (r *run) dropSnapshots(ctx context.Context, volumes []Volume) error {
	var problems []error
	for _, v := range volumes {
		problems = append(problems, r.step(EventDropSnapshot, v.Claim, func() error { return r.dropSnapshot(ctx, v) }))
	}
	return errors.Join(problems...)
}

func (r *run) dropSnapshot(ctx context.Context, v Volume) error {
	if v.Content != "" {
		if err := r.deletionPolicy(ctx, v.Content, "Delete"); err != nil && !apierrors.IsNotFound(err) {
			return err
		}
	}
	err := r.Dynamic.Resource(snapshotResource()).Namespace(v.Namespace).Delete(ctx, v.Snapshot, metav1.DeleteOptions{})
	if apierrors.IsNotFound(err) && v.Content != "" {
		err = r.Dynamic.Resource(contentResource()).Delete(ctx, v.Content, metav1.DeleteOptions{})
	}
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
