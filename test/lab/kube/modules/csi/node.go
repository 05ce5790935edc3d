package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// node is the CSI node service: a volume is published by a bind mount of its subvolume.
type node struct {
	csi.UnimplementedNodeServer
	pool   *pool
	mounts mounter
	name   string
}

// NodeGetInfo implements csi.NodeServer.
func (n *node) NodeGetInfo(context.Context, *csi.NodeGetInfoRequest) (*csi.NodeGetInfoResponse, error) {
	return &csi.NodeGetInfoResponse{NodeId: n.name}, nil
}

// NodeGetCapabilities implements csi.NodeServer.
func (*node) NodeGetCapabilities(context.Context, *csi.NodeGetCapabilitiesRequest) (*csi.NodeGetCapabilitiesResponse, error) {
	stats := &csi.NodeServiceCapability_RPC{Type: csi.NodeServiceCapability_RPC_GET_VOLUME_STATS}
	return &csi.NodeGetCapabilitiesResponse{Capabilities: []*csi.NodeServiceCapability{
		{Type: &csi.NodeServiceCapability_Rpc{Rpc: stats}},
	}}, nil
}

// NodePublishVolume implements csi.NodeServer. A second call for the same target changes nothing; one that asks for another volume,
// or for the other kind of access, is AlreadyExists.
func (n *node) NodePublishVolume(_ context.Context, q *csi.NodePublishVolumeRequest) (*csi.NodePublishVolumeResponse, error) {
	if err := needed("volume_id", q.GetVolumeId(), "target_path", q.GetTargetPath()); err != nil {
		return nil, err
	}
	if q.GetVolumeCapability() == nil {
		return nil, status.Error(codes.InvalidArgument, "volume_capability is missing")
	}
	if problem := unsupported(q.GetVolumeCapability()); problem != "" {
		return nil, status.Error(codes.InvalidArgument, problem)
	}
	// A volume must not be deleted between the look at its record and its mount.
	n.pool.mu.Lock()
	defer n.pool.mu.Unlock()
	if _, err := n.pool.find(volumes, q.GetVolumeId()); err != nil {
		return nil, answer(err)
	}
	if err := n.publish(n.pool.path(volumes, q.GetVolumeId()), q.GetTargetPath(), q.GetReadonly()); err != nil {
		return nil, answer(err)
	}
	return &csi.NodePublishVolumeResponse{}, nil
}

func (n *node) publish(source, target string, readOnly bool) error {
	if err := os.MkdirAll(target, 0o755); err != nil {
		return fmt.Errorf("create target: %w", err)
	}
	target = resolve(target)
	table, err := n.mounts.List()
	if err != nil {
		return err
	}
	have, mounted := table.at(target)
	if !mounted {
		return n.mounts.Bind(source, target, readOnly)
	}
	device, root, _ := table.locate(source)
	if have.device != device || have.root != root {
		return fmt.Errorf("target %s shows %s: %w", target, have.root, errTaken)
	}
	if have.readOnly != readOnly {
		return fmt.Errorf("target %s is mounted with read-only %t: %w", target, have.readOnly, errTaken)
	}
	return nil
}

// NodeUnpublishVolume implements csi.NodeServer. The volume itself need not exist any more: what counts is that the mount goes.
func (n *node) NodeUnpublishVolume(ctx context.Context, q *csi.NodeUnpublishVolumeRequest) (*csi.NodeUnpublishVolumeResponse, error) {
	if err := needed("volume_id", q.GetVolumeId(), "target_path", q.GetTargetPath()); err != nil {
		return nil, err
	}
	n.pool.mu.Lock()
	defer n.pool.mu.Unlock()
	if err := n.unpublish(ctx, resolve(q.GetTargetPath())); err != nil {
		return nil, answer(err)
	}
	return &csi.NodeUnpublishVolumeResponse{}, nil
}

// unpublish takes every mount from the target, and then the target itself; os.Remove deletes no directory that holds anything.
func (n *node) unpublish(ctx context.Context, target string) error {
	for {
		table, err := n.mounts.List()
		if err != nil {
			return err
		}
		if _, mounted := table.at(target); !mounted {
			break
		}
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("unmount %s: %w", target, err)
		}
		if err := n.mounts.Unmount(target); err != nil {
			return err
		}
	}
	if err := os.Remove(target); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove target: %w", err)
	}
	return nil
}

// NodeGetVolumeStats implements csi.NodeServer. The figures are those of the whole pool, since volumes have no limits.
func (n *node) NodeGetVolumeStats(_ context.Context, q *csi.NodeGetVolumeStatsRequest) (*csi.NodeGetVolumeStatsResponse, error) {
	if err := needed("volume_id", q.GetVolumeId(), "volume_path", q.GetVolumePath()); err != nil {
		return nil, err
	}
	if _, err := n.pool.find(volumes, q.GetVolumeId()); err != nil {
		return nil, answer(err)
	}
	table, err := n.mounts.List()
	if err != nil {
		return nil, answer(err)
	}
	if _, mounted := table.at(resolve(q.GetVolumePath())); !mounted {
		return nil, status.Errorf(codes.NotFound, "nothing is mounted on %s", q.GetVolumePath())
	}
	var st unix.Statfs_t
	if err := unix.Statfs(q.GetVolumePath(), &st); err != nil {
		return nil, answer(fmt.Errorf("measure %s: %w", q.GetVolumePath(), err))
	}
	block := st.Bsize
	return &csi.NodeGetVolumeStatsResponse{Usage: []*csi.VolumeUsage{{
		Unit: csi.VolumeUsage_BYTES, Total: int64(st.Blocks) * block,
		Available: int64(st.Bavail) * block, Used: int64(st.Blocks-st.Bfree) * block,
	}}}, nil
}
