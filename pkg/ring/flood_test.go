package ring

import (
	"bytes"
	"context"
	"io"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/agent/wire"
)

// A node answers with one line that does not end: the executor keeps no more of it than
// a line may have.
func TestEndlessLine(t *testing.T) {
	f := newFakeExec()
	sent := 0
	f.nodes["n1"] = script(func(ctx context.Context, s *scripted) error {
		_, _ = s.request()
		_, _ = io.WriteString(s.raw, `{"id":2,"event":{"kind":"progress","message":"`)
		chunk := bytes.Repeat([]byte("A"), 1<<20)
		for sent < 1<<10 && ctx.Err() == nil {
			if _, err := s.raw.Write(chunk); err != nil {
				return err
			}
			sent++
		}
		<-ctx.Done()
		return nil
	})
	s, err := OpenSession(t.Context(), f, node(t, "n1"))
	require.NoError(t, err)
	s.grace = 0
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	require.ErrorContains(t, s.Call(t.Context(), wire.OpInspect, struct{}{}, nil), "token too long")
	runtime.ReadMemStats(&after)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(4*wire.MaxLine), "of lines that grow by doubling")
	s.Close()
}
