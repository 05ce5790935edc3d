package main

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	reg "k8s.io/kubelet/pkg/apis/pluginregistration/v1"
)

func TestServeUntilTheEnd(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	path := filepath.Join(t.TempDir(), "plugins", "csi.sock")
	leaveStale(t, path)
	listener, err := listen(path)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() {
		ended <- serve(ctx, listener, l.pool.log, func(s grpc.ServiceRegistrar) {
			csi.RegisterIdentityServer(s, &identity{pool: l.pool})
			csi.RegisterControllerServer(s, l.controller)
			reg.RegisterRegistrationServer(s, &registration{endpoint: path, log: l.pool.log})
		})
	}()

	client, err := grpc.NewClient("unix://"+path, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	defer func() { require.NoError(t, client.Close()) }()
	info, err := csi.NewIdentityClient(client).GetPluginInfo(t.Context(), &csi.GetPluginInfoRequest{})
	require.NoError(t, err)
	require.Equal(t, "csi.casshook.lab", info.GetName())
	plugin, err := reg.NewRegistrationClient(client).GetInfo(t.Context(), &reg.InfoRequest{})
	require.NoError(t, err)
	require.Equal(t, []string{reg.CSIPlugin, driverName, path}, []string{plugin.GetType(), plugin.GetName(), plugin.GetEndpoint()})
	_, err = csi.NewControllerClient(client).DeleteVolume(t.Context(), &csi.DeleteVolumeRequest{})
	requireCode(t, codes.InvalidArgument, err)

	cancel()
	require.NoError(t, <-ended)
	require.NoFileExists(t, path)
}

// leaveStale makes a socket file that nobody listens on.
func leaveStale(t *testing.T, path string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	stale, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	require.NoError(t, err)
	stale.SetUnlinkOnClose(false)
	require.NoError(t, stale.Close())
	require.FileExists(t, path)
}

func TestListenSparesOtherFiles(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file")
	put(t, "text", path)
	_, err := listen(path)
	require.ErrorContains(t, err, "it is there and no socket")
	require.FileExists(t, path)
}

func TestProbe(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	i := &identity{pool: l.pool}
	response, err := i.Probe(t.Context(), nil)
	require.NoError(t, err)
	require.True(t, response.GetReady().GetValue())
	require.NoError(t, os.RemoveAll(filepath.Join(l.pool.dir, "meta")))
	_, err = i.Probe(t.Context(), nil)
	requireCode(t, codes.FailedPrecondition, err)
}

func TestTogether(t *testing.T) {
	t.Parallel()
	waiting := func(ctx context.Context) error {
		<-ctx.Done()
		return nil
	}
	require.ErrorIs(t, together(t.Context(), waiting, func(context.Context) error { return errFake }, waiting), errFake)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, together(ctx, waiting))
}

func TestOptions(t *testing.T) {
	t.Parallel()
	o, err := readOptions(strings.Fields("--pool /p --node n --kubeconfig /k"))
	require.NoError(t, err)
	require.Equal(t, options{pool: "/p", node: "n", kubeletDir: "/var/lib/kubelet", kubeconfig: "/k"}, o)
	_, err = readOptions([]string{"extra"})
	for _, problem := range []string{"--pool is missing", "--node is missing", "--kubeconfig is missing", `unexpected argument "extra"`} {
		require.ErrorContains(t, err, problem)
	}
}

func TestRunNeedsBtrfs(t *testing.T) {
	t.Parallel()
	log := slog.New(slog.DiscardHandler)
	require.ErrorIs(t, run(t.Context(), options{pool: "/no/such/pool"}, log), fs.ErrNotExist)
	err := checkBtrfs("/proc")
	require.ErrorContains(t, err, "mount a btrfs file system there")
	require.False(t, errors.Is(err, fs.ErrNotExist))
}
