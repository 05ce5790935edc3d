package stream

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/casshook/casshook/pkg/kube/internal/kubetest"
	"github.com/casshook/casshook/pkg/ring"
)

// soon is far above what anything here takes.
const soon = 15 * time.Second

// running is a world of one node, and that node.
func running(t *testing.T, opts Options) (*kubetest.World, *Pods, ring.Node) {
	t.Helper()
	w := kubetest.NewWorld(t)
	w.PutDatacenter("prod", "dc1", 1)
	w.Process = func(p kubetest.Process) int { return p.Run(p.Argv...) }
	if opts.Agents == nil {
		opts.Agents = NewAgents("")
	}
	return w, podsOf(w, opts), nodeOfPod()
}

func shell(script string) ring.Command { return ring.Command{Argv: []string{"/bin/sh", "-c", script}} }

func TestExec(t *testing.T) {
	t.Parallel()
	w, target, node := running(t, Options{})
	w.Process = func(p kubetest.Process) int {
		require.Equal(t, "set-dc1-0", p.Pod)
		require.Equal(t, "cassandra", p.Container)
		return p.Run(p.Argv...)
	}
	var out bytes.Buffer
	require.NoError(t, target.Exec(t.Context(), node, ring.Command{Argv: []string{"printf", "[%s]", "$HOME;", "a b", `"`}, Stdout: &out}))
	require.Equal(t, `[$HOME;][a b]["]`, out.String())
	out.Reset()
	c := shell("tr a-z A-Z")
	c.Stdin, c.Stdout = strings.NewReader("hello"), &out
	require.NoError(t, target.Exec(t.Context(), node, c))
	require.Equal(t, "HELLO", out.String())
}

func TestExecError(t *testing.T) {
	t.Parallel()
	_, target, node := running(t, Options{})
	for _, c := range []struct{ name, script, tail string }{
		{"stderr", "echo product; echo begin >&2; yes 0123456789 | head -c 5000 >&2; echo >&2; echo 'the reason' >&2; exit 42", "the reason"},
		{"stdout when stderr is empty", "yes 0123456789 | head -c 5000; echo; echo 'the reason'; exit 42", "the reason"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			err := target.Exec(t.Context(), node, shell(c.script))
			var failed *ring.ExecError
			require.ErrorAs(t, err, &failed)
			require.Equal(t, 42, failed.Code)
			require.Equal(t, "set-dc1-0", failed.Node)
			require.True(t, strings.HasSuffix(failed.Tail, "\n"+c.tail), failed.Tail)
			require.NotContains(t, failed.Tail, "begin")
			require.LessOrEqual(t, len(failed.Tail), 2000)
		})
	}
}

func TestExecEndsWithTheProcessWhileStdinIsOpen(t *testing.T) {
	t.Parallel()
	_, target, node := running(t, Options{})
	for script, code := range map[string]int{"exit 0": 0, "read -r line; exit 3": 3} {
		stdin, requests := io.Pipe()
		go func() { _, _ = io.WriteString(requests, "hello\n") }()
		c := shell(script)
		c.Stdin = stdin
		ended := make(chan error, 1)
		go func() { ended <- target.Exec(t.Context(), node, c) }()
		select {
		case err := <-ended:
			var failed *ring.ExecError
			require.Equal(t, code != 0, errors.As(err, &failed))
			if code != 0 {
				require.Equal(t, code, failed.Code)
			}
		case <-time.After(soon):
			t.Fatal("the exec waits for its stdin")
		}
		require.NoError(t, stdin.Close())
	}
}

