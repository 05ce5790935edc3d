package lock

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/kube/internal/kubetest"
	"github.com/casshook/casshook/pkg/ring"
	"github.com/casshook/casshook/pkg/ring/ringtest"
)

func TestLockerContract(t *testing.T) {
	t.Parallel()
	ringtest.LockerContract(t, func(t *testing.T) ringtest.Rival {
		w := kubetest.NewWorld(t)
		w.PutDatacenter("prod", "dc1", 1)
		clock := kubetest.ClockOf(w.Client)
		clock.OnWait = func() { // while one run watches, the other renews
			select {
			case clock.Renew <- struct{}{}:
			default:
			}
		}
		nodes := ringtest.New(t, 2)
		target := nodes.Target()
		list, err := target.Nodes.Nodes(t.Context())
		require.NoError(t, err)
		return ringtest.Rival{Ours: lockerOf(w), Theirs: lockerOf(w), Sessions: func() []*ring.Session {
			sessions, err := ring.OpenAll(t.Context(), target.Exec, list)
			require.NoError(t, err)
			t.Cleanup(func() { ring.CloseAll(sessions) })
			return sessions
		}}
	})
}
