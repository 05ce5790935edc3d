package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/casshook/casshook/pkg/agent/storage"
	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/document"
	"github.com/casshook/casshook/pkg/ledger"
	"github.com/casshook/casshook/pkg/sstable"
)

// foreignPrefix begins the name of the directory that foreign SSTables are moved to.
const foreignPrefix = "foreign-"

// foreign finds SSTables in live directories that Cassandra does not know, such as
// files that somebody copied there: a refresh, or the next start, would load them
// with what is restored. No interface of Cassandra lists its live SSTables, but a
// snapshot is a list of them. What was there before the snapshot and is there after
// it, is not in it, and in no transaction log, is nobody's.
func (n *node) foreign(ctx context.Context, _ call, args wire.ForeignArgs) (r wire.ForeignResult, err error) {
	before, err := n.liveSets(args.Tables)
	if err != nil || len(before) == 0 {
		return r, err
	}
	ours, err := n.inodesOfBackups(args)
	if err != nil {
		return r, err
	}
	defer func() {
		_, cleared := n.clearSnapshot(args.Tag)
		err = errors.Join(err, cleared)
	}()
	if err := n.listLive(ctx, args); err != nil {
		return r, err
	}
	after, err := n.liveSets(args.Tables)
	if err != nil {
		return r, err
	}
	for _, s := range before {
		if !s.known(after[s.path], args.Tag) && !s.shares(ours) {
			r.SSTables = append(r.SSTables, s.path)
		}
	}
	slices.Sort(r.SSTables)
	if args.Move {
		return r, n.moveAll(&r, after, args.Tag)
	}
	return r, nil
}

func (n *node) moveAll(r *wire.ForeignResult, sets map[string]liveSet, tag string) error {
	for _, path := range r.SSTables {
		if err := n.moveAway(sets[path], tag); err != nil {
			return err
		}
		r.MovedTo = foreignPrefix + tag
	}
	return nil
}

// liveSet is the files of one SSTable, or of what is left of one, in a live directory.
type liveSet struct {
	// data is the index of the data directory, table the live directory of the table,
	// index that of a legacy index in it.
	data         int
	table, index string
	// path is where the files are, without their components.
	path   string
	inodes map[storage.Inode]bool
	// logged is set where a transaction log names the SSTable.
	logged bool
}

func (s liveSet) shares(inodes map[storage.Inode]bool) bool {
	for inode := range s.inodes {
		if inodes[inode] {
			return true
		}
	}
	return false
}

// known tells whether Cassandra, or the restore, knows of the SSTable, which was as
// now says after the snapshot.
func (s liveSet) known(now liveSet, tag string) bool {
	return !s.shares(now.inodes) || s.logged || now.logged || s.placed() || s.in(tag)
}

// placed sets are what a load that died left; leftovers deals with them.
func (s liveSet) placed() bool {
	_, placed := placedName(sstable.FileOf(filepath.Base(s.path), sstable.Data))
	return placed
}

// in tells whether a snapshot has the SSTable.
func (s liveSet) in(tag string) bool {
	found, err := filepath.Glob(escapeGlob(filepath.Join(s.table, sstable.SnapshotsDir, tag, s.index, filepath.Base(s.path))) + "-*")
	return err == nil && len(found) > 0
}

// liveSets are the SSTables in the live directories of tables, by path.
func (n *node) liveSets(tables []ledger.Load) (map[string]liveSet, error) {
	sets := map[string]liveSet{}
	for _, t := range tables {
		for i, dir := range n.tableDirs(t.Keyspace, t.Name, t.LiveID) {
			if dir == "" {
				continue
			}
			if err := n.addTable(sets, liveSet{data: i, table: dir}); err != nil {
				return nil, err
			}
		}
	}
	return sets, nil
}

// addTable adds the SSTables of a live directory and of the legacy indexes in it.
func (n *node) addTable(sets map[string]liveSet, like liveSet) error {
	if err := n.addSets(sets, like); err != nil {
		return err
	}
	entries, err := n.Files().ReadDir(like.table)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !e.IsDir() || !storage.IndexDir.MatchString(e.Name()) {
			continue
		}
		like.index = e.Name()
		if err := n.addSets(sets, like); err != nil {
			return err
		}
	}
	return nil
}

