package ledger

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/casshook/casshook/pkg/document"
	"github.com/casshook/casshook/pkg/safefile"
)

// Files of a restore, in <volume>/casshook/restore-<restore id>/.
const (
	restorePrefix = "restore-"
	// RestoreFile says which backup is restored onto which volume, JournalFile how
	// far that came, LoadedFile and CleanedFile that all data is in place, DoneFile
	// that it is over.
	RestoreFile = "restore.json"
	JournalFile = "journal.jsonl"
	LoadedFile  = "loaded.json"
	DoneFile    = "done.json"
	CleanedFile = "cleaned.json"
)

// keptReports is how many restores that are done are remembered on a volume.
const keptReports = 10

// Info is restore.json.
type Info struct {
	Version   int      `json:"version"`
	Minor     int      `json:"minor,omitempty"`
	Ignorable []string `json:"ignorable,omitempty"`
	BackupID  string   `json:"backupId"`
	Volume    string   `json:"volume"`
	// Attributes are all that is known of the volume. Since format 1.1.
	Attributes document.Attributes `json:"volumeAttributes,omitempty"`
	// Offline is set by the cleaner.
	Offline bool `json:"offline,omitempty"`
	// Scope is missing in records of releases before 0.2.
	Scope *Scope `json:"scope,omitempty"`
}

// Current is the record in the format of this release.
func (i Info) Current() Info {
	i.Version, i.Minor = document.Version, document.Minor
	_, i.Ignorable = i.Attributes.Recorded()
	return i
}

// loaded is loaded.json: all data of the restore is loaded on all nodes.
type loaded struct {
	Version int       `json:"version"`
	Time    time.Time `json:"time"`
	Tables  []Load    `json:"tables"`
}

// Ending is done.json, the marker that ends a restore.
type Ending struct {
	Version  int             `json:"version"`
	BackupID string          `json:"backupId"`
	Time     time.Time       `json:"time"`
	Report   json.RawMessage `json:"report"`
	// KeepBackup is what the restore was told; a rerun is bound by it.
	KeepBackup bool `json:"keepBackup"`
}

// Store reads and writes the records of restores on one volume.
type Store struct {
	// Files reaches Root, which is casshook's directory on the volume.
	Files safefile.FS
	Root  string
}

// RestoreDir is the directory of a restore.
func (s Store) RestoreDir(id string) (string, error) {
	if !ValidRestoreID(id) {
		return "", fmt.Errorf("%q is not a restore id", id)
	}
	return filepath.Join(s.Root, restorePrefix+id), nil
}

// Begin writes restore.json, unless the restore was begun before, and gives the
// restore's directory.
func (s Store) Begin(id string, info Info) (string, error) {
	dir, err := s.RestoreDir(id)
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, RestoreFile)
	if info, err := s.Files.Lstat(path); err == nil && info.Mode().IsRegular() {
		return dir, nil
	}
	if err := s.Files.MkdirAll(dir); err != nil {
		return "", err
	}
	return dir, Write(s.Files, path, info.Current())
}

// Append appends an entry to the journal in a restore's directory, after a newline
// where a killed run left a torn line: it must not take the new one with it.
func (s Store) Append(dir string, entry Entry) error {
	line, err := json.Marshal(entry)
	if err != nil {
		return err
	}
	f, err := s.Files.Append(filepath.Join(dir, JournalFile))
	if err != nil {
		return err
	}
	last := []byte{'\n'}
	if info, err := f.Stat(); err == nil && info.Size() > 0 {
		_, _ = f.ReadAt(last, info.Size()-1)
	}
	if last[0] != '\n' {
		line = append([]byte{'\n'}, line...)
	}
	_, err = f.Write(append(line, '\n'))
	return errors.Join(err, f.Sync(), f.Close())
}

// MarkLoaded records that from now on a rerun only verifies.
func (s Store) MarkLoaded(dir string, tables []Load) error {
	return Write(s.Files, filepath.Join(dir, LoadedFile), loaded{Version: document.Version, Time: time.Now().UTC(), Tables: tables})
}

// MarkDone ends a restore, unless it was ended before. It gives the ending that
// holds: a rerun is bound by the first.
func (s Store) MarkDone(dir string, ending Ending) (Ending, error) {
	path := filepath.Join(dir, DoneFile)
	was := Ending{}
	if ok, err := ReadIfThere(s.Files, path, &was); ok || err != nil {
		return was, err
	}
	ending.Version, ending.Time = document.Version, time.Now().UTC()
	return ending, Write(s.Files, path, ending)
}

