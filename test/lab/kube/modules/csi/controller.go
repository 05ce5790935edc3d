package main

import (
	"context"
	"strconv"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// controller is the CSI controller service. Every call is idempotent, as the specification wants it.
type controller struct {
	csi.UnimplementedControllerServer
	pool *pool
}

// ControllerGetCapabilities implements csi.ControllerServer.
func (*controller) ControllerGetCapabilities(context.Context, *csi.ControllerGetCapabilitiesRequest) (*csi.ControllerGetCapabilitiesResponse, error) {
	response := &csi.ControllerGetCapabilitiesResponse{}
	for _, c := range []csi.ControllerServiceCapability_RPC_Type{
		csi.ControllerServiceCapability_RPC_CREATE_DELETE_VOLUME,
		csi.ControllerServiceCapability_RPC_CREATE_DELETE_SNAPSHOT,
		csi.ControllerServiceCapability_RPC_LIST_SNAPSHOTS,
		csi.ControllerServiceCapability_RPC_CLONE_VOLUME,
	} {
		response.Capabilities = append(response.Capabilities, &csi.ControllerServiceCapability{
			Type: &csi.ControllerServiceCapability_Rpc{Rpc: &csi.ControllerServiceCapability_RPC{Type: c}},
		})
	}
	return response, nil
}

// CreateVolume implements csi.ControllerServer.
func (c *controller) CreateVolume(ctx context.Context, q *csi.CreateVolumeRequest) (*csi.CreateVolumeResponse, error) {
	want, err := readWanted(q)
	if err != nil {
		return nil, err
	}
	r, err := c.pool.createVolume(ctx, want)
	if err != nil {
		return nil, answer(err)
	}
	return &csi.CreateVolumeResponse{Volume: &csi.Volume{
		VolumeId: r.ID, CapacityBytes: r.Size, ContentSource: q.GetVolumeContentSource(),
	}}, nil
}

// readWanted checks all of a request that can be checked without the pool.
func readWanted(q *csi.CreateVolumeRequest) (wanted, error) {
	if err := checkName(q.GetName()); err != nil {
		return wanted{}, err
	}
	if len(q.GetVolumeCapabilities()) == 0 {
		return wanted{}, status.Error(codes.InvalidArgument, "volume_capabilities is missing")
	}
	for _, capability := range q.GetVolumeCapabilities() {
		if problem := unsupported(capability); problem != "" {
			return wanted{}, status.Error(codes.InvalidArgument, problem)
		}
	}
	size := q.GetCapacityRange()
	want := wanted{name: q.GetName(), least: size.GetRequiredBytes(), most: size.GetLimitBytes()}
	if want.least < 0 || want.most < 0 || (want.most > 0 && want.least > want.most) {
		return wanted{}, status.Errorf(codes.InvalidArgument, "capacity_range %d to %d", want.least, want.most)
	}
	source, err := readSource(q.GetVolumeContentSource())
	want.source = source
	return want, err
}

func readSource(s *csi.VolumeContentSource) (origin, error) {
	switch {
	case s == nil:
		return origin{}, nil
	case s.GetSnapshot() != nil:
		return origin{Kind: snapshots, ID: s.GetSnapshot().GetSnapshotId()}, needed("snapshot_id", s.GetSnapshot().GetSnapshotId())
	case s.GetVolume() != nil:
		return origin{Kind: volumes, ID: s.GetVolume().GetVolumeId()}, needed("source volume_id", s.GetVolume().GetVolumeId())
	}
	return origin{}, status.Error(codes.InvalidArgument, "volume_content_source is neither a snapshot nor a volume")
}

func checkName(name string) error {
	if err := needed("name", name); err != nil {
		return err
	}
	if !safeName.MatchString(name) {
		return status.Errorf(codes.InvalidArgument, "name %q: only letters, digits and . _ - after a letter or digit, at most 128", name)
	}
	return nil
}

// unsupported says what of a capability a subvolume cannot do; "" is nothing. Every access mode is fine: there is one node.
func unsupported(c *csi.VolumeCapability) string {
	switch {
	case c.GetBlock() != nil:
		return "block volumes are not supported: a volume is a directory"
	case c.GetMount() == nil:
		return "access_type of a capability is missing"
	case c.GetAccessMode() == nil:
		return "access_mode of a capability is missing"
	case len(c.GetMount().GetMountFlags()) > 0:
		return "mount flags are not supported: a volume is a bind mount"
	}
	return ""
}

// DeleteVolume implements csi.ControllerServer. A volume that is mounted is FailedPrecondition; its snapshots do not matter.
func (c *controller) DeleteVolume(ctx context.Context, q *csi.DeleteVolumeRequest) (*csi.DeleteVolumeResponse, error) {
	if err := needed("volume_id", q.GetVolumeId()); err != nil {
		return nil, err
	}
	if err := c.pool.remove(ctx, volumes, q.GetVolumeId()); err != nil {
		return nil, answer(err)
	}
	return &csi.DeleteVolumeResponse{}, nil
}

// ValidateVolumeCapabilities implements csi.ControllerServer.
func (c *controller) ValidateVolumeCapabilities(_ context.Context, q *csi.ValidateVolumeCapabilitiesRequest) (*csi.ValidateVolumeCapabilitiesResponse, error) {
	if err := needed("volume_id", q.GetVolumeId()); err != nil {
		return nil, err
	}
	if len(q.GetVolumeCapabilities()) == 0 {
		return nil, status.Error(codes.InvalidArgument, "volume_capabilities is missing")
	}
	if _, err := c.pool.find(volumes, q.GetVolumeId()); err != nil {
		return nil, answer(err)
	}
	for _, capability := range q.GetVolumeCapabilities() {
		if problem := unsupported(capability); problem != "" {
			return &csi.ValidateVolumeCapabilitiesResponse{Message: problem}, nil
		}
	}
	return &csi.ValidateVolumeCapabilitiesResponse{Confirmed: &csi.ValidateVolumeCapabilitiesResponse_Confirmed{
		VolumeContext: q.GetVolumeContext(), VolumeCapabilities: q.GetVolumeCapabilities(), Parameters: q.GetParameters(),
	}}, nil
}

// CreateSnapshot implements csi.ControllerServer. It is there at once, and ready.
func (c *controller) CreateSnapshot(ctx context.Context, q *csi.CreateSnapshotRequest) (*csi.CreateSnapshotResponse, error) {
	if err := checkName(q.GetName()); err != nil {
		return nil, err
	}
	if err := needed("source_volume_id", q.GetSourceVolumeId()); err != nil {
		return nil, err
	}
	r, err := c.pool.createSnapshot(ctx, q.GetName(), q.GetSourceVolumeId())
	if err != nil {
		return nil, answer(err)
	}
	return &csi.CreateSnapshotResponse{Snapshot: describe(r)}, nil
}

func describe(r record) *csi.Snapshot {
	return &csi.Snapshot{
		SnapshotId: r.ID, SourceVolumeId: r.Source.ID, SizeBytes: r.Size, CreationTime: timestamppb.New(r.Created), ReadyToUse: true,
	}
}

// DeleteSnapshot implements csi.ControllerServer.
func (c *controller) DeleteSnapshot(ctx context.Context, q *csi.DeleteSnapshotRequest) (*csi.DeleteSnapshotResponse, error) {
	if err := needed("snapshot_id", q.GetSnapshotId()); err != nil {
		return nil, err
	}
	if err := c.pool.remove(ctx, snapshots, q.GetSnapshotId()); err != nil {
		return nil, answer(err)
	}
	return &csi.DeleteSnapshotResponse{}, nil
}

// ListSnapshots implements csi.ControllerServer. A token is the number of entries that came before.
func (c *controller) ListSnapshots(_ context.Context, q *csi.ListSnapshotsRequest) (*csi.ListSnapshotsResponse, error) {
	if q.GetMaxEntries() < 0 {
		return nil, status.Errorf(codes.InvalidArgument, "max_entries is %d", q.GetMaxEntries())
	}
	all, err := c.pool.list(snapshots)
	if err != nil {
		return nil, answer(err)
	}
	var found []*csi.ListSnapshotsResponse_Entry
	for _, r := range all {
		if (q.GetSnapshotId() == "" || q.GetSnapshotId() == r.ID) && (q.GetSourceVolumeId() == "" || q.GetSourceVolumeId() == r.Source.ID) {
			found = append(found, &csi.ListSnapshotsResponse_Entry{Snapshot: describe(r)})
		}
	}
	return page(found, q.GetStartingToken(), int(q.GetMaxEntries()))
}

func page(found []*csi.ListSnapshotsResponse_Entry, token string, most int) (*csi.ListSnapshotsResponse, error) {
	start := 0
	if token != "" {
		var err error
		if start, err = strconv.Atoi(token); err != nil || start < 0 || start > len(found) {
			return nil, status.Errorf(codes.Aborted, "starting_token %q is not valid any more: begin without one", token)
		}
	}
	end := len(found)
	next := ""
	if most > 0 && start+most < end {
		end = start + most
		next = strconv.Itoa(end)
	}
	return &csi.ListSnapshotsResponse{Entries: found[start:end], NextToken: next}, nil
}
