package document_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/agent"
	"github.com/casshook/casshook/pkg/agent/storage"
	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/cleaner"
	"github.com/casshook/casshook/pkg/document"
	"github.com/casshook/casshook/pkg/ledger"
	"github.com/casshook/casshook/pkg/schema"
	"github.com/casshook/casshook/pkg/sstable"
)

var update = flag.Bool("update", false, "write the tree of this format, where there is none")

// ids are those of backups and restores in the names of files.
var ids = regexp.MustCompile(`/(restore-)?(?:casshook-)?[0-9a-fTZ-]{16,}/`)

const (
	treeID   = "casshook-20261127T101530Z-4f2a"
	hostID   = "5d2bff5c-0f21-4dd2-a2c4-1ae1e1b9a2a7"
	peerID   = "9b0c2a1e-7c1f-4a0f-8a43-2f6f0f3ad9b1"
	tableOne = "0c8d4ce0a9d611f0b2c40242ac120002"
	tableTwo = "1e55f3a0a9d611f0b2c40242ac120002"
	viewID   = "2aa41b70a9d611f0b2c40242ac120002"
	peersID  = "c4325fbb8e5e3bafbd070f9250ed818e"
)

// client speaks to an agent that runs in this process.
type client struct {
	t    *testing.T
	in   *json.Encoder
	out  *json.Decoder
	next int
}

// open starts an agent that has been told of its node.
func open(t *testing.T, n wire.Node) *client {
	t.Helper()
	stdin, in := io.Pipe()
	out, stdout := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- agent.Serve(t.Context(), stdin, stdout)
		stdout.Close()
	}()
	t.Cleanup(func() {
		in.Close()
		_, _ = io.Copy(io.Discard, out)
		<-ended
	})
	c := &client{t: t, in: json.NewEncoder(in), out: json.NewDecoder(out)}
	ask[wire.HelloResult](c, wire.OpHello, wire.Hello{Protocol: wire.Protocol, Node: n})
	return c
}

// ask sends a request and waits for its result.
func ask[R any](c *client, op string, args any) R {
	c.t.Helper()
	var result R
	data, err := json.Marshal(args)
	require.NoError(c.t, err)
	c.next++
	require.NoError(c.t, c.in.Encode(wire.Request{ID: c.next, Op: op, Args: data}))
	for {
		var r wire.Response
		require.NoError(c.t, c.out.Decode(&r))
		if r.Event != nil {
			continue
		}
		require.Nil(c.t, r.Error)
		require.NoError(c.t, json.Unmarshal(r.Result, &result))
		return result
	}
}

// world is a volume that a tree is written on.
type world struct {
	t          *testing.T
	root, data string
}

// writeTree has the agent and the cleaner write all that casshook ever writes on
// a volume, and returns a copy that is only that and the snapshot.
func writeTree(t *testing.T) string {
	t.Helper()
	w := &world{t: t, root: t.TempDir()}
	w.data = filepath.Join(w.root, "data")
	for _, dir := range []string{"data", "commitlog", "hints", "saved_caches"} {
		require.NoError(t, os.MkdirAll(filepath.Join(w.root, dir), 0o755))
	}
	w.table("system", "peers_v2", peersID, "nb-3-big")
	w.table("shop", "users", tableOne, "nb-1-big", "da-3gx2_0a1x_4sv282a1uclk7bjbz4-bti")
	w.sstable(filepath.Join(w.live("shop", "users", tableOne), ".users_by_city"), "nb-1-big")
	w.table("shop", "orders", tableTwo, "oa-2-big")
	require.NoError(t, os.Remove(filepath.Join(w.live("shop", "orders", tableTwo), "oa-2-big-Digest.crc32")))
	w.table("shop", "orders_by_city", viewID)
	for _, dir := range []string{w.live("system", "peers_v2", peersID), w.live("shop", "users", tableOne), w.live("shop", "orders", tableTwo), w.live("shop", "orders_by_city", viewID)} {
		w.snapshot(dir)
	}
	c := open(t, wire.Node{Name: "n1", Volume: w.root, DataDirs: []string{w.data}, API: "unix:///nowhere.sock"})
	w.backup(c)
	w.restore(c)
	lock := wire.LockArgs{Action: wire.LockRelease, Holder: "n1-4711-ABCDEFGH", Operation: "before-backup", BackupID: treeID}
	ask[struct{}](c, wire.OpLock, lock)
	_, err := cleaner.Clean(t.Context(), cleaner.Options{Volume: w.root, Data: []string{w.data}, InPlace: true, Again: true, AssumeStopped: true})
	require.NoError(t, err)
	lock.Action = wire.LockAcquire
	ask[struct{}](c, wire.OpLock, lock)
	w.restoreHalfWay(c)
	lock.Action = wire.LockPark
	ask[struct{}](c, wire.OpLock, lock)
	return w.copy()
}

