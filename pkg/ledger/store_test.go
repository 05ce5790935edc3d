package ledger

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/document"
)

// begun is a store with a restore of everything that was begun.
func begun(t *testing.T) (Store, string) {
	t.Helper()
	s := store(t)
	all := All()
	dir, err := s.Begin(restoreNo, Info{BackupID: older, Volume: "v1", Scope: &all})
	require.NoError(t, err)
	return s, dir
}

// ended adds a restore of a backup that is done at a time.
func ended(t *testing.T, s Store, id, backup string, at time.Time) string {
	t.Helper()
	dir, err := s.Begin(id, Info{BackupID: backup, Volume: "v1"})
	require.NoError(t, err)
	require.NoError(t, Write(s.Files, filepath.Join(dir, DoneFile), Ending{Version: 1, BackupID: backup, Time: at, Report: json.RawMessage(`{"n":1}`)}))
	return dir
}

func ids(t *testing.T, s Store) []string {
	t.Helper()
	restores, err := s.Restores()
	require.NoError(t, err)
	var found []string
	for _, r := range restores {
		found = append(found, r.ID)
	}
	return found
}

// TestOnlyRecordsAreRead: what else lies in casshook's directory is no restore.
func TestOnlyRecordsAreRead(t *testing.T) {
	t.Parallel()
	s, _ := begun(t)
	for _, name := range []string{
		older, "restore-", "restore-0123", "restore-0123456789ABCDEF", "restore-0123456789abcdef0", "restore-0123456789abcdeg", "0123456789abcdef",
		"restore-../../../../etc", "archive", "lost+found",
	} {
		require.NoError(t, os.MkdirAll(filepath.Join(s.Root, filepath.Base(name)), 0o750))
	}
	require.NoError(t, os.WriteFile(filepath.Join(s.Root, "lock.json"), []byte("{}"), 0o600))
	require.Equal(t, []string{restoreNo}, ids(t, s))
}

// TestIDsThatAreNone never become paths.
func TestIDsThatAreNone(t *testing.T) {
	t.Parallel()
	s, _ := begun(t)
	for _, id := range []string{"", ".", "..", "/", "../archive", "0123456789abcdef/..", "0123456789abcde", "0123456789abcdef\n", "0123456789ABCDEF", older} {
		require.False(t, ValidRestoreID(id), "%q", id)
		_, err := s.RestoreDir(id)
		require.ErrorContains(t, err, "is not a restore id", "%q", id)
		_, err = s.Begin(id, Info{})
		require.Error(t, err, "%q", id)
		require.Error(t, s.Archive(id), "%q", id)
		require.Error(t, s.Supersede(id), "%q", id)
		require.Error(t, s.Forget([]Restore{{ID: id}}), "%q", id)
	}
	require.Equal(t, []string{restoreNo}, ids(t, s))
}

// TestRecordsThatCannotBeRead are an error with the file's name: a restore that nobody
// can read must not be taken for none.
func TestRecordsThatCannotBeRead(t *testing.T) {
	t.Parallel()
	for _, file := range []string{RestoreFile, LoadedFile, DoneFile, CleanedFile} {
		for name, content := range map[string]string{
			"empty": "", "torn": `{"version": 1, "backu`, "an unknown field": `{"version": 1, "colour": "red"}`, "no version": `{}`,
			"of the future": `{"version": 2}`, "a list": `[]`, "two documents": `{"version": 1}{"version": 1}`,
		} {
			t.Run(file+" "+name, func(t *testing.T) {
				t.Parallel()
				s, dir := begun(t)
				require.NoError(t, os.WriteFile(filepath.Join(dir, file), []byte(content), 0o600))
				_, err := s.Restores()
				require.ErrorContains(t, err, filepath.Join(dir, file))
				var newer *document.NewerError
				require.Equal(t, name == "of the future", errors.As(err, &newer))
				require.Error(t, s.Archive(restoreNo), "nor is it put aside")
				require.Error(t, s.Retain(nil), "nor removed")
				require.FileExists(t, filepath.Join(dir, file))
			})
		}
	}
}

// TestARecordWithoutItsFirstFile, as a run leaves that is killed between the two, counts
// for no volume.
func TestARecordWithoutItsFirstFile(t *testing.T) {
	t.Parallel()
	s, dir := begun(t)
	require.NoError(t, os.Remove(filepath.Join(dir, RestoreFile)))
	require.NoError(t, s.Append(dir, Entry{Time: noon, Step: "truncating", Stage: Truncated}))
	r := only(t, s)
	require.Empty(t, r.Volume)
	v := Volume{Restores: []Restore{r}}
	require.Empty(t, v.Interrupted(), "a volume that nothing names was never restored")
	require.Equal(t, None, StateOf(v, Backup{ID: older, Complete: true}).Stage)
	all := All()
	_, err := s.Begin(restoreNo, Info{BackupID: older, Volume: "v1", Scope: &all})
	require.NoError(t, err)
	require.Equal(t, Truncated, only(t, s).Stage, "the next run writes it")
}

