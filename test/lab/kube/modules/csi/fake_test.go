package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

var errFake = errors.New("fake failure")

// fakeSubvolumes are plain directories. failing names the call that fails, as "Create" or "Delete".
type fakeSubvolumes struct {
	calls   []string
	failing string
}

var _ subvolumes = (*fakeSubvolumes)(nil)

func (f *fakeSubvolumes) call(name string, paths ...string) error {
	for _, p := range paths {
		name += " " + filepath.Base(filepath.Dir(p)) + "/" + filepath.Base(p)
	}
	f.calls = append(f.calls, name)
	if f.failing != "" && strings.HasPrefix(name, f.failing) {
		return errFake
	}
	return nil
}

func (f *fakeSubvolumes) Create(_ context.Context, path string) error {
	return errors.Join(f.call("Create", path), os.Mkdir(path, 0o755))
}

func (f *fakeSubvolumes) Snapshot(_ context.Context, source, target string, readOnly bool) error {
	name := "Snapshot"
	if readOnly {
		name += " -r"
	}
	if err := f.call(name, source, target); err != nil {
		return err
	}
	return os.CopyFS(target, os.DirFS(source))
}

func (f *fakeSubvolumes) Delete(_ context.Context, path string) error {
	if err := f.call("Delete", path); err != nil {
		return err
	}
	return os.RemoveAll(path)
}

// fakeMounts keep a table in which all that is not mounted is in one file system.
type fakeMounts struct {
	table  mountTable
	binds  int
	unmErr error
}

var _ mounter = (*fakeMounts)(nil)

func (f *fakeMounts) List() (mountTable, error) {
	return append(mountTable{{device: "8:1", root: "/", point: "/"}}, f.table...), nil
}

func (f *fakeMounts) Bind(source, target string, readOnly bool) error {
	f.binds++
	f.table = append(f.table, mount{device: "8:1", root: source, point: target, readOnly: readOnly})
	return nil
}

func (f *fakeMounts) Unmount(target string) error {
	if f.unmErr != nil {
		return f.unmErr
	}
	for i := len(f.table) - 1; i >= 0; i-- {
		if f.table[i].point == target {
			f.table = append(f.table[:i:i], f.table[i+1:]...)
			return nil
		}
	}
	return errFake
}

// lab is a driver on fakes.
type lab struct {
	*controller
	*node
	pool   *pool
	sub    *fakeSubvolumes
	mounts *fakeMounts
}

func newLab(t *testing.T) *lab {
	t.Helper()
	return openLab(t, t.TempDir())
}

func openLab(t *testing.T, dir string) *lab {
	t.Helper()
	sub, mounts := &fakeSubvolumes{}, &fakeMounts{}
	p, err := openPool(t.Context(), dir, sub, mounts, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	t.Cleanup(func() { _ = p.close() })
	return &lab{controller: &controller{pool: p}, node: &node{pool: p, mounts: mounts, name: "n"}, pool: p, sub: sub, mounts: mounts}
}

func (l *lab) volume(t *testing.T, name string, size int64) {
	t.Helper()
	_, err := l.CreateVolume(t.Context(), volumeRequest(name, size))
	require.NoError(t, err)
}

func (l *lab) snapshot(t *testing.T, name, volume string) {
	t.Helper()
	_, err := l.CreateSnapshot(t.Context(), &csi.CreateSnapshotRequest{Name: name, SourceVolumeId: volume})
	require.NoError(t, err)
}

func filesystem() *csi.VolumeCapability {
	return &csi.VolumeCapability{
		AccessMode: &csi.VolumeCapability_AccessMode{Mode: csi.VolumeCapability_AccessMode_SINGLE_NODE_WRITER},
		AccessType: &csi.VolumeCapability_Mount{Mount: &csi.VolumeCapability_MountVolume{}},
	}
}

func volumeRequest(name string, size int64) *csi.CreateVolumeRequest {
	return &csi.CreateVolumeRequest{
		Name: name, CapacityRange: &csi.CapacityRange{RequiredBytes: size}, VolumeCapabilities: []*csi.VolumeCapability{filesystem()},
	}
}

func fromSnapshot(id string) *csi.VolumeContentSource {
	return &csi.VolumeContentSource{Type: &csi.VolumeContentSource_Snapshot{Snapshot: &csi.VolumeContentSource_SnapshotSource{SnapshotId: id}}}
}

func fromVolume(id string) *csi.VolumeContentSource {
	return &csi.VolumeContentSource{Type: &csi.VolumeContentSource_Volume{Volume: &csi.VolumeContentSource_VolumeSource{VolumeId: id}}}
}

func requireCode(t *testing.T, want codes.Code, err error) {
	t.Helper()
	require.Equal(t, want.String(), status.Code(err).String(), "%v", err)
}
