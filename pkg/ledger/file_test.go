package ledger

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/safefile"
)

func store(t *testing.T) Store {
	return Store{Files: safefile.New("/"), Root: filepath.Join(t.TempDir(), "casshook")}
}

const restoreNo = "0123456789abcdef"

func only(t *testing.T, s Store) Restore {
	t.Helper()
	restores, err := s.Restores()
	require.NoError(t, err)
	require.Len(t, restores, 1)
	return restores[0]
}

func TestRecords(t *testing.T) {
	t.Parallel()
	s := store(t)
	none, err := s.Restores()
	require.NoError(t, err)
	require.Empty(t, none)
	scope := part("orders")
	dir, err := s.Begin(restoreNo, Info{BackupID: older, Volume: "v1", Scope: &scope})
	require.NoError(t, err)
	again, err := s.Begin(restoreNo, Info{BackupID: newer, Volume: "v2"})
	require.NoError(t, err)
	require.Equal(t, dir, again)
	r := only(t, s)
	require.Equal(t, Restore{ID: restoreNo, BackupID: older, Volume: "v1", Scope: scope}, r, "what was begun first holds")

	require.NoError(t, s.Append(dir, Entry{Time: noon, Step: "truncating", Stage: Truncated}))
	require.Equal(t, Truncated, only(t, s).Stage)
	require.NoError(t, s.MarkLoaded(dir, []Load{{TableName: table("orders"), SSTables: 1, Taken: 1}}))
	r = only(t, s)
	require.Equal(t, Loaded, r.Stage)
	require.Equal(t, 1, r.Evidence[0].Taken)
	first, err := s.MarkDone(dir, Ending{BackupID: older, Report: json.RawMessage(`{"n":1}`), KeepBackup: true})
	require.NoError(t, err)
	second, err := s.MarkDone(dir, Ending{BackupID: older, Report: json.RawMessage(`{"n":2}`)})
	require.NoError(t, err)
	require.True(t, second.KeepBackup, "a rerun is bound by the first end")
	require.WithinDuration(t, first.Time, second.Time, 0)
	r = only(t, s)
	require.Equal(t, Done, r.Stage)
	require.JSONEq(t, `{"n":1}`, string(r.Report))

	_, err = s.Begin("../x", Info{})
	require.ErrorContains(t, err, "not a restore id")
	require.NoError(t, s.Forget([]Restore{r}))
	none, err = s.Restores()
	require.NoError(t, err)
	require.Empty(t, none)
}

// TestTornJournal: a line that a killed run left takes no other with it.
func TestTornJournal(t *testing.T) {
	t.Parallel()
	s := store(t)
	dir, err := s.Begin(restoreNo, Info{BackupID: older, Volume: "v1"})
	require.NoError(t, err)
	require.NoError(t, s.Append(dir, Entry{Time: noon, Step: "one", Stage: Staged}))
	path := filepath.Join(dir, JournalFile)
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	for cut := range len(content) {
		require.NoError(t, os.WriteFile(path, append(content[:len(content):len(content)], content[:cut]...), 0o600))
		require.NoError(t, s.Append(dir, Entry{Time: noon, Step: "two", Stage: Schema}))
		steps := only(t, s).Steps
		require.Equal(t, "one", steps[0].Step)
		require.Equal(t, "two", steps[len(steps)-1].Step, cut)
	}
}

func TestArchive(t *testing.T) {
	t.Parallel()
	s := store(t)
	require.NoError(t, s.Archive(restoreNo), "none was begun")
	dir, err := s.Begin(restoreNo, Info{BackupID: older, Volume: "v1"})
	require.NoError(t, err)
	require.NoError(t, s.Append(dir, Entry{Time: noon, Step: "loading", Stage: Loading}))
	require.NoError(t, s.Archive(restoreNo))
	require.Equal(t, Loading, only(t, s).Stage, "it stopped half-way: what it left must stay known")
	require.NoError(t, s.MarkLoaded(dir, nil))
	require.NoError(t, s.Archive(restoreNo))
	restores, err := s.Restores()
	require.NoError(t, err)
	require.Empty(t, restores)
	aside, err := os.ReadDir(filepath.Join(s.Root, archiveDir))
	require.NoError(t, err)
	require.Len(t, aside, 1)
}

// TestRetain keeps the latest ten reports, and all of backups that are still there.
func TestRetain(t *testing.T) {
	t.Parallel()
	s := store(t)
	var stopped string
	for i := range 13 {
		id := fmt.Sprintf("%016x", i)
		backup := older
		if i == 0 {
			backup = newer
		}
		dir, err := s.Begin(id, Info{BackupID: backup, Volume: "v1"})
		require.NoError(t, err)
		if i == 1 {
			stopped = id
			require.NoError(t, s.Append(dir, Entry{Time: noon, Step: "x", Stage: Schema}))
			continue
		}
		require.NoError(t, Write(s.Files, filepath.Join(dir, DoneFile), Ending{Version: 1, BackupID: backup, Time: noon.Add(time.Duration(i) * time.Minute)}))
		if i == 12 {
			require.NoError(t, s.Archive(id))
		}
	}
	require.NoError(t, s.Retain([]string{newer}))
	restores, err := s.Restores()
	require.NoError(t, err)
	var ids []string
	for _, r := range restores {
		ids = append(ids, r.ID)
	}
	want := []string{fmt.Sprintf("%016x", 0), stopped}
	for i := 3; i < 12; i++ {
		want = append(want, fmt.Sprintf("%016x", i))
	}
	require.Equal(t, want, ids, "nine and the archived one are the last ten; the first is of a backup that is there, the second is not done")
}

// TestSupersede: a restore that stopped counts no more, and what it is to remove is known
// still.
func TestSupersede(t *testing.T) {
	t.Parallel()
	s := store(t)
	dir, err := s.Begin(restoreNo, Info{BackupID: older, Volume: "v1"})
	require.NoError(t, err)
	list := filepath.Join(dir, "auto-snapshots-caused.json")
	require.NoError(t, os.WriteFile(list, nil, 0o600))
	for range 2 {
		require.NoError(t, s.Append(dir, Entry{Time: noon, Step: "loading", Stage: Loading}))
		require.NoError(t, s.MarkLoaded(dir, nil))
		require.Equal(t, Loaded, only(t, s).Stage)
		require.NoError(t, s.Supersede(restoreNo))
		require.NoError(t, s.Supersede(restoreNo), "also by a run that goes on")
		require.Equal(t, None, only(t, s).Stage)
		require.FileExists(t, list)
	}
}