// TestJournalIgnoresWhatIsNoEntry, and what fields are not known.
func TestJournalIgnoresWhatIsNoEntry(t *testing.T) {
	t.Parallel()
	s, dir := begun(t)
	lines := []string{
		`{"time":"2026-11-21T12:00:00Z","step":"staging","stage":"staged","ended":true,"colour":"red"}`, ``, `   `, `null`, `[]`, `{}`, `"text"`, `{"step":""}`,
		`{"step":"of the future","stage":"polished"}`, "\x00\x00\x00\x00", `{"time":"2026-11-21T12:01:00Z","step":"truncating","stage":"truncated","ended":false}`, `{"step":"loa`,
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, JournalFile), []byte(strings.Join(lines, "\n")), 0o600))
	r := only(t, s)
	require.Equal(t, []Entry{{Time: noon, Step: "staging", Stage: Staged, Ended: true}, {Time: noon.Add(time.Minute), Step: "truncating", Stage: Truncated}}, r.Steps)
	require.Equal(t, Truncated, r.Stage)
	require.NoError(t, s.Append(dir, Entry{Time: noon, Step: "loading", Stage: Loading}))
	require.Len(t, only(t, s).Steps, 3, "after a torn line too")
}

// TestStagesOfMarkers: every order in which a run may be killed between its files.
func TestStagesOfMarkers(t *testing.T) {
	t.Parallel()
	s, dir := begun(t)
	require.Equal(t, None, only(t, s).Stage)
	for _, stage := range []Stage{Staged, Schema, Truncated, Loading} {
		require.NoError(t, s.Append(dir, Entry{Time: noon, Step: "x", Stage: stage}))
		require.Equal(t, stage, only(t, s).Stage)
		require.NoError(t, s.Append(dir, Entry{Time: noon, Step: "x", Stage: stage, Ended: true}))
		require.Equal(t, stage, only(t, s).Stage, "that a step ended is no stage")
	}
	require.NoError(t, s.Append(dir, Entry{Time: noon, Step: "x", Stage: Verified}))
	require.Equal(t, Loading, only(t, s).Stage, "without the marker nothing is loaded, whatever a journal says")
	require.NoError(t, s.MarkLoaded(dir, []Load{{TableName: table("orders"), SSTables: 2, Taken: 2, Found: 1}}))
	require.Equal(t, Verified, only(t, s).Stage)
	require.NoError(t, os.Remove(filepath.Join(dir, JournalFile)))
	require.Equal(t, Loaded, only(t, s).Stage)
	_, err := s.MarkDone(dir, Ending{BackupID: older})
	require.NoError(t, err)
	require.Equal(t, Done, only(t, s).Stage)
}

// TestWhatCannotBeWritten is an error, and leaves what was there.
func TestWhatCannotBeWritten(t *testing.T) {
	t.Parallel()
	s, dir := begun(t)
	gone := filepath.Join(s.Root, "gone")
	require.ErrorIs(t, s.Append(gone, Entry{Step: "x"}), fs.ErrNotExist)
	require.ErrorIs(t, s.MarkLoaded(gone, nil), fs.ErrNotExist)
	_, err := s.MarkDone(gone, Ending{})
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.NoError(t, os.WriteFile(filepath.Join(dir, DoneFile), []byte(`{"version":`), 0o600))
	_, err = s.MarkDone(dir, Ending{BackupID: older})
	require.Error(t, err, "an end that cannot be read is not replaced")
	content, err := os.ReadFile(filepath.Join(dir, DoneFile))
	require.NoError(t, err)
	require.Equal(t, `{"version":`, string(content))

	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	blocked := Store{Files: s.Files, Root: file}
	_, err = blocked.Restores()
	require.Error(t, err, "a file is no directory of casshook's")
	_, err = blocked.Begin(restoreNo, Info{})
	require.Error(t, err)
	require.Error(t, blocked.Retain(nil))
}

