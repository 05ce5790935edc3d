package document

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"sort"
	"strings"

	"github.com/casshook/casshook/pkg/safefile"
	"github.com/casshook/casshook/pkg/sstable"
)

// SmallFile is the size in bytes up to which a component's CRC-32 is recorded;
// the cost of a backup must not grow with bytes.
const SmallFile = 64 << 10

// SnapshotDir is a table's directory that holds the files of a snapshot tag.
func SnapshotDir(dataDir, keyspace, table, id, tag string) string {
	return filepath.Join(dataDir, keyspace, sstable.TableDir(table, id), sstable.SnapshotsDir, tag)
}

// SnapshotDirs finds every directory of a snapshot tag in a data directory.
func SnapshotDirs(dataDir, tag string) ([]string, error) {
	files := safefile.New(dataDir)
	keyspaces, err := files.ReadDir(dataDir)
	if err != nil {
		return nil, err
	}
	var found []string
	for _, ks := range keyspaces {
		if !ks.IsDir() {
			continue
		}
		tables, err := files.ReadDir(filepath.Join(dataDir, ks.Name()))
		if err != nil {
			return nil, err
		}
		for _, t := range tables {
			if !t.IsDir() {
				continue
			}
			dir := filepath.Join(dataDir, ks.Name(), t.Name(), sstable.SnapshotsDir, tag)
			d, err := files.Dir(dir)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return nil, err
			}
			d.Close()
			found = append(found, dir)
		}
	}
	return found, nil
}

// Tags counts, for every snapshot tag that has the form of a backup's ID, the table
// directories that have it.
func Tags(dataDirs []string) (map[string]int, error) {
	tags := map[string]int{}
	for _, dataDir := range dataDirs {
		dirs, err := SnapshotDirs(dataDir, "")
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // what is not there has none
			return nil, err
		}
		for _, dir := range dirs {
			entries, err := safefile.New(dataDir).ReadDir(dir)
			if err != nil && !errors.Is(err, fs.ErrNotExist) { // dropped since
				return nil, err
			}
			count(tags, entries)
		}
	}
	return tags, nil
}

func count(tags map[string]int, entries []fs.DirEntry) {
	for _, e := range entries {
		if e.IsDir() && ValidID(e.Name()) {
			tags[e.Name()]++
		}
	}
}

// Scan reads the snapshot of a tag from the data directories: every table that
// has it, with every SSTable, its components and their sizes. It fails when the
// manifest of a table names a file that is not there.
func Scan(dataDirs []string, tag string) ([]Table, error) {
	tables := map[string]*Table{}
	for i, dataDir := range dataDirs {
		dirs, err := SnapshotDirs(dataDir, tag)
		if err != nil {
			return nil, err
		}
		for _, dir := range dirs {
			tableDir := filepath.Dir(filepath.Dir(dir))
			name, id, ok := sstable.ParseTableDir(filepath.Base(tableDir))
			if !ok {
				return nil, fmt.Errorf("snapshot %s: %s is not a table directory", tag, tableDir)
			}
			key := filepath.Base(filepath.Dir(tableDir)) + "/" + filepath.Base(tableDir)
			t := tables[key]
			if t == nil {
				t = &Table{TableName: TableName{Keyspace: filepath.Base(filepath.Dir(tableDir)), Name: name}, ID: id}
				tables[key] = t
			}
			if err := t.scanPath(i, dataDir, dir); err != nil {
				return nil, err
			}
		}
	}
	return sorted(tables, dataDirs, tag)
}

