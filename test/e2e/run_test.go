//go:build kube

package e2e

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/cli"
	"github.com/casshook/casshook/test/lab/site"
	"github.com/casshook/casshook/test/lab/zoo"
)

// binaries is where TestMain builds casshook, and the agents in agents/.
var binaries string

func TestMain(m *testing.M) { os.Exit(build(m)) }

func build(m *testing.M) int {
	dir, err := os.MkdirTemp("", "casshook-e2e")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binaries = dir
	for arch, output := range map[string]string{"": "casshook", "amd64": "agents/casshook-agent-linux-amd64", "arm64": "agents/casshook-agent-linux-arm64"} {
		program := "casshook"
		cmd := exec.Command("go", "build", "-trimpath", "-o", filepath.Join(dir, output))
		cmd.Dir = "../.." // by the product's go.mod, not by that of the tests
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if arch != "" {
			program = "casshook-agent"
			cmd.Env = append(cmd.Env, "GOOS=linux", "GOARCH="+arch)
		}
		cmd.Args = append(cmd.Args, "./cmd/"+program)
		if out, err := cmd.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build %s: %v\n%s", program, err, out)
			return 1
		}
	}
	if err := prepare(); err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		return 1
	}
	return m.Run()
}

// prepare looks whether the tests can run at all.
func prepare() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	s, err := site.Open(ctx)
	if err != nil {
		return err
	}
	if !s.Lab && os.Getenv("CASSHOOK_IMAGE") == "" {
		return fmt.Errorf("set CASSHOOK_IMAGE to casshook's image where the cluster of %s finds it: only the lab has %s", s.Kubeconfig, labImage)
	}
	return nil
}

// run is one run of casshook as from a laptop: in this process, with agents that it copies into the pods.
type run struct {
	args []string
	// kubeconfig is the administrator's when empty.
	kubeconfig string
	// after is a part of a line on stderr at which do is called, before the run goes on.
	after string
	do    func()
}

// result is how a run ended.
type result struct {
	code           int
	stdout, stderr string
}

// reason is the last line that was printed.
func (r result) reason() string {
	lines := strings.Split(strings.TrimSpace(r.stderr), "\n")
	return lines[len(lines)-1]
}

// arguments are those of the command line in this world.
func (w *world) arguments(r run) []string {
	kubeconfig := r.kubeconfig
	if kubeconfig == "" {
		kubeconfig = w.Kubeconfig
	}
	args := append(slices.Clone(r.args), "--kubeconfig="+kubeconfig, "--namespace="+w.namespace)
	switch r.args[0] {
	case "doctor", "clean", "before-restore": // they start no agents, and refuse what means nothing to them
		return args
	}
	return append(args, "--agent-dir="+filepath.Join(binaries, "agents"))
}

// start runs casshook to its end.
func (w *world) start(t *testing.T, r run) result {
	t.Helper()
	stderr := &trigger{after: r.after, do: r.do}
	var stdout bytes.Buffer
	began := time.Now()
	code := cli.Run(t.Context(), w.arguments(r), &stdout, stderr)
	t.Logf("casshook %s: exit code %d after %.1f s\n%s", strings.Join(r.args, " "), code, time.Since(began).Seconds(), stderr.text.String())
	require.True(t, r.do == nil || stderr.fired, "no line with %q: what was to happen then did not", r.after)
	return result{code, stdout.String(), stderr.text.String()}
}

// trigger keeps what is written and calls do once, in the middle of the run. Runs print from several goroutines.
type trigger struct {
	after string
	do    func()

	mu    sync.Mutex
	text  bytes.Buffer
	fired bool
}

func (g *trigger) Write(p []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.text.Write(p)
	if g.do != nil && !g.fired && strings.Contains(g.text.String(), g.after) {
		g.fired = true
		g.do()
	}
	return len(p), nil
}

// must runs casshook and wants it to succeed.
func (w *world) must(t *testing.T, args ...string) result {
	t.Helper()
	r := w.start(t, run{args: args})
	require.Zero(t, r.code, r.reason())
	return r
}

