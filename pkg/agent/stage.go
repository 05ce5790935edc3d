package agent

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/document"
	"github.com/casshook/casshook/pkg/sstable"
)

// stageRoot is where the files of a data directory are staged. The last two
// components of a staged table's path are <keyspace>/<table>-<32 hex>, as import
// demands.
func (n *node) stageRoot(restore string, dir int) (string, error) {
	own, err := n.Ledger().RestoreDir(restore)
	if err != nil {
		return "", err
	}
	base, err := n.BesideData(dir)
	return filepath.Join(base, filepath.Base(own), stageDir, fmt.Sprintf("data%d", dir)), err
}

// stagedTable is where a restore stages the files of a table that are in a data
// directory; table is the name of the table's directory.
func (n *node) stagedTable(restore string, dir int, keyspace, table string) (string, error) {
	root, err := n.stageRoot(restore, dir)
	return filepath.Join(root, keyspace, table), err
}

// stage makes the staging directory anew: one hard link for every file of the
// snapshot that a load needs. SSTables of legacy indexes are left out, because
// Cassandra builds those itself from what is loaded.
func (n *node) stage(ctx context.Context, c call, args wire.StageArgs) (wire.StageResult, error) {
	var r wire.StageResult
	b, err := document.Open(n.Volume, args.BackupID, n.DataDirs)
	if err != nil {
		return r, corrupt(err)
	}
	if len(b.Node.DataDirectories) != len(n.DataDirs) {
		return r, fmt.Errorf("stage: the backup has %d data directories, the node has %d; configure the same data directories as in the backup", len(b.Node.DataDirectories), len(n.DataDirs))
	}
	if err := n.removeStage(args.RestoreID); err != nil {
		return r, err
	}
	scope := tableSet(args.Tables)
	done := 0
	var staged []string
	for _, t := range b.Node.Tables {
		if !scope[t.TableName] {
			continue
		}
		if err := ctx.Err(); err != nil {
			return r, context.Cause(ctx)
		}
		links, err := n.stageTable(args, t)
		r.Links += links
		if err != nil {
			return r, err
		}
		done++
		staged = append(staged, stagedName(t.Keyspace, t.Name, t.ID))
		c.progress("staged", done, len(scope))
	}
	if done != len(scope) {
		return r, fmt.Errorf("stage: the backup of this node contains %d of %d tables", done, len(scope))
	}
	return r, n.checkImports(args.RestoreID, staged)
}

func (n *node) stageTable(args wire.StageArgs, t document.Table) (int, error) {
	links := 0
	for _, s := range t.SSTables {
		if s.Index != "" {
			continue
		}
		if s.Dir < 0 || s.Dir >= len(n.DataDirs) {
			return links, corrupt(fmt.Errorf("stage: SSTable %s of %s.%s is in data directory %d", s.Base, t.Keyspace, t.Name, s.Dir))
		}
		to, err := n.stagedTable(args.RestoreID, s.Dir, t.Keyspace, sstable.TableDir(t.Name, t.ID))
		if err != nil {
			return links, err
		}
		if err := n.Files().MkdirAll(to); err != nil {
			return links, err
		}
		from := document.SnapshotDir(n.DataDirs[s.Dir], t.Keyspace, t.Name, t.ID, args.BackupID)
		for _, name := range componentNames(s, n.cassandra.loader()) {
			file := sstable.FileOf(s.Base, name)
			put := n.Files().Link
			if name == sstable.TOC { // rewritten in place when an index is built
				put = n.copyFile
			}
			if err := put(filepath.Join(from, file), filepath.Join(to, file)); err != nil {
				return links, fmt.Errorf("stage: %w", err)
			}
			links++
		}
	}
	return links, nil
}

// componentNames are the components to hand to Cassandra, Data.db last.
func componentNames(s document.SSTable, loader loader) []string {
	names := make([]string, 0, len(s.Components))
	for _, c := range s.Components {
		if !sstable.IsSASI(c.Name) && (!sstable.IsSAI(c.Name) || loader.takesSAI()) {
			names = append(names, c.Name)
		}
	}
	return sstable.DataLast(names)
}

// copyFile copies a small file, with its permissions, owner and times.
func (n *node) copyFile(from, to string) error {
	_, err := n.Files().Copy(from, to, sstable.MaxText)
	return err
}

func (n *node) removeStage(restore string) error {
	for i := range n.DataDirs {
		root, err := n.stageRoot(restore, i)
		if err != nil {
			return err
		}
		if err := n.Files().RemoveAll(root); err != nil {
			return err
		}
		stage := filepath.Dir(root)
		n.removeIfEmpty(stage)
		if filepath.Dir(filepath.Dir(stage)) != n.Dir() {
			n.removeIfEmpty(filepath.Dir(stage))
			n.removeIfEmpty(filepath.Dir(filepath.Dir(stage)))
		}
	}
	return nil
}
