//go:build ring

package roundtrip

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/test/lab/cassandra"
)

// TestSafety looks at what a backup and a restore must never do, and at parts.
func TestSafety(t *testing.T) {
	t.Parallel()
	w := small(t, cassandra.Options{})
	want := w.digest(t)
	t.Run("foreign snapshots and files stay", func(t *testing.T) {
		data := w.glob(t, "data/ks/plain-*")[0]
		foreign := []string{filepath.Join(data, "snapshots", "mine", "manifest.json"), filepath.Join(data, "snapshots", "casshook-foo", "manifest.json"),
			filepath.Join(w.ring.Node(1).VolumeRoot, "casshook", "notes.txt"), filepath.Join(data, "snapshots", "truncated-1-plain", "x")}
		for _, f := range foreign {
			require.NoError(t, os.MkdirAll(filepath.Dir(f), 0o755))
			require.NoError(t, os.WriteFile(f, []byte("{}"), 0o644))
		}
		w.backup(t)
		w.backup(t)
		w.must(t, "after-backup")
		w.backup(t)
		w.damage(t)
		others := w.autoSnapshots(t)
		require.NotEmpty(t, others)
		w.must(t, "after-restore", "--in-place")
		w.same(t, want)
		require.Equal(t, others, w.autoSnapshots(t), "what we caused is gone, what others caused stays")
		require.Empty(t, w.glob(t, "data/*/*/snapshots/casshook-[0-9]*"))
		for _, f := range foreign {
			require.FileExists(t, f)
			require.NoError(t, os.Remove(f))
			_ = os.Remove(filepath.Dir(f))
		}
	})
	t.Run("no secret in argv, output or documents", func(t *testing.T) { w.lookForSecret(t) })
	t.Run("one table", func(t *testing.T) {
		w.backup(t)
		w.damage(t)
		var before, after int
		require.NoError(t, w.session.Query("SELECT count(*) FROM ks.users").Scan(&before))
		w.must(t, "after-restore", "--in-place", "--include", "ks.plain")
		require.NoError(t, w.session.Query("SELECT count(*) FROM ks.users").Scan(&after))
		require.Equal(t, before, after, "what is not included is not touched")
		require.NoError(t, w.session.Query("SELECT count(*) FROM ks.plain").Scan(&after))
		require.Equal(t, 50, after)
	})
	t.Run("the rest, views built anew", func(t *testing.T) {
		w.refused(t, 3, "nothing was done", "after-restore", "--in-place", "--include", "ks.plain")
		w.must(t, "after-restore", "--in-place", "--rebuild-views")
		w.same(t, want)
		var rows int
		require.NoError(t, w.session.Query("SELECT count(*) FROM ks.users_by_name").Scan(&rows))
		require.Equal(t, 50, rows)
	})
	t.Run("calls that the API stops waiting for", func(t *testing.T) {
		before := w.digest(t)
		n := w.ring.Node(1)
		slow := cassandra.APIOptions{Limit: 100 * time.Millisecond, Delay: map[string]time.Duration{"takeSnapshot": time.Second, "loadNewSSTables": 300 * time.Millisecond}}
		require.NoError(t, n.SetAPI(slow))
		w.backup(t)
		w.damage(t)
		require.NoError(t, n.ResetAPICalls())
		quick := make(chan error, 1)
		go func() {
			quick <- errors.Join(w.eventually(t.Context(), "a call without an answer", func() (bool, error) { failed, err := w.failedCalls(); return failed > 0, err }),
				n.SetAPI(cassandra.APIOptions{Limit: 30 * time.Second}))
		}()
		w.must(t, "after-restore", "--in-place")
		require.NoError(t, <-quick)
		w.same(t, before)
	})
	t.Run("a schema that changes under the snapshot", func(t *testing.T) { w.changeSchemaUnderSnapshot(t) })
	t.Run("differences are accepted only when asked", func(t *testing.T) {
		before := w.digest(t)
		w.backup(t)
		w.exec(t, "DROP ROLE reader")
		require.Equal(t, 6, w.casshook(t, "after-restore", "--in-place").code)
		require.Contains(t, w.must(t, "after-restore", "--in-place", "--accept-differences").stdout, "restored, with differences")
		w.exec(t, "CREATE ROLE reader", "GRANT SELECT ON TABLE ks.users TO reader")
		w.same(t, before)
	})
	t.Run("by nodetool", func(t *testing.T) {
		before := w.digest(t)
		w.use(t, cassandra.InventoryNodetool)
		w.backup(t)
		w.damage(t)
		w.damageSchema(t)
		w.must(t, "after-restore", "--in-place")
		w.same(t, before)
	})
}

