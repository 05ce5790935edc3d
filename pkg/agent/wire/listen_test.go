package wire

import (
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestListen(t *testing.T) {
	t.Parallel()
	const limit = 10 * time.Second
	for name, tt := range map[string]struct {
		pauses []time.Duration // of the other side, before each byte
		busy   time.Duration   // of the reader, after each byte
		silent bool
	}{
		"one byte at a time":        {[]time.Duration{limit - 1, limit - 1, limit - 1}, 0, false},
		"silent from the start":     {[]time.Duration{limit + 1}, 0, true},
		"silent later":              {[]time.Duration{1, limit + 1}, 0, true},
		"the reader has other work": {[]time.Duration{1, 1}, 3 * limit, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				out, in := io.Pipe()
				go func() {
					for _, pause := range tt.pauses {
						time.Sleep(pause)
						_, _ = in.Write([]byte("x"))
					}
					in.Close()
				}()
				silent := false
				from := Listen(out, limit, func() { silent = true })
				for {
					_, err := from.Read(make([]byte, 8))
					if err != nil {
						require.Equal(t, io.EOF, err)
						break
					}
					time.Sleep(tt.busy)
				}
				synctest.Wait()
				require.Equal(t, tt.silent, silent)
			})
		})
	}
}
