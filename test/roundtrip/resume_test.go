//go:build ring

package roundtrip

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/backup"
	"github.com/casshook/casshook/pkg/cql"
	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/hosts"
	"github.com/casshook/casshook/pkg/restore"
	"github.com/casshook/casshook/pkg/ring"
	"github.com/casshook/casshook/test/lab/cassandra"
)

// breaker interrupts a flow when it begins a step, as a signal would.
type breaker struct {
	at     string
	cancel context.CancelFunc
	steps  []string
}

func (b *breaker) Begin(step string) {
	b.steps = append(b.steps, step)
	if step == b.at {
		b.cancel()
	}
}
func (b *breaker) End(string, time.Duration, error) {}
func (b *breaker) Progress(string)                  {}

func (w *world) target(t *testing.T) ring.Target {
	t.Helper()
	target, err := hosts.Load(w.inventory)
	require.NoError(t, err)
	target.UseAgent(filepath.Join(binaries, "casshook-agent"))
	described := target.Ring()
	described.Login = cql.Login
	return described
}

var inPlace = restore.Options{InPlace: true, Workers: 4, LoadTimeout: 5 * time.Minute, AgreementTimeout: 5 * time.Minute, ViewTimeout: 5 * time.Minute}

// TestResume interrupts flows at every step, and kills them at any moment, and
// wants the next run to reach the same end.
func TestResume(t *testing.T) {
	t.Parallel()
	w := small(t, cassandra.Options{})
	want := w.digest(t)
	t.Run("before-backup interrupted at every step leaves nothing", func(t *testing.T) { w.interruptBackup(t) })
	t.Run("after-restore interrupted at every step", func(t *testing.T) {
		w.interruptRestore(t)
		w.same(t, want)
	})
	t.Run("after-restore killed", func(t *testing.T) { w.killRestore(t) })
	t.Run("files of a dead run in live directories", func(t *testing.T) { w.leaveFiles(t) })
	t.Run("second before-backup replaces the first", func(t *testing.T) {
		first, second := w.backup(t), w.backup(t)
		list := w.must(t, "list").stdout
		require.Contains(t, list, second)
		require.NotContains(t, list, first)
		require.Len(t, w.glob(t, "data/ks/users-*/snapshots/casshook-*"), 1)
		w.refused(t, 7, "is kept by before-backup", "before-backup", "--keep-earlier", "1h")
		w.must(t, "on-failure")
		require.Contains(t, w.must(t, "after-backup").stdout, "nothing to remove")
	})
}

func (w *world) interruptBackup(t *testing.T) {
	all := &breaker{cancel: func() {}}
	_, err := backup.Before(t.Context(), w.target(t), backup.Options{Wait: time.Minute}, all)
	require.NoError(t, err)
	w.must(t, "after-backup")
	require.Greater(t, len(all.steps), 5)
	for _, step := range all.steps {
		ctx, cancel := context.WithCancel(t.Context())
		_, err := backup.Before(ctx, w.target(t), backup.Options{Wait: time.Minute}, &breaker{at: step, cancel: cancel})
		cancel()
		require.Error(t, err, step)
		require.Equal(t, flow.Interrupted, flow.CodeOf(err), step)
		require.Empty(t, w.glob(t, "data/*/*/snapshots/casshook-*"), step)
		require.Empty(t, w.glob(t, "casshook/casshook-*"), step)
		require.Empty(t, w.glob(t, "casshook/lock.json"), step)
	}
}

func (w *world) interruptRestore(t *testing.T) {
	w.backup(t)
	w.damage(t)
	w.damageSchema(t)
	done := []string{}
	for len(done) < 40 {
		ctx, cancel := context.WithCancel(t.Context())
		b := &stopAfter{done: &done, cancel: cancel}
		_, err := restore.Online(ctx, w.target(t), inPlace, b)
		cancel()
		if err == nil {
			break
		}
		require.Contains(t, []flow.Code{flow.Interrupted, flow.HalfWay}, flow.CodeOf(err), "%v", err)
		if done[len(done)-1] == "truncating" {
			w.refused(t, 3, "stopped half-way", "before-backup")
			w.refused(t, 3, "stopped half-way", "after-backup")
		}
	}
	require.Contains(t, done, "truncating")
	require.Contains(t, done, "loading")
	require.Contains(t, done, "cleaning up")
}

// stopAfter interrupts each run at the first step that no run was interrupted at.
type stopAfter struct {
	done    *[]string
	cancel  context.CancelFunc
	stopped bool
}

func (s *stopAfter) Begin(step string) {
	if !s.stopped && !slices.Contains(*s.done, step) {
		*s.done = append(*s.done, step)
		s.stopped = true
		s.cancel()
	}
}
func (s *stopAfter) End(string, time.Duration, error) {}
func (s *stopAfter) Progress(string)                  {}

// killRestore ends casshook and its agent with SIGKILL while it loads, and at
// other moments; the next run goes on.
func (w *world) killRestore(t *testing.T) {
	for _, delay := range []time.Duration{300 * time.Millisecond, 900 * time.Millisecond, 1500 * time.Millisecond, 2200 * time.Millisecond} {
		want := w.digest(t)
		w.backup(t)
		w.damage(t)
		cmd := exec.Command(filepath.Join(binaries, "casshook"), "after-restore", "--in-place", "--inventory", w.inventory)
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		require.NoError(t, cmd.Start())
		time.Sleep(delay)
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		if cmd.Wait() == nil { // it was done before it could be killed
			w.refused(t, 3, "nothing was done", "after-restore", "--in-place")
		} else if r := w.casshook(t, "after-restore", "--in-place"); r.code != 0 { // it was killed when all but its exit was done
			require.Equal(t, 3, r.code, r.stderr)
			require.Contains(t, r.reason(), "nothing was done")
		}
		w.same(t, want)
	}
}

// leaveFiles puts into a live directory what a run that died between its links
// and the refresh leaves: a whole SSTable and a part of one.
func (w *world) leaveFiles(t *testing.T) {
	want := w.digest(t)
	id := w.backup(t)
	w.damage(t)
	snapshot := filepath.Dir(w.glob(t, "data/ks/users-*/snapshots/"+id+"/manifest.json")[0])
	live := filepath.Dir(filepath.Dir(snapshot))
	files, err := filepath.Glob(filepath.Join(snapshot, "*-big-*"))
	require.NoError(t, err)
	base := strings.SplitAfter(filepath.Base(files[0]), "-big-")[0]
	for _, f := range files {
		name := filepath.Base(f)
		if !strings.HasPrefix(name, base) {
			continue
		}
		component := strings.TrimPrefix(name, base)
		if component != "TOC.txt" {
			require.NoError(t, os.Link(f, filepath.Join(live, "nb-2000000001-big-"+component)))
		}
		if component != "TOC.txt" && component != "Data.db" {
			require.NoError(t, os.Link(f, filepath.Join(live, "nb-2000000002-big-"+component)))
		}
	}
	w.must(t, "after-restore", "--in-place")
	w.same(t, want)
	require.Empty(t, w.glob(t, "data/ks/users-*/*2000000*"))
}