// Restores reads the records of all restores that left a directory on the volume.
func (s Store) Restores() ([]Restore, error) {
	entries, err := s.Files.ReadDir(s.Root)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var list []Restore
	for _, e := range entries { // in the order of their names
		id, ok := strings.CutPrefix(e.Name(), restorePrefix)
		if !ok || !ValidRestoreID(id) {
			continue
		}
		r, err := s.read(filepath.Join(s.Root, e.Name()), id)
		if err != nil {
			return nil, err
		}
		list = append(list, r)
	}
	return list, nil
}

func (s Store) read(dir, id string) (Restore, error) {
	r := Restore{ID: id}
	var info Info
	var load loaded
	var ending Ending
	var cleaned Cleaned
	found := map[string]bool{}
	for _, f := range []struct {
		file string
		into any
	}{{RestoreFile, &info}, {LoadedFile, &load}, {DoneFile, &ending}, {CleanedFile, &cleaned}} {
		ok, err := ReadIfThere(s.Files, filepath.Join(dir, f.file), f.into)
		if err != nil {
			return r, err
		}
		found[f.file] = ok
	}
	if info.Scope != nil {
		r.Scope = *info.Scope
	}
	if found[CleanedFile] {
		r.Cleaned = &cleaned
	}
	r.Offline, r.BackupID, r.Volume, r.Attributes = info.Offline, info.BackupID, info.Volume, info.Attributes
	r.Report, r.Finished, r.Evidence = ending.Report, ending.Time, load.Tables
	content, err := document.ReadFile(s.Files, filepath.Join(dir, JournalFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return r, err
	}
	for _, line := range strings.Split(string(content), "\n") {
		var entry Entry
		if json.Unmarshal([]byte(line), &entry) == nil && entry.Step != "" { // a torn last line is no entry
			r.Steps = append(r.Steps, entry)
		}
	}
	r.Abandoned = len(r.Steps) > 0 && r.Steps[len(r.Steps)-1].Step == AbandonStep
	r.Stage = stageOf(r, found[LoadedFile], found[DoneFile])
	return r, nil
}

// Supersede has a restore that stopped count no more, because the cleaner replaced all
// that it left: its journal is put aside, and that it loaded is forgotten. What it
// lists for removal stays.
func (s Store) Supersede(id string) error {
	dir, err := s.RestoreDir(id)
	if err != nil {
		return err
	}
	journal := filepath.Join(dir, JournalFile)
	if err := s.Files.Rename(journal, journal+".superseded"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := s.Files.Remove(filepath.Join(dir, LoadedFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return s.Files.SyncDir(dir)
}

// Forget removes the records of restores.
func (s Store) Forget(restores []Restore) error {
	for _, r := range restores {
		dir, err := s.RestoreDir(r.ID)
		if err != nil {
			return err
		}
		if err := s.Files.RemoveAll(dir); err != nil {
			return err
		}
	}
	return nil
}

// Retain removes all but the latest ten records of restores that are done. Records
// of backups that are still on the volume stay: they say what may be done.
func (s Store) Retain(backups []string) error {
	type record struct {
		path string
		ends time.Time
	}
	var records []record
	restores, err := s.Restores()
	if err != nil {
		return err
	}
	for _, r := range restores {
		if r.Stage == Done && !slices.Contains(backups, r.BackupID) {
			records = append(records, record{filepath.Join(s.Root, restorePrefix+r.ID), r.last()})
		}
	}
	aside, err := s.aside()
	if err != nil {
		return err
	}
	for _, path := range aside {
		r, err := s.read(path, archivedID(path))
		if err != nil {
			return err
		}
		records = append(records, record{path, r.last()})
	}
	slices.SortFunc(records, func(a, b record) int { return b.ends.Compare(a.ends) })
	for _, r := range records[min(len(records), keptReports):] {
		if err := s.Files.RemoveAll(r.path); err != nil {
			return err
		}
	}
	return nil
}

// Write writes a JSON file of ours.
func Write(files safefile.FS, path string, doc any) error {
	content, err := document.Encode(doc)
	if err != nil {
		return err
	}
	return document.WriteFile(files, path, content)
}

// ReadIfThere reads a JSON file of ours; a missing one leaves into as it is.
func ReadIfThere(files safefile.FS, path string, into any) (bool, error) {
	err := document.Read(files, path, into)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}
