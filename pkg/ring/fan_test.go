package ring

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/casshook/casshook/pkg/ledger"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/agent/wire"
)

// readyAPI is a Management API to which all is well.
func readyAPI(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "api")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	listener, err := net.Listen("unix", filepath.Join(dir, "s"))
	require.NoError(t, err)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	server.Listener.Close()
	server.Listener = listener
	server.Start()
	t.Cleanup(server.Close)
	return "unix://" + filepath.Join(dir, "s")
}

func TestOpenAll(t *testing.T) {
	t.Parallel()
	f := newFakeExec()
	sessions, err := OpenAll(t.Context(), f, []Node{node(t, "n1"), node(t, "n2")})
	require.NoError(t, err)
	require.Equal(t, "n2", sessions[1].Node.Name, "in the order of the nodes")
	CloseAll(append(sessions, nil))
	require.ElementsMatch(t, []string{"start n1", "start n2", "end n1", "end n2"}, f.noted())
}

func TestOpenAllClosesTheOthersWhenOneFails(t *testing.T) {
	t.Parallel()
	f := newFakeExec()
	f.argvErr["n2"] = errors.New("no such pod")
	f.nodes["n3"] = func(context.Context, Command) error { return errors.New("exit status 1") }
	sessions, err := OpenAll(t.Context(), f, []Node{node(t, "n1"), node(t, "n2"), node(t, "n3")})
	require.Nil(t, sessions)
	require.EqualError(t, err, "node n2: agent: no such pod\nnode n3: hello: exit status 1")
	require.ElementsMatch(t, []string{"start n1", "start n3", "end n1", "end n3"}, f.noted())
}

func TestEachRunsAllAndJoinsErrors(t *testing.T) {
	t.Parallel()
	sessions := make([]*Session, 4)
	var together sync.WaitGroup
	together.Add(len(sessions))
	results, err := Each(sessions, func(i int, _ *Session) (int, error) {
		together.Done()
		together.Wait() // all run at once, whoever fails
		if i%2 == 1 {
			return 0, errors.New(strings.Repeat("x", i))
		}
		return i + 1, nil
	})
	require.EqualError(t, err, "x\nxxx")
	require.Equal(t, []int{1, 0, 3, 0}, results)
}

func TestCallAll(t *testing.T) {
	t.Parallel()
	f := newFakeExec()
	f.nodes["n2"] = script(func(_ context.Context, s *scripted) error {
		r, err := s.request()
		if err != nil {
			return err
		}
		return s.out.Encode(wire.Response{ID: r.ID, Error: &wire.Error{Message: "disk"}})
	})
	sessions, err := OpenAll(t.Context(), f, []Node{node(t, "n1"), node(t, "n2"), node(t, "n3")})
	require.NoError(t, err)
	t.Cleanup(func() { CloseAll(sessions) })
	volumes, err := CallAll[ledger.Volume](t.Context(), sessions, wire.OpInspect, struct{}{})
	require.EqualError(t, err, "node n2: disk")
	require.Equal(t, "volume of n3", volumes[2].Identity, "the others ended what they began")
}

func TestCallProgressSumsOverNodes(t *testing.T) {
	t.Parallel()
	f := newFakeExec()
	for _, name := range []string{"n1", "n2"} {
		f.nodes[name] = script(func(_ context.Context, s *scripted) error {
			r, err := s.request()
			if err != nil {
				return err
			}
			for done := 1; done <= 3; done++ {
				_ = s.out.Encode(wire.Response{ID: r.ID, Event: &wire.Event{Kind: wire.EventProgress, Done: done, Total: 3}})
			}
			_ = s.out.Encode(wire.Response{ID: r.ID, Result: r.Args})
			_, _ = s.request()
			return nil
		})
	}
	sessions, err := OpenAll(t.Context(), f, []Node{node(t, "n1"), node(t, "n2")})
	require.NoError(t, err)
	t.Cleanup(func() { CloseAll(sessions) })
	last, most, reports := 0, 0, 0
	results, err := CallProgress[int](t.Context(), sessions, wire.OpStage, func(i int) any { return i * 10 }, func(done, total int) {
		require.GreaterOrEqual(t, done, last, "it never goes back")
		last, most, reports = done, max(most, total), reports+1
	})
	require.NoError(t, err)
	require.Equal(t, []int{0, 10}, results)
	require.Equal(t, []int{6, 6, 6}, []int{last, most, reports})
}