// TestArchiveKeepsEach: the same restore may be done any number of times.
func TestArchiveKeepsEach(t *testing.T) {
	t.Parallel()
	s := store(t)
	require.Empty(t, s.Archived())
	for i := range 3 {
		ended(t, s, restoreNo, older, noon.Add(time.Duration(2-i)*time.Hour))
		require.NoError(t, s.Archive(restoreNo))
		require.Empty(t, ids(t, s))
		require.NoError(t, s.Archive(restoreNo), "by a run that goes on")
	}
	archived := s.Archived()
	require.Len(t, archived, 3)
	for i, r := range archived {
		require.Equal(t, noon.Add(time.Duration(i)*time.Hour), r.Finished, "from the earliest on, whenever it was put aside")
		require.Equal(t, restoreNo, r.ID)
		require.Equal(t, Done, r.Stage)
		require.Empty(t, r.Report, "briefly")
	}
}

// TestArchivedLeavesOut what cannot be read: nothing depends on it.
func TestArchivedLeavesOut(t *testing.T) {
	t.Parallel()
	s := store(t)
	ended(t, s, restoreNo, older, noon)
	require.NoError(t, s.Archive(restoreNo))
	aside := filepath.Join(s.Root, archiveDir)
	for _, name := range []string{"notes", "0123-x", "fedcba9876543210-20261121T120000.000000000Z"} {
		require.NoError(t, os.MkdirAll(filepath.Join(aside, name), 0o750))
	}
	require.NoError(t, os.WriteFile(filepath.Join(aside, "fedcba9876543210-20261121T120000.000000000Z", DoneFile), []byte("{"), 0o600))
	require.Len(t, s.Archived(), 1)
	require.NoError(t, os.RemoveAll(aside))
	require.NoError(t, os.WriteFile(aside, nil, 0o600))
	require.Empty(t, s.Archived())
}

// TestRetainCounts the archived and the others together, by when they ended.
func TestRetainCounts(t *testing.T) {
	t.Parallel()
	s := store(t)
	for i := range 8 {
		ended(t, s, restoreNo, older, noon.Add(time.Duration(2*i)*time.Minute))
		require.NoError(t, s.Archive(restoreNo))
		ended(t, s, fmt.Sprintf("%016x", i), older, noon.Add(time.Duration(2*i+1)*time.Minute))
	}
	kept := ended(t, s, "ffffffffffffffff", newer, noon.Add(-time.Hour))
	require.NoError(t, os.MkdirAll(filepath.Join(s.Root, archiveDir, "somebody's"), 0o750))
	for range 2 {
		require.NoError(t, s.Retain([]string{newer}))
		require.Len(t, s.Archived(), 5)
		require.Equal(t, []string{"0000000000000003", "0000000000000004", "0000000000000005", "0000000000000006", "0000000000000007", "ffffffffffffffff"}, ids(t, s))
	}
	require.DirExists(t, kept, "its backup is on the volume: it says what may be done")
	require.DirExists(t, filepath.Join(s.Root, archiveDir, "somebody's"))
	require.NoError(t, s.Retain(nil))
	require.NotContains(t, ids(t, s), "ffffffffffffffff", "its backup is gone, and it is the oldest")
}

// TestForgetRemovesOnlyThese, and what is not there is no error.
func TestForgetRemovesOnlyThese(t *testing.T) {
	t.Parallel()
	s := store(t)
	for i := range 3 {
		ended(t, s, fmt.Sprintf("%016x", i), older, noon)
	}
	forget := []Restore{{ID: fmt.Sprintf("%016x", 1)}, {ID: fmt.Sprintf("%016x", 9)}}
	for range 2 {
		require.NoError(t, s.Forget(forget))
		require.Equal(t, []string{fmt.Sprintf("%016x", 0), fmt.Sprintf("%016x", 2)}, ids(t, s))
	}
}

// TestBriefKeepsTheVolume: the long parts go from the copy alone.
func TestBriefKeepsTheVolume(t *testing.T) {
	t.Parallel()
	long := Restore{ID: restoreNo, Stage: Done, Scope: All(), Steps: []Entry{{Step: "x"}}, Evidence: []Load{{}}, Report: json.RawMessage(`{}`), Finished: noon}
	v := Volume{Identity: "v1", Restores: []Restore{long}, Archived: []Restore{long}, Lock: &Lock{Holder: "h"}, Backups: []Backup{{ID: older}}}
	b := v.Brief()
	short := Restore{ID: restoreNo, Stage: Done, Scope: All(), Finished: noon}
	require.Equal(t, Volume{Identity: "v1", Restores: []Restore{short}, Archived: []Restore{short}, Lock: v.Lock, Backups: v.Backups}, b)
	require.Equal(t, long, v.Restores[0])
	require.Equal(t, long, v.Archived[0])
}
