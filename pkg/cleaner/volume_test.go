package cleaner

import (
	"encoding/json"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/agent/storage"
	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/document"
	"github.com/casshook/casshook/pkg/safefile"
	"github.com/casshook/casshook/pkg/sstable"
)

// volume is a made-up volume of a node.
type volume struct {
	t    testing.TB
	root string
	data []string
	// identity is what the storage calls it; "" where only an id file tells.
	identity string
}

// node is the volume's node, with an API or without any that answers.
func (v *volume) node(api string) wire.Node {
	if api == "" {
		api = "unix:///nowhere.sock"
	}
	return wire.Node{Name: "n1", Volume: v.root, DataDirs: v.data, API: api, VolumeID: v.identity}
}

func (v *volume) write(path, content string) {
	v.t.Helper()
	require.NoError(v.t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(v.t, os.WriteFile(path, []byte(content), 0o644))
}

// table makes the live directory of a table and returns it.
func (v *volume) table(dir int, keyspace, name, id string) string {
	v.t.Helper()
	path := filepath.Join(v.data[dir], keyspace, sstable.TableDir(name, id))
	require.NoError(v.t, os.MkdirAll(path, 0o755))
	return path
}

// sstable writes a whole SSTable, and more components where named.
func (v *volume) sstable(dir, base string, more ...string) {
	v.t.Helper()
	content := "data of " + base + " in " + dir
	files := map[string]string{
		"Data.db": content, "Digest.crc32": fmt.Sprint(crc32.ChecksumIEEE([]byte(content))),
		"Index.db": "i", "Statistics.db": "s", "Filter.db": "f", "TOC.txt": "t",
	}
	for _, name := range more {
		files[name] = name
	}
	for name, text := range files {
		v.write(filepath.Join(dir, sstable.FileOf(base, name)), text)
	}
}

// snapshot links all that is in a table's live directories, as Cassandra does.
func (v *volume) snapshot(keyspace, name, id, tag string) {
	v.t.Helper()
	for _, dataDir := range v.data {
		live := filepath.Join(dataDir, keyspace, sstable.TableDir(name, id))
		if _, err := os.Stat(live); err != nil {
			continue
		}
		to := document.SnapshotDir(dataDir, keyspace, name, id, tag)
		manifest := sstable.Manifest{Files: []string{}}
		for _, file := range tree(v.t, live) {
			if _, ok := sstable.ParseName(filepath.Base(file)); !ok || strings.HasPrefix(file, "snapshots") {
				continue
			}
			require.NoError(v.t, os.MkdirAll(filepath.Dir(filepath.Join(to, file)), 0o755))
			require.NoError(v.t, os.Link(filepath.Join(live, file), filepath.Join(to, file)))
			if storage.IsData(file) {
				manifest.Files = append(manifest.Files, file)
			}
		}
		content, err := json.Marshal(manifest)
		require.NoError(v.t, err)
		v.write(filepath.Join(to, sstable.ManifestFile), string(content))
	}
}

func ref(keyspace, name, id string) document.TableRef {
	return document.TableRef{TableName: document.TableName{Keyspace: keyspace, Name: name}, ID: id}
}

// shared are the documents that are the same on all nodes.
func shared(t testing.TB, id string) map[string][]byte {
	t.Helper()
	cluster, err := document.Encode(document.Cluster{
		Version: document.Version, BackupID: id, ClusterName: "shop", Namespace: "db", Members: []document.Member{{Name: "n1", HostID: "h1", Datacenter: "dc1", Rack: "r1"}},
		Keyspaces: []document.Keyspace{
			{Name: "ks", Replication: map[string]string{"class": "org.apache.cassandra.locator.NetworkTopologyStrategy", "dc2": "1", "dc1": "3"}},
			{Name: "simple", Replication: map[string]string{"class": "org.apache.cassandra.locator.SimpleStrategy", "replication_factor": "1"}},
		},
	})
	require.NoError(t, err)
	return map[string][]byte{document.ClusterFile: cluster, document.SchemaFile: []byte("{}\n"), document.GrantsFile: {}}
}

func completeArgs(t testing.TB, id, digest string) wire.CompleteArgs {
	t.Helper()
	doc := document.Complete{Version: document.Version, BackupID: id, Shared: map[string]string{}, Nodes: map[string]string{"h1": digest}}
	for name, content := range shared(t, id) {
		doc.Shared[name] = document.SHA256(content)
	}
	content, err := document.Encode(doc)
	require.NoError(t, err)
	return wire.CompleteArgs{BackupID: id, Content: content}
}

// describe has the agent write the documents of a snapshot, but for COMPLETE.
func describe(c *client, id string, tables ...document.TableRef) (wire.WriteResult, error) {
	c.t.Helper()
	_, err := ask[none](c, wire.OpBegin, wire.BeginArgs{BackupID: id})
	require.NoError(c.t, err)
	return ask[wire.WriteResult](c, wire.OpWrite, wire.WriteArgs{
		BackupID: id, Member: document.Member{Name: "n1", HostID: "h1", Release: "5.0.9", Tokens: []string{"1"}}, Tables: tables, Shared: shared(c.t, id),
	})
}

// backup has the agent make a complete backup of what is in the snapshot.
func backup(c *client, id string, tables ...document.TableRef) {
	c.t.Helper()
	r, err := describe(c, id, tables...)
	require.NoError(c.t, err)
	_, err = ask[none](c, wire.OpComplete, completeArgs(c.t, id, r.Digest))
	require.NoError(c.t, err)
}

func inodeAt(t testing.TB, path string) storage.Inode {
	t.Helper()
	info, err := os.Lstat(path)
	require.NoError(t, err)
	return storage.InodeOf(info)
}

func TestCopiesKeepTheTimeOfTheOriginal(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	from, to := filepath.Join(dir, "nb-1-big-TOC.txt"), filepath.Join(dir, "nb-2-big-TOC.txt")
	require.NoError(t, os.WriteFile(from, []byte("Data.db\n"), 0o640))
	old := time.Unix(1_700_000_000, 5)
	require.NoError(t, os.Chtimes(from, old, old))
	info, err := os.Lstat(from)
	require.NoError(t, err)
	d := &disk{files: safefile.New(dir)}
	_, err = d.copy(source{from, info}, to)
	require.NoError(t, err)
	live, err := os.Lstat(to)
	require.NoError(t, err)
	require.True(t, live.ModTime().Equal(old))
	same, err := d.sameCopy(to, live, source{from, info})
	require.NoError(t, err)
	require.True(t, same)
	// What an earlier release copied has another time, and is copied once more.
	require.NoError(t, os.Chtimes(to, old, old.Add(time.Minute)))
	live, err = os.Lstat(to)
	require.NoError(t, err)
	same, err = d.sameCopy(to, live, source{from, info})
	require.NoError(t, err)
	require.False(t, same)
}
