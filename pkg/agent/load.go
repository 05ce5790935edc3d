package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/ledger"
	"github.com/casshook/casshook/pkg/safefile"
	"github.com/casshook/casshook/pkg/sstable"
)

// loader has Cassandra take up the staged SSTables of one table.
type loader interface {
	// load returns how many SSTables Cassandra took; fewer than were staged is an
	// error. Nothing else may load the table meanwhile: a refresh tears a set of
	// files apart that is not complete yet.
	load(ctx context.Context, job loadJob) (int, error)
	// adopt makes Cassandra own what a dead run placed in live directories.
	adopt(ctx context.Context, keyspace, table string) error
	// takesSAI says whether components of storage-attached indexes are taken over.
	takesSAI() bool
	// workers bounds the tables that are loaded at once.
	workers(asked int) int
	calls() int
}

// loadJob is one table to load.
type loadJob struct {
	ledger.Load
	// staged and live are directories, by data directory; "" where there is none.
	staged, live []string
	files        safefile.FS
	wait         time.Duration
}

// load loads the staged tables, several at once, and reports the evidence.
func (n *node) load(ctx context.Context, c call, args wire.LoadArgs) (wire.LoadResult, error) {
	l := n.cassandra.loader()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	results := make([]ledger.Load, len(args.Tables))
	jobs := make(chan int)
	var done atomic.Int32
	var workers sync.WaitGroup
	for range l.workers(args.Workers) {
		workers.Add(1)
		go func() {
			defer workers.Done()
			for i := range jobs {
				t, err := n.loadTable(ctx, l, args, args.Tables[i])
				results[i] = t
				if err != nil {
					cancel(fmt.Errorf("load %s.%s: %w", t.Keyspace, t.Name, err))
				}
				c.progress("loaded", int(done.Add(1)), len(args.Tables))
			}
		}()
	}
	feed(ctx, jobs, len(args.Tables))
	workers.Wait()
	if ctx.Err() != nil {
		return wire.LoadResult{}, context.Cause(ctx)
	}
	return wire.LoadResult{Tables: results, Calls: l.calls()}, nil
}

func feed(ctx context.Context, jobs chan<- int, n int) {
	defer close(jobs)
	for i := range n {
		select {
		case jobs <- i:
		case <-ctx.Done():
			return
		}
	}
}

func (n *node) loadTable(ctx context.Context, l loader, args wire.LoadArgs, t ledger.Load) (ledger.Load, error) {
	job := loadJob{Load: t, files: n.Files(), wait: args.Wait}
	for i := range n.DataDirs {
		staged, err := n.stagedTable(args.RestoreID, i, t.Keyspace, sstable.TableDir(t.Name, t.BackupID))
		if err != nil {
			return t, err
		}
		if !job.files.IsDir(staged) {
			staged = ""
		} else if t.LiveID != t.BackupID { // import wants the live id in the path
			renamed := filepath.Join(filepath.Dir(staged), sstable.TableDir(t.Name, t.LiveID))
			if err := job.files.Rename(staged, renamed); err != nil {
				return t, err
			}
			staged = renamed
		}
		job.staged = append(job.staged, staged)
	}
	var err error
	if job.live, err = n.liveDirs(ctx, t, job.staged); err != nil {
		return t, err
	}
	times, err := n.newestTimes(job.staged)
	if err != nil {
		return t, err
	}
	if t.Taken, err = l.load(ctx, job); err != nil {
		return t, err
	}
	if err := n.settleLoaded(job.live, times); err != nil {
		return t, err
	}
	if t.Found, err = n.countInodes(job.live, times); err == nil && t.Taken != t.SSTables {
		err = fmt.Errorf("only %d of %d SSTables were loaded by Cassandra", t.Taken, t.SSTables)
	}
	return t, err
}

// liveDirs waits for the live directories of a table, which appear on a node
// some time after the coordinator answered the CREATE, one after the other: for
// all into whose data directories something goes.
func (n *node) liveDirs(ctx context.Context, t ledger.Load, staged []string) ([]string, error) {
	var dirs []string
	table := sstable.TableDir(t.Name, t.LiveID)
	w := flow.Waiting{For: "the live directories " + filepath.Join(t.Keyspace, table), Limit: liveDirsLimit, Every: pollEvery}
	err := flow.Wait(ctx, w, func(context.Context) (string, error) {
		dirs = n.tableDirs(t.Keyspace, t.Name, t.LiveID)
		var missing []string
		for i := range staged {
			if staged[i] != "" && dirs[i] == "" {
				missing = append(missing, n.DataDirs[i])
			}
		}
		if len(missing) == 0 {
			return "", nil
		}
		return "none in " + strings.Join(missing, ", "), nil
	})
	return dirs, err
}

