//go:build btrfs

package main

import (
	"context"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc/codes"
)

// The tests with the tag btrfs need root, btrfs-progs and a free loop device.

func tool(t *testing.T, name string, argv ...string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), name, argv...).CombinedOutput()
	require.NoError(t, err, "%s %v: %s", name, argv, out)
}

// newBtrfs mounts a new file system for as long as the test takes.
func newBtrfs(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	file, mnt := filepath.Join(dir, "file"), filepath.Join(dir, "pool")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	require.NoError(t, os.Truncate(file, 256<<20))
	require.NoError(t, os.Mkdir(mnt, 0o755))
	tool(t, "mkfs.btrfs", "-q", file)
	tool(t, "mount", "-o", "loop,noatime", file, mnt)
	t.Cleanup(func() { // the loop device goes with the mount
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		out, err := exec.CommandContext(ctx, "umount", mnt).CombinedOutput()
		require.NoError(t, err, "%s", out)
	})
	return mnt
}

func openReal(t *testing.T, dir string) *lab {
	t.Helper()
	p, err := openPool(t.Context(), dir, btrfs{}, kernel{}, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	t.Cleanup(func() { _ = p.close() })
	return &lab{controller: &controller{pool: p}, node: &node{pool: p, mounts: kernel{}, name: "n"}, pool: p}
}

func requireText(t *testing.T, want string, path ...string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(path...))
	require.NoError(t, err)
	require.Equal(t, want, string(text))
}

func TestRealVolumeFromCreationToDeletion(t *testing.T) {
	dir := newBtrfs(t)
	require.NoError(t, checkBtrfs(dir))
	l := openReal(t, dir)
	l.volume(t, "v", 1)
	target := filepath.Join(t.TempDir(), "pod", "mount")
	publish := publishRequest("v", target)
	unpublish := &csi.NodeUnpublishVolumeRequest{VolumeId: "v", TargetPath: target}
	for range 2 {
		_, err := l.NodePublishVolume(t.Context(), publish)
		require.NoError(t, err)
	}
	put(t, "one", target, "file")
	requireText(t, "one", l.pool.path(volumes, "v"), "file")
	stats, err := l.NodeGetVolumeStats(t.Context(), &csi.NodeGetVolumeStatsRequest{VolumeId: "v", VolumePath: target})
	require.NoError(t, err)
	require.Equal(t, int64(256<<20), stats.GetUsage()[0].GetTotal())

	_, err = l.DeleteVolume(t.Context(), &csi.DeleteVolumeRequest{VolumeId: "v"})
	requireCode(t, codes.FailedPrecondition, err)
	requireText(t, "one", target, "file")

	l.snapshot(t, "s", "v")
	put(t, "two", target, "file")
	requireText(t, "one", l.pool.path(snapshots, "s"), "file")
	require.ErrorIs(t, os.WriteFile(filepath.Join(l.pool.path(snapshots, "s"), "file"), nil, 0o644), unix.EROFS)

	q := volumeRequest("copy", 1)
	q.VolumeContentSource = fromSnapshot("s")
	_, err = l.CreateVolume(t.Context(), q)
	require.NoError(t, err)
	requireText(t, "one", l.pool.path(volumes, "copy"), "file")
	put(t, "writable", l.pool.path(volumes, "copy"), "file")
	q = volumeRequest("clone", 1)
	q.VolumeContentSource = fromVolume("v")
	_, err = l.CreateVolume(t.Context(), q)
	require.NoError(t, err)
	requireText(t, "two", l.pool.path(volumes, "clone"), "file")

	for range 2 {
		_, err = l.NodeUnpublishVolume(t.Context(), unpublish)
		require.NoError(t, err)
		require.NoDirExists(t, target)
	}
	for _, id := range []string{"v", "copy", "clone"} {
		_, err = l.DeleteVolume(t.Context(), &csi.DeleteVolumeRequest{VolumeId: id})
		require.NoError(t, err)
		require.NoDirExists(t, l.pool.path(volumes, id))
	}
	requireText(t, "one", l.pool.path(snapshots, "s"), "file")
	_, err = l.DeleteSnapshot(t.Context(), &csi.DeleteSnapshotRequest{SnapshotId: "s"})
	require.NoError(t, err)
	require.NoDirExists(t, l.pool.path(snapshots, "s"))
}

func TestRealReadOnlyMount(t *testing.T) {
	l := openReal(t, newBtrfs(t))
	l.volume(t, "v", 1)
	target := filepath.Join(t.TempDir(), "mount")
	q := publishRequest("v", target)
	q.Readonly = true
	for range 2 {
		_, err := l.NodePublishVolume(t.Context(), q)
		require.NoError(t, err)
	}
	require.ErrorIs(t, os.WriteFile(filepath.Join(target, "file"), nil, 0o644), unix.EROFS)
	require.NoError(t, os.WriteFile(filepath.Join(l.pool.path(volumes, "v"), "file"), nil, 0o644), "the volume itself is writable")
	q.Readonly = false
	_, err := l.NodePublishVolume(t.Context(), q)
	requireCode(t, codes.AlreadyExists, err)

	open, err := os.Open(target)
	require.NoError(t, err)
	unpublish := &csi.NodeUnpublishVolumeRequest{VolumeId: "v", TargetPath: target}
	_, err = l.NodeUnpublishVolume(t.Context(), unpublish)
	requireCode(t, codes.FailedPrecondition, err)
	require.NoError(t, open.Close())
	_, err = l.NodeUnpublishVolume(t.Context(), unpublish)
	require.NoError(t, err)
}

func TestRealLeftovers(t *testing.T) {
	dir := newBtrfs(t)
	l := openReal(t, dir)
	l.volume(t, "v", 1)
	put(t, "kept", l.pool.path(volumes, "v"), "file")
	require.NoError(t, btrfs{}.Create(t.Context(), l.pool.path(volumes, "orphan")))
	put(t, "x", l.pool.path(volumes, "orphan"), "file")
	require.NoError(t, btrfs{}.Snapshot(t.Context(), l.pool.path(volumes, "v"), l.pool.path(snapshots, "orphan"), true))
	require.NoError(t, l.pool.close())

	l = openReal(t, dir)
	require.NoDirExists(t, l.pool.path(volumes, "orphan"))
	require.NoDirExists(t, l.pool.path(snapshots, "orphan"))
	requireText(t, "kept", l.pool.path(volumes, "v"), "file")
	require.ErrorContains(t, btrfs{}.Delete(t.Context(), filepath.Join(dir, "nope")), "btrfs subvolume delete")
}
