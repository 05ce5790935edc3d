//go:build clean

package clean

import (
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/test/lab/cassandra"
	"github.com/casshook/casshook/test/lab/volume"
	"github.com/casshook/casshook/test/lab/zoo"
)

// TestZoo takes the whole zoo through a backup and a disaster, damages the live
// files until Cassandra does not start, cleans, and wants everything to be what it
// was, roles and grants included.
func TestZoo(t *testing.T) {
	tests := []struct {
		name    string
		options cassandra.Options
		// restored replaces the volume by a copy; otherwise the cleaner goes
		// back in place.
		restored bool
		flags    []string
	}{
		{"5.0 latest, in place", cassandra.Options{Version: "5.0.9", Flavour: cassandra.Latest}, false, []string{"--in-place"}},
		{"5.0 default, restored, peers forgotten", cassandra.Options{Version: "5.0.9"}, true, []string{"--peers", "forget", "--full"}},
		{"4.1, restored, two data directories", cassandra.Options{Version: "4.1.10", MultipleDataDirs: 2}, true, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := start(t, tt.options, zoo.Small)
			want := w.digest(t)
			w.hook(t, "before-backup")
			_, err := zoo.Damage(t.Context(), w.zoo)
			require.NoError(t, err)
			require.Greater(t, len(zoo.Compare(want, w.digest(t))), len(want)/2, "the disaster must be one")

			before := w.names(t)
			code, _, reason := w.clean(t, "--in-place")
			require.Equal(t, int(flow.Precondition), code)
			require.Contains(t, reason, "Cassandra is running on this volume")
			for path := range before {
				if _, err := os.Lstat(path); err != nil { // Cassandra itself may compact and switch its commit log
					require.NotRegexp(t, `/(casshook|snapshots)/`, path)
				}
			}
			w.kill(t)
			if tt.restored {
				require.NoError(t, volume.Replace(t.Context(), w.ring))
			}
			w.wreck(t)
			w.startsNot(t)

			r := w.must(t, tt.flags...)
			t.Logf("cleaned: %+v", r)
			require.Equal(t, wire.StateCleaned, r.State)
			require.NotEmpty(t, r.TablesEmptied)
			require.Contains(t, r.Foreign[0], "notes.txt")
			require.Less(t, r.BytesCopied, int64(1<<20))
			done := w.names(t)
			require.Equal(t, wire.StateUnchanged, w.must(t, tt.flags...).State)
			require.Equal(t, done, w.names(t), "the second run changes nothing")
			w.start(t)
			w.same(t, want)
			require.NotEmpty(t, glob(t, w.node.VolumeRoot, "data*/*/*/snapshots/"+r.BackupID), "the snapshot stays for after-restore")

			// The hook after the cleaner: the end is the same.
			args := []string{"after-restore"}
			if !tt.restored {
				args = append(args, "--in-place")
			}
			w.hook(t, args...)
			w.same(t, want)
			require.Empty(t, glob(t, w.node.VolumeRoot, "data*/*/*/snapshots/"+r.BackupID))
			w.kill(t)
			w.start(t)
			w.same(t, want)
			w.hook(t, "before-backup")
		})
	}
}

// startsNot shows that Cassandra does not start by itself.
func (w *world) startsNot(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	require.ErrorContains(t, w.ring.StartAll(ctx), "its process has ended")
	require.NoError(t, w.ring.Kill(t.Context()))
}

func glob(t *testing.T, parts ...string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(parts...))
	require.NoError(t, err)
	return found
}

// TestKilled ends the cleaner with SIGKILL at random moments, once or several
// times, then lets it run; each time the node starts and is what it was.
func TestKilled(t *testing.T) {
	w := start(t, cassandra.Options{Version: "5.0.9"}, zoo.Small)
	want := w.digest(t)
	w.hook(t, "before-backup")
	_, err := zoo.Damage(t.Context(), w.zoo)
	require.NoError(t, err)
	w.kill(t)
	w.wreck(t)
	root := w.node.VolumeRoot
	kept := root + ".damaged"
	require.NoError(t, volume.Copy(t.Context(), root, kept))
	begun := time.Now()
	require.Equal(t, wire.StateCleaned, w.must(t, "--in-place").State)
	took := time.Since(begun)
	runs, killed, halfWay := 0, 0, 0
	for i := range 20 {
		require.NoError(t, os.RemoveAll(root))
		require.NoError(t, volume.Copy(t.Context(), kept, root))
		for range 1 + i%3 {
			runs++
			cmd := w.command(t.Context())
			require.NoError(t, cmd.Start())
			time.Sleep(time.Duration(rand.Int64N(int64(took))))
			_ = cmd.Process.Kill()
			if cmd.Wait() != nil {
				killed++
			}
		}
		journals := glob(t, root, "casshook", "restore-*", "journal.jsonl")
		if len(journals) > 0 && len(glob(t, root, "casshook", "restore-*", "cleaned.json")) == 0 {
			halfWay++
		}
		w.must(t)
		w.start(t)
		w.same(t, want)
		w.close()
		require.NoError(t, w.ring.Kill(t.Context()))
	}
	t.Logf("cleaning takes %s; of %d runs %d were killed, %d of 20 rounds left the volume half cleaned", took, runs, killed, halfWay)
	require.NotZero(t, halfWay)
	require.NoError(t, os.RemoveAll(kept))
}
