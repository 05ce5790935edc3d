package ringtest

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/agent/apitest"
	"github.com/casshook/casshook/pkg/agent/storage"
	"github.com/casshook/casshook/pkg/document"
	"github.com/casshook/casshook/pkg/sstable"
)

// tempDir is a directory for a volume: in memory where there is such a place, since
// agents have all of it written to disk again and again.
func tempDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "ring")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	return dir
}

func liveDir(data string, t document.TableRef) string {
	return filepath.Join(data, t.Keyspace, sstable.TableDir(t.Name, t.ID))
}

// makeDirs makes the live directories of all tables.
func (r *Ring) makeDirs() {
	for _, t := range r.schema.Tables {
		for _, n := range r.nodes {
			require.NoError(r.t, os.MkdirAll(liveDir(n.data(), t), 0o755))
		}
	}
}

// save writes the state to the system tables of all nodes.
func (r *Ring) save() error {
	content, err := json.Marshal(r.schema)
	if err != nil {
		return err
	}
	r.next++
	for _, n := range r.nodes {
		dir := liveDir(n.data(), r.schema.Tables[0])
		if err := removeSSTables(dir); err != nil {
			return err
		}
		if err := writeSSTable(dir, fmt.Sprintf("nb-%d-big", r.next), string(content)); err != nil {
			return err
		}
	}
	return nil
}

// load reads the state from the system tables of the first node, as a start does.
func (r *Ring) load() error {
	texts, err := readSSTables(liveDir(r.nodes[0].data(), r.schema.Tables[0]))
	if err != nil {
		return err
	}
	if len(texts) != 1 {
		return fmt.Errorf("the schema is in %d SSTables", len(texts))
	}
	r.version++
	r.schema = state{}
	return json.Unmarshal([]byte(texts[0]), &r.schema)
}

// writeSSTable writes all components of an SSTable that holds a text.
func writeSSTable(dir, base, text string) error {
	var errs []error
	for component, content := range map[string]string{
		sstable.Data: text, sstable.Digest: fmt.Sprint(crc32.ChecksumIEEE([]byte(text))),
		"Index.db": "i", sstable.Statistics: "s", sstable.Filter: "f", sstable.TOC: "t",
	} {
		errs = append(errs, os.WriteFile(filepath.Join(dir, sstable.FileOf(base, component)), []byte(content), 0o600))
	}
	return errors.Join(errs...)
}

// readSSTables are the texts of a table's SSTables.
func readSSTables(dir string) ([]string, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*-"+sstable.Data))
	if err != nil {
		return nil, err
	}
	var texts []string
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		texts = append(texts, string(content))
	}
	return texts, nil
}

// unknownID is the id of SSTables that somebody copied into a live directory.
const unknownID = "900000"

// CopyIn copies an SSTable into a table's live directory on every node, as a person
// does: Cassandra does not know it before its next start.
func (r *Ring) CopyIn(keyspace, name, text string) {
	r.t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	table, ok := r.table(keyspace, name)
	require.True(r.t, ok, "%s.%s", keyspace, name)
	for _, n := range r.nodes {
		live := liveDir(n.data(), table)
		for _, component := range []string{sstable.Data, "Index.db", sstable.Statistics} {
			file := filepath.Join(live, sstable.FileOf("nb-"+unknownID+"-big", component))
			require.NoError(r.t, os.WriteFile(file, []byte(text), 0o600))
		}
	}
}

// snapshot links a table's files, as Cassandra does, and writes the manifest last.
func snapshot(data string, t document.TableRef, tag string) error {
	live := liveDir(data, t)
	entries, err := os.ReadDir(live)
	if err != nil {
		return err
	}
	to := document.SnapshotDir(data, t.Keyspace, t.Name, t.ID, tag)
	if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}
	manifest := sstable.Manifest{Files: []string{}}
	for _, e := range entries {
		if name, ok := sstable.ParseName(e.Name()); !ok || name.ID == unknownID {
			continue
		}
		if err := os.Link(filepath.Join(live, e.Name()), filepath.Join(to, e.Name())); err != nil {
			return err
		}
		if strings.HasSuffix(e.Name(), "-"+sstable.Data) {
			manifest.Files = append(manifest.Files, e.Name())
		}
	}
	content, err := json.Marshal(manifest)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(to, sstable.ManifestFile), content, 0o600)
}

// empty removes a table's SSTables, of which it keeps a snapshot, as TRUNCATE and DROP
// do where auto_snapshot is on.
func empty(data string, t document.TableRef, tag string) error {
	if err := snapshot(data, t, tag); err != nil {
		return err
	}
	return removeSSTables(liveDir(data, t))
}

func removeSSTables(dir string) error {
	files, err := filepath.Glob(filepath.Join(dir, "*-*-*-*.*"))
	if err != nil {
		return err
	}
	for _, file := range files {
		if err := os.Remove(file); err != nil {
			return err
		}
	}
	return nil
}

// copyVolume copies a volume with its hard links.
func copyVolume(from, to string) error {
	copied := map[storage.Inode]string{}
	return filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, name)
		if entry.IsDir() {
			return os.MkdirAll(target, 0o755)
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		inode := storage.InodeOf(info)
		if first, ok := copied[inode]; ok {
			return os.Link(first, target)
		}
		copied[inode] = target
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(target, content, 0o600)
	})
}

func (r *Ring) called(name string) *node {
	r.t.Helper()
	i := slices.IndexFunc(r.nodes, func(n *node) bool { return n.Name == name })
	require.GreaterOrEqual(r.t, i, 0, name)
	return r.nodes[i]
}

// Root is the root of a node's volume.
func (r *Ring) Root(node string) string {
	r.t.Helper()
	return r.called(node).Volume
}

// API is the Management API of a node.
func (r *Ring) API(node string) *apitest.API {
	r.t.Helper()
	return r.called(node).api
}
