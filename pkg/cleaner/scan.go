package cleaner

import (
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/casshook/casshook/pkg/agent/storage"
	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/sstable"
)

// each calls f for the entries of a directory that are directories of their own
// and of the right name; all others are foreign.
func (p *cleanPlan) each(dir string, right func(name string) bool, f func(path string) error) error {
	entries, err := p.disk.files.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		switch {
		case e.IsDir() && right(e.Name()):
			err = errors.Join(err, f(path))
		case e.IsDir() && slices.Contains([]string{paxosDir, lostFound, storage.InsideData}, e.Name()):
		default:
			p.foreign = append(p.foreign, path)
		}
	}
	return err
}

func (p *cleanPlan) dataDir(dataDir string, w wanted, known map[string]bool) error {
	isTable := func(name string) bool {
		_, _, ok := sstable.ParseTableDir(name)
		return ok
	}
	return p.each(dataDir, storage.WordName.MatchString, func(keyspace string) error {
		return p.each(keyspace, isTable, func(table string) error {
			return p.tableDir(table, w, known[table])
		})
	})
}

// tableDir plans a table's directory and those of its legacy indexes.
func (p *cleanPlan) tableDir(path string, w wanted, known bool) error {
	entries, err := p.disk.files.ReadDir(path)
	if err != nil {
		return err
	}
	own := p.dir(path, w)
	removed := 0
	for _, e := range entries {
		n, err := p.entry(own, e, w)
		if err != nil {
			return err
		}
		removed += n
	}
	own.complete()
	if removed += len(own.remove); !known && removed > 0 {
		p.emptied = append(p.emptied, wire.Emptied{Path: path, Files: removed})
	}
	return nil
}

// entry plans one entry of a table's directory, and says how many files are removed
// below it.
func (p *cleanPlan) entry(own *dirPlan, e fs.DirEntry, w wanted) (removed int, err error) {
	name := e.Name()
	switch {
	case !e.IsDir():
	case name == sstable.SnapshotsDir, name == backupsDir:
		return 0, nil
	case isUnfinished(name):
		own.remove = append(own.remove, name)
		return 0, nil
	case storage.IndexDir.MatchString(name):
		return p.indexDir(filepath.Join(own.path, name), w)
	}
	return 0, p.file(own, e)
}

// indexDir plans a legacy index's directory, which goes when the backup does not
// have it and nothing foreign lies in it.
func (p *cleanPlan) indexDir(path string, w wanted) (removed int, err error) {
	entries, err := p.disk.files.ReadDir(path)
	if err != nil {
		return 0, err
	}
	d := p.dir(path, w)
	foreign := len(p.foreign)
	for _, e := range entries {
		if err := p.file(d, e); err != nil {
			return 0, err
		}
	}
	d.drop = d.from == nil && len(p.foreign) == foreign
	d.complete()
	return len(d.remove), nil
}

func (p *cleanPlan) dir(path string, w wanted) *dirPlan {
	d := &dirPlan{path: path, from: w[path], here: map[string]bool{}}
	p.dirs = append(p.dirs, d)
	return d
}

// file plans one entry of a live directory.
func (p *cleanPlan) file(d *dirPlan, e fs.DirEntry) error {
	name, path := e.Name(), filepath.Join(d.path, e.Name())
	from, isWanted := d.from[name]
	ours := e.Type().IsRegular() || e.Type()&fs.ModeSymlink != 0
	_, live := sstable.ParseName(name)
	switch {
	case isWanted && !ours:
		p.blocked = append(p.blocked, path+" is not a file: move it away")
	case isWanted && e.Type().IsRegular():
		same, err := p.inPlace(path, name, from)
		if err != nil {
			return err
		}
		if d.here[name] = same; !same {
			d.remove = append(d.remove, name)
		}
	case ours && (live || sstable.IsTransactionLog(name)):
		d.remove = append(d.remove, name)
	default:
		p.foreign = append(p.foreign, path)
	}
	return nil
}

func (p *cleanPlan) inPlace(path, name string, from source) (bool, error) {
	info, err := p.disk.files.Lstat(path)
	if err != nil {
		return false, err
	}
	if copied(name) {
		return p.disk.sameCopy(path, info, from)
	}
	return storage.InodeOf(info) == storage.InodeOf(from.info), nil
}

// complete completes the plan of a directory once all its entries are seen: what is
// wanted and not in place is placed. An SSTable that lacks anything is placed
// anew with its Data.db last, so that one it is part of is never mistaken for
// whole. Data.db files are removed first for the same reason, and transaction
// logs last: they say which of the files that are still there count.
func (d *dirPlan) complete() {
	incomplete := map[string]bool{}
	for name := range d.from {
		if !d.here[name] {
			n, _ := sstable.ParseName(name)
			incomplete[n.Base()] = true
			d.place = append(d.place, name)
		}
	}
	for base := range incomplete {
		if data := sstable.FileOf(base, sstable.Data); d.here[data] {
			d.remove = append(d.remove, data)
			d.place = append(d.place, data)
		}
	}
	order := func(a, b string) int {
		if ra, rb := removalRank(a), removalRank(b); ra != rb {
			return ra - rb
		}
		return strings.Compare(a, b)
	}
	slices.SortFunc(d.remove, order)
	slices.Sort(d.place)
}

func removalRank(name string) int {
	switch {
	case storage.IsData(name):
		return 0
	case sstable.IsTransactionLog(name):
		return 2
	}
	return 1
}

// missing plans the directories that the backup has and the volume has not.
func (p *cleanPlan) missing(w wanted) {
	seen := map[string]bool{}
	for _, d := range p.dirs {
		seen[d.path] = true
	}
	for path, from := range w {
		if seen[path] {
			continue
		}
		d := &dirPlan{path: path, from: from, create: true}
		d.complete()
		if _, err := p.disk.files.Lstat(path); !errors.Is(err, fs.ErrNotExist) || !seen[filepath.Dir(path)] {
			p.blocked = append(p.blocked, path+" is not a real directory: move it away")
		}
		p.dirs = append(p.dirs, d)
	}
	slices.SortFunc(p.dirs, func(a, b *dirPlan) int { return strings.Compare(a.path, b.path) })
}

// clear plans a directory that is emptied.
func (p *cleanPlan) clear(c clearDir) error {
	entries, err := p.disk.files.ReadDir(c.path)
	if err != nil {
		return err
	}
	d := &dirPlan{path: c.path}
	for _, e := range entries {
		switch {
		case !e.IsDir() && c.files.MatchString(e.Name()):
			d.remove = append(d.remove, e.Name())
		case e.IsDir() && e.Name() == lostFound:
		default:
			p.foreign = append(p.foreign, filepath.Join(c.path, e.Name()))
		}
	}
	p.dirs = append(p.dirs, d)
	if len(d.remove) > 0 {
		p.cleared = append(p.cleared, wire.Emptied{Path: c.path, Files: len(d.remove)})
	}
	return nil
}
