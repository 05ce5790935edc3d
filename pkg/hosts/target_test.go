package hosts

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/ring"
)

// soon is far above what anything here takes, and far below stopGrace.
const soon = 5 * time.Second

// machine is a target of one host, and that host's node.
func machine(t *testing.T, h Host) (*Target, ring.Node) {
	t.Helper()
	h.Name = "n1"
	target, err := newTarget(Inventory{Nodes: []Host{h}})
	require.NoError(t, err)
	return target, ring.Node{Node: wire.Node{Name: "n1"}}
}

func shell(script string) ring.Command { return ring.Command{Argv: []string{"/bin/sh", "-c", script}} }

func TestExecPutsThePrefixFirst(t *testing.T) {
	t.Parallel()
	target, node := machine(t, Host{Prefix: []string{"printf", "[%s]"}})
	var out bytes.Buffer
	require.NoError(t, target.Exec(t.Context(), node, ring.Command{Argv: []string{"agent path", "$HOME;"}, Stdout: &out}))
	require.Equal(t, "[agent path][$HOME;]", out.String())
}

// Commands run at once: none may write into the argv of another.
func TestExecSharesNoArgv(t *testing.T) {
	t.Parallel()
	target, node := machine(t, Host{Prefix: append(make([]string, 0, 8), "env")})
	var first, second *ring.ExecError
	require.ErrorAs(t, target.Exec(t.Context(), node, shell("exit 1")), &first)
	require.ErrorAs(t, target.Exec(t.Context(), node, shell("exit 2")), &second)
	require.Equal(t, []string{"env", "/bin/sh", "-c", "exit 1"}, first.Argv)
	require.Equal(t, []string{"env", "/bin/sh", "-c", "exit 2"}, second.Argv)
}

func TestExecError(t *testing.T) {
	t.Parallel()
	target, node := machine(t, Host{Prefix: []string{"env"}})
	c := shell("echo product; echo begin >&2; yes 0123456789 | head -c 5000 >&2; echo >&2; echo 'the reason' >&2; exit 42")
	err := target.Exec(t.Context(), node, c)
	var failed *ring.ExecError
	require.ErrorAs(t, err, &failed)
	require.Equal(t, 42, failed.Code)
	require.Equal(t, "n1", failed.Node)
	require.Equal(t, append([]string{"env"}, c.Argv...), failed.Argv)
	require.True(t, strings.HasSuffix(failed.Tail, "\nthe reason"), failed.Tail)
	require.NotContains(t, failed.Tail, "begin")
	require.LessOrEqual(t, len(failed.Tail), 2000)
	require.ErrorContains(t, err, "node n1: run env /bin/sh -c")
}

func TestExecOfNothing(t *testing.T) {
	t.Parallel()
	target, node := machine(t, Host{})
	for _, stdin := range []io.Reader{nil, strings.NewReader("x")} {
		err := target.Exec(t.Context(), node, ring.Command{Argv: []string{"/no/such/program"}, Stdin: stdin})
		var failed *ring.ExecError
		require.ErrorAs(t, err, &failed)
		require.Equal(t, -1, failed.Code)
		require.ErrorIs(t, err, os.ErrNotExist)
	}
}

// A session writes a request when it has read the answer to the one before.
func TestExecStreams(t *testing.T) {
	t.Parallel()
	target, node := machine(t, Host{})
	stdin, requests := io.Pipe()
	answers, stdout := io.Pipe()
	c := shell(`while read -r line; do echo "got $line"; done; echo end`)
	c.Stdin, c.Stdout = stdin, stdout
	ended := make(chan error, 1)
	go func() {
		ended <- target.Exec(t.Context(), node, c)
		stdout.Close()
	}()
	lines := bufio.NewScanner(answers)
	for _, word := range []string{"one", "two"} {
		_, err := io.WriteString(requests, word+"\n")
		require.NoError(t, err)
		require.True(t, lines.Scan())
		require.Equal(t, "got "+word, lines.Text())
	}
	require.NoError(t, requests.Close())
	require.True(t, lines.Scan())
	require.Equal(t, "end", lines.Text())
	require.False(t, lines.Scan())
	require.NoError(t, <-ended)
}

// An agent that dies must be noticed at once, not with the next heartbeat.
func TestExecEndsWithTheProcessWhileStdinIsOpen(t *testing.T) {
	t.Parallel()
	target, node := machine(t, Host{})
	for script, code := range map[string]int{"exit 0": 0, "read -r line; exit 3": 3} {
		stdin, requests := io.Pipe()
		go func() { _, _ = io.WriteString(requests, "hello\n") }()
		c := shell(script)
		c.Stdin = stdin
		started := time.Now()
		err := target.Exec(t.Context(), node, c)
		require.Less(t, time.Since(started), soon, script)
		require.NoError(t, stdin.Close())
		if code == 0 {
			require.NoError(t, err)
			continue
		}
		var failed *ring.ExecError
		require.ErrorAs(t, err, &failed)
		require.Equal(t, code, failed.Code)
	}
}