func (w *world) live(keyspace, table, id string) string {
	return filepath.Join(w.data, keyspace, sstable.TableDir(table, id))
}

func (w *world) table(keyspace, table, id string, bases ...string) {
	require.NoError(w.t, os.MkdirAll(w.live(keyspace, table, id), 0o755))
	for _, base := range bases {
		w.sstable(w.live(keyspace, table, id), base)
	}
}

// sstable writes files that are those of an SSTable of its version and format.
func (w *world) sstable(dir, base string) {
	require.NoError(w.t, os.MkdirAll(dir, 0o755))
	data := strings.Repeat(base+"\x00\xff", 20)
	files := map[string]string{"Data.db": data, "Digest.crc32": fmt.Sprint(crc32.ChecksumIEEE([]byte(data))), "Statistics.db": "statistics\x00",
		"Filter.db": "filter\x00", "TOC.txt": "Data.db\nTOC.txt\n", "CompressionInfo.db": "\x00\x0dLZ4Compressor"}
	if strings.HasSuffix(base, "bti") {
		files["Partitions.db"], files["Rows.db"], files["SAI+aa+GroupComplete.db"] = "partitions\x00", "rows\x00", "\x00"
	} else {
		files["Index.db"], files["Summary.db"] = "index\x00", "summary\x00"
	}
	for name, content := range files {
		require.NoError(w.t, os.WriteFile(filepath.Join(dir, sstable.FileOf(base, name)), []byte(content), 0o644))
	}
}

// snapshot links the files of a live directory, as Cassandra does.
func (w *world) snapshot(live string) {
	to := filepath.Join(live, sstable.SnapshotsDir, treeID)
	manifest := sstable.Manifest{Files: []string{}}
	files, err := filepath.Glob(filepath.Join(live, "*-*-*"))
	require.NoError(w.t, err)
	hidden, err := filepath.Glob(filepath.Join(live, ".*", "*-*-*"))
	require.NoError(w.t, err)
	require.NoError(w.t, os.MkdirAll(to, 0o755))
	for _, file := range append(files, hidden...) {
		name, err := filepath.Rel(live, file)
		require.NoError(w.t, err)
		require.NoError(w.t, os.MkdirAll(filepath.Dir(filepath.Join(to, name)), 0o755))
		require.NoError(w.t, os.Link(file, filepath.Join(to, name)))
		if strings.HasSuffix(name, "-Data.db") {
			manifest.Files = append(manifest.Files, name)
		}
	}
	content, err := json.Marshal(manifest)
	require.NoError(w.t, err)
	require.NoError(w.t, os.WriteFile(filepath.Join(to, sstable.ManifestFile), content, 0o644))
}

