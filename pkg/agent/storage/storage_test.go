package storage

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/document"
)

const backupID = "casshook-20261121T101530Z-4f2a"

func volumes(root string) *Volumes {
	return &Volumes{Node: wire.Node{Name: "n1", Volume: root, DataDirs: []string{filepath.Join(root, "data")}}}
}

func TestOneAgentWorksOnAVolume(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	a, b := volumes(root), volumes(root)
	require.False(t, a.Held())
	require.NoError(t, a.Hold())
	require.NoError(t, a.Hold(), "it has it")
	require.True(t, a.Held())
	require.FileExists(t, a.FlockPath())
	err := b.Hold()
	var e *wire.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, wire.KindLocked, e.Kind)
	require.ErrorContains(t, err, root)
	require.False(t, b.Held())
	a.Close()
	a.Close()
	require.False(t, a.Held())
	require.NoError(t, b.Hold())
	b.Close()
}

func TestIdentity(t *testing.T) {
	t.Parallel()
	v := volumes(t.TempDir())
	identity, err := v.Identity()
	require.NoError(t, err)
	require.Empty(t, identity, "nobody has marked it")
	require.NoError(t, document.MarkVolume(v.Volume))
	identity, err = v.Identity()
	require.NoError(t, err)
	require.True(t, document.IsFileIdentity(identity))
	v.VolumeID = "pvc-1"
	identity, err = v.Identity()
	require.NoError(t, err)
	require.Equal(t, "pvc-1", identity, "what the storage says counts more")
}

func TestRestores(t *testing.T) {
	t.Parallel()
	v := volumes(t.TempDir())
	none, err := v.Restores()
	require.NoError(t, err)
	require.Empty(t, none)
	_, err = v.RestoreDir("../x")
	require.ErrorContains(t, err, "is no restore id")
	for _, id := range []string{"00112233445566bb", "00112233445566aa"} {
		dir, err := v.RestoreDir(id)
		require.NoError(t, err)
		require.NoError(t, os.MkdirAll(dir, 0o755))
		require.NoError(t, WriteDocument(filepath.Join(dir, RestoreFile), RestoreInfo{Version: document.Version, BackupID: backupID, Volume: "v1", Offline: id[15] == 'b'}))
		for _, line := range []string{`{"step":"a"}`, `{"step":"b","ended":true}`, `{"st`} {
			require.NoError(t, AppendLine(filepath.Join(dir, JournalFile), []byte(line)))
		}
	}
	for _, other := range []string{"restore-x", "lost+found"} {
		require.NoError(t, os.Mkdir(filepath.Join(v.Dir(), other), 0o755))
	}
	found, err := v.Restores()
	require.NoError(t, err)
	require.Len(t, found, 2)
	steps := []wire.JournalEntry{{Step: "a"}, {Step: "b", Ended: true}}
	require.Equal(t, wire.RestoreSummary{ID: "00112233445566aa", BackupID: backupID, Volume: "v1", Steps: steps}, found[0])
	require.True(t, found[1].Offline)
	dir, _ := v.RestoreDir(found[0].ID)
	require.NoError(t, WriteDocument(filepath.Join(dir, LoadedFile), LoadedInfo{Version: document.Version, Time: time.Now()}))
	require.NoError(t, WriteDocument(filepath.Join(dir, DoneFile), DoneInfo{Version: document.Version, BackupID: backupID, Report: []byte("{}")}))
	require.NoError(t, WriteDocument(filepath.Join(dir, CleanedFile), wire.Cleaned{Version: document.Version, BackupID: backupID}))
	found, err = v.Restores()
	require.NoError(t, err)
	require.True(t, found[0].Loaded && found[0].Done && found[0].Cleaned != nil)
	require.NoError(t, os.WriteFile(filepath.Join(dir, DoneFile), []byte("torn"), 0o600))
	_, err = v.Restores()
	require.Error(t, err, "what cannot be read is not passed over")
}

// TestAppendLine has a killed run leave a torn line, which must not take the next one
// with it.
func TestAppendLine(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "journal")
	require.NoError(t, AppendLine(path, []byte("one")))
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = f.WriteString("to")
	require.NoError(t, errors.Join(err, f.Close()))
	require.NoError(t, AppendLine(path, []byte("three")))
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "one\nto\nthree\n", string(content))
}

func TestNames(t *testing.T) {
	t.Parallel()
	const id = "0123456789abcdef0123456789abcdef"
	require.NoError(t, CheckTable("ks", "T_1", id, ""))
	require.NoError(t, CheckTable("ks", "t", "01234567-89ab-cdef-0123-456789abcdef"))
	for _, names := range [][3]string{{"../ks", "t", id}, {"ks", "t/u", id}, {"ks", "", id}, {"ks", "t", "../" + id}, {"ks", "t", id[1:]}} {
		require.ErrorContains(t, CheckTable(names[0], names[1], names[2]), "is no table", names)
	}
	require.True(t, IsData("/x/nb-1-big-Data.db"))
	require.False(t, IsData("/x/nb-1-big-Index.db"))
	require.True(t, IndexDir.MatchString(".a_idx"))
	require.False(t, IndexDir.MatchString("a_idx"))
	require.Equal(t, "a, b, c, d, e", Brief(strings.Split("abcde", "")))
	require.Equal(t, "a, b, c, d, e and 2 more", Brief(strings.Split("abcdefg", "")))
}

func TestInodeOf(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a, b, c := filepath.Join(dir, "a"), filepath.Join(dir, "b"), filepath.Join(dir, "c")
	require.NoError(t, errors.Join(os.WriteFile(a, nil, 0o600), os.Link(a, b), os.WriteFile(c, nil, 0o600)))
	of := func(path string) Inode {
		info, err := os.Stat(path)
		require.NoError(t, err)
		return InodeOf(info)
	}
	require.Equal(t, of(a), of(b))
	require.NotEqual(t, of(a), of(c))
}

func TestOrNotDir(t *testing.T) {
	t.Parallel()
	require.EqualError(t, OrNotDir(nil), "not a directory")
	require.Same(t, os.ErrNotExist, OrNotDir(os.ErrNotExist))
	require.NoError(t, Syncfs(t.TempDir()))
	require.ErrorIs(t, Syncfs("/nowhere"), os.ErrNotExist)
}
