package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/casshook/casshook/pkg/agent/storage"
	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/document"
	"github.com/casshook/casshook/pkg/sstable"
)

// places collects what is wrong with the places of a node's files.
type places struct {
	*node
	wire.StorageResult
}

// storage looks, without changing anything, whether the data directories are those that
// Cassandra has, whether all files of its tables are really below them, and whether a
// snapshot of the volume would have them.
func (n *node) storage(_ context.Context, _ call, args wire.StorageArgs) (wire.StorageResult, error) {
	p := &places{node: n}
	p.listedOnce()
	if args.OnVolume {
		if err := p.onVolume(); err != nil {
			return p.StorageResult, err
		}
	}
	if !p.compareDirs(args) {
		p.expectTables(args.Tables)
	}
	p.noDetours(args.Tables)
	return p.StorageResult, nil
}

func (p *places) problem(format string, args ...any) {
	p.Problems = append(p.Problems, fmt.Sprintf(format, args...))
}

func (p *places) notCompared(format string, args ...any) {
	p.NotCompared = append(p.NotCompared, fmt.Sprintf(format, args...))
}

// listedOnce looks for a data directory that is listed by two names.
func (p *places) listedOnce() {
	seen := map[storage.Inode]string{}
	for _, dir := range p.DataDirs {
		info, err := os.Stat(dir)
		if err != nil {
			p.problem("data directory %s: %s", dir, err)
			continue
		}
		id := storage.InodeOf(info)
		if other := seen[id]; other != "" {
			p.problem("data directory %s is the same directory as %s: list each data directory once", dir, other)
		}
		seen[id] = dir
	}
}

// onVolume compares file systems: a snapshot of the volume has only what is on its own.
func (p *places) onVolume() error {
	below, err := filepath.EvalSymlinks(p.Volume)
	if err != nil {
		return err
	}
	for _, dir := range p.DataDirs {
		same, err := sameFilesystem(p.Volume, dir)
		if err != nil {
			return err
		}
		if !same {
			p.problem("data directory %s is on another file system than the volume %s: a snapshot of the volume does not contain it; "+
				"set volume to the root of the file system that has the data", dir, p.Volume)
			continue
		}
		resolved, err := filepath.EvalSymlinks(dir)
		if err != nil {
			return err
		}
		if !strings.HasPrefix(resolved+"/", strings.TrimSuffix(below, "/")+"/") {
			p.notCompared("data directory %s is not below the volume %s: only a snapshot of the whole file system contains it", dir, p.Volume)
		}
	}
	return nil
}

// said is a directory that Cassandra names, and the setting.
type said struct{ path, setting string }

// compareDirs compares the directories that are listed with those that Cassandra names. It
// is false where they could not be compared.
func (p *places) compareDirs(args wire.StorageArgs) bool {
	if args.Unknown != "" {
		p.notCompared("the data directories were not compared with Cassandra's: %s", args.Unknown)
		return false
	}
	named := namedBy(args)
	listed := map[storage.Inode]string{}
	for _, dir := range p.DataDirs {
		if info, err := os.Stat(dir); err == nil {
			listed[storage.InodeOf(info)] = dir
		}
	}
	unseen := p.match(named, listed)
	switch {
	case len(unseen) > 0 && len(unseen) == len(named) && len(unseen) == len(p.DataDirs):
		p.notCompared("the data directories were not compared with Cassandra's, which the agent cannot see where it runs: %s", strings.Join(unseen, ", "))
		return false
	case len(unseen) > 0:
		p.problem("Cassandra keeps data in %s, which the agent cannot see where it runs (data directories listed: %s)",
			strings.Join(unseen, ", "), strings.Join(p.DataDirs, ", "))
		return true
	}
	for _, dir := range p.DataDirs {
		for _, unused := range listed {
			if dir == unused {
				p.problem("data directory %s is listed, but Cassandra does not use it (data_file_directories: %s)", dir, strings.Join(args.DataDirs, ", "))
			}
		}
	}
	return true
}

func namedBy(args wire.StorageArgs) []said {
	var named []said
	for _, dir := range args.DataDirs {
		named = append(named, said{dir, "data_file_directories"})
	}
	if args.SystemDir != "" {
		named = append(named, said{args.SystemDir, "local_system_data_file_directory"})
	}
	return named
}

