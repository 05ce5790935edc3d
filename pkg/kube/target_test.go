package kube

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/kube/api"
	"github.com/casshook/casshook/pkg/kube/internal/kubetest"
	"github.com/casshook/casshook/pkg/ring"
)

func TestMain(m *testing.M) {
	api.Quiet()
	os.Exit(m.Run())
}

func TestConnect(t *testing.T) {
	t.Parallel()
	_, err := Connect(Options{Kubeconfig: filepath.Join(t.TempDir(), "none")})
	require.ErrorContains(t, err, "no such file")
	require.Equal(t, flow.Usage, flow.CodeOf(err))
}

// All that the flows are given works on the one ring.
func TestRings(t *testing.T) {
	t.Parallel()
	w := kubetest.NewWorld(t)
	client := &Client{api: w.Client, opts: Options{Settle: 7 * time.Second, AgentPath: "/opt/agent", Image: "i"}}
	_, err := client.Rings(t.Context(), Selection{})
	require.True(t, NoDatacenter(err))
	require.Equal(t, flow.Precondition, flow.CodeOf(err))
	require.Equal(t, "db", client.Namespace())

	w.PutDatacenter("b", "dc2", 1)
	w.PutStoppedDatacenter("a", "dc1", 2, []string{"r1"})
	w.Put("", "configmaps", kubetest.Object("v1", "ConfigMap", "db", "kube-root-ca.crt", map[string]any{"data": map[string]any{"ca.crt": "abc"}}))
	targets, err := client.Rings(t.Context(), Selection{})
	require.NoError(t, err)
	require.False(t, NoDatacenter(err))
	require.Len(t, targets, 2)
	off, up := targets[0].Ring(), targets[1].Ring()
	place, err := client.Place(t.Context(), "db")
	require.NoError(t, err)
	require.Equal(t, ring.Place{Namespace: "db", ClusterHash: "ba7816bf8f01cfea"}, place)
	require.Equal(t, place, off.Place)
	require.Equal(t, "a", off.ClusterName)
	require.Equal(t, 7*time.Second, up.SettleTimeout)

	stopped, err := off.Stopped.Stopped(t.Context())
	require.NoError(t, err)
	require.True(t, stopped)
	nodes, err := off.Stopped.StoppedNodes(t.Context())
	require.NoError(t, err)
	require.Len(t, nodes, 2)
	seen, err := off.Visible(t.Context())
	require.NoError(t, err)
	require.Equal(t, "stopped: no pod", seen[1].Problem)
	require.NoError(t, off.Datacenters.Deletable(t.Context()))
	require.NoError(t, off.VolumeSnapshots.WaitVolumeSnapshots(t.Context(), client.Now(), time.Second, func(string) {}))

	list, err := up.Nodes.Nodes(t.Context())
	require.NoError(t, err)
	require.Equal(t, "set-dc2-0", list[0].Name)
	credentials, err := up.Nodes.Credentials(t.Context())
	require.NoError(t, err)
	require.Equal(t, ring.Credentials{Username: "admin", Password: "s3cret"}, credentials)
}

// A datacenter that is not ready will do for what only needs the volumes.
func TestNeedRunning(t *testing.T) {
	t.Parallel()
	w := kubetest.NewWorld(t)
	w.PutDatacenter("prod", "dc1", 1)
	targets, err := (&Client{api: w.Client}).Rings(t.Context(), Selection{})
	require.NoError(t, err)
	kubetest.EditDatacenter(w, func(o map[string]any) { kubetest.In(o, "status")["conditions"] = []any{} })
	_, err = targets[0].Ring().Nodes.Nodes(t.Context())
	require.ErrorContains(t, err, "was never Ready")
	targets[0].NeedRunning()
	_, err = targets[0].Ring().Nodes.Nodes(t.Context())
	require.NoError(t, err)
}
