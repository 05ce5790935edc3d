//go:build ring

package roundtrip

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	gocql "github.com/apache/cassandra-gocql-driver/v2"
	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/cli"
	"github.com/casshook/casshook/test/lab/cassandra"
	"github.com/casshook/casshook/test/lab/volume"
	"github.com/casshook/casshook/test/lab/zoo"
)

// binaries is where TestMain builds casshook and casshook-agent.
var binaries string

func TestMain(m *testing.M) {
	os.Exit(build(m))
}

func build(m *testing.M) int {
	dir, err := os.MkdirTemp("", "casshook-bin")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binaries = dir
	cmd := exec.Command("go", "build", "-o", dir+"/", "./cmd/...")
	cmd.Dir = "../.." // by the product's go.mod, not by that of the tests
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// secret is the password of the superuser that casshook logs in as: unlike the
// lab's, it occurs nowhere else.
const secret = "unmistakable-9f2c"

// commitLogSync is many times the lab's commitlog_sync_period, since a busy machine is late.
const commitLogSync = 2 * time.Second

// world is a ring with casshook pointed at it.
type world struct {
	ring      *cassandra.Ring
	inventory string
	session   *gocql.Session
	// agent is the agent to start, instead of the one that TestMain built.
	agent string
}

// start starts a ring with a superuser of casshook's own.
func start(t testing.TB, options cassandra.Options) *world {
	t.Helper()
	dir, err := os.MkdirTemp(cassandra.Scratch(), "ring")
	require.NoError(t, err)
	options.Dir = filepath.Join(dir, "r")
	ring, err := cassandra.Start(t.Context(), options)
	require.NoError(t, err)
	w := &world{ring: ring}
	t.Cleanup(func() {
		w.close()
		w.complaints(t)
		require.NoError(t, ring.Remove(context.WithoutCancel(t.Context())))
		require.NoError(t, os.RemoveAll(dir))
	})
	w.connect(t)
	w.exec(t, fmt.Sprintf("CREATE ROLE keeper WITH SUPERUSER = true AND LOGIN = true AND PASSWORD = '%s'", secret))
	w.use(t, cassandra.InventorySocket)
	return w
}

// complaints logs what the nodes of a failed test last warned of.
func (w *world) complaints(t testing.TB) {
	t.Helper()
	if !t.Failed() {
		return
	}
	for _, node := range w.ring.Nodes() {
		log, err := os.ReadFile(node.LogFile)
		if err != nil {
			t.Log(err)
			continue
		}
		var found []string
		for line := range strings.Lines(string(log)) {
			if strings.Contains(line, "WARN ") || strings.Contains(line, "ERROR ") || strings.Contains(line, "Exception") || strings.HasPrefix(line, "mgmtapi-standin: ") {
				found = append(found, line)
			}
		}
		t.Logf("node %s warned of:\n%s", node.Name, strings.Join(found[max(0, len(found)-30):], ""))
	}
}

// use writes the inventory: by the Management API or nodetool.
func (w *world) use(t testing.TB, mode cassandra.InventoryMode) {
	t.Helper()
	w.inventory = filepath.Join(w.ring.Dir(), "keeper.yaml")
	require.NoError(t, w.ring.WriteInventory(w.inventory, mode))
	credentials := map[string]string{w.ring.UsernameFile(): "keeper", w.ring.PasswordFile(): secret}
	content, err := os.ReadFile(w.inventory)
	require.NoError(t, err)
	for file, value := range credentials {
		own := file + ".keeper"
		require.NoError(t, os.WriteFile(own, []byte(value+"\n"), 0o600))
		content = bytes.ReplaceAll(content, []byte(file+"\n"), []byte(own+"\n"))
	}
	require.NoError(t, os.WriteFile(w.inventory, content, 0o600))
}

// edited is a copy of the inventory with some text replaced.
func (w *world) edited(t testing.TB, pairs ...string) string {
	t.Helper()
	content, err := os.ReadFile(w.inventory)
	require.NoError(t, err)
	for i := 0; i < len(pairs); i += 2 {
		require.Contains(t, string(content), pairs[i])
	}
	path := filepath.Join(t.TempDir(), "inventory.yaml")
	require.NoError(t, os.WriteFile(path, []byte(strings.NewReplacer(pairs...).Replace(string(content))), 0o600))
	return path
}

func (w *world) connect(t testing.TB) {
	t.Helper()
	w.close()
	n := w.ring.Node(1)
	var err error
	w.session, err = zoo.Connect(n.Address, n.CQLPort, cassandra.Superuser, cassandra.SuperuserPassword)
	require.NoError(t, err)
}

func (w *world) close() {
	if w.session != nil {
		w.session.Close()
		w.session = nil
	}
}

func (w *world) exec(t testing.TB, statements ...string) {
	t.Helper()
	for _, s := range statements {
		require.NoError(t, w.session.Query(s).ExecContext(t.Context()), s)
	}
}

// result is one run of casshook.
type result struct {
	code           int
	stdout, stderr string
}

// reason is the last line that was printed.
func (r result) reason() string {
	lines := strings.Split(strings.TrimSpace(r.stderr), "\n")
	return lines[len(lines)-1]
}

// casshook runs the command line in this process; the agents are real processes.
func (w *world) casshook(t testing.TB, args ...string) result {
	t.Helper()
	return w.casshookIn(t.Context(), args...)
}

func (w *world) casshookIn(ctx context.Context, args ...string) result {
	var stdout, stderr bytes.Buffer
	agent := w.agent
	if agent == "" {
		agent = filepath.Join(binaries, "casshook-agent")
	}
	args = append(args, "--agent", agent)
	if !strings.Contains(strings.Join(args, " "), "--inventory") {
		args = append(args, "--inventory", w.inventory)
	}
	code := cli.Run(ctx, args, &stdout, &stderr)
	return result{code, stdout.String(), stderr.String()}
}

// must runs casshook and wants it to succeed.
func (w *world) must(t testing.TB, args ...string) result {
	t.Helper()
	r := w.casshook(t, args...)
	require.Zero(t, r.code, "casshook %s:\n%s%s", strings.Join(args, " "), r.stdout, r.stderr)
	return r
}

// refused runs casshook and wants it to fail with a code and a reason, without
// any change to what clients see.
func (w *world) refused(t testing.TB, code int, reason string, args ...string) {
	t.Helper()
	before := w.digest(t)
	r := w.casshook(t, args...)
	require.Equal(t, code, r.code, "casshook %s:\n%s", strings.Join(args, " "), r.stderr)
	require.Contains(t, r.reason(), reason)
	require.True(t, strings.HasPrefix(r.reason(), "casshook: "), r.reason())
	w.same(t, before)
}

func (w *world) digest(t testing.TB) zoo.Digests {
	t.Helper()
	d, err := zoo.Digest(t.Context(), w.session)
	require.NoError(t, err)
	return d
}

// same wants the content of the ring to be what it was.
func (w *world) same(t testing.TB, want zoo.Digests) {
	t.Helper()
	got := w.digest(t)
	var table bytes.Buffer
	differences := zoo.Compare(want, got)
	if len(differences) > 0 {
		require.NoError(t, zoo.Render(&table, want, got))
	}
	require.Empty(t, differences, table.String())
}

// replaceVolumes kills the ring, puts copies of its volumes in their place, and
// starts it again.
func (w *world) replaceVolumes(t testing.TB) {
	t.Helper()
	w.close()
	time.Sleep(commitLogSync) // what is not in the commit log yet, a kill loses
	require.NoError(t, w.ring.Kill(t.Context()))
	require.NoError(t, volume.Replace(t.Context(), w.ring))
	require.NoError(t, w.ring.StartAll(t.Context()))
	w.connect(t)
}

// backup runs before-backup and returns the id.
func (w *world) backup(t testing.TB) string {
	t.Helper()
	return between(t, w.must(t, "before-backup", "-o", "json").stdout, `"backupId": "`, `"`)
}

func between(t testing.TB, text, from, to string) string {
	t.Helper()
	_, rest, ok := strings.Cut(text, from)
	require.True(t, ok, text)
	found, _, ok := strings.Cut(rest, to)
	require.True(t, ok, text)
	return found
}

// glob lists files below the volume of node 1.
func (w *world) glob(t testing.TB, pattern string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(w.ring.Node(1).VolumeRoot, pattern))
	require.NoError(t, err)
	return found
}
