package stream

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/kube/internal/kubetest"
	"github.com/casshook/casshook/pkg/ring"
)

// standIn is an agent: it says what it was called with, then echoes its stdin.
func standIn(text string) []byte {
	return []byte("#!/bin/sh\nrm \"$0\" && rmdir \"${CASSHOOK_AGENT_PLACE-}\"\necho agent " + text + " \"$@\"\ncat\n# " + strings.Repeat("x", 200_000) + "\n")
}

// shells of this machine that can run the script.
func shells(t *testing.T) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	for _, name := range []string{"dash", "bash", "busybox"} {
		if path, err := exec.LookPath(name); err == nil {
			found[name] = []string{path}
		}
	}
	if path, ok := found["busybox"]; ok {
		found["busybox"] = append(path, "sh")
	}
	require.NotEmpty(t, found)
	return found
}

// scriptRun is a run of the script alone.
type scriptRun struct {
	preinstalled, path string
	content            []byte
	// size and sum are of the content when empty.
	size, sum string
	stdin     []byte
}

func (r scriptRun) run(shell []string) (out, stderr string, code int) {
	if r.size == "" {
		r.size = strconv.Itoa(len(r.content))
	}
	if r.sum == "" {
		sum := sha256.Sum256(r.content)
		r.sum = hex.EncodeToString(sum[:])
	}
	argv := append(append([]string{}, shell...), "-c", agentScript, "casshook-agent", r.preinstalled)
	for range architectures() {
		argv = append(argv, r.path, r.size, r.sum)
	}
	cmd := exec.Command(argv[0], argv[1:]...)
	var o, e bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(r.stdin), &o, &e
	_ = cmd.Run()
	return o.String(), e.String(), cmd.ProcessState.ExitCode()
}

func TestAgentScript(t *testing.T) {
	t.Parallel()
	machine, err := exec.Command("uname", "-m").Output()
	require.NoError(t, err)
	need := "need " + string(machine)
	good := standIn("good")
	damaged := bytes.Clone(good)
	damaged[len(damaged)-5] ^= 1
	for _, c := range []struct {
		name   string
		there  []byte // at the path before
		mode   os.FileMode
		edit   func(r *scriptRun)
		out    string
		stderr string
	}{
		{name: "not there", edit: func(r *scriptRun) { r.stdin = good }, out: need + "start\nagent good serve\n"},
		{name: "a program that somebody prepared", there: damaged, mode: 0o700, edit: func(r *scriptRun) { r.stdin = good }, out: need + "start\nagent good serve\n"},
		{name: "stream cut", edit: func(r *scriptRun) { r.stdin = good[:150_000] }, out: need, stderr: "casshook: the agent was not transferred completely"},
		{name: "nothing comes", edit: func(*scriptRun) {}, out: need, stderr: "was not transferred completely"},
		{name: "damaged on the way", edit: func(r *scriptRun) { r.stdin = damaged }, out: need, stderr: "was not transferred completely"},
		{name: "wrong size", edit: func(r *scriptRun) { r.stdin, r.size = good, "100" }, out: need, stderr: "was not transferred completely"},
		{name: "unwritable", edit: func(r *scriptRun) { r.stdin, r.path = good, "/proc/casshook-agent" }, stderr: "casshook: cannot make a directory /proc/casshook-agent."},
		{name: "none for this machine", edit: func(r *scriptRun) { r.path = "" }, stderr: "no agent for machines of type"},
		{name: "preinstalled", edit: func(r *scriptRun) { r.preinstalled, r.stdin = "/bin/echo", good }, out: "start\nserve\n"},
		{name: "preinstalled is missing", edit: func(r *scriptRun) { r.preinstalled, r.stdin = "/no/such/agent", good }, out: need + "start\nagent good serve\n"},
	} {
		for name, shell := range shells(t) {
			t.Run(c.name+"/"+name, func(t *testing.T) {
				t.Parallel()
				dir := t.TempDir()
				r := scriptRun{path: filepath.Join(dir, "an agent"), content: good}
				if c.there != nil {
					require.NoError(t, os.WriteFile(r.path, c.there, c.mode))
				}
				c.edit(&r)
				out, stderr, code := r.run(shell)
				require.Equal(t, c.out, out, stderr)
				require.Contains(t, stderr, c.stderr)
				require.Equal(t, c.stderr != "", code != 0)
				left, err := filepath.Glob(filepath.Join(dir, "an agent.*"))
				require.NoError(t, err)
				require.Empty(t, left, "nothing stays")
			})
		}
	}
}

