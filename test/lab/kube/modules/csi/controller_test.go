package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func TestCreateVolumeAnswers(t *testing.T) {
	t.Parallel()
	with := func(name string, size int64, change func(*csi.CreateVolumeRequest)) *csi.CreateVolumeRequest {
		q := volumeRequest(name, size)
		change(q)
		return q
	}
	source := func(s *csi.VolumeContentSource) func(*csi.CreateVolumeRequest) {
		return func(q *csi.CreateVolumeRequest) { q.VolumeContentSource = s }
	}
	block := &csi.VolumeCapability{AccessMode: filesystem().AccessMode, AccessType: &csi.VolumeCapability_Block{Block: &csi.VolumeCapability_BlockVolume{}}}
	flags := filesystem()
	flags.GetMount().MountFlags = []string{"noatime"}
	for name, c := range map[string]struct {
		request *csi.CreateVolumeRequest
		want    codes.Code
		size    int64
	}{
		"new":                       {volumeRequest("new", 5), codes.OK, 5},
		"again":                     {volumeRequest("old", 100), codes.OK, 100},
		"again and smaller":         {volumeRequest("old", 50), codes.OK, 100},
		"again and larger":          {volumeRequest("old", 101), codes.AlreadyExists, 0},
		"again with a lower limit":  {with("old", 0, func(q *csi.CreateVolumeRequest) { q.CapacityRange.LimitBytes = 99 }), codes.AlreadyExists, 0},
		"again with a source":       {with("old", 100, source(fromSnapshot("snap"))), codes.AlreadyExists, 0},
		"no name":                   {volumeRequest("", 5), codes.InvalidArgument, 0},
		"a path as name":            {volumeRequest("../x", 5), codes.InvalidArgument, 0},
		"no capabilities":           {with("x", 5, func(q *csi.CreateVolumeRequest) { q.VolumeCapabilities = nil }), codes.InvalidArgument, 0},
		"empty capability":          {with("x", 5, func(q *csi.CreateVolumeRequest) { q.VolumeCapabilities[0] = &csi.VolumeCapability{} }), codes.InvalidArgument, 0},
		"no access mode":            {with("x", 5, func(q *csi.CreateVolumeRequest) { q.VolumeCapabilities[0].AccessMode = nil }), codes.InvalidArgument, 0},
		"block":                     {with("x", 5, func(q *csi.CreateVolumeRequest) { q.VolumeCapabilities[0] = block }), codes.InvalidArgument, 0},
		"mount flags":               {with("x", 5, func(q *csi.CreateVolumeRequest) { q.VolumeCapabilities[0] = flags }), codes.InvalidArgument, 0},
		"limit below size":          {with("x", 5, func(q *csi.CreateVolumeRequest) { q.CapacityRange.LimitBytes = 4 }), codes.InvalidArgument, 0},
		"negative size":             {volumeRequest("x", -1), codes.InvalidArgument, 0},
		"no size":                   {with("x0", 5, func(q *csi.CreateVolumeRequest) { q.CapacityRange = nil }), codes.OK, 0},
		"from a snapshot":           {with("x1", 100, source(fromSnapshot("snap"))), codes.OK, 100},
		"from a volume":             {with("x2", 200, source(fromVolume("old"))), codes.OK, 200},
		"from a volume, no size":    {with("x3", 0, source(fromVolume("old"))), codes.OK, 100},
		"smaller than the source":   {with("x4", 99, source(fromSnapshot("snap"))), codes.OutOfRange, 0},
		"limit below the source":    {with("x5", 0, func(q *csi.CreateVolumeRequest) { source(fromVolume("old"))(q); q.CapacityRange.LimitBytes = 1 }), codes.OutOfRange, 0},
		"from an absent snapshot":   {with("x6", 100, source(fromSnapshot("nope"))), codes.NotFound, 0},
		"from an absent volume":     {with("x7", 100, source(fromVolume("nope"))), codes.NotFound, 0},
		"a volume as snapshot":      {with("x8", 100, source(fromSnapshot("old"))), codes.NotFound, 0},
		"a source without id":       {with("x9", 100, source(fromSnapshot(""))), codes.InvalidArgument, 0},
		"a source of no known kind": {with("x", 100, source(&csi.VolumeContentSource{})), codes.InvalidArgument, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			l.volume(t, "old", 100)
			l.snapshot(t, "snap", "old")
			l.sub.calls = nil
			response, err := l.CreateVolume(t.Context(), c.request)
			requireCode(t, c.want, err)
			if err != nil {
				require.Empty(t, l.sub.calls, "a refusal changes nothing")
				return
			}
			require.Equal(t, c.request.GetName(), response.GetVolume().GetVolumeId())
			require.Equal(t, c.size, response.GetVolume().GetCapacityBytes())
			require.Equal(t, c.request.GetVolumeContentSource(), response.GetVolume().GetContentSource())
		})
	}
}

