//go:build clean

package clean

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/cli"
	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/test/lab/cassandra"
	"github.com/casshook/casshook/test/lab/zoo"
)

// TestBothWays restores through the running node and by the cleaner, one after the other in either order, each twice and each after
// the other stopped half-way. The end is always what was backed up.
func TestBothWays(t *testing.T) {
	w := start(t, cassandra.Options{Version: "5.0.9"}, zoo.Small)
	want := w.digest(t)
	const late = "42424242-0000-4000-8000-000000000000"
	w.hook(t, "before-backup")
	_, err := zoo.Damage(t.Context(), w.zoo)
	require.NoError(t, err)

	// The hook stops after it truncated. The cleaner takes over, and the hook ends it.
	w.interrupted(t, "✓ truncating", "after-restore", "--in-place")
	w.kill(t)
	r := w.must(t, "--in-place")
	require.Equal(t, wire.StateCleaned, r.State)
	require.Len(t, r.Supersedes, 1, "the journal says what was left")
	require.Equal(t, wire.StateUnchanged, w.must(t, "--in-place").State)
	w.start(t)
	w.same(t, want)
	w.write(t, "INSERT INTO zoo.simple (id, v) VALUES ("+late+", 'late')")
	out := w.hook(t, "after-restore", "--in-place", "--keep-backup")
	require.NotContains(t, out, "nothing was done")
	require.Equal(t, 3, w.fails(t, "after-restore", "--in-place", "--keep-backup"), "it was done before")
	require.Equal(t, 1, w.rows(t, "SELECT id FROM zoo.simple WHERE id = "+late), "what a client wrote after the restore stays")

	// What is done is not done again by accident, and is when it is asked for.
	w.kill(t)
	require.Equal(t, wire.StateUnchanged, w.must(t, "--in-place").State)
	require.Equal(t, wire.StateCleaned, w.must(t, "--in-place", "--again").State)
	w.start(t)
	w.same(t, want)
	require.NotContains(t, w.hook(t, "after-restore", "--in-place"), "nothing was done", "it is verified once more")
	require.Equal(t, 3, w.fails(t, "after-restore", "--in-place"), "it was done before")
	require.Len(t, glob(t, w.node.VolumeRoot, "casshook", "casshook-*"), 1, "it was to be kept")

	// The cleaner stops half-way. No hook does anything before it has ended its work.
	w.hook(t, "before-backup")
	_, err = zoo.Damage(t.Context(), w.zoo)
	require.NoError(t, err)
	w.kill(t)
	w.killedHalfWay(t)
	require.Equal(t, 3, w.fails(t, "after-restore", "--in-place"), "no Cassandra runs")
	require.Equal(t, wire.StateCleaned, w.must(t, "--in-place").State)
	w.start(t)
	w.same(t, want)
	w.hook(t, "after-restore", "--in-place")
	w.kill(t)
	code, _, reason := w.clean(t, "--in-place")
	require.Equal(t, int(flow.Precondition), code)
	require.Contains(t, reason, "no backup on the volume", "the hook removed it when it was done")
	w.start(t)
	w.same(t, want)
}

// interrupted runs casshook and interrupts it when it has printed a text.
func (w *world) interrupted(t *testing.T, after string, args ...string) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	stderr := &until{text: after, then: stop}
	code := cli.Run(ctx, append(args, "--inventory", w.ring.InventoryFile(), "--agent", binary), &bytes.Buffer{}, stderr)
	require.Equal(t, int(flow.HalfWay), code, stderr.String())
	require.True(t, stderr.seen, stderr.String())
}

// until keeps what is written, and does something when a text is in it.
type until struct {
	written bytes.Buffer
	text    string
	then    func()
	seen    bool
}

func (u *until) Write(p []byte) (int, error) {
	n, err := u.written.Write(p)
	if !u.seen && strings.Contains(u.String(), u.text) {
		u.seen = true
		u.then()
	}
	return n, err
}

func (u *until) String() string { return u.written.String() }

// fails runs casshook and returns its exit code, which is not 0.
func (w *world) fails(t *testing.T, args ...string) int {
	t.Helper()
	var stderr bytes.Buffer
	code := cli.Run(t.Context(), append(args, "--inventory", w.ring.InventoryFile(), "--agent", binary), &bytes.Buffer{}, &stderr)
	require.NotZero(t, code, stderr.String())
	return code
}

// killedHalfWay kills the cleaner once it may have removed something and before its end.
// Where it was faster than the signal, it cleans again.
func (w *world) killedHalfWay(t *testing.T) {
	t.Helper()
	args := []string{"--in-place"}
	for range 50 {
		before := w.journals(t)
		cmd := w.command(t.Context(), args...)
		require.NoError(t, cmd.Start())
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		for len(ended) == 0 && w.begun(t, before) == "" {
			time.Sleep(100 * time.Microsecond)
		}
		_ = cmd.Process.Kill() // it may have ended
		<-ended
		if w.begun(t, before) != "" {
			return
		}
		args = []string{"--in-place", "--again"}
	}
	t.Fatal("the cleaner always ended its work before it was killed")
}

// journals are the sizes of the journals of all restores, by their directories.
func (w *world) journals(t *testing.T) map[string]int {
	t.Helper()
	sizes := map[string]int{}
	for _, path := range glob(t, w.node.VolumeRoot, "casshook", "restore-*", "journal.jsonl") {
		content, err := os.ReadFile(path)
		require.NoError(t, err)
		sizes[filepath.Dir(path)] = len(content)
	}
	return sizes
}

// begun is the directory of a restore whose journal grew, and that has not ended.
func (w *world) begun(t *testing.T, before map[string]int) string {
	t.Helper()
	for dir, size := range w.journals(t) {
		_, err := os.Stat(filepath.Join(dir, "cleaned.json"))
		if size > before[dir] && os.IsNotExist(err) {
			return dir
		}
	}
	return ""
}

func (w *world) write(t *testing.T, statement string) {
	t.Helper()
	require.NoError(t, w.session.Query(statement).ExecContext(t.Context()))
}

func (w *world) rows(t *testing.T, query string) int {
	t.Helper()
	return w.session.Query(query).IterContext(t.Context()).NumRows()
}