func TestExecStopsWithItsContext(t *testing.T) {
	t.Parallel()
	_, target, node := running(t, Options{})
	ctx, cancel := context.WithCancel(t.Context())
	stdin, requests := io.Pipe()
	out, stdout := io.Pipe()
	c := shell("echo started; read -r line")
	c.Stdin, c.Stdout = stdin, stdout
	ended := make(chan error, 1)
	go func() { ended <- target.Exec(ctx, node, c) }()
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "started\n", line)
	cancel()
	select {
	case err := <-ended:
		var failed *ring.ExecError
		require.ErrorAs(t, err, &failed)
		require.Equal(t, -1, failed.Code)
		require.ErrorIs(t, err, context.Canceled)
	case <-time.After(soon):
		t.Fatal("the exec outlives its context")
	}
	require.NoError(t, requests.Close())
}

func TestExecTellsWhatHappened(t *testing.T) {
	t.Parallel()
	cassandra := func(o map[string]any) map[string]any {
		return o["status"].(map[string]any)["containerStatuses"].([]any)[1].(map[string]any)
	}
	for _, c := range []struct {
		name   string
		happen func(*kubetest.World)
		code   int
		want   string
	}{
		{"gone", func(w *kubetest.World) { w.Remove("", "pods", "set-dc1-0") }, 137, "the pod is gone"},
		{"replaced", kubetest.EditPod(func(o map[string]any) { kubetest.In(o, "metadata")["uid"] = "another" }), 137, "the pod was replaced"},
		{"restarted", kubetest.EditPod(func(o map[string]any) {
			cassandra(o)["containerID"] = "containerd://2"
			cassandra(o)["lastState"] = map[string]any{"terminated": map[string]any{"reason": "OOMKilled", "exitCode": 137}}
		}), 137, "the container cassandra was restarted (ended before: OOMKilled, exit code 137)"},
		{"down", kubetest.EditPod(func(o map[string]any) {
			cassandra(o)["state"] = map[string]any{"terminated": map[string]any{"reason": "Error", "exitCode": 1}}
		}), 143, "the container cassandra is not running (ended: Error, exit code 1)"},
		{"being deleted", kubetest.EditPod(func(o map[string]any) { kubetest.In(o, "metadata")["deletionTimestamp"] = "2026-11-21T10:00:00Z" }), 137, "the pod is being deleted"},
		{"restarted, as is seen a moment later", func(w *kubetest.World) {
			kubetest.ClockOf(w.Client).OnWait = func() { kubetest.EditPod(func(o map[string]any) { cassandra(o)["containerID"] = "containerd://2" })(w) }
		}, 137, "the container cassandra was restarted"},
		{"killed alone", func(*kubetest.World) {}, 137, "exit code 137"},
		{"failed by itself", kubetest.EditPod(func(o map[string]any) { kubetest.In(o, "metadata")["uid"] = "another" }), 1, "exit code 1"},
		{"forbidden", func(w *kubetest.World) { w.Refuse = kubetest.Forbid("create /pods/exec") }, 0, "the service account may not create pods/exec in namespace db: add this permission to the Role"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w, target, node := running(t, Options{})
			w.Process = func(kubetest.Process) int { return c.code }
			c.happen(w)
			err := target.Exec(t.Context(), node, shell("true"))
			require.ErrorContains(t, err, c.want)
			if c.code == 1 {
				require.NotContains(t, err.Error(), "replaced", "what ended by itself needs no explanation")
			}
		})
	}
}

func TestExecIsNotRepeated(t *testing.T) {
	t.Parallel()
	w, target, node := running(t, Options{})
	w.Refuse = func(a kubetest.Asked) *metav1.Status {
		if a.Resource == "pods/exec" {
			return kubetest.Status(503, "ServiceUnavailable", "starting")
		}
		return nil
	}
	before := len(w.Requests())
	require.Error(t, target.Exec(t.Context(), node, shell("true")))
	var execs []string
	for _, r := range w.Requests()[before:] {
		if strings.HasSuffix(r, "pods/exec") {
			execs = append(execs, r)
		}
	}
	require.Equal(t, []string{"get /pods/exec", "create /pods/exec"}, execs, "WebSocket, SPDY, and no more")
}
