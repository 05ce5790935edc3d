package storage

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
	"time"

	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/document"
)

// Files of a restore, in <volume>/casshook/restore-<restore id>/.
const (
	RestorePrefix = "restore-"
	RestoreFile   = "restore.json"
	JournalFile   = "journal.jsonl"
	LoadedFile    = "loaded.json"
	DoneFile      = "done.json"
	CleanedFile   = "cleaned.json"
)

var restoreID = regexp.MustCompile(`^[0-9a-f]{16}$`)

// RestoreInfo is restore.json: which backup, onto which volume.
type RestoreInfo struct {
	Version  int    `json:"version"`
	BackupID string `json:"backupId"`
	Volume   string `json:"volume"`
	// Offline is set by the cleaner.
	Offline bool `json:"offline,omitempty"`
}

// LoadedInfo is loaded.json: all data of the restore is loaded on all nodes.
type LoadedInfo struct {
	Version int              `json:"version"`
	Time    time.Time        `json:"time"`
	Tables  []wire.TableLoad `json:"tables"`
}

// DoneInfo is done.json, the marker that ends a restore.
type DoneInfo struct {
	Version  int             `json:"version"`
	BackupID string          `json:"backupId"`
	Time     time.Time       `json:"time"`
	Report   json.RawMessage `json:"report"`
	// KeepBackup is what the restore was told; a rerun is bound by it.
	KeepBackup bool `json:"keepBackup"`
}

// RestoreDir is the directory of a restore.
func (v *Volumes) RestoreDir(id string) (string, error) {
	if !restoreID.MatchString(id) {
		return "", fmt.Errorf("%q is no restore id", id)
	}
	return filepath.Join(v.Dir(), RestorePrefix+id), nil
}

// Restores sums up the restores that left a directory on the volume.
func (v *Volumes) Restores() ([]wire.RestoreSummary, error) {
	entries, err := os.ReadDir(v.Dir())
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var list []wire.RestoreSummary
	for _, e := range entries {
		id, ok := strings.CutPrefix(e.Name(), RestorePrefix)
		if !ok || !restoreID.MatchString(id) {
			continue
		}
		r, err := readRestore(filepath.Join(v.Dir(), e.Name()), id)
		if err != nil {
			return nil, err
		}
		list = append(list, r)
	}
	sort.Slice(list, func(i, j int) bool { return list[i].ID < list[j].ID })
	return list, nil
}

func readRestore(dir, id string) (wire.RestoreSummary, error) {
	r := wire.RestoreSummary{ID: id}
	var info RestoreInfo
	var loaded LoadedInfo
	var done DoneInfo
	if _, err := ReadIfThere(filepath.Join(dir, RestoreFile), &info); err != nil {
		return r, err
	}
	var err error
	if r.Loaded, err = ReadIfThere(filepath.Join(dir, LoadedFile), &loaded); err != nil {
		return r, err
	}
	if r.Done, err = ReadIfThere(filepath.Join(dir, DoneFile), &done); err != nil {
		return r, err
	}
	var cleaned wire.Cleaned
	if ok, err := ReadIfThere(filepath.Join(dir, CleanedFile), &cleaned); err != nil {
		return r, err
	} else if ok {
		r.Cleaned = &cleaned
	}
	r.Offline = info.Offline
	r.BackupID, r.Volume, r.Report, r.Evidence = info.BackupID, info.Volume, done.Report, loaded.Tables
	content, err := os.ReadFile(filepath.Join(dir, JournalFile))
	if errors.Is(err, os.ErrNotExist) {
		return r, nil
	}
	for _, line := range strings.Split(string(content), "\n") {
		var entry wire.JournalEntry
		if json.Unmarshal([]byte(line), &entry) == nil && entry.Step != "" { // a torn last line is no entry
			r.Steps = append(r.Steps, entry)
		}
	}
	return r, err
}

// WriteDocument writes a JSON file of ours.
func WriteDocument(path string, doc any) error {
	content, err := document.Encode(doc)
	if err != nil {
		return err
	}
	return document.WriteFile(path, content)
}

// ReadIfThere reads a JSON file of ours; a missing one leaves into as it is.
func ReadIfThere(path string, into any) (bool, error) {
	err := document.Read(path, into)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// AppendLine appends a line, after a newline where a killed run left a torn one:
// it must not take the new line with it.
func AppendLine(path string, line []byte) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o640)
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