// addSets adds the SSTables of one directory, which all are like one.
func (n *node) addSets(sets map[string]liveSet, like liveSet) error {
	files, dir := n.Files(), filepath.Join(like.table, like.index)
	logged, err := storage.InLogs(files, dir)
	if errors.Is(err, fs.ErrNotExist) { // the index was dropped
		return nil
	}
	if err != nil {
		return err
	}
	var found []string
	err = n.eachFile([]string{dir}, func(path string, info os.FileInfo) {
		name, ok := sstable.ParseName(filepath.Base(path))
		if !ok {
			return
		}
		key := filepath.Join(dir, name.Base())
		s, ok := sets[key]
		if !ok {
			s = like
			s.path, s.inodes, s.logged = key, map[storage.Inode]bool{}, len(logged[name.Base()]) > 0
			sets[key], found = s, append(found, key)
		}
		s.inodes[storage.InodeOf(info)] = true
	})
	if err != nil {
		return err
	}
	// Once more, for those whose transaction began in between.
	if logged, err = storage.InLogs(files, dir); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, key := range found {
		s := sets[key]
		s.logged = s.logged || len(logged[filepath.Base(key)]) > 0
		sets[key] = s
	}
	return err
}

// inodesOfBackups are the files of backups of which a restore stopped half-way: what
// it left in live directories is swept.
func (n *node) inodesOfBackups(args wire.ForeignArgs) (map[storage.Inode]bool, error) {
	inodes := map[storage.Inode]bool{}
	for _, t := range args.Tables {
		for _, backup := range args.Leftovers {
			err := n.eachFile(n.snapshotsOf(backup, t), func(_ string, info os.FileInfo) { inodes[storage.InodeOf(info)] = true })
			if err != nil {
				return nil, err
			}
		}
	}
	return inodes, nil
}

// listLive takes a snapshot of the tables' keyspaces, in which every table must be.
func (n *node) listLive(ctx context.Context, args wire.ForeignArgs) error {
	want := wire.SnapshotArgs{Tag: args.Tag, Wait: args.Wait}
	var keyspaces []string
	for _, t := range args.Tables {
		if t.LiveID == "" {
			continue
		}
		want.Tables = append(want.Tables, document.TableRef{TableName: t.TableName, ID: t.LiveID})
		keyspaces = append(keyspaces, t.Keyspace)
	}
	slices.Sort(keyspaces)
	err := n.cassandra.snapshot(ctx, args.Tag, slices.Compact(keyspaces)...)
	if isUnknown(err) {
		err = n.awaitSnapshot(ctx, want)
	}
	if err != nil {
		return err
	}
	if missing := n.lacking(want); len(missing) > 0 {
		return fmt.Errorf("list the SSTables that Cassandra knows: %s", lacks(want, missing))
	}
	return nil
}

// moveAway moves the files of an SSTable out of its live directory. The name of the
// directory that they go to is new in every run, so nothing is overwritten.
func (n *node) moveAway(s liveSet, tag string) error {
	base, err := n.BesideData(s.data)
	if err != nil {
		return err
	}
	to := filepath.Join(base, foreignPrefix+tag, fmt.Sprintf("data%d", s.data), filepath.Base(filepath.Dir(s.table)), filepath.Base(s.table), s.index)
	if err := n.Files().MkdirAll(to); err != nil {
		return err
	}
	files, err := filepath.Glob(escapeGlob(s.path) + "-*")
	if err != nil {
		return err
	}
	slices.SortFunc(files, func(a, b string) int { // without its Data.db it is no SSTable any more
		if storage.IsData(a) != storage.IsData(b) && storage.IsData(a) {
			return -1
		}
		return strings.Compare(a, b)
	})
	for _, file := range files {
		if err := n.Files().Rename(file, filepath.Join(to, filepath.Base(file))); err != nil {
			return fmt.Errorf("move foreign SSTable: %w", err)
		}
	}
	return errors.Join(n.Files().SyncDir(to), n.Files().SyncDir(filepath.Dir(s.path)))
}
