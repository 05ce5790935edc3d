//go:build ring

package roundtrip

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/test/lab/cassandra"
)

// TestRestoredVolumes is what only volumes that were replaced by copies show.
func TestRestoredVolumes(t *testing.T) {
	t.Parallel()
	w := small(t, cassandra.Options{})
	want := w.digest(t)
	id := w.backup(t)
	w.damage(t)
	w.damageSchema(t)
	w.exec(t, "CREATE ROLE later", "DROP ROLE reader")
	w.replaceVolumes(t)

	t.Run("their snapshot is the only good data", func(t *testing.T) {
		for _, command := range []string{"before-backup", "after-backup", "on-failure"} {
			w.refused(t, 3, "carries backup "+id, command)
		}
		require.NotEmpty(t, w.glob(t, "casshook/"+id+"/COMPLETE"))
	})
	t.Run("a dry run changes nothing", func(t *testing.T) {
		before := w.digest(t)
		plan := w.must(t, "after-restore", "--dry-run").stdout
		require.Equal(t, plan, w.must(t, "plan").stdout)
		for _, line := range []string{"recreate  table", "create    view", "drop      table", "keep      table"} {
			require.Contains(t, plan, line)
		}
		w.same(t, before)
		require.Empty(t, w.glob(t, "casshook/restore-*"))
	})
	t.Run("a missing role is named and not created", func(t *testing.T) {
		r := w.casshook(t, "after-restore")
		require.Equal(t, 6, r.code, r.stderr)
		require.Contains(t, r.reason(), "reader")
		require.NotEmpty(t, w.glob(t, "casshook/"+id+"/COMPLETE"), "until it is verified nothing of the backup goes")
		require.Contains(t, w.must(t, "status").stdout, "loaded, not verified")
	})
	t.Run("what clients wrote between two runs stays", func(t *testing.T) {
		w.exec(t, "INSERT INTO ks.plain (id, v) VALUES (77777, 'client')", "CREATE ROLE reader")
		page := filepath.Join(t.TempDir(), "report.html")
		w.must(t, "after-restore", "--report", page)
		html, err := os.ReadFile(page)
		require.NoError(t, err)
		require.Contains(t, string(html), id+" restored and verified")
		var v string
		require.NoError(t, w.session.Query("SELECT v FROM ks.plain WHERE id = 77777").Scan(&v))
		require.Equal(t, "client", v)
		w.exec(t, "DELETE FROM ks.plain WHERE id = 77777", "DROP ROLE later")
	})
	t.Run("all is back", func(t *testing.T) { w.same(t, want) })
	t.Run("the second run changes nothing", func(t *testing.T) {
		w.exec(t, "INSERT INTO ks.plain (id, v) VALUES (77777, 'client')")
		files := w.files(t)
		w.refused(t, 3, "nothing was done", "after-restore")
		hook := w.must(t, "after-restore", "-o", "kanister") // Kasten runs a hook again whose answer it missed
		require.Contains(t, hook.stdout, "nothing was done")
		require.Equal(t, files, w.files(t))
		w.refused(t, 3, "restore the restore point again", "after-restore", "--again")
	})
	t.Run("and the next backup is of these volumes", func(t *testing.T) {
		next := w.backup(t)
		require.Contains(t, w.must(t, "list").stdout, next)
		w.must(t, "after-backup")
	})
	t.Run("restoring one backup twice is two restores", func(t *testing.T) {
		w.backup(t)
		w.must(t, "after-restore", "--in-place", "--keep-backup")
		w.refused(t, 3, "use --again", "after-restore", "--in-place")
		require.NotEmpty(t, w.glob(t, "casshook/casshook-*/COMPLETE"), "a rerun removes no backup that was to be kept")
		before := w.digest(t)
		w.damage(t)
		w.must(t, "after-restore", "--in-place", "--keep-backup", "--again")
		w.same(t, before)
		w.damage(t)
		w.replaceVolumes(t)
		w.must(t, "after-restore", "--include", "ks.plain")
		for _, command := range []string{"before-backup", "after-backup", "on-failure"} {
			w.refused(t, 3, "only a part of backup", command)
		}
		w.damage(t)
		w.refused(t, 3, "use --again", "after-restore", "--include", "ks.plai[n]")
		w.must(t, "after-restore", "--include", "ks.plai[n]", "--again")
		w.must(t, "after-restore")
		w.same(t, before)
	})
}

// files lists everything of casshook's on the volume, with its times.
func (w *world) files(t *testing.T) map[string]time.Time {
	t.Helper()
	files := map[string]time.Time{}
	require.NoError(t, filepath.WalkDir(filepath.Join(w.ring.Node(1).VolumeRoot, "casshook"), func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		files[path] = info.ModTime()
		return err
	}))
	return files
}
