package ringtest

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/casshook/casshook/pkg/ring"
)

func shell(script string) ring.Command { return ring.Command{Argv: []string{"/bin/sh", "-c", script}} }

// ExecContract is what every ring.Exec must do, at a node that runs programs of this
// machine.
func ExecContract(t *testing.T, open func(t *testing.T) (ring.Exec, ring.Node)) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, ring.Exec, ring.Node){
		"hands arguments, stdin and stdout through": execStreams,
		"is a conversation":                         execConverses,
		"says how a command failed":                 execFails,
		"ends with the command":                     execEndsByItself,
		"ends with the context":                     execIsCancelled,
		"runs many commands at once":                execMany,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			exec, node := open(t)
			test(t, exec, node)
		})
	}
}

func execStreams(t *testing.T, exec ring.Exec, node ring.Node) {
	var out bytes.Buffer
	require.NoError(t, exec.Exec(t.Context(), node, ring.Command{Argv: []string{"printf", "[%s]", "a b", "$HOME;", ""}, Stdout: &out}))
	require.Equal(t, "[a b][$HOME;][]", out.String())
	out.Reset()
	c := shell("tr a-z A-Z")
	c.Stdin, c.Stdout = strings.NewReader("hello\n"), &out
	require.NoError(t, exec.Exec(t.Context(), node, c))
	require.Equal(t, "HELLO\n", out.String())
}

// execConverses: the agent answers each request before the next one is written.
func execConverses(t *testing.T, exec ring.Exec, node ring.Node) {
	stdin, requests := io.Pipe()
	answers, stdout := io.Pipe()
	c := shell(`while read -r line; do echo "got $line"; done`)
	c.Stdin, c.Stdout = stdin, stdout
	ended := make(chan error, 1)
	go func() {
		ended <- exec.Exec(t.Context(), node, c)
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
	require.False(t, lines.Scan())
	require.NoError(t, <-ended)
}

func execFails(t *testing.T, exec ring.Exec, node ring.Node) {
	err := exec.Exec(t.Context(), node, shell("echo product; echo the reason >&2; exit 42"))
	var failed *ring.ExecError
	require.ErrorAs(t, err, &failed)
	require.Equal(t, 42, failed.Code)
	require.Equal(t, node.Name, failed.Node)
	require.Contains(t, failed.Tail, "the reason")
	require.ErrorContains(t, err, node.Name)
}

// execEndsByItself: the end of an agent must show at once, though its stdin is open.
func execEndsByItself(t *testing.T, exec ring.Exec, node ring.Node) {
	for script, code := range map[string]int{"exit 0": 0, "exit 3": 3} {
		stdin, requests := io.Pipe()
		c := shell(script)
		c.Stdin = stdin
		err := exec.Exec(t.Context(), node, c)
		require.NoError(t, requests.Close())
		if code == 0 {
			require.NoError(t, err)
			continue
		}
		var failed *ring.ExecError
		require.ErrorAs(t, err, &failed)
		require.Equal(t, code, failed.Code)
	}
}

func execIsCancelled(t *testing.T, exec ring.Exec, node ring.Node) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stdin, requests := io.Pipe()
	defer requests.Close()
	answers, stdout := io.Pipe()
	c := shell("echo begun; read -r line")
	c.Stdin, c.Stdout = stdin, stdout
	ended := make(chan error, 1)
	go func() { ended <- exec.Exec(ctx, node, c) }()
	lines := bufio.NewScanner(answers)
	require.True(t, lines.Scan())
	require.Equal(t, "begun", lines.Text())
	cancel()
	require.Error(t, <-ended)
}

func execMany(t *testing.T, exec ring.Exec, node ring.Node) {
	var all errgroup.Group
	outs := make([]bytes.Buffer, 8)
	for i := range outs {
		all.Go(func() error {
			c := shell("cat")
			c.Stdin, c.Stdout = strings.NewReader(fmt.Sprint("for ", i)), &outs[i]
			return exec.Exec(t.Context(), node, c)
		})
	}
	require.NoError(t, all.Wait())
	for i := range outs {
		require.Equal(t, fmt.Sprint("for ", i), outs[i].String())
	}
}

// DialerContract is what every ring.Dialer must do, at a node behind whose CQL port an
// echo is.
func DialerContract(t *testing.T, open func(t *testing.T) (ring.Dialer, ring.Node)) {
	t.Helper()
	t.Run("carries both ways, for many at once", func(t *testing.T) {
		t.Parallel()
		dialer, node := open(t)
		var all errgroup.Group
		for i := range 4 {
			all.Go(func() error { return echoes(t, dialer, node, fmt.Sprintf("line %d\n", i)) })
		}
		require.NoError(t, all.Wait())
	})
	t.Run("ends with the connection", func(t *testing.T) {
		t.Parallel()
		dialer, node := open(t)
		conn, err := dialer.DialCQL(t.Context(), node)
		require.NoError(t, err)
		require.NoError(t, conn.Close())
		_, err = conn.Read(make([]byte, 1))
		require.Error(t, err)
	})
	t.Run("is given up with the context", func(t *testing.T) {
		t.Parallel()
		dialer, node := open(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := dialer.DialCQL(ctx, node)
		require.Error(t, err)
	})
}

func echoes(t *testing.T, dialer ring.Dialer, node ring.Node, line string) error {
	conn, err := dialer.DialCQL(t.Context(), node)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, line); err != nil {
		return err
	}
	got, err := bufio.NewReader(conn).ReadString('\n')
	if err == nil && got != line {
		err = fmt.Errorf("%q came back as %q", line, got)
	}
	return err
}