// backup writes a complete backup as before-backup does.
func (w *world) backup(c *client) {
	members := []document.Member{
		{Name: "n1", HostID: hostID, Address: "10.0.0.1", Datacenter: "dc1", Rack: "r1", Tokens: []string{"-3074457345618258603"}, Release: "5.0.9"},
		{Name: "n2", HostID: peerID, Address: "10.0.0.2", Datacenter: "dc1", Rack: "r2", Tokens: []string{"3074457345618258602"}, Release: "5.0.9"},
	}
	system := document.TableRef{TableName: document.TableName{Keyspace: "system", Name: "peers_v2"}, ID: peersID}
	tables := []document.TableRef{
		system, {TableName: document.TableName{Keyspace: "shop", Name: "users"}, ID: tableOne, GCGraceSeconds: 864000}, {TableName: document.TableName{Keyspace: "shop", Name: "orders"}, ID: tableTwo, GCGraceSeconds: 864000},
		{TableName: document.TableName{Keyspace: "shop", Name: "orders_by_city"}, ID: viewID, View: true, GCGraceSeconds: 864000},
	}
	shared := w.shared(members, tables)
	ask[struct{}](c, wire.OpLock, wire.LockArgs{Action: wire.LockAcquire, Holder: "n1-4711-ABCDEFGH", Operation: "before-backup", BackupID: treeID})
	ask[struct{}](c, wire.OpBegin, wire.BeginArgs{BackupID: treeID, Owner: "nightly"})
	written := ask[wire.WriteResult](c, wire.OpWrite, wire.WriteArgs{BackupID: treeID, Member: members[0], Start: at(30), End: at(31), Tables: tables, Shared: shared})
	complete := document.Complete{Version: document.Version, BackupID: treeID, Completed: at(33), Shared: map[string]string{},
		Nodes: map[string]string{hostID: written.Digest, peerID: strings.Repeat("0", 64)}}
	for name, content := range shared {
		complete.Shared[name] = document.SHA256(content)
	}
	ask[struct{}](c, wire.OpComplete, wire.CompleteArgs{BackupID: treeID, Content: w.encode(complete)})
}

func at(second int) time.Time { return time.Date(2026, 11, 27, 10, 15, second, 0, time.UTC) }

func (w *world) encode(doc any) []byte {
	content, err := document.Encode(doc)
	require.NoError(w.t, err)
	return content
}

// shared are the documents that are the same on all nodes.
func (w *world) shared(members []document.Member, tables []document.TableRef) map[string][]byte {
	cluster := document.Cluster{
		Version: document.Version, BackupID: treeID, Created: at(32), CreatedBy: "casshook", ClusterName: "shop",
		Partitioner: "org.apache.cassandra.dht.Murmur3Partitioner", SchemaVersion: "1ec9e4c8-1c2f-3b2a-9a33-6c9f4d1c7f10", Members: members,
		Keyspaces: []document.Keyspace{{Name: "shop", Durable: true, Replication: map[string]string{"class": "org.apache.cassandra.locator.NetworkTopologyStrategy", "dc1": "2"}}},
		Tables:    tables,
		Extras: schema.Extras{
			Triggers: []schema.Trigger{{Keyspace: "shop", Table: "users", Name: "audit", Class: "org.example.Audit"}},
			Indexes:  []schema.Index{{Keyspace: "shop", Table: "users", Name: "users_by_city", Kind: "COMPOSITES", Options: map[string]string{"target": "city"}}},
			Tables:   []schema.TableFlags{{Keyspace: "shop", Table: "users", Flags: []string{"compound"}}, {Keyspace: "shop", Table: "orders", Flags: []string{"compound"}}},
		},
		Roles: []string{"cassandra", "reader"}, Settings: map[string]string{"auto_snapshot": "true", "storage_compatibility_mode": "NONE"},
		Skew: document.Skew{StartMS: 1.25, TotalMS: 48.5},
	}
	cluster.Unbuilt([]document.TableName{{Keyspace: "shop", Name: "orders_by_city"}})
	cluster.Place("shop", "0f1e2d3c4b5a6978")
	rows, err := document.EncodeLines([]schema.Row{
		{Keyspace: "shop", Type: "keyspace", Name: "shop", Statement: "CREATE KEYSPACE shop WITH replication = {'class': 'NetworkTopologyStrategy', 'dc1': '2'} AND durable_writes = true;"},
		{Keyspace: "shop", Type: "table", Name: "users", Statement: "CREATE TABLE shop.users (\n    id int PRIMARY KEY,\n    city text\n) WITH ID = 0c8d4ce0-a9d6-11f0-b2c4-0242ac120002\n    AND comment = '';"},
		{Keyspace: "shop", Type: "index", Name: "users_by_city", Statement: "CREATE INDEX users_by_city ON shop.users (city);"},
		{Keyspace: "shop", Type: "table", Name: "orders", Statement: "CREATE TABLE shop.orders (\n    id int PRIMARY KEY,\n    city text\n) WITH ID = 1e55f3a0-a9d6-11f0-b2c4-0242ac120002\n    AND comment = '';"},
		{Keyspace: "shop", Type: "materialized_view", Name: "orders_by_city", Statement: "CREATE MATERIALIZED VIEW shop.orders_by_city AS\n    SELECT city, id\n    FROM shop.orders\n    WHERE city IS NOT NULL AND id IS NOT NULL\n    PRIMARY KEY (city, id)\n WITH ID = 2aa41b70-a9d6-11f0-b2c4-0242ac120002\n    AND CLUSTERING ORDER BY (id ASC)\n    AND comment = '';"},
	})
	require.NoError(w.t, err)
	grants, err := document.EncodeLines([]schema.Grant{{Role: "reader", Resource: "data/shop", Permissions: []string{"SELECT"}}})
	require.NoError(w.t, err)
	return map[string][]byte{document.ClusterFile: w.encode(cluster), document.SchemaFile: rows, document.GrantsFile: grants}
}