func sorted(tables map[string]*Table, dataDirs []string, tag string) ([]Table, error) {
	keys := make([]string, 0, len(tables))
	for key := range tables {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	list := make([]Table, 0, len(keys))
	var problems []error
	for _, key := range keys {
		problems = append(problems, tables[key].checkManifests(dataDirs, tag))
		list = append(list, *tables[key])
	}
	return list, errors.Join(problems...)
}

// scanPath is scan of a directory below a data directory.
func (t *Table) scanPath(dir int, dataDir, path string) error {
	d, err := safefile.New(dataDir).Dir(path)
	if err != nil {
		return err
	}
	defer d.Close()
	return t.scan(dir, d)
}

// scan adds the SSTables of one snapshot directory, those of legacy indexes in
// its hidden sub-directories included.
func (t *Table) scan(dir int, d *safefile.Dir) error {
	entries, err := d.ReadDir()
	if err != nil {
		return err
	}
	var files []string
	for _, e := range entries {
		if e.IsDir() && strings.HasPrefix(e.Name(), ".") {
			if err := t.scanIndex(dir, e.Name(), d); err != nil {
				return err
			}
			continue
		}
		files = append(files, e.Name())
	}
	return t.add(SSTable{Dir: dir}, d, files)
}

func (t *Table) scanIndex(dir int, index string, in *safefile.Dir) error {
	d, err := in.Dir(index)
	if err != nil {
		return err
	}
	defer d.Close()
	entries, err := d.ReadDir()
	if err != nil {
		return err
	}
	files := make([]string, 0, len(entries))
	for _, e := range entries {
		files = append(files, e.Name())
	}
	return t.add(SSTable{Dir: dir, Index: index}, d, files)
}

// add adds the SSTables of an open directory, each of which begins as like.
func (t *Table) add(like SSTable, d *safefile.Dir, files []string) error {
	groups := sstable.Group(files)
	bases := make([]string, 0, len(groups))
	for base := range groups {
		bases = append(bases, base)
	}
	sort.Strings(bases)
	for _, base := range bases {
		s := like
		s.Base = base
		if err := sstable.CheckComponents(groups[base]); err != nil {
			return fmt.Errorf("snapshot: SSTable %s: %w", filepath.Join(d.Path(), base), err)
		}
		for _, name := range groups[base] {
			c, err := component(d, base, name)
			if err != nil {
				return err
			}
			s.Components = append(s.Components, c)
		}
		if slices.Contains(groups[base], sstable.Digest) {
			digest, err := d.Read(sstable.FileOf(base, sstable.Digest), sstable.MaxText)
			if err != nil {
				return err
			}
			s.Digest = string(digest)
		}
		t.SSTables = append(t.SSTables, s)
	}
	return nil
}

func component(d *safefile.Dir, base, name string) (Component, error) {
	c := Component{Name: name, Size: -1}
	file := sstable.FileOf(base, name)
	info, err := d.Lstat(file)
	if err != nil {
		return c, err
	}
	if !info.Mode().IsRegular() {
		return c, fmt.Errorf("snapshot: %s is not a regular file", filepath.Join(d.Path(), file))
	}
	if sstable.MayChange(name) {
		return c, nil
	}
	c.Size = info.Size()
	if name != sstable.Data && c.Size <= SmallFile {
		sum, err := sstable.CRC32(d, file)
		if err != nil {
			return c, err
		}
		c.CRC32 = &sum
	}
	return c, nil
}

func readManifest(dataDir, path string) (sstable.Manifest, error) {
	d, err := safefile.New(dataDir).Dir(path)
	if err != nil {
		return sstable.Manifest{}, err
	}
	defer d.Close()
	return sstable.ReadManifest(d)
}

// checkManifests compares what was found with what Cassandra's manifest says.
func (t *Table) checkManifests(dataDirs []string, tag string) error {
	have := map[string]bool{}
	for _, s := range t.SSTables {
		have[filepath.Join(s.Index, sstable.FileOf(s.Base, sstable.Data))] = true
	}
	found := false
	for _, dataDir := range dataDirs {
		dir := SnapshotDir(dataDir, t.Keyspace, t.Name, t.ID, tag)
		m, err := readManifest(dataDir, dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		found = true
		for _, f := range m.Files {
			if !have[f] {
				return fmt.Errorf("snapshot %s of %s.%s: manifest lists %s, which is missing", tag, t.Keyspace, t.Name, f)
			}
		}
	}
	if !found {
		return fmt.Errorf("snapshot %s of %s.%s: no %s", tag, t.Keyspace, t.Name, sstable.ManifestFile)
	}
	return nil
}