// match takes from the listed directories those that Cassandra names, and returns the
// named ones that cannot be seen.
func (p *places) match(named []said, listed map[storage.Inode]string) []string {
	var unseen []string
	found := map[storage.Inode]bool{}
	for _, s := range named {
		info, err := os.Stat(s.path)
		if err != nil || !filepath.IsAbs(s.path) {
			unseen = append(unseen, s.path)
			continue
		}
		id := storage.InodeOf(info)
		if _, ok := listed[id]; !ok && !found[id] {
			p.problem("Cassandra keeps data in %s (%s), which is not listed as a data directory (listed: %s)", s.path, s.setting, strings.Join(p.DataDirs, ", "))
		}
		found[id] = true
		delete(listed, id)
	}
	return unseen
}

// expectTables is what can be known without Cassandra's word: its own tables are always
// there, and every data directory has directories of tables.
func (p *places) expectTables(tables []document.TableRef) {
	used := map[string]bool{}
	for _, t := range tables {
		found := false
		for _, dataDir := range p.DataDirs {
			dir := filepath.Join(dataDir, t.Keyspace, sstable.TableDir(t.Name, t.ID))
			if _, err := p.Files().Lstat(dir); err == nil || !errors.Is(err, fs.ErrNotExist) {
				found, used[dataDir] = true, true
			}
		}
		if !found && strings.HasPrefix(t.Keyspace, "system") {
			p.problem("directory %s/%s not found in %s: Cassandra keeps it elsewhere", t.Keyspace, sstable.TableDir(t.Name, t.ID), strings.Join(p.DataDirs, ", "))
		}
	}
	for _, dataDir := range p.DataDirs {
		if len(tables) > 0 && !used[dataDir] {
			p.problem("data directory %s has no table of this ring: Cassandra does not use it", dataDir)
		}
	}
}

// noDetours looks for links and file systems of their own on the way to the files of
// tables: a snapshot of the volume does not follow them.
func (p *places) noDetours(tables []document.TableRef) {
	keyspaces := map[string]bool{}
	for _, dataDir := range p.DataDirs {
		for _, t := range tables {
			keyspace := filepath.Join(dataDir, t.Keyspace)
			if _, looked := keyspaces[keyspace]; !looked {
				keyspaces[keyspace] = p.straight(dataDir, keyspace)
			}
			table := filepath.Join(keyspace, sstable.TableDir(t.Name, t.ID))
			if keyspaces[keyspace] && p.straight(dataDir, table) {
				p.tableDir(dataDir, table)
			}
		}
	}
}

// tableDir looks into a table's directory.
func (p *places) tableDir(dataDir, path string) {
	entries, err := p.Files().ReadDir(path)
	if err != nil {
		p.problem("%s", err)
		return
	}
	for _, e := range entries {
		_, isSSTable := sstable.ParseName(e.Name())
		if isSSTable && !e.IsDir() && e.Type().IsRegular() {
			continue
		}
		if isSSTable || e.Name() == sstable.SnapshotsDir || strings.HasPrefix(e.Name(), ".") {
			p.straight(dataDir, filepath.Join(path, e.Name()))
		}
	}
}

// straight tells whether something is there, and reports a link, and a directory that is on
// another file system than its data directory.
func (p *places) straight(dataDir, path string) bool {
	info, err := p.Files().Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false
	case err != nil:
		p.problem("%s", err)
		return false
	case info.Mode()&fs.ModeSymlink != 0:
		to, err := p.Files().Readlink(path)
		if err != nil {
			to = err.Error()
		}
		p.problem("%s is a link to %s: a snapshot of the volume does not contain what is there; move the files back to where the link is", path, to)
		return false
	}
	same, err := sameFilesystem(dataDir, path)
	if err == nil && !same {
		p.problem("%s is on another file system than its data directory %s: a snapshot of the volume does not contain it", path, dataDir)
	}
	return err == nil && same
}

// sameFilesystem compares devices, not mounts: a snapshot of a volume has what is on its
// device. Subvolumes of btrfs, of which each is snapshotted by itself, have their own.
func sameFilesystem(a, b string) (bool, error) {
	ofA, err := os.Stat(a)
	if err != nil {
		return false, err
	}
	ofB, err := os.Stat(b)
	if err != nil {
		return false, err
	}
	return storage.InodeOf(ofA).Dev == storage.InodeOf(ofB).Dev, nil
}
