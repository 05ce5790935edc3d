package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
)

func publishRequest(volume, target string) *csi.NodePublishVolumeRequest {
	return &csi.NodePublishVolumeRequest{VolumeId: volume, TargetPath: target, VolumeCapability: filesystem()}
}

func TestPublishAndUnpublishTwice(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.volume(t, "v", 1)
	target := filepath.Join(resolve(t.TempDir()), "pods", "mount")
	for range 2 {
		_, err := l.NodePublishVolume(t.Context(), publishRequest("v", target))
		require.NoError(t, err)
	}
	require.Equal(t, mountTable{{device: "8:1", root: l.pool.path(volumes, "v"), point: target}}, l.mounts.table)
	require.Equal(t, 1, l.mounts.binds)
	for range 2 {
		_, err := l.NodeUnpublishVolume(t.Context(), &csi.NodeUnpublishVolumeRequest{VolumeId: "v", TargetPath: target})
		require.NoError(t, err)
		require.Empty(t, l.mounts.table)
		require.NoDirExists(t, target)
	}
}

func TestPublishAnswers(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.volume(t, "v", 1)
	l.volume(t, "w", 1)
	target := filepath.Join(resolve(t.TempDir()), "mount")
	_, err := l.NodePublishVolume(t.Context(), publishRequest("v", target))
	require.NoError(t, err)

	readOnly := publishRequest("v", target)
	readOnly.Readonly = true
	noCapability := publishRequest("v", target)
	noCapability.VolumeCapability = nil
	block := publishRequest("v", target)
	block.VolumeCapability = &csi.VolumeCapability{AccessType: &csi.VolumeCapability_Block{Block: &csi.VolumeCapability_BlockVolume{}}}
	for name, c := range map[string]struct {
		request *csi.NodePublishVolumeRequest
		want    codes.Code
	}{
		"another volume":   {publishRequest("w", target), codes.AlreadyExists},
		"another access":   {readOnly, codes.AlreadyExists},
		"absent volume":    {publishRequest("nope", target), codes.NotFound},
		"no volume":        {publishRequest("", target), codes.InvalidArgument},
		"no target":        {publishRequest("v", ""), codes.InvalidArgument},
		"no capability":    {noCapability, codes.InvalidArgument},
		"block capability": {block, codes.InvalidArgument},
	} {
		_, err := l.NodePublishVolume(t.Context(), c.request)
		requireCode(t, c.want, err)
		require.Equal(t, 1, l.mounts.binds, name)
	}

	other := filepath.Join(resolve(t.TempDir()), "mount")
	readOnly.TargetPath = other
	_, err = l.NodePublishVolume(t.Context(), readOnly)
	require.NoError(t, err)
	m, _ := l.mounts.table.at(other)
	require.True(t, m.readOnly)
}

func TestUnpublishAnswers(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	_, err := l.NodeUnpublishVolume(t.Context(), &csi.NodeUnpublishVolumeRequest{TargetPath: "/x"})
	requireCode(t, codes.InvalidArgument, err)
	_, err = l.NodeUnpublishVolume(t.Context(), &csi.NodeUnpublishVolumeRequest{VolumeId: "v"})
	requireCode(t, codes.InvalidArgument, err)

	target := filepath.Join(resolve(t.TempDir()), "mount")
	put(t, "content", target, "file")
	_, err = l.NodeUnpublishVolume(t.Context(), &csi.NodeUnpublishVolumeRequest{VolumeId: "v", TargetPath: target})
	requireCode(t, codes.Internal, err)
	require.FileExists(t, filepath.Join(target, "file"), "what is not a mount is not emptied")

	l.mounts.table = mountTable{{point: target}}
	l.mounts.unmErr = errBusy
	_, err = l.NodeUnpublishVolume(t.Context(), &csi.NodeUnpublishVolumeRequest{VolumeId: "v", TargetPath: target})
	requireCode(t, codes.FailedPrecondition, err)
}

func TestUnpublishTakesEveryMount(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	target := filepath.Join(resolve(t.TempDir()), "mount")
	require.NoError(t, os.Mkdir(target, 0o755))
	l.mounts.table = mountTable{{point: target}, {point: "/other"}, {point: target}}
	_, err := l.NodeUnpublishVolume(t.Context(), &csi.NodeUnpublishVolumeRequest{VolumeId: "gone", TargetPath: target})
	require.NoError(t, err)
	require.Equal(t, mountTable{{point: "/other"}}, l.mounts.table)
}

func TestVolumeStats(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.volume(t, "v", 1)
	target := filepath.Join(resolve(t.TempDir()), "mount")
	ask := func(volume, path string) (*csi.NodeGetVolumeStatsResponse, error) {
		return l.NodeGetVolumeStats(t.Context(), &csi.NodeGetVolumeStatsRequest{VolumeId: volume, VolumePath: path})
	}
	_, err := ask("", target)
	requireCode(t, codes.InvalidArgument, err)
	_, err = ask("v", "")
	requireCode(t, codes.InvalidArgument, err)
	_, err = ask("nope", target)
	requireCode(t, codes.NotFound, err)
	_, err = ask("v", target)
	requireCode(t, codes.NotFound, err)
	_, err = l.NodePublishVolume(t.Context(), publishRequest("v", target))
	require.NoError(t, err)
	response, err := ask("v", target)
	require.NoError(t, err)
	usage := response.GetUsage()[0]
	require.Equal(t, csi.VolumeUsage_BYTES, usage.GetUnit())
	require.Positive(t, usage.GetTotal())
	require.GreaterOrEqual(t, usage.GetTotal(), usage.GetUsed())
}
