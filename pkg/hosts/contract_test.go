package hosts

import (
	"io"
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/ring"
	"github.com/casshook/casshook/pkg/ring/ringtest"
)

func TestExecContract(t *testing.T) {
	t.Parallel()
	for name, host := range map[string]Host{"on this machine": {}, "behind a prefix": {Prefix: []string{"env"}}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ringtest.ExecContract(t, func(t *testing.T) (ring.Exec, ring.Node) { return machine(t, host) })
		})
	}
}

func TestDialerContract(t *testing.T) {
	t.Parallel()
	ringtest.DialerContract(t, func(t *testing.T) (ring.Dialer, ring.Node) {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		t.Cleanup(func() { listener.Close() })
		go func() {
			for {
				conn, err := listener.Accept()
				if err != nil {
					return
				}
				go func() {
					_, _ = io.Copy(conn, conn)
					conn.Close()
				}()
			}
		}()
		address := listener.Addr().(*net.TCPAddr)
		return &Target{}, ring.Node{Address: address.IP.String(), CQLPort: address.Port}
	})
}

func TestLockerContract(t *testing.T) {
	t.Parallel()
	ringtest.LockerContract(t, func(t *testing.T) ringtest.Rival {
		target := ringtest.New(t, 3).Target()
		nodes, err := target.Nodes.Nodes(t.Context())
		require.NoError(t, err)
		return ringtest.Rival{Ours: &Target{}, Theirs: &Target{}, Sessions: func() []*ring.Session {
			sessions, err := ring.OpenAll(t.Context(), target.Exec, nodes)
			require.NoError(t, err)
			t.Cleanup(func() { ring.CloseAll(sessions) })
			return sessions
		}}
	})
}