func TestACopyHoldsWhatItsSourceHeld(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.volume(t, "v", 1)
	put(t, "before", l.pool.path(volumes, "v"), "file")
	l.snapshot(t, "s", "v")
	put(t, "after", l.pool.path(volumes, "v"), "file")
	q := volumeRequest("copy", 1)
	q.VolumeContentSource = fromSnapshot("s")
	_, err := l.CreateVolume(t.Context(), q)
	require.NoError(t, err)
	text, err := os.ReadFile(filepath.Join(l.pool.path(volumes, "copy"), "file"))
	require.NoError(t, err)
	require.Equal(t, "before", string(text))
	require.Equal(t, []string{"Create vols/v", "Snapshot -r vols/v snaps/s", "Snapshot snaps/s vols/copy"}, l.sub.calls)

	_, err = l.CreateVolume(t.Context(), q)
	require.NoError(t, err)
	require.Len(t, l.sub.calls, 3, "the same request again makes nothing")
	_, err = l.CreateVolume(t.Context(), volumeRequest("copy", 1))
	requireCode(t, codes.AlreadyExists, err)
}

func TestCreateSnapshotAnswers(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		name, volume string
		want         codes.Code
	}{
		"new":             {"new", "v", codes.OK},
		"again":           {"s", "v", codes.OK},
		"another volume":  {"s", "w", codes.AlreadyExists},
		"no volume":       {"new", "nope", codes.NotFound},
		"missing name":    {"", "v", codes.InvalidArgument},
		"missing volume":  {"new", "", codes.InvalidArgument},
		"a path as name":  {"a/b", "v", codes.InvalidArgument},
		"a path as id":    {"new", "../vols/v", codes.NotFound},
		"snapshot of one": {"new", "s", codes.NotFound},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			l.volume(t, "v", 3)
			l.volume(t, "w", 3)
			l.snapshot(t, "s", "v")
			response, err := l.CreateSnapshot(t.Context(), &csi.CreateSnapshotRequest{Name: c.name, SourceVolumeId: c.volume})
			requireCode(t, c.want, err)
			if err == nil {
				s := response.GetSnapshot()
				require.True(t, s.GetReadyToUse())
				require.Equal(t, fmt.Sprint(c.name, " ", c.volume, " 3"), fmt.Sprint(s.GetSnapshotId(), " ", s.GetSourceVolumeId(), " ", s.GetSizeBytes()))
				require.NoError(t, s.GetCreationTime().CheckValid())
			}
		})
	}
}

func TestDeletions(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.volume(t, "v", 1)
	l.snapshot(t, "s", "v")
	_, err := l.DeleteVolume(t.Context(), &csi.DeleteVolumeRequest{})
	requireCode(t, codes.InvalidArgument, err)
	_, err = l.DeleteSnapshot(t.Context(), &csi.DeleteSnapshotRequest{})
	requireCode(t, codes.InvalidArgument, err)
	for range 2 {
		_, err = l.DeleteVolume(t.Context(), &csi.DeleteVolumeRequest{VolumeId: "v"})
		require.NoError(t, err)
	}
	require.DirExists(t, l.pool.path(snapshots, "s"), "a snapshot outlives its volume")
	for range 2 {
		_, err = l.DeleteSnapshot(t.Context(), &csi.DeleteSnapshotRequest{SnapshotId: "s"})
		require.NoError(t, err)
	}
	require.NoDirExists(t, l.pool.path(snapshots, "s"))
}

