package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func put(t *testing.T, text string, path ...string) {
	t.Helper()
	full := filepath.Join(path...)
	require.NoError(t, os.MkdirAll(filepath.Dir(full), 0o755))
	require.NoError(t, os.WriteFile(full, []byte(text), 0o644))
}

func TestPoolSurvivesARestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := openLab(t, dir)
	first.volume(t, "pvc-1", 100)
	put(t, "data", dir, "vols", "pvc-1", "file")
	first.snapshot(t, "snap-1", "pvc-1")
	require.NoError(t, first.pool.close())

	second := openLab(t, dir)
	require.Empty(t, second.sub.calls, "nothing that is whole is touched")
	for _, k := range kinds() {
		before, err := first.pool.list(k)
		require.NoError(t, err)
		after, err := second.pool.list(k)
		require.NoError(t, err)
		require.Len(t, after, 1)
		require.Equal(t, before, after)
	}
	require.FileExists(t, filepath.Join(dir, "snaps", "snap-1", "file"))
}

func TestOnlyOneDriverHasThePool(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	_, err := openPool(t.Context(), l.pool.dir, l.sub, l.mounts, l.pool.log)
	require.ErrorContains(t, err, "is another driver running on this pool?")
}

func TestLeftoversAtTheStart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := openLab(t, dir)
	l.volume(t, "whole", 1)
	l.volume(t, "lost", 1)
	require.NoError(t, l.pool.close())
	put(t, `{"id":"ha`, dir, "meta", "vols", "half.json.tmp")
	put(t, "x", dir, "vols", "orphan", "file")
	put(t, "x", dir, "snaps", "orphan", "file")
	require.NoError(t, os.RemoveAll(filepath.Join(dir, "vols", "lost")))

	l = openLab(t, dir)
	require.Equal(t, []string{"Delete vols/orphan", "Delete snaps/orphan"}, l.sub.calls)
	require.NoDirExists(t, filepath.Join(dir, "vols", "orphan"))
	require.NoFileExists(t, filepath.Join(dir, "meta", "vols", "half.json.tmp"))
	require.NoFileExists(t, filepath.Join(dir, "meta", "vols", "lost.json"))
	require.DirExists(t, filepath.Join(dir, "vols", "whole"))
}

func TestPoolsThatAreNotOpened(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		files map[string]string
		want  string
	}{
		"records lost":    {map[string]string{"vols/pvc-1/file": "x"}, "vols holds 1 entries, but there are no records"},
		"broken record":   {map[string]string{"meta/vols/pvc-1.json": `{"id":"pv`, "vols/pvc-1/file": "x"}, "remove it and its subvolume by hand"},
		"wrong record":    {map[string]string{"meta/vols/pvc-1.json": `{"id":"pvc-2"}`, "vols/pvc-1/file": "x"}, `is the record of "pvc-2"`},
		"something else":  {map[string]string{"meta/vols/notes": "x"}, "is not a record: move it away"},
		"a strange .temp": {map[string]string{"meta/vols/pvc-1.tmp": "x"}, "is not a record: move it away"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for path, text := range c.files {
				put(t, text, dir, path)
			}
			sub := &fakeSubvolumes{}
			_, err := openPool(t.Context(), dir, sub, &fakeMounts{}, slog.New(slog.DiscardHandler))
			require.ErrorContains(t, err, c.want)
			require.Empty(t, sub.calls)
			file, err := lockFile(filepath.Join(dir, "lock"))
			require.NoError(t, err, "the lock was given back")
			require.NoError(t, file.Close())
		})
	}
	_, err := openPool(t.Context(), "/no/such/pool", nil, nil, nil)
	require.ErrorContains(t, err, "open pool")
}

// A creation that failed or was cut short leaves no volume, and the next try makes one.
func TestCreationThatFails(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.sub.failing = "Create" // the fake leaves the directory behind
	_, err := l.pool.createVolume(t.Context(), wanted{name: "a", least: 1})
	require.ErrorIs(t, err, errFake)
	require.DirExists(t, l.pool.path(volumes, "a"))
	_, err = l.pool.find(volumes, "a")
	require.ErrorIs(t, err, errAbsent)

	l.sub.failing, l.sub.calls = "", nil
	_, err = l.pool.createVolume(t.Context(), wanted{name: "a", least: 1})
	require.NoError(t, err)
	require.Equal(t, []string{"Delete vols/a", "Create vols/a"}, l.sub.calls)
	info, err := os.Stat(l.pool.path(volumes, "a"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o777), info.Mode().Perm())
}

// A deletion that failed half way counts as done for readers, and can be done again.
func TestDeletionThatFails(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.volume(t, "a", 1)
	l.sub.failing = "Delete"
	require.ErrorIs(t, l.pool.remove(t.Context(), volumes, "a"), errFake)
	_, err := l.pool.find(volumes, "a")
	require.ErrorIs(t, err, errAbsent)
	l.sub.failing = ""
	require.NoError(t, l.pool.remove(t.Context(), volumes, "a"))
	require.NoDirExists(t, l.pool.path(volumes, "a"))
	require.NoError(t, l.pool.remove(t.Context(), volumes, "a"))
}

func TestRecordsAreWrittenWhole(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.volume(t, "a", 7)
	entries, err := os.ReadDir(l.pool.records(volumes))
	require.NoError(t, err)
	require.Len(t, entries, 1, "no file for writing stays")
	text, err := os.ReadFile(l.pool.recordFile(volumes, "a"))
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(string(text), `{"id":"a","size":7,"created":"`), "%s", text)

	require.NoError(t, os.RemoveAll(l.pool.records(volumes)))
	require.Error(t, l.pool.save(volumes, record{ID: "b"}))
}

func TestIdsThatAreNoNames(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	put(t, "precious", l.pool.dir, "keep", "file")
	for _, id := range []string{"../keep", "..", ".", "", "a/b", ".hidden", "-r", "a b", strings.Repeat("a", 129)} {
		_, err := l.pool.find(volumes, id)
		require.ErrorIs(t, err, errAbsent, id)
		require.NoError(t, l.pool.remove(t.Context(), volumes, id), id)
	}
	require.Empty(t, l.sub.calls)
	require.FileExists(t, filepath.Join(l.pool.dir, "keep", "file"))
}