// started waits for the first line of a command's output.
func started(t *testing.T, out io.Reader) *bufio.Scanner {
	t.Helper()
	lines := bufio.NewScanner(out)
	require.True(t, lines.Scan())
	require.Equal(t, "started", lines.Text())
	return lines
}

func TestExecStopsByTerm(t *testing.T) {
	t.Parallel()
	target, node := machine(t, Host{})
	ctx, cancel := context.WithCancel(t.Context())
	out, stdout := io.Pipe()
	ended := make(chan error, 1)
	c := shell(`trap 'echo cleaned up; exit 7' TERM; echo started; for i in $(seq 200); do sleep 0.05; done`)
	c.Stdout = stdout
	go func() {
		ended <- target.Exec(ctx, node, c)
		stdout.Close()
	}()
	lines := started(t, out)
	cancel()
	require.True(t, lines.Scan())
	require.Equal(t, "cleaned up", lines.Text())
	var failed *ring.ExecError
	require.ErrorAs(t, <-ended, &failed)
	require.Equal(t, 7, failed.Code)
}

func TestExecKillsWhatIgnoresTerm(t *testing.T) {
	t.Parallel()
	target, node := machine(t, Host{})
	require.Equal(t, stopGrace, target.grace)
	target.grace = 300 * time.Millisecond
	ctx, cancel := context.WithCancel(t.Context())
	out, stdout := io.Pipe()
	ended := make(chan error, 1)
	c := shell(`trap '' TERM; echo started; for i in $(seq 200); do sleep 0.05; done`)
	c.Stdout = stdout
	go func() {
		ended <- target.Exec(ctx, node, c)
		stdout.Close()
	}()
	started(t, out)
	cancelled := time.Now()
	cancel()
	select {
	case err := <-ended:
		var failed *ring.ExecError
		require.ErrorAs(t, err, &failed)
		require.Equal(t, -1, failed.Code)
		require.ErrorContains(t, err, "killed")
		require.GreaterOrEqual(t, time.Since(cancelled), target.grace, "killed before it could end by itself")
	case <-time.After(soon):
		t.Fatal("the process outlives its context")
	}
}

func TestAgentArgv(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	local, other := filepath.Join(dir, "casshook-agent"), filepath.Join(dir, "other agent")
	for _, path := range []string{local, other} {
		require.NoError(t, os.WriteFile(path, nil, 0o700))
	}
	for _, c := range []struct {
		name  string
		host  Host
		local string
		want  string // "" for an error
	}{
		{"the local one", Host{}, local, local},
		{"that of the inventory", Host{Agent: other}, local, other},
		{"the local one is missing", Host{}, filepath.Join(dir, "none"), ""},
		{"that of the inventory is missing", Host{Agent: filepath.Join(dir, "none")}, local, ""},
		{"behind a prefix it is not looked for here", Host{Agent: "/remote/agent", Prefix: []string{"ssh", "db1"}}, local, "/remote/agent"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			target, node := machine(t, c.host)
			target.UseAgent(c.local)
			argv, err := target.AgentArgv(t.Context(), node)
			if c.want == "" {
				require.ErrorIs(t, err, os.ErrNotExist)
				require.ErrorContains(t, err, "install casshook-agent beside casshook")
				return
			}
			require.NoError(t, err)
			require.Equal(t, []string{c.want, "serve"}, argv)
		})
	}
}

func TestAgentBesideTheProgram(t *testing.T) {
	t.Parallel()
	target, _ := machine(t, Host{})
	self, err := os.Executable()
	require.NoError(t, err)
	require.Equal(t, filepath.Join(filepath.Dir(self), "casshook-agent"), target.agent)
}

func TestDialCQL(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	target, node := machine(t, Host{})
	node.Address, node.CQLPort = "127.0.0.1", listener.Addr().(*net.TCPAddr).Port
	conn, err := target.DialCQL(t.Context(), node)
	require.NoError(t, err)
	require.NoError(t, conn.Close())
}

func TestTail(t *testing.T) {
	t.Parallel()
	w := &tailWriter{limit: 5}
	for _, part := range []string{"abc", "defgh", "", "i\n"} {
		n, err := w.Write([]byte(part))
		require.NoError(t, err)
		require.Equal(t, len(part), n)
	}
	require.Equal(t, "fghi", w.String())
}