// agentDirOf fills a directory with agents; their contents are unlike those of
// other tests, since they go into the same /tmp.
func agentDirOf(t *testing.T, arches ...string) (dir string, paths []string) {
	t.Helper()
	dir = t.TempDir()
	for _, arch := range arches {
		content := standIn(arch + " of " + t.Name() + " " + strconv.FormatInt(time.Now().UnixNano(), 10))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "casshook-agent-linux-"+arch), content, 0o600))
		sum := sha256.Sum256(content)
		path := "/tmp/casshook-agent-" + hex.EncodeToString(sum[:8])
		paths = append(paths, path)
		t.Cleanup(func() { os.Remove(path) })
	}
	return dir, paths
}

// serveOnce runs the agent until its stdin closes, and returns its output.
func serveOnce(t *testing.T, target *Pods, node ring.Node, input string) (string, error) {
	t.Helper()
	argv, err := target.AgentArgv(t.Context(), node)
	require.NoError(t, err)
	var out bytes.Buffer
	err = target.Exec(t.Context(), node, ring.Command{Argv: argv, Stdin: strings.NewReader(input), Stdout: &out})
	return out.String(), err
}

func TestAgentInOneExec(t *testing.T) {
	t.Parallel()
	dir, paths := agentDirOf(t, "amd64", "arm64")
	w, target, node := running(t, Options{Agents: NewAgents(dir)})
	for range 2 {
		before := len(w.Requests())
		out, err := serveOnce(t, target, node, "line 1\nline 2\n")
		require.NoError(t, err)
		require.Contains(t, out, "agent "+runtime.GOARCH+" of TestAgentInOneExec")
		require.True(t, strings.HasSuffix(out, " serve\nline 1\nline 2\n"), out)
		require.Equal(t, []string{"get /pods/exec", "create /pods/exec"}, w.Requests()[before:], "one exec: WebSocket refused, then SPDY")
	}
	for _, path := range paths {
		left, err := filepath.Glob(path + "*")
		require.NoError(t, err)
		require.Empty(t, left, "nothing stays")
	}
}

// What the caller sees of the streams is the agent's alone, both ways and live.
func TestAgentStreams(t *testing.T) {
	t.Parallel()
	dir, _ := agentDirOf(t, runtime.GOARCH)
	_, target, node := running(t, Options{Agents: NewAgents(dir)})
	argv, err := target.AgentArgv(t.Context(), node)
	require.NoError(t, err)
	stdin, requests := io.Pipe()
	answers, stdout := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- target.Exec(t.Context(), node, ring.Command{Argv: argv, Stdin: stdin, Stdout: stdout})
	}()
	lines := bufio.NewScanner(answers)
	require.True(t, lines.Scan())
	require.True(t, strings.HasPrefix(lines.Text(), "agent "), lines.Text())
	for _, word := range []string{"one", "two"} {
		_, err := io.WriteString(requests, word+"\n")
		require.NoError(t, err)
		require.True(t, lines.Scan())
		require.Equal(t, word, lines.Text())
	}
	require.NoError(t, requests.Close())
	require.NoError(t, <-ended)
}

