package storage

import (
	"errors"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/casshook/casshook/pkg/safefile"
	"github.com/casshook/casshook/pkg/sstable"
)

// Cassandra remembers of an SSTable that it deletes how old its newest file is, and
// does not start with half an SSTable whose newest file is of another second:
// somebody could have put another one in its place. So all files that are put beside
// older ones must be no younger than those.

// younger compares times as Cassandra does: in whole seconds.
func younger(a, b time.Time) bool { return a.Unix() > b.Unix() }

// InLogs returns what the transaction logs in a live directory say of its SSTables,
// by their names without component.
func InLogs(files safefile.FS, dir string) (map[string][]sstable.LogRecord, error) {
	found := map[string][]sstable.LogRecord{}
	entries, err := files.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if !sstable.IsTransactionLog(e.Name()) {
			continue
		}
		records, err := readLog(files, filepath.Join(dir, e.Name()))
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // its transaction has ended
			return nil, err
		}
		for _, r := range records {
			if filepath.Base(r.Dir) == filepath.Base(dir) {
				found[r.Base] = append(found[r.Base], r)
			}
		}
	}
	return found, nil
}

func readLog(files safefile.FS, path string) ([]sstable.LogRecord, error) {
	content, err := files.Read(path, maxLog)
	if err != nil {
		return nil, err
	}
	return sstable.ParseTransactionLog(content)
}

// maxLog bounds a transaction log: a line for every SSTable of a table, at most.
const maxLog = 256 << 20

// groupInfos are the files of a live directory by SSTable and component.
func groupInfos(files safefile.FS, dir string) (map[string]map[string]fs.FileInfo, error) {
	entries, err := files.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	groups := map[string]map[string]fs.FileInfo{}
	for _, e := range entries {
		name, ok := sstable.ParseName(e.Name())
		if !ok || !e.Type().IsRegular() {
			continue
		}
		info, err := e.Info()
		if err != nil { // removed since
			continue
		}
		if groups[name.Base()] == nil {
			groups[name.Base()] = map[string]fs.FileInfo{}
		}
		groups[name.Base()][name.Component] = info
	}
	return groups, nil
}

// SettleTOCs gives every TOC.txt of a live directory that is younger than the rest
// of its SSTable the time of the rest: releases of casshook before this one copied it
// without its time. Cassandra may be running. It returns how many it changed.
func SettleTOCs(files safefile.FS, dir string) (int, error) {
	return settle(files, dir, func(files map[string]fs.FileInfo) (newest time.Time, ok bool) {
		for name, info := range files {
			if name != sstable.TOC && info.ModTime().After(newest) {
				newest = info.ModTime()
			}
		}
		return newest, !newest.IsZero() && files[sstable.Data] != nil
	})
}

// SettleLoaded gives the files of a live directory that Cassandra wrote into SSTables
// while it loaded them (statistics, the table of contents, indexes) the time of the
// newest file that was loaded; times has it by the inode of Data.db.
func SettleLoaded(files safefile.FS, dir string, times map[Inode]time.Time) (int, error) {
	return settle(files, dir, func(files map[string]fs.FileInfo) (time.Time, bool) {
		data := files[sstable.Data]
		if data == nil {
			return time.Time{}, false
		}
		newest, ok := times[InodeOf(data)]
		return newest, ok
	})
}

// settle makes no file of an SSTable younger than newest says.
func settle(in safefile.FS, dir string, newest func(files map[string]fs.FileInfo) (time.Time, bool)) (int, error) {
	groups, err := groupInfos(in, dir)
	if err != nil {
		return 0, err
	}
	logged, err := InLogs(in, dir)
	if err != nil {
		return 0, err
	}
	set := &settled{in: in, dir: dir}
	for base, files := range groups {
		limit, ok := newest(files)
		if !ok || len(logged[base]) > 0 {
			continue
		}
		for component, info := range files {
			if err := set.limit(base, component, info, limit); err != nil {
				return len(set.files), err
			}
		}
	}
	return len(set.files), set.check()
}

// settled are files whose times were changed.
type settled struct {
	in    safefile.FS
	dir   string
	files []settledFile
}

type settledFile struct {
	base, path string
	was        time.Time
}

// limit changes the time of a file that is younger.
func (s *settled) limit(base, component string, info fs.FileInfo, to time.Time) error {
	if !younger(info.ModTime(), to) {
		return nil
	}
	return s.change(base, component, info, to)
}

func (s *settled) change(base, component string, info fs.FileInfo, to time.Time) error {
	path := filepath.Join(s.dir, sstable.FileOf(base, component))
	err := s.in.SetTime(path, to)
	if errors.Is(err, fs.ErrNotExist) { // compacted away
		return nil
	}
	s.files = append(s.files, settledFile{base, path, info.ModTime()})
	return err
}

// check looks whether Cassandra began to delete an SSTable while its times were
// changed, and recorded one that is no more: it is put back.
func (s *settled) check() error {
	if len(s.files) == 0 {
		return nil
	}
	logged, err := InLogs(s.in, s.dir)
	if err != nil {
		return err
	}
	for _, f := range s.files {
		for _, r := range logged[f.base] {
			if !r.Removes || r.Modified.Unix() != f.was.Unix() {
				continue
			}
			if err := s.in.SetTime(f.path, f.was); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
	return nil
}