func TestAMountedVolumeIsNotDeleted(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.volume(t, "v", 1)
	for _, part := range []string{"", "/data"} {
		l.mounts.table = mountTable{{device: "8:1", root: l.pool.path(volumes, "v") + part, point: "/somewhere"}}
		_, err := l.DeleteVolume(t.Context(), &csi.DeleteVolumeRequest{VolumeId: "v"})
		requireCode(t, codes.FailedPrecondition, err)
		require.ErrorContains(t, err, "/somewhere")
		_, err = l.pool.find(volumes, "v")
		require.NoError(t, err)
	}
	l.mounts.table[0].root = l.pool.path(volumes, "v2")
	_, err := l.DeleteVolume(t.Context(), &csi.DeleteVolumeRequest{VolumeId: "v"})
	require.NoError(t, err)
}

func TestListSnapshots(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.volume(t, "v", 1)
	l.volume(t, "w", 1)
	for i := range 3 {
		l.snapshot(t, fmt.Sprint("s", i), "v")
	}
	l.snapshot(t, "t", "w")
	list := func(q *csi.ListSnapshotsRequest) (ids []string, next string) {
		response, err := l.ListSnapshots(t.Context(), q)
		require.NoError(t, err)
		for _, e := range response.GetEntries() {
			ids = append(ids, e.GetSnapshot().GetSnapshotId())
		}
		return ids, response.GetNextToken()
	}
	ids, next := list(&csi.ListSnapshotsRequest{})
	require.Equal(t, []string{"s0", "s1", "s2", "t"}, ids)
	require.Empty(t, next)
	ids, _ = list(&csi.ListSnapshotsRequest{SourceVolumeId: "w"})
	require.Equal(t, []string{"t"}, ids)
	ids, _ = list(&csi.ListSnapshotsRequest{SnapshotId: "s1"})
	require.Equal(t, []string{"s1"}, ids)
	ids, _ = list(&csi.ListSnapshotsRequest{SnapshotId: "nope"})
	require.Empty(t, ids)
	ids, next = list(&csi.ListSnapshotsRequest{MaxEntries: 3})
	require.Equal(t, []string{"s0", "s1", "s2"}, ids)
	ids, next = list(&csi.ListSnapshotsRequest{MaxEntries: 3, StartingToken: next})
	require.Equal(t, []string{"t"}, ids)
	require.Empty(t, next)

	_, err := l.ListSnapshots(t.Context(), &csi.ListSnapshotsRequest{MaxEntries: -1})
	requireCode(t, codes.InvalidArgument, err)
	for _, token := range []string{"x", "-1", "5"} {
		_, err = l.ListSnapshots(t.Context(), &csi.ListSnapshotsRequest{StartingToken: token})
		requireCode(t, codes.Aborted, err)
	}
}

func TestValidateVolumeCapabilities(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.volume(t, "v", 1)
	can := []*csi.VolumeCapability{filesystem()}
	ask := func(id string, c []*csi.VolumeCapability) (*csi.ValidateVolumeCapabilitiesResponse, error) {
		return l.ValidateVolumeCapabilities(t.Context(), &csi.ValidateVolumeCapabilitiesRequest{VolumeId: id, VolumeCapabilities: c})
	}
	_, err := ask("", can)
	requireCode(t, codes.InvalidArgument, err)
	_, err = ask("v", nil)
	requireCode(t, codes.InvalidArgument, err)
	_, err = ask("nope", can)
	requireCode(t, codes.NotFound, err)
	response, err := ask("v", can)
	require.NoError(t, err)
	require.Equal(t, can, response.GetConfirmed().GetVolumeCapabilities())
	response, err = ask("v", []*csi.VolumeCapability{{AccessType: &csi.VolumeCapability_Block{Block: &csi.VolumeCapability_BlockVolume{}}}})
	require.NoError(t, err)
	require.Nil(t, response.GetConfirmed())
	require.Contains(t, response.GetMessage(), "block")
}

func TestAnswer(t *testing.T) {
	t.Parallel()
	require.NoError(t, answer(nil))
	for err, want := range map[error]codes.Code{
		errAbsent: codes.NotFound, errTaken: codes.AlreadyExists, errBusy: codes.FailedPrecondition, errRange: codes.OutOfRange,
		errors.New("other"): codes.Internal, context.Canceled: codes.Canceled, context.DeadlineExceeded: codes.DeadlineExceeded,
	} {
		require.Equal(t, want, status.Code(answer(fmt.Errorf("around: %w", err))))
	}
}
