package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/container-storage-interface/spec/lib/go/csi"
	snapshot "github.com/kubernetes-csi/external-snapshotter/client/v8/clientset/versioned"
	core "k8s.io/api/core/v1"
	storage "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

const (
	// interval is how often the provisioner looks. One node with tens of claims needs no watch, and a list heals by itself.
	interval = 500 * time.Millisecond
	// passTimeout bounds one look with all that it does.
	passTimeout = time.Minute
)

// volumeService is what the provisioner needs of the controller service, which it calls in the process.
type volumeService interface {
	CreateVolume(context.Context, *csi.CreateVolumeRequest) (*csi.CreateVolumeResponse, error)
	DeleteVolume(context.Context, *csi.DeleteVolumeRequest) (*csi.DeleteVolumeResponse, error)
}

var _ volumeService = (*controller)(nil)

// provisioner makes persistent volumes for claims of the driver's storage classes, and deletes those that are released.
type provisioner struct {
	node      string
	volumes   volumeService
	kube      kubernetes.Interface
	snapshots snapshot.Interface
	log       *slog.Logger

	// told is the last problem that an event was written for, by UID of claim or volume.
	told map[string]string
	// down is set while the API server does not answer, so that it is said once.
	down bool
}

func newProvisioner(node string, volumes volumeService, kube kubernetes.Interface, snapshots snapshot.Interface, log *slog.Logger) *provisioner {
	return &provisioner{node: node, volumes: volumes, kube: kube, snapshots: snapshots, log: log, told: map[string]string{}}
}

// run looks after claims and volumes until the context ends. An API server that is away is waited for, as long as it takes.
func (p *provisioner) run(ctx context.Context, every time.Duration) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		p.note(ctx, p.pass(ctx))
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// note logs when the API server goes away, and when it is back.
func (p *provisioner) note(ctx context.Context, err error) {
	switch {
	case ctx.Err() != nil:
	case err != nil && !p.down:
		p.down = true
		p.log.Warn("cannot list claims and volumes, trying on", "error", err)
	case err == nil && p.down:
		p.down = false
		p.log.Info("claims and volumes can be listed again")
	}
}

// pass looks once at all claims and all volumes. Problems of one of them are its own; an error is one of listing.
func (p *provisioner) pass(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, passTimeout)
	defer cancel()
	cached := meta.ListOptions{ResourceVersion: "0"} // what the API server has in memory; every decision is safe when it is old
	claims, err := p.kube.CoreV1().PersistentVolumeClaims(meta.NamespaceAll).List(ctx, cached)
	if err != nil {
		return fmt.Errorf("list claims: %w", err)
	}
	pvs, err := p.kube.CoreV1().PersistentVolumes().List(ctx, cached)
	if err != nil {
		return fmt.Errorf("list volumes: %w", err)
	}
	live := map[string]bool{}
	for i := range claims.Items {
		claim := &claims.Items[i]
		live[string(claim.UID)] = true
		if waits(claim, p.node) {
			p.tell(ctx, claim, p.provision(ctx, claim))
		}
	}
	for i := range pvs.Items {
		live[string(pvs.Items[i].UID)] = true
		if released(&pvs.Items[i]) {
			p.reclaim(ctx, pvs.Items[i].Name)
		}
	}
	for uid := range p.told {
		if !live[uid] {
			delete(p.told, uid)
		}
	}
	return nil
}

// provision makes the volume and then the object that binds it to the claim. Both have names made of the claim's UID, so that
// doing it again after a crash in between finds what is there.
func (p *provisioner) provision(ctx context.Context, claim *core.PersistentVolumeClaim) error {
	class, err := p.kube.StorageV1().StorageClasses().Get(ctx, *claim.Spec.StorageClassName, meta.GetOptions{})
	if err != nil {
		return fmt.Errorf("get storage class: %w", err)
	}
	request, err := p.request(ctx, claim, class)
	if err != nil {
		return err
	}
	response, err := p.volumes.CreateVolume(ctx, request)
	if err != nil {
		return fmt.Errorf("create volume %s: %w", request.GetName(), err)
	}
	pv := newVolume(claim, class, response.GetVolume(), p.node)
	_, err = p.kube.CoreV1().PersistentVolumes().Create(ctx, pv, meta.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return nil // the list was older than the volume
	}
	if err != nil {
		return fmt.Errorf("create persistent volume: %w", err)
	}
	p.log.Info("provisioned", "claim", claim.Namespace+"/"+claim.Name, "volume", pv.Name)
	p.event(ctx, claim, core.EventTypeNormal, "ProvisioningSucceeded", "volume "+pv.Name)
	return nil
}

// request is what the claim asks of the controller service. The checks of the class's mount options are made there.
func (p *provisioner) request(ctx context.Context, claim *core.PersistentVolumeClaim, class *storage.StorageClass) (*csi.CreateVolumeRequest, error) {
	size := claim.Spec.Resources.Requests[core.ResourceStorage]
	request := &csi.CreateVolumeRequest{
		Name:               volumeName(claim),
		CapacityRange:      &csi.CapacityRange{RequiredBytes: size.Value()},
		VolumeCapabilities: capabilities(claim, class),
	}
	if limit, ok := claim.Spec.Resources.Limits[core.ResourceStorage]; ok {
		request.CapacityRange.LimitBytes = limit.Value()
	}
	var err error
	request.VolumeContentSource, err = p.source(ctx, claim)
	return request, err
}

// reclaim deletes a released volume and then its object. It decides by a fresh read, since deleting cannot be taken back.
// A volume that is still mounted is one that kubelet has not let go yet: the next look comes soon.
func (p *provisioner) reclaim(ctx context.Context, name string) {
	pv, err := p.kube.CoreV1().PersistentVolumes().Get(ctx, name, meta.GetOptions{})
	if apierrors.IsNotFound(err) || (err == nil && !released(pv)) {
		return
	}
	if err == nil {
		_, err = p.volumes.DeleteVolume(ctx, &csi.DeleteVolumeRequest{VolumeId: pv.Spec.CSI.VolumeHandle})
	}
	if err == nil {
		exactly := meta.DeleteOptions{Preconditions: &meta.Preconditions{UID: &pv.UID}}
		err = p.kube.CoreV1().PersistentVolumes().Delete(ctx, name, exactly)
	}
	switch {
	case err == nil || apierrors.IsNotFound(err):
		p.log.Info("deleted a released volume", "volume", name)
	case p.told[string(pv.GetUID())] != err.Error():
		p.told[string(pv.GetUID())] = err.Error()
		p.log.Warn("cannot delete a released volume yet", "volume", name, "error", err)
	}
}