func TestAgentFails(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		arches  []string
		process func(p kubetest.Process) int
		want    string
	}{
		{"none for this machine", []string{map[string]string{"amd64": "arm64", "arm64": "amd64"}[runtime.GOARCH]}, nil, "no agent for machines of type"},
		{"a machine that lies", architectures(), func(p kubetest.Process) int {
			_, _ = io.WriteString(p.Stdout, "need s390x\n")
			_, _ = io.Copy(io.Discard, p.Stdin)
			return 1
		}, `no agent for machines of type "s390x"`},
		{"noise", architectures(), func(p kubetest.Process) int {
			_, _ = io.WriteString(p.Stdout, "Welcome!\n")
			_, _ = io.Copy(io.Discard, p.Stdin)
			return 1
		}, `the container's shell answered "Welcome!"`},
		{"no end of noise", architectures(), func(p kubetest.Process) int {
			_, _ = io.WriteString(p.Stdout, strings.Repeat("x", 10_000))
			_, _ = io.Copy(io.Discard, p.Stdin)
			return 1
		}, `the container's shell answered "xxx`},
		{"no shell", architectures(), func(p kubetest.Process) int {
			_, _ = io.WriteString(p.Stderr, "exec: /bin/sh: no such file")
			return 127
		}, "exec: /bin/sh: no such file"},
		{"no programs from /tmp", architectures(), func(p kubetest.Process) int {
			_, _ = io.WriteString(p.Stdout, "start\n")
			return 126
		}, "the container may not run programs from /tmp"},
		{"stream cut while it works", architectures(), func(p kubetest.Process) int {
			_, _ = io.WriteString(p.Stdout, "start\n")
			p.Cut()
			return 0
		}, "the stream to the pod broke, although its container is running"},
		{"stream cut before", architectures(), func(p kubetest.Process) int {
			p.Cut()
			return 0
		}, "the stream to the pod broke"},
		{"agent ends by itself", architectures(), func(p kubetest.Process) int {
			_, _ = io.WriteString(p.Stdout, "start\n{\"id\":1}\n")
			return 0
		}, "the streams ended before the agent was told to end"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir, _ := agentDirOf(t, c.arches...)
			w, target, node := running(t, Options{Agents: NewAgents(dir)})
			if c.process != nil {
				w.Process = c.process
			}
			argv, err := target.AgentArgv(t.Context(), node)
			require.NoError(t, err)
			stdin, requests := io.Pipe() // never closed by us, as a session's is not
			defer requests.Close()
			ended := make(chan error, 1)
			go func() {
				ended <- target.Exec(context.WithoutCancel(t.Context()), node, ring.Command{Argv: argv, Stdin: stdin, Stdout: io.Discard})
			}()
			select {
			case err := <-ended:
				require.ErrorContains(t, err, c.want)
				require.ErrorContains(t, err, "node set-dc1-0: run casshook-agent serve: ")
				require.NotContains(t, err.Error(), "uname", "the script tells nobody anything")
				require.NotContains(t, err.Error(), `{"id"`, "nor do the agent's answers")
			case <-time.After(soon):
				t.Fatal("the exec does not end")
			}
		})
	}
}

func TestAgentsAreFound(t *testing.T) {
	t.Parallel()
	_, target, node := running(t, Options{Agents: NewAgents(t.TempDir())})
	_, err := target.AgentArgv(t.Context(), node)
	require.ErrorContains(t, err, "no casshook-agent-linux-amd64 or -arm64 in ")
	_, target, node = running(t, Options{Agents: NewAgents(t.TempDir()), AgentPath: "/opt/casshook/agent"})
	argv, err := target.AgentArgv(t.Context(), node)
	require.NoError(t, err, "a preinstalled one will do")
	require.Equal(t, []string{"casshook-agent", "/opt/casshook/agent", "", "0", "", "", "0", ""}, argv[3:])
	_, target, node = running(t, Options{})
	_, err = target.AgentArgv(t.Context(), node)
	self, _ := os.Executable()
	require.ErrorContains(t, err, filepath.Join(filepath.Dir(self), "agents"))
}