// changeSchemaUnderSnapshot creates a table while the first snapshot is under way:
// the backup is begun again, and has the table.
func (w *world) changeSchemaUnderSnapshot(t *testing.T) {
	n := w.ring.Node(1)
	require.NoError(t, n.SetAPI(cassandra.APIOptions{Limit: time.Hour, Delay: map[string]time.Duration{"takeSnapshot": time.Hour}}))
	require.NoError(t, n.ResetAPICalls())
	created := make(chan error, 1)
	go func() {
		err := w.eventually(t.Context(), "a snapshot under way", func() (bool, error) { calls, err := n.DelayedCalls(); return len(calls) > 0, err })
		if err == nil { // the schema was read, the snapshot sleeps
			err = w.session.Query("CREATE TABLE ks.meanwhile (id int PRIMARY KEY)").Exec()
		}
		created <- errors.Join(err, n.SetAPI(cassandra.APIOptions{Limit: 30 * time.Second}))
	}()
	id := w.backup(t)
	require.NoError(t, <-created)
	require.Equal(t, 2, w.calls(t, "POST", "/ops/node/snapshots"), "the snapshot is taken again")
	cluster, err := os.ReadFile(w.glob(t, "casshook/"+id+"/cluster.json")[0])
	require.NoError(t, err)
	require.Contains(t, string(cluster), `"meanwhile"`)
	w.exec(t, "DROP TABLE ks.meanwhile")
	w.must(t, "after-restore", "--in-place")
	w.exec(t, "SELECT id FROM ks.meanwhile")
}

func (w *world) autoSnapshots(t *testing.T) []string {
	t.Helper()
	return append(w.glob(t, "data/*/*/snapshots/dropped-*"), w.glob(t, "data/*/*/snapshots/truncated-*")...)
}

// eventually asks until the answer is yes.
func (w *world) eventually(ctx context.Context, what string, ask func() (bool, error)) error {
	for deadline := time.Now().Add(5 * time.Minute); time.Now().Before(deadline) && ctx.Err() == nil; time.Sleep(10 * time.Millisecond) {
		if yes, err := ask(); yes || err != nil {
			return err
		}
	}
	return fmt.Errorf("wait for %s", what)
}

// failedCalls counts the calls that the Management API answered with 500.
func (w *world) failedCalls() (int, error) {
	calls, err := w.ring.Node(1).APICalls()
	failed := 0
	for _, c := range calls {
		if c.Status == 500 {
			failed++
		}
	}
	return failed, err
}

// lookForSecret watches /proc while a backup and a restore run as processes of
// their own, and reads all that they print and write.
func (w *world) lookForSecret(t *testing.T) {
	stop, seen := make(chan struct{}), make(chan string, 1)
	go watchArgv(stop, seen)
	var output bytes.Buffer
	run := func(args ...string) {
		cmd := exec.Command(filepath.Join(binaries, "casshook"), append(args, "--inventory", w.inventory)...)
		cmd.Stdout, cmd.Stderr = &output, &output
		require.NoError(t, cmd.Run(), output.String())
	}
	run("before-backup")
	require.NoError(t, filepath.WalkDir(filepath.Join(w.ring.Node(1).VolumeRoot, "casshook"), func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		output.Write(content)
		return err
	}))
	run("after-restore", "--in-place")
	close(stop)
	watched := <-seen
	require.Contains(t, watched, "casshook-agent\x00serve", "the agents must have been seen")
	require.NotContains(t, watched, secret)
	require.NotContains(t, output.String(), secret)
}

// watchArgv collects every command line on the machine until stop closes.
func watchArgv(stop <-chan struct{}, seen chan<- string) {
	lines := map[string]bool{}
	for {
		files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
		for _, f := range files {
			if line, err := os.ReadFile(f); err == nil {
				lines[string(line)] = true
			}
		}
		select {
		case <-stop:
			all := make([]string, 0, len(lines))
			for l := range lines {
				all = append(all, l)
			}
			seen <- strings.Join(all, "\n")
			return
		case <-time.After(20 * time.Millisecond):
		}
	}
}
