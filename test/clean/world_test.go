//go:build clean

package clean

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	gocql "github.com/apache/cassandra-gocql-driver/v2"
	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/cli"
	"github.com/casshook/casshook/test/lab/cassandra"
	"github.com/casshook/casshook/test/lab/zoo"
)

// binary is the casshook-agent that TestMain builds.
var binary string

func TestMain(m *testing.M) { os.Exit(build(m)) }

func build(m *testing.M) int {
	dir, err := os.MkdirTemp("", "casshook-bin")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "casshook-agent")
	cmd := exec.Command("go", "build", "-o", binary, "./cmd/casshook-agent")
	cmd.Dir = "../.." // by the product's go.mod, not by that of the tests
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// commitLogSync is many times the lab's commitlog_sync_period, since a busy machine is late.
const commitLogSync = 2 * time.Second

// world is one node with a zoo.
type world struct {
	ring    *cassandra.Ring
	node    *cassandra.Node
	session *gocql.Session
	zoo     zoo.Options
}

func start(t *testing.T, options cassandra.Options, scale zoo.Scale) *world {
	t.Helper()
	dir, err := os.MkdirTemp(cassandra.Scratch(), "clean")
	require.NoError(t, err)
	options.Dir, options.Nodes = filepath.Join(dir, "r"), 1
	ring, err := cassandra.Start(t.Context(), options)
	require.NoError(t, err)
	w := &world{ring: ring, node: ring.Node(1)}
	t.Cleanup(func() {
		w.close()
		require.NoError(t, ring.Remove(context.WithoutCancel(t.Context())))
		require.NoError(t, os.RemoveAll(dir))
	})
	w.connect(t)
	version, err := zoo.ParseVersion(options.Version)
	require.NoError(t, err)
	w.zoo = zoo.Options{Session: w.session, Version: version, Flavour: string(options.Flavour), Nodes: 1, Scale: scale, Flush: ring.Flush, Agree: ring.Agree}
	_, err = zoo.Create(t.Context(), w.zoo)
	require.NoError(t, err)
	return w
}

func (w *world) connect(t *testing.T) {
	t.Helper()
	w.close()
	var err error
	w.session, err = zoo.Connect(w.node.Address, w.node.CQLPort, cassandra.Superuser, cassandra.SuperuserPassword)
	require.NoError(t, err)
	w.zoo.Session = w.session
}

func (w *world) close() {
	if w.session != nil {
		w.session.Close()
		w.session = nil
	}
}

func (w *world) digest(t *testing.T) zoo.Digests {
	t.Helper()
	d, err := zoo.Digest(t.Context(), w.session)
	require.NoError(t, err)
	return d
}

func (w *world) same(t *testing.T, want zoo.Digests) {
	t.Helper()
	got := w.digest(t)
	var table bytes.Buffer
	differences := zoo.Compare(want, got)
	if len(differences) > 0 {
		require.NoError(t, zoo.Render(&table, want, got))
	}
	require.Empty(t, differences, table.String())
}

// hook runs casshook's command line, which must succeed.
func (w *world) hook(t *testing.T, args ...string) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := cli.Run(t.Context(), append(args, "--inventory", w.ring.InventoryFile(), "--agent", binary), &stdout, &stderr)
	require.Zero(t, code, "casshook %v:\n%s%s", args, stdout.String(), stderr.String())
	return stdout.String()
}

func (w *world) kill(t *testing.T) {
	t.Helper()
	w.close()
	time.Sleep(commitLogSync) // what is not in the commit log yet, a kill loses
	require.NoError(t, w.ring.Kill(t.Context()))
}

func (w *world) start(t *testing.T) {
	t.Helper()
	require.NoError(t, w.ring.StartAll(t.Context()))
	w.connect(t)
}

// command is the cleaner on the node's volume.
func (w *world) command(ctx context.Context, args ...string) *exec.Cmd {
	args = append([]string{"clean", "--volume", w.node.VolumeRoot, "-o", "json"}, args...)
	for _, dir := range w.node.DataDirs {
		args = append(args, "--data", dir)
	}
	return exec.CommandContext(ctx, binary, args...)
}

// clean runs the cleaner and returns its exit code, result and last line.
func (w *world) clean(t *testing.T, args ...string) (code int, r wire.CleanResult, reason string) {
	t.Helper()
	cmd := w.command(t.Context(), args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		require.NoError(t, err)
	}
	if err == nil {
		require.NoError(t, json.Unmarshal(stdout.Bytes(), &r), stdout.String())
	}
	lines := strings.Split(strings.TrimSpace(stderr.String()), "\n")
	return cmd.ProcessState.ExitCode(), r, lines[len(lines)-1]
}

// must runs the cleaner, which must succeed.
func (w *world) must(t *testing.T, args ...string) wire.CleanResult {
	t.Helper()
	code, r, reason := w.clean(t, args...)
	require.Zero(t, code, reason)
	return r
}

// wreck damages live files so that Cassandra does not start. Files are replaced
// and not written to: the snapshot shares them.
func (w *world) wreck(t *testing.T) {
	t.Helper()
	replaced := 0
	for _, dataDir := range w.node.DataDirs {
		for _, pattern := range []string{"system_schema/*-*/*-Data.db", "system/local-*/*-Statistics.db", "zoo/users-*/*-Data.db"} {
			files, err := filepath.Glob(filepath.Join(dataDir, pattern))
			require.NoError(t, err)
			for _, f := range files {
				replace(t, f, func(content []byte) []byte { return content[:len(content)/3] })
				replaced++
			}
		}
		tables, err := filepath.Glob(filepath.Join(dataDir, "zoo", "*-*"))
		require.NoError(t, err)
		for _, dir := range tables {
			require.NoError(t, os.WriteFile(filepath.Join(dir, "nb_txn_compaction_5f9a5f20-c6f2-11f0-8b2a-1d2e3f4a5b6c.log"), []byte("REMOVE:["), 0o644))
			require.NoError(t, os.WriteFile(filepath.Join(dir, "notes.txt"), []byte("foreign"), 0o644))
		}
	}
	logs, err := filepath.Glob(filepath.Join(w.node.VolumeRoot, "commitlog", "*.log"))
	require.NoError(t, err)
	require.NotEmpty(t, logs)
	for _, f := range logs {
		replace(t, f, func(content []byte) []byte {
			copy(content[min(len(content), 4096):min(len(content), 8192)], bytes.Repeat([]byte{0xa5}, 4096))
			return content
		})
	}
	require.NotZero(t, replaced)
}

func replace(t *testing.T, path string, change func([]byte) []byte) {
	t.Helper()
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.Remove(path))
	require.NoError(t, os.WriteFile(path, change(content), 0o644))
}

// names lists the names of the volume, each with its mode, size and time.
func (w *world) names(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	require.NoError(t, filepath.WalkDir(w.node.VolumeRoot, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err == nil {
			found[path] = fmt.Sprint(info.Mode(), info.Size(), info.ModTime())
		}
		return err
	}))
	return found
}
