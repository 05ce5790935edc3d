package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/container-storage-interface/spec/lib/go/csi"
	snapshotapi "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"
	core "k8s.io/api/core/v1"
	storage "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// What Kubernetes and provisioners write on claims and volumes.
const (
	// The volume controller writes it once a claim may be provisioned: at once, or when the scheduler has chosen a node.
	annProvisioner     = "volume.kubernetes.io/storage-provisioner"
	annBetaProvisioner = "volume.beta.kubernetes.io/storage-provisioner"
	// The scheduler writes the chosen node.
	annSelectedNode = "volume.kubernetes.io/selected-node"
	// The provisioner writes its name on its volumes; only those it deletes.
	annProvisionedBy = "pv.kubernetes.io/provisioned-by"
	labelHostname    = "kubernetes.io/hostname"
)

// waits says whether a claim is to be provisioned by the driver on this node, now.
func waits(claim *core.PersistentVolumeClaim, node string) bool {
	ours := claim.Annotations[annProvisioner] == driverName || claim.Annotations[annBetaProvisioner] == driverName
	chosen := claim.Annotations[annSelectedNode]
	return ours && (chosen == "" || chosen == node) &&
		claim.Status.Phase == core.ClaimPending && claim.Spec.VolumeName == "" &&
		claim.DeletionTimestamp == nil && claim.Spec.StorageClassName != nil
}

// released says whether a volume is one that the driver made and that may be deleted with its content.
func released(pv *core.PersistentVolume) bool {
	return pv.Spec.CSI != nil && pv.Spec.CSI.Driver == driverName && pv.Annotations[annProvisionedBy] == driverName &&
		pv.Status.Phase == core.VolumeReleased && pv.DeletionTimestamp == nil &&
		pv.Spec.PersistentVolumeReclaimPolicy == core.PersistentVolumeReclaimDelete
}

func volumeName(claim *core.PersistentVolumeClaim) string { return "pvc-" + string(claim.UID) }

func capabilities(claim *core.PersistentVolumeClaim, class *storage.StorageClass) []*csi.VolumeCapability {
	c := &csi.VolumeCapability{
		AccessMode: &csi.VolumeCapability_AccessMode{Mode: csi.VolumeCapability_AccessMode_SINGLE_NODE_WRITER},
		AccessType: &csi.VolumeCapability_Mount{Mount: &csi.VolumeCapability_MountVolume{MountFlags: class.MountOptions}},
	}
	if mode := claim.Spec.VolumeMode; mode != nil && *mode == core.PersistentVolumeBlock {
		c.AccessType = &csi.VolumeCapability_Block{Block: &csi.VolumeCapability_BlockVolume{}}
	}
	return []*csi.VolumeCapability{c}
}

// newVolume is the object that binds a volume to its claim, on this node.
func newVolume(claim *core.PersistentVolumeClaim, class *storage.StorageClass, v *csi.Volume, node string) *core.PersistentVolume {
	policy := core.PersistentVolumeReclaimDelete
	if class.ReclaimPolicy != nil {
		policy = *class.ReclaimPolicy
	}
	mode := core.PersistentVolumeFilesystem
	here := core.NodeSelectorRequirement{Key: labelHostname, Operator: core.NodeSelectorOpIn, Values: []string{node}}
	return &core.PersistentVolume{
		ObjectMeta: meta.ObjectMeta{Name: volumeName(claim), Annotations: map[string]string{annProvisionedBy: driverName}},
		Spec: core.PersistentVolumeSpec{
			Capacity:                      core.ResourceList{core.ResourceStorage: *resource.NewQuantity(v.GetCapacityBytes(), resource.BinarySI)},
			AccessModes:                   claim.Spec.AccessModes,
			PersistentVolumeReclaimPolicy: policy,
			StorageClassName:              class.Name,
			VolumeMode:                    &mode,
			ClaimRef: &core.ObjectReference{
				Kind: "PersistentVolumeClaim", APIVersion: "v1",
				Namespace: claim.Namespace, Name: claim.Name, UID: claim.UID, ResourceVersion: claim.ResourceVersion,
			},
			PersistentVolumeSource: core.PersistentVolumeSource{
				CSI: &core.CSIPersistentVolumeSource{Driver: driverName, VolumeHandle: v.GetVolumeId()},
			},
			NodeAffinity: &core.VolumeNodeAffinity{Required: &core.NodeSelector{NodeSelectorTerms: []core.NodeSelectorTerm{
				{MatchExpressions: []core.NodeSelectorRequirement{here}},
			}}},
		},
	}
}