// refused runs casshook and wants it to fail with a code and all of some texts in its reason, which is the last line.
func (w *world) refused(t *testing.T, code int, r run, reasons ...string) {
	t.Helper()
	got := w.start(t, r)
	require.Equal(t, code, got.code, got.reason())
	require.True(t, strings.HasPrefix(got.reason(), "casshook: "), got.reason())
	for _, reason := range reasons {
		require.Contains(t, got.reason(), reason)
	}
}

// killed runs casshook as a process of its own and kills it when stderr has a line with a text.
func (w *world) killed(t *testing.T, after string, args ...string) {
	t.Helper()
	cmd := exec.Command(filepath.Join(binaries, "casshook"), w.arguments(run{args: args})...)
	stderr := &trigger{after: after, do: func() { _ = cmd.Process.Kill() }}
	cmd.Stderr = stderr
	require.Error(t, cmd.Run())
	require.True(t, stderr.fired, stderr.text.String())
	require.Equal(t, -1, cmd.ProcessState.ExitCode(), "it ended before it was killed:\n%s", stderr.text.String())
}

// content is everything that clients see.
func (w *world) content(t *testing.T, d site.Datacenter) zoo.Digests {
	t.Helper()
	session, stop := w.session(t, d)
	defer stop()
	return digest(t, session)
}

// same wants a datacenter's content to be what it was.
func (w *world) same(t *testing.T, d site.Datacenter, want zoo.Digests) {
	t.Helper()
	same(t, want, w.content(t, d), d)
}

// shop makes a keyspace with some tables that have rows, and returns the content.
func (w *world) shop(t *testing.T, d site.Datacenter, tables int) zoo.Digests {
	t.Helper()
	session, stop := w.session(t, d)
	defer stop()
	execute(t, session, fmt.Sprintf("CREATE KEYSPACE shop WITH replication = {'class': 'NetworkTopologyStrategy', '%s': 1}", d.CassandraName()))
	for i := range tables {
		execute(t, session, fmt.Sprintf("CREATE TABLE shop.t%d (id int PRIMARY KEY, name text)", i))
	}
	require.NoError(t, w.Agree(t.Context(), d))
	for i := range tables {
		for id := range 10 {
			execute(t, session, fmt.Sprintf("INSERT INTO shop.t%d (id, name) VALUES (%d, 'row %d')", i, id, id))
		}
	}
	return digest(t, session)
}

// damage truncates a table and writes to it what was not there, drops another, and gives all others a column: a restore creates
// those anew, which takes some seconds.
func (w *world) damage(t *testing.T, d site.Datacenter, tables int) {
	t.Helper()
	session, stop := w.session(t, d)
	defer stop()
	execute(t, session, "TRUNCATE shop.t0", "INSERT INTO shop.t0 (id, name) VALUES (1000, 'too late')", "DROP TABLE shop.t1")
	for i := 2; i < tables; i++ {
		execute(t, session, fmt.Sprintf("ALTER TABLE shop.t%d ADD later text", i))
	}
	require.NoError(t, w.Agree(t.Context(), d)) // a node that does not know the column yet fails a read
}

// leftovers are casshook's backups on a datacenter's volumes: directories of documents and of snapshots that are called after one,
// as find in the containers sees them.
func (w *world) leftovers(t *testing.T, d site.Datacenter) string {
	t.Helper()
	pods, err := w.Pods(t.Context(), d)
	require.NoError(t, err)
	require.NotEmpty(t, pods)
	var found strings.Builder
	for _, pod := range pods {
		out, err := w.Exec(t.Context(), d.Namespace, pod, "cassandra", "find", "/var/lib/cassandra", "-name", "casshook-2*")
		require.NoError(t, err)
		found.WriteString(out)
	}
	return found.String()
}

// soon waits for what takes seconds.
func soon(t *testing.T, what string, ask func(ctx context.Context) error) {
	t.Helper()
	require.NoError(t, site.Wait(t.Context(), 5*time.Minute, what, ask))
}
