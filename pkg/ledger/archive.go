package ledger

import (
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
)

// archiveDir holds the restores that were done again since.
const archiveDir = "archive"

// Archive puts a restore that is loaded or done aside, so that it can be done once
// more under its id. What it reported stays, as long as Retain lets it.
func (s Store) Archive(id string) error {
	dir, err := s.RestoreDir(id)
	if err != nil {
		return err
	}
	r, err := s.read(dir, id)
	if err != nil || r.Stage < Loaded {
		return err
	}
	aside := filepath.Join(s.Root, archiveDir)
	if err := s.Files.MkdirAll(aside); err != nil {
		return err
	}
	name := id + "-" + r.last().UTC().Format("20060102T150405.000000000Z")
	if err := s.Files.Rename(dir, filepath.Join(aside, name)); err != nil {
		return err
	}
	return errors.Join(s.Files.SyncDir(aside), s.Files.SyncDir(s.Root))
}

// aside lists the directories of the archive.
func (s Store) aside() ([]string, error) {
	entries, err := s.Files.ReadDir(filepath.Join(s.Root, archiveDir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var paths []string
	for _, e := range entries {
		if ValidRestoreID(archivedID(e.Name())) {
			paths = append(paths, filepath.Join(s.Root, archiveDir, e.Name()))
		}
	}
	return paths, err
}

// archivedID is the id of the restore whose record a directory of the archive is.
func archivedID(path string) string {
	id, _, _ := strings.Cut(filepath.Base(path), "-")
	return id
}

// Archived reads the records of restores that were done again since, from the earliest
// on and without what makes them long. No rule needs them, so what cannot be read is left
// out.
func (s Store) Archived() []Restore {
	paths, _ := s.aside()
	var list []Restore
	for _, path := range paths {
		if r, err := s.read(path, archivedID(path)); err == nil {
			list = append(list, r)
		}
	}
	slices.SortStableFunc(list, func(a, b Restore) int { return a.last().Compare(b.last()) })
	return brief(list)
}
