//go:build ring && full

package roundtrip

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/test/lab/cassandra"
)

// TestKilledWhileDeleting kills Cassandra between two deletions of files of a restored SSTable, of which it has
// written down how old the newest is, and wants it to start again. It needs strace.
func TestKilledWhileDeleting(t *testing.T) {
	for _, tt := range []struct {
		version string
		online  bool
		mode    cassandra.InventoryMode
	}{
		{"5.0.9", true, cassandra.InventorySocket},
		{"5.0.9", true, cassandra.InventoryNodetool},
		{"5.0.9", false, cassandra.InventorySocket},
		{"4.1.10", true, cassandra.InventorySocket},
		{"4.1.10", false, cassandra.InventorySocket},
	} {
		t.Run(fmt.Sprintf("%s, online %v, %s", tt.version, tt.online, tt.mode), func(t *testing.T) {
			w := start(t, cassandra.Options{Version: tt.version, Nodes: 1})
			w.use(t, tt.mode)
			w.deletions(t)
			w.backup(t)
			time.Sleep(2 * time.Second) // what is copied without its time is younger by whole seconds
			if tt.online {
				w.must(t, "after-restore", "--in-place")
			} else {
				w.cleanInPlace(t)
			}
			w.requireOldFiles(t)
			w.killAt(t, "t1", "Summary.db", "TRUNCATE k.t1")
			w.killAt(t, "t2", "TOC.txt", "TRUNCATE k.t2")
			w.killAt(t, "t3", "Statistics.db", "DROP TABLE k.t3")
			w.killAt(t, "t4", "Digest.crc32", "")
		})
	}
}

// deletions makes tables with two SSTables each, of which those of t4 are of a level and indexed.
func (w *world) deletions(t *testing.T) {
	t.Helper()
	w.exec(t, "CREATE KEYSPACE k WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}")
	for i := range 4 {
		table := fmt.Sprintf("t%d", i+1)
		w.exec(t, "CREATE TABLE k."+table+" (id int PRIMARY KEY, v text) WITH compaction = {'class': 'LeveledCompactionStrategy'}")
		for id := range 2 {
			w.exec(t, fmt.Sprintf("INSERT INTO k.%s (id, v) VALUES (%d, 'v')", table, id))
			require.NoError(t, w.ring.Flush(t.Context(), "k", table))
		}
		w.nodetool(t, "compact", "k", table) // all of it is of a level then
		require.NoError(t, w.ring.Flush(t.Context(), "k", table))
	}
	w.exec(t, "CREATE CUSTOM INDEX t4_v ON k.t4 (v) USING 'org.apache.cassandra.index.sasi.SASIIndex'")
	require.Eventually(t, func() bool { return len(w.glob(t, "data/k/t4-*/*-SI_t4_v.db")) > 0 }, time.Minute, 100*time.Millisecond)
	time.Sleep(2 * time.Second)
}

func (w *world) nodetool(t *testing.T, args ...string) {
	t.Helper()
	argv := append(slices.Clone(w.ring.Node(1).Nodetool), args...)
	out, err := exec.CommandContext(t.Context(), argv[0], argv[1:]...).CombinedOutput()
	require.NoError(t, err, string(out))
}

func (w *world) cleanInPlace(t *testing.T) {
	t.Helper()
	w.close()
	n := w.ring.Node(1)
	time.Sleep(commitLogSync)
	require.NoError(t, w.ring.Stop(t.Context()))
	args := []string{"clean", "--in-place", "--volume", n.VolumeRoot}
	for _, dir := range n.DataDirs {
		args = append(args, "--data", dir)
	}
	out, err := exec.CommandContext(t.Context(), filepath.Join(binaries, "casshook-agent"), args...).CombinedOutput()
	require.NoError(t, err, string(out))
	require.NoError(t, w.ring.StartAll(t.Context()))
	w.connect(t)
}

// requireOldFiles wants no file of an SSTable to be younger than its Data.db by more than the second that Cassandra
// may have needed to write the SSTable; indexes that Cassandra builds after a start are its own matter.
func (w *world) requireOldFiles(t *testing.T) {
	t.Helper()
	seen := 0
	for _, data := range w.glob(t, "data/k/t[123]-*/*-Data.db") {
		info, err := os.Stat(data)
		require.NoError(t, err)
		files, err := filepath.Glob(strings.TrimSuffix(data, "Data.db") + "*")
		require.NoError(t, err)
		for _, file := range files {
			of, err := os.Stat(file)
			require.NoError(t, err)
			require.Less(t, of.ModTime().Sub(info.ModTime()), 2*time.Second, file)
			seen++
		}
	}
	require.GreaterOrEqual(t, seen, 3*8)
}

// killAt has Cassandra die when it deletes a component of a table's SSTable, and wants the node to start.
func (w *world) killAt(t *testing.T, table, component, statement string) {
	t.Helper()
	n := w.ring.Node(1)
	files := w.glob(t, "data/k/"+table+"-*/*-"+component)
	require.NotEmpty(t, files, component)
	args := []string{"-f", "-p", strconv.Itoa(n.PID()), "-e", "trace=unlink,unlinkat", "-e", "inject=unlink,unlinkat:error=EIO:signal=SIGKILL", "-o", "/dev/null"}
	for _, f := range files {
		args = append(args, "-P", f)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	strace := exec.CommandContext(ctx, "strace", args...)
	var said bytes.Buffer
	strace.Stderr = &said
	require.NoError(t, strace.Start())
	require.Eventually(t, func() bool { return traced(n.PID()) }, 20*time.Second, 50*time.Millisecond, "strace did not attach")
	go func() {
		if statement == "" {
			argv := append(slices.Clone(n.Nodetool), "garbagecollect", "k", table)
			_ = exec.CommandContext(ctx, argv[0], argv[1:]...).Run()
			return
		}
		_ = w.session.Query(statement).ExecContext(ctx)
	}()
	require.Eventually(t, func() bool { return !n.Running() }, 40*time.Second, 50*time.Millisecond, "%s was not deleted", component)
	_ = strace.Wait()
	w.close()
	left, err := filepath.Glob(strings.TrimSuffix(files[0], component) + "*")
	require.NoError(t, err)
	require.NotEmpty(t, left, "it must have died before the last file was gone")
	require.NoError(t, w.ring.Kill(context.WithoutCancel(t.Context())))
	require.NoError(t, w.ring.StartAll(t.Context()), "it does not start after %q was interrupted at %s of %s", statement, component, files)
	w.connect(t)
}

// traced tells whether all threads of a process have a tracer.
func traced(pid int) bool {
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	if err != nil || len(tasks) == 0 {
		return false
	}
	for _, task := range tasks {
		content, err := os.ReadFile(task)
		if err == nil && strings.Contains(string(content), "TracerPid:\t0\n") {
			return false
		}
	}
	return true
}