// source is what the claim's volume is to be a copy of; nil is nothing. An unknown source is an error, never an empty volume.
func (p *provisioner) source(ctx context.Context, claim *core.PersistentVolumeClaim) (*csi.VolumeContentSource, error) {
	kind, group, name, err := reference(claim)
	if err != nil || name == "" {
		return nil, err
	}
	switch {
	case kind == "VolumeSnapshot" && group == snapshotapi.GroupName:
		return p.snapshotSource(ctx, claim, name)
	case kind == "PersistentVolumeClaim" && group == "":
		return p.claimSource(ctx, claim, name)
	}
	return nil, fmt.Errorf("data source %s %s is not supported", kind, group)
}

// reference reads dataSourceRef, and dataSource where there is no other. The API server keeps both the same for sources it knows.
func reference(claim *core.PersistentVolumeClaim) (kind, group, name string, err error) {
	var apiGroup *string
	switch ref, old := claim.Spec.DataSourceRef, claim.Spec.DataSource; {
	case ref != nil:
		if ref.Namespace != nil && *ref.Namespace != claim.Namespace {
			return "", "", "", errors.New("a data source in another namespace is not supported")
		}
		kind, name, apiGroup = ref.Kind, ref.Name, ref.APIGroup
	case old != nil:
		kind, name, apiGroup = old.Kind, old.Name, old.APIGroup
	}
	if apiGroup != nil {
		group = *apiGroup
	}
	return kind, group, name, nil
}

func (p *provisioner) snapshotSource(ctx context.Context, claim *core.PersistentVolumeClaim, name string) (*csi.VolumeContentSource, error) {
	s, err := p.snapshots.SnapshotV1().VolumeSnapshots(claim.Namespace).Get(ctx, name, meta.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("get snapshot: %w", err)
	}
	if s.Status == nil || s.Status.ReadyToUse == nil || !*s.Status.ReadyToUse || s.Status.BoundVolumeSnapshotContentName == nil {
		return nil, fmt.Errorf("snapshot %s is not ready", name)
	}
	size := claim.Spec.Resources.Requests[core.ResourceStorage]
	if least := s.Status.RestoreSize; least != nil && size.Cmp(*least) < 0 {
		return nil, fmt.Errorf("requested size %s is less than the size %s of the source snapshot", size.String(), least.String())
	}
	content, err := p.snapshots.SnapshotV1().VolumeSnapshotContents().Get(ctx, *s.Status.BoundVolumeSnapshotContentName, meta.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("get snapshot content: %w", err)
	}
	if back := content.Spec.VolumeSnapshotRef; back.UID != s.UID || back.Namespace != s.Namespace || back.Name != s.Name {
		return nil, fmt.Errorf("snapshot content %s is of another snapshot", content.Name)
	}
	if content.Spec.Driver != driverName || content.Status == nil || content.Status.SnapshotHandle == nil {
		return nil, fmt.Errorf("snapshot content %s is of another driver or has no handle", content.Name)
	}
	return &csi.VolumeContentSource{Type: &csi.VolumeContentSource_Snapshot{
		Snapshot: &csi.VolumeContentSource_SnapshotSource{SnapshotId: *content.Status.SnapshotHandle},
	}}, nil
}

func (p *provisioner) claimSource(ctx context.Context, claim *core.PersistentVolumeClaim, name string) (*csi.VolumeContentSource, error) {
	source, err := p.kube.CoreV1().PersistentVolumeClaims(claim.Namespace).Get(ctx, name, meta.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("get source claim: %w", err)
	}
	if source.Status.Phase != core.ClaimBound {
		return nil, fmt.Errorf("source claim %s is not bound", name)
	}
	pv, err := p.kube.CoreV1().PersistentVolumes().Get(ctx, source.Spec.VolumeName, meta.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("get source volume: %w", err)
	}
	if pv.Spec.CSI == nil || pv.Spec.CSI.Driver != driverName {
		return nil, fmt.Errorf("source claim %s is of another driver", name)
	}
	return &csi.VolumeContentSource{Type: &csi.VolumeContentSource_Volume{
		Volume: &csi.VolumeContentSource_VolumeSource{VolumeId: pv.Spec.CSI.VolumeHandle},
	}}, nil
}
