package storage

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/document"
	"github.com/casshook/casshook/pkg/ledger"
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
	require.NoError(t, document.MarkVolume(v.Files(), v.Volume))
	identity, err = v.Identity()
	require.NoError(t, err)
	require.True(t, document.IsFileIdentity(identity))
	v.VolumeID = "pvc-1"
	identity, err = v.Identity()
	require.NoError(t, err)
	require.Equal(t, "pvc-1", identity, "what the storage says counts more")
}

func TestInspect(t *testing.T) {
	t.Parallel()
	v := volumes(t.TempDir())
	v.VolumeID = "pvc-1"
	found, err := v.Inspect()
	require.NoError(t, err)
	require.Equal(t, "pvc-1", found.Attributes[document.Given])
	require.Equal(t, ledger.Volume{Identity: "pvc-1", Attributes: found.Attributes}, found)
	dir := document.BackupDir(v.Volume, backupID)
	require.NoError(t, os.MkdirAll(dir, 0o755))
	require.NoError(t, ledger.Write(v.Files(), filepath.Join(dir, document.IntentFile), document.Intent{Version: document.Version, BackupID: backupID, Volume: "pvc-0"}))
	_, err = v.Ledger().Begin("00112233445566bb", ledger.Info{BackupID: backupID, Volume: "pvc-1"})
	require.NoError(t, err)
	found, err = v.Inspect()
	require.NoError(t, err)
	require.Equal(t, []ledger.Backup{{ID: backupID, Volume: "pvc-0"}}, found.Backups)
	require.Equal(t, []ledger.Restore{{ID: "00112233445566bb", BackupID: backupID, Volume: "pvc-1"}}, found.Restores)
	require.NoError(t, os.WriteFile(filepath.Join(dir, document.CompleteFile), []byte("torn"), 0o600))
	found, err = v.Inspect()
	require.NoError(t, err)
	require.True(t, found.Backups[0].Complete, "it claims to be")
	require.NotEmpty(t, found.Backups[0].Problem)
	require.NoError(t, os.WriteFile(filepath.Join(v.Ledger().Root, "restore-00112233445566bb", ledger.DoneFile), []byte("torn"), 0o600))
	_, err = v.Inspect()
	require.Error(t, err, "a record that cannot be read is not passed over")
}

func TestNames(t *testing.T) {
	t.Parallel()
	const id = "0123456789abcdef0123456789abcdef"
	require.NoError(t, CheckTable("ks", "T_1", id, ""))
	require.ErrorContains(t, CheckTable("ks", "t", "01234567-89ab-cdef-0123-456789abcdef"), "not a valid table name", "ids have one spelling")
	for _, names := range [][3]string{{"../ks", "t", id}, {"ks", "t/u", id}, {"ks", "", id}, {"ks", "t", "../" + id}, {"ks", "t", id[1:]}} {
		require.ErrorContains(t, CheckTable(names[0], names[1], names[2]), "is not a valid table name", names)
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
