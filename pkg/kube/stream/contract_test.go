package stream

import (
	"io"
	"testing"

	"github.com/casshook/casshook/pkg/ring"
	"github.com/casshook/casshook/pkg/ring/ringtest"
)

func TestExecContract(t *testing.T) {
	t.Parallel()
	ringtest.ExecContract(t, func(t *testing.T) (ring.Exec, ring.Node) {
		_, target, node := running(t, Options{})
		return target, node
	})
}

func TestDialerContract(t *testing.T) {
	t.Parallel()
	ringtest.DialerContract(t, func(t *testing.T) (ring.Dialer, ring.Node) {
		w, target, node := running(t, Options{})
		w.Listener = func(_ string, stream io.ReadWriteCloser) error {
			_, _ = io.Copy(stream, stream)
			return nil
		}
		return target, node
	})
}