const liveDirsLimit = 30 * time.Second

// tableDirs are the live directories of a table, "" where there is none.
func (n *node) tableDirs(keyspace, table, id string) []string {
	dirs := make([]string, len(n.DataDirs))
	for i, dataDir := range n.DataDirs {
		dir := filepath.Join(dataDir, keyspace, sstable.TableDir(table, id))
		if n.Files().IsDir(dir) {
			dirs[i] = dir
		}
	}
	return dirs
}

// refresher loads through the Management API's refresh: links in the live
// directories, under names that cannot clash, which Cassandra then renames.
type refresher struct {
	api   *api
	count atomic.Int32
}

func (r *refresher) workers(asked int) int { return max(1, asked) }
func (r *refresher) calls() int            { return int(r.count.Load()) }
func (r *refresher) takesSAI() bool        { return true }

// adoptLimit bounds the wait for a refresh that adopts leftovers.
const adoptLimit = 10 * time.Minute

// adopt is over when the refresh is: one that still ran would load what it found
// after the TRUNCATE that follows.
func (r *refresher) adopt(ctx context.Context, keyspace, table string) error {
	r.count.Add(1)
	err := r.api.refresh(ctx, keyspace, table)
	if isUnknown(err) {
		err = r.await(ctx, keyspace, table, adoptLimit)
	}
	return err
}

func (r *refresher) load(ctx context.Context, job loadJob) (int, error) {
	if err := awaitDeletions(ctx, job.files, job.live); err != nil {
		return 0, err
	}
	placed, err := place(job)
	if err != nil {
		return 0, errors.Join(err, removeFiles(job.files, placed))
	}
	if len(placed) == 0 {
		return 0, nil
	}
	r.count.Add(1)
	err = r.api.refresh(ctx, job.Keyspace, job.Name)
	if isUnknown(err) {
		err = r.await(ctx, job.Keyspace, job.Name, job.wait)
	}
	if err != nil {
		return 0, err
	}
	taken := 0
	for _, files := range placed {
		if _, err := job.files.Lstat(files[len(files)-1]); errors.Is(err, fs.ErrNotExist) {
			taken++
		}
	}
	return taken, nil
}

// place links every staged SSTable into the live directory of its data
// directory and returns the files by SSTable, Data.db last.
func place(job loadJob) ([][]string, error) {
	var placed [][]string
	next, err := firstFree(job.files, job.live, job.SSTables)
	if err != nil {
		return nil, err
	}
	for i, staged := range job.staged {
		if staged == "" {
			continue
		}
		if job.live[i] == "" {
			return placed, fmt.Errorf("data directory %d has no directory for the table", i)
		}
		groups, err := readGroups(job.files, staged)
		if err != nil {
			return placed, err
		}
		for _, base := range sortedKeys(groups) {
			target, err := sstable.Renamed(base, strconv.FormatInt(next, 10))
			if err != nil {
				return placed, err
			}
			next++
			files, err := job.linkAll(filepath.Join(staged, base), filepath.Join(job.live[i], target), groups[base])
			placed = append(placed, files)
			if err != nil {
				return placed, err
			}
		}
	}
	return placed, nil
}

// linkAll links the components of an SSTable, Data.db last, and returns the links.
func (j loadJob) linkAll(from, to string, components []string) (files []string, err error) {
	for _, name := range sstable.DataLast(components) {
		file := sstable.FileOf(to, name)
		if err := j.files.Link(sstable.FileOf(from, name), file); err != nil {
			return files, err
		}
		files = append(files, file)
	}
	return files, nil
}

func readGroups(in safefile.FS, dir string) (map[string][]string, error) {
	entries, err := in.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	files := make([]string, 0, len(entries))
	for _, e := range entries {
		files = append(files, e.Name())
	}
	return sstable.Group(files), nil
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}

func removeFiles(in safefile.FS, groups [][]string) error {
	var errs []error
	for _, files := range groups {
		for i := len(files) - 1; i >= 0; i-- {
			errs = append(errs, in.Remove(files[i]))
		}
	}
	return errors.Join(errs...)
}

// await finds out how a refresh ended that the API stopped waiting for: refreshes
// of one table are serialised in Cassandra, so a second one answers only when the
// first is through.
func (r *refresher) await(ctx context.Context, keyspace, table string, wait time.Duration) error {
	w := flow.Waiting{For: "the refresh of " + keyspace + "." + table, Limit: wait, Every: pollEvery}
	return flow.Wait(ctx, w, func(ctx context.Context) (string, error) {
		r.count.Add(1)
		err := r.api.refresh(ctx, keyspace, table)
		if isUnknown(err) {
			return "it goes on in Cassandra", nil
		}
		return "", err
	})
}
