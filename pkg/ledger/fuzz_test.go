package ledger

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/casshook/casshook/pkg/document"
	"github.com/casshook/casshook/pkg/safefile"
)

// FuzzRestores puts hostile bytes in the place of a file of a restore's record: nothing
// may panic, and what is read names backups and tables, and no other paths.
func FuzzRestores(f *testing.F) {
	files := []string{RestoreFile, LoadedFile, DoneFile, CleanedFile, JournalFile}
	for i, content := range []string{
		`{"version":1,"backupId":"` + older + `","volume":"v","scope":{"tables":[{"keyspace":"ks","name":"t"}]}}`,
		`{"version":1,"time":"2026-11-21T10:15:30Z","tables":[{"keyspace":"ks","name":"t","backupId":"0123456789abcdef0123456789abcdef","liveId":"","sstables":1,"taken":1,"found":1}]}`,
		`{"version":1,"backupId":"` + older + `","time":"2026-11-21T10:15:30Z","report":{"n":[1]},"keepBackup":true}`,
		`{"version":1,"backupId":"` + older + `","volume":"v","node":"n","hostId":"h","time":"2026-11-21T10:15:30Z"}`,
		`{"step":"truncating"}` + "\n" + `{"step":"loading","ended":true}` + "\n" + `{"step":"load`,
	} {
		f.Add(byte(i), []byte(content))
		f.Add(byte(i), []byte(content[:len(content)/2]))
	}
	f.Add(byte(0), []byte(`{"version":1,"backupId":"../../.."}`))
	f.Add(byte(0), []byte(`{"version":1,"backupId":"`+older+`","scope":{"tables":[{"keyspace":"..","name":"/"}]}}`))
	f.Add(byte(1), []byte(`{"version":1,"tables":[{"keyspace":"..","name":"/"}]}`))
	f.Add(byte(4), []byte(`{"step":"abandoned"}`))
	f.Fuzz(func(t *testing.T, which byte, content []byte) {
		root := t.TempDir()
		s := Store{Files: safefile.New(root), Root: root}
		dir := filepath.Join(root, restorePrefix+restoreNo)
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, files[int(which)%len(files)]), content, 0o600); err != nil {
			t.Fatal(err)
		}
		restores, err := s.Restores()
		if err != nil {
			return
		}
		v := Volume{Identity: "v", Restores: restores, Backups: []Backup{{ID: older, Complete: true, Volume: "v"}}}
		StateOf(v, v.Backups[0])
		v.Interrupted()
		for _, r := range restores {
			requireNames(t, r)
			Superseded(v, r)
		}
		_ = s.Retain([]string{older})
	})
}

func requireNames(t *testing.T, r Restore) {
	t.Helper()
	if r.BackupID != "" && !document.ValidID(r.BackupID) || r.Cleaned != nil && !document.ValidID(r.Cleaned.BackupID) {
		t.Fatalf("names no backup: %+v", r)
	}
	for _, table := range r.Scope.Tables {
		if err := table.Check(); err != nil {
			t.Fatal(err)
		}
	}
	for _, table := range r.Evidence {
		if err := table.TableName.Check(); err != nil {
			t.Fatal(err)
		}
	}
}
