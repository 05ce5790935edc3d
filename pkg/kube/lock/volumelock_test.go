package lock

import (
	"context"
	"testing"

	"github.com/casshook/casshook/pkg/ledger"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/agent"
	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/kube/internal/kubetest"
	"github.com/casshook/casshook/pkg/ring"
)

// inProcess runs real agents in this process.
type inProcess struct{}

func (inProcess) AgentArgv(context.Context, ring.Node) ([]string, error) { return nil, nil }

func (inProcess) Exec(ctx context.Context, _ ring.Node, c ring.Command) error {
	return agent.Serve(ctx, c.Stdin, c.Stdout)
}

// The Lease is not enough: an agent changes nothing without the lock of its volume.
func TestAcquireLocksTheVolumes(t *testing.T) {
	t.Parallel()
	w := kubetest.NewWorld(t)
	w.PutDatacenter("prod", "dc1", 1)
	target := lockerOf(w)
	dir := t.TempDir()
	node := ring.Node{Node: wire.Node{Name: "n1", Volume: dir, DataDirs: []string{dir}, API: "unix:///nowhere.sock", VolumeID: "pvc/x"}}
	open := func() []*ring.Session {
		s, err := ring.OpenAll(t.Context(), inProcess{}, []ring.Node{node})
		require.NoError(t, err)
		t.Cleanup(func() { ring.CloseAll(s) })
		return s
	}
	ours, theirs := open(), open()
	held, err := target.Acquire(t.Context(), ours, mine())
	require.NoError(t, err)
	var v ledger.Volume
	require.NoError(t, ours[0].Call(t.Context(), wire.OpInspect, struct{}{}, &v))
	require.Equal(t, "me-1", v.Lock.Holder)

	w.Remove(leases, "leases", "casshook-prod") // somebody tidied up
	_, err = target.Acquire(t.Context(), theirs, ring.Claim{Holder: "you"})
	require.Equal(t, flow.Locked, flow.CodeOf(err))
	require.ErrorContains(t, err, "node n1: ")
	require.Nil(t, leaseIn(w), "the lease is given back when the volumes are not to be had")
	require.NoError(t, held.Release(t.Context()))
	require.NoError(t, ours[0].Call(t.Context(), wire.OpInspect, struct{}{}, &v))
}