// restore is an online restore that ended and kept the backup.
func (w *world) restore(c *client) {
	const id = "00112233445566aa"
	orders := document.TableName{Keyspace: "shop", Name: "orders"}
	scope := ledger.Scope{Tables: []document.TableName{orders}}
	journal := func(step string, stage ledger.Stage, ended bool) {
		entry := ledger.Entry{Time: at(40), Step: step, Stage: stage, Ended: ended}
		ask[struct{}](c, wire.OpJournal, wire.JournalArgs{RestoreID: id, BackupID: treeID, Scope: scope, Entry: entry})
	}
	journal("changing the schema", ledger.Schema, false)
	journal("changing the schema", ledger.Schema, true)
	load := ledger.Load{TableName: orders, BackupID: tableTwo, LiveID: tableTwo, SSTables: 1, Taken: 1, Found: 1}
	ask[struct{}](c, wire.OpMarkLoaded, wire.MarkLoadedArgs{RestoreID: id, BackupID: treeID, Tables: []ledger.Load{load}})
	ask[wire.FinishResult](c, wire.OpFinish, wire.FinishArgs{RestoreID: id, BackupID: treeID, Scope: scope, KeepBackup: true,
		Report: json.RawMessage(`{"backupId":"` + treeID + `"}`), LiveIDs: []string{tableOne, tableTwo, viewID, peersID}})
}

// restoreHalfWay is one that died between its schema and its load.
func (w *world) restoreHalfWay(c *client) {
	const id = "ffeeddccbbaa9988"
	ask[struct{}](c, wire.OpJournal, wire.JournalArgs{RestoreID: id, BackupID: treeID, Scope: ledger.All(), Entry: ledger.Entry{Time: at(50), Step: "changing the schema", Stage: ledger.Schema}})
	auto := wire.AutoArgs{RestoreID: id, Tables: []document.TableName{{Keyspace: "shop", Name: "orders"}}}
	ask[struct{}](c, wire.OpAutoBefore, auto)
	caused := filepath.Join(w.live("shop", "orders", tableTwo), sstable.SnapshotsDir, "truncated-1795774550000-orders")
	require.NoError(w.t, os.MkdirAll(caused, 0o755))
	ask[struct{}](c, wire.OpAutoAfter, auto)
	ask[struct{}](c, wire.OpAutoBefore, auto)
}

// copy copies what casshook wrote and the snapshot: what is live is no part of a
// backup.
func (w *world) copy() string {
	to := w.t.TempDir()
	require.NoError(w.t, filepath.WalkDir(w.root, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		name, err := filepath.Rel(w.root, path)
		require.NoError(w.t, err)
		ours := strings.HasPrefix(name, document.Root+"/") && e.Name() != storage.FlockFile
		if !ours && !strings.Contains(name, "/"+treeID+"/") {
			return nil
		}
		content, err := os.ReadFile(path)
		require.NoError(w.t, err)
		require.NoError(w.t, os.MkdirAll(filepath.Dir(filepath.Join(to, name)), 0o755))
		return os.WriteFile(filepath.Join(to, name), content, 0o644)
	}))
	return to
}
