package agent

import (
	"context"
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
	restorePrefix = "restore-"
	restoreFile   = "restore.json"
	journalFile   = "journal.jsonl"
	loadedFile    = "loaded.json"
	doneFile      = "done.json"
	cleanedFile   = "cleaned.json"
	autoBefore    = "auto-snapshots-before.json"
	autoCaused    = "auto-snapshots-caused.json"
	stageDir      = "stage"
)

var restoreID = regexp.MustCompile(`^[0-9a-f]{16}$`)

// restoreInfo is restore.json: which backup, onto which volume.
type restoreInfo struct {
	Version  int    `json:"version"`
	BackupID string `json:"backupId"`
	Volume   string `json:"volume"`
	// Offline is set by the cleaner.
	Offline bool `json:"offline,omitempty"`
}

// loadedInfo is loaded.json: all data of the restore is loaded on all nodes.
type loadedInfo struct {
	Version int              `json:"version"`
	Time    time.Time        `json:"time"`
	Tables  []wire.TableLoad `json:"tables"`
}

// doneInfo is done.json, the marker that ends a restore.
type doneInfo struct {
	Version  int             `json:"version"`
	BackupID string          `json:"backupId"`
	Time     time.Time       `json:"time"`
	Report   json.RawMessage `json:"report"`
	// KeepBackup is what the restore was told; a rerun is bound by it.
	KeepBackup bool `json:"keepBackup"`
}

func (n *node) restoreDir(id string) (string, error) {
	if !restoreID.MatchString(id) {
		return "", fmt.Errorf("%q is no restore id", id)
	}
	return filepath.Join(n.root(), restorePrefix+id), nil
}

func writeDocument(path string, doc any) error {
	content, err := document.Encode(doc)
	if err != nil {
		return err
	}
	return document.WriteFile(path, content)
}

// journal appends one line to the journal of a restore, which it begins if need
// be.
func (n *node) journal(_ context.Context, _ call, args wire.JournalArgs) (none, error) {
	dir, err := n.restoreDir(args.RestoreID)
	if err != nil {
		return none{}, err
	}
	if err := n.beginRestore(dir, args.BackupID); err != nil {
		return none{}, err
	}
	line, err := json.Marshal(args.Entry)
	if err != nil {
		return none{}, err
	}
	return none{}, appendLine(filepath.Join(dir, journalFile), line)
}

// appendLine appends a line, after a newline where a killed run left a torn one:
// it must not take the new line with it.
func appendLine(path string, line []byte) error {
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

func (n *node) beginRestore(dir, backup string) error {
	if _, err := os.Lstat(filepath.Join(dir, restoreFile)); err == nil {
		return nil
	}
	identity, err := n.identity()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	return writeDocument(filepath.Join(dir, restoreFile), restoreInfo{Version: document.Version, BackupID: backup, Volume: identity})
}

// markLoaded records that from now on a rerun only verifies.
func (n *node) markLoaded(_ context.Context, _ call, args wire.MarkLoadedArgs) (none, error) {
	dir, err := n.restoreDir(args.RestoreID)
	if err != nil {
		return none{}, err
	}
	if err := n.beginRestore(dir, args.BackupID); err != nil {
		return none{}, err
	}
	return none{}, writeDocument(filepath.Join(dir, loadedFile), loadedInfo{Version: document.Version, Time: time.Now().UTC(), Tables: args.Tables})
}

// restores sums up the restores that left a directory on the volume.
func (n *node) restores() ([]wire.RestoreSummary, error) {
	entries, err := os.ReadDir(n.root())
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var list []wire.RestoreSummary
	for _, e := range entries {
		id, ok := strings.CutPrefix(e.Name(), restorePrefix)
		if !ok || !restoreID.MatchString(id) {
			continue
		}
		r, err := readRestore(filepath.Join(n.root(), e.Name()), id)
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
	var info restoreInfo
	var loaded loadedInfo
	var done doneInfo
	if _, err := readIfThere(filepath.Join(dir, restoreFile), &info); err != nil {
		return r, err
	}
	var err error
	if r.Loaded, err = readIfThere(filepath.Join(dir, loadedFile), &loaded); err != nil {
		return r, err
	}
	if r.Done, err = readIfThere(filepath.Join(dir, doneFile), &done); err != nil {
		return r, err
	}
	var cleaned wire.Cleaned
	if ok, err := readIfThere(filepath.Join(dir, cleanedFile), &cleaned); err != nil {
		return r, err
	} else if ok {
		r.Cleaned = &cleaned
	}
	r.Offline = info.Offline
	r.BackupID, r.Volume, r.Report, r.Evidence = info.BackupID, info.Volume, done.Report, loaded.Tables
	content, err := os.ReadFile(filepath.Join(dir, journalFile))
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
