// Package ringtest is a ring for tests, made of maps and directories: agents and the
// cleaner are the real ones and work on temporary volumes; Cassandra, its Management
// API, CQL and what runs the nodes are imitated. Every call that a flow makes is
// counted by name, and any of them can be made to fail. The package also has the
// contract suites that every implementation of a seam must pass.
package ringtest

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/agent/apitest"
	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/document"
	"github.com/casshook/casshook/pkg/ledger"
	"github.com/casshook/casshook/pkg/ring"
	"github.com/casshook/casshook/pkg/schema"
	"github.com/casshook/casshook/pkg/sstable"
)

// What a new ring is called, and the one table that a test fills.
const (
	Cluster   = "shop"
	Namespace = "db"
	Release   = "5.0.9"
)

// Ring is a ring of nodes with a schema. Its methods are for one test at a time, but
// for those that flows call through the seams.
type Ring struct {
	t  testing.TB
	mu sync.Mutex

	nodes []*node
	// stopped is set while no node runs, gone when the datacenters were deleted.
	stopped, gone bool
	schema        state
	// version of the schema; next makes ids of tables and names of SSTables.
	version, next int
	statements    int64
	building      []string
	executed      []string
	refused       string
	counts        map[string]int64
	settings      map[string]string
	ordinary      bool
	extras        schema.Extras
	// lease is the lock beside those on the volumes, as in Kubernetes.
	lease *lease
	// images are volume snapshots that were taken as an undo.
	images int
	// renewed counts renewals of passwords.
	renewed int

	// joined are members without a node; down those that are held for dead, by host ID.
	joined []document.Member
	down   map[string]bool
	calls
}

// state is what is in the system tables of all nodes. It lies on the volumes, so that
// it goes and comes back with them.
type state struct {
	Rows   []schema.Row
	Tables []document.TableRef
	Roles  []string
	Grants map[string]schema.Grant
}

// node is one node, by its volume.
type node struct {
	wire.Node
	hostID string
	token  string
	api    *apitest.API
	// settings are what Cassandra says of itself.
	settings ring.NodeSettings
}

func (n *node) data() string { return n.DataDirs[0] }

// New is a ring of that many nodes, with the keyspace shop, its tables orders and
// users, and system_auth.
func New(t testing.TB, nodes int) *Ring {
	t.Helper()
	r := &Ring{t: t, calls: calls{count: map[string]int{}}, down: map[string]bool{}}
	for i := range nodes {
		name := fmt.Sprintf("n%d", i+1)
		root := tempDir(t)
		n := &node{
			Node:   wire.Node{Name: name, Volume: root, DataDirs: []string{filepath.Join(root, "data")}, VolumeID: "pvc/" + name + "/1"},
			hostID: fmt.Sprintf("00000000-0000-0000-0000-%012d", i+1), token: fmt.Sprint(i),
		}
		for _, dir := range []string{"data", "commitlog", "hints", "saved_caches"} {
			require.NoError(t, os.MkdirAll(filepath.Join(root, dir), 0o755))
		}
		n.api = apitest.New(t, n.DataDirs, cassandra{r, n}.serve)
		n.API = n.api.URL
		n.settings = ring.NodeSettings{DataDirs: slices.Clone(n.DataDirs), CommitLog: filepath.Join(root, "commitlog"), DiskFailurePolicy: "stop"}
		r.nodes = append(r.nodes, n)
	}
	r.schema = state{Roles: []string{"app", "cassandra"}, Grants: map[string]schema.Grant{}}
	for _, table := range [][2]string{{"system_schema", "tables"}, {"system_auth", "roles"}} {
		r.schema.Tables = append(r.schema.Tables, document.TableRef{TableName: document.TableName{Keyspace: table[0], Name: table[1]}, ID: r.newID(), GCGraceSeconds: 1})
	}
	r.makeDirs()
	for _, statement := range []string{
		"CREATE KEYSPACE shop WITH replication = {'class': 'NetworkTopologyStrategy', 'dc1': '3'}  AND durable_writes = true;",
		"CREATE TABLE shop.orders (\n    k int PRIMARY KEY,\n    v int\n) WITH gc_grace_seconds = 864000;",
		"CREATE TABLE shop.users (\n    k int PRIMARY KEY,\n    v text\n) WITH gc_grace_seconds = 864000;",
		"GRANT SELECT ON TABLE shop.orders TO app",
	} {
		require.NoError(t, r.execute(statement))
	}
	r.Write("system_auth", "roles", "cassandra")
	return r
}

// Set changes what a node says of its settings.
func (r *Ring) Set(node string, edit func(*ring.NodeSettings)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	edit(&r.called(node).settings)
}

// Target describes the ring to flows.
func (r *Ring) Target() ring.Target {
	s := seams{r}
	return ring.Target{
		ClusterName: Cluster, Place: ring.Place{Namespace: Namespace, ClusterHash: "0f1e2d3c4b5a6978"},
		Nodes: s, Exec: s, Dialer: s, Locker: s, Login: s.login,
		VolumeSnapshots: s, Passwords: passwords(s), Stopped: s, Datacenters: datacenters(s),
	}
}

// seams are the ring as flows see it.
type seams struct{ *Ring }

// newID is the id of a table that no other has, now or earlier.
func (r *Ring) newID() string {
	r.next++
	return fmt.Sprintf("00000000000040008000%012d", r.next)
}

func (r *Ring) table(keyspace, name string) (document.TableRef, bool) {
	i := slices.IndexFunc(r.schema.Tables, func(t document.TableRef) bool { return t.Keyspace == keyspace && t.Name == name })
	if i < 0 {
		return document.TableRef{}, false
	}
	return r.schema.Tables[i], true
}

// Write has every node flush an SSTable with some text.
func (r *Ring) Write(keyspace, name, text string) {
	r.t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	table, ok := r.table(keyspace, name)
	require.True(r.t, ok, "%s.%s", keyspace, name)
	r.next++
	for _, n := range r.nodes {
		require.NoError(r.t, writeSSTable(liveDir(n.data(), table), fmt.Sprintf("nb-%d-big", r.next), n.Name+" has "+text))
	}
}

// Execute changes the schema, as a client does.
func (r *Ring) Execute(statement string) {
	r.t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	require.NoError(r.t, r.execute(statement))
}

// Content is what the ring holds: the statements of its schema, its permissions and
// roles, and what is in the SSTables of every table of every node.
func (r *Ring) Content() []string {
	r.t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	var found []string
	for _, row := range r.schema.Rows {
		found = append(found, row.Type+" "+row.Keyspace+"."+row.Name+": "+strings.TrimSuffix(strings.Join(strings.Fields(row.Statement), " "), ";"))
	}
	for _, g := range r.granted() {
		found = append(found, fmt.Sprint("grant ", g))
	}
	for _, role := range r.schema.Roles {
		found = append(found, "role "+role)
	}
	for _, table := range r.schema.Tables {
		for _, n := range r.nodes {
			if table.Keyspace == "system_schema" {
				continue // it is the rest of this list
			}
			texts, err := readSSTables(liveDir(n.data(), table))
			require.NoError(r.t, err)
			for _, text := range texts {
				found = append(found, table.Keyspace+"."+table.Name+": "+text)
			}
		}
	}
	slices.Sort(found)
	return found
}

// Image is a volume snapshot of all volumes: a restore point.
type Image struct {
	dirs []string
	next int
}

// Snapshot copies all volumes, as the storage does between before- and after-backup.
func (r *Ring) Snapshot() Image {
	r.t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	i := Image{next: r.next}
	for _, n := range r.nodes {
		dir := tempDir(r.t)
		require.NoError(r.t, copyVolume(n.Volume, dir))
		i.dirs = append(i.dirs, dir)
	}
	return i
}

// Return replaces all volumes by copies of an image, which have identities of their
// own. The nodes come up on them, or are stopped.
func (r *Ring) Return(i Image, stopped bool) {
	r.t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stopped, r.gone, r.lease = stopped, false, nil
	r.next = max(r.next, i.next)
	for k, n := range r.nodes {
		require.NoError(r.t, os.RemoveAll(n.Volume))
		require.NoError(r.t, copyVolume(i.dirs[k], n.Volume))
		generation := 0
		_, err := fmt.Sscanf(n.VolumeID, "pvc/"+n.Name+"/%d", &generation)
		require.NoError(r.t, err)
		n.VolumeID = fmt.Sprintf("pvc/%s/%d", n.Name, generation+1)
	}
	require.NoError(r.t, r.load())
}

// Volumes is what lies on every volume, as an agent reads it.
func (r *Ring) Volumes() []ledger.Volume {
	r.t.Helper()
	quiet := r.hook(nil)
	defer func() { r.hook(quiet) }()
	sessions, err := ring.OpenAll(r.t.Context(), seams{r}, r.described())
	require.NoError(r.t, err)
	defer ring.CloseAll(sessions)
	volumes, err := ring.CallAll[ledger.Volume](r.t.Context(), sessions, wire.OpInspect, struct{}{})
	require.NoError(r.t, err)
	return volumes
}

// Renewed is how often the passwords were renewed.
func (r *Ring) Renewed() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.renewed
}

// Tags are the snapshots that there are of any table of any node, sorted.
func (r *Ring) Tags() []string {
	r.t.Helper()
	found := map[string]bool{}
	for _, n := range r.nodes {
		dirs, err := filepath.Glob(filepath.Join(n.data(), "*", "*", sstable.SnapshotsDir, "*"))
		require.NoError(r.t, err)
		for _, dir := range dirs {
			found[filepath.Base(dir)] = true
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// Tag has every node take a snapshot of a table.
func (r *Ring) Tag(keyspace, name, tag string) {
	r.t.Helper()
	for _, n := range r.nodes {
		r.TagNode(n.Name, keyspace, name, tag)
	}
}

// TagNode has one node take a snapshot of a table.
func (r *Ring) TagNode(node, keyspace, name, tag string) {
	r.t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	table, ok := r.table(keyspace, name)
	require.True(r.t, ok)
	require.NoError(r.t, snapshot(r.called(node).data(), table, tag))
}

// Backups are the ids of all backups that any volume has; those that are not complete
// on all of them have a question mark.
func (r *Ring) Backups() []string {
	r.t.Helper()
	complete := map[string]int{}
	for _, v := range r.Volumes() {
		for _, b := range v.Backups {
			complete[b.ID] += 0
			if b.Complete {
				complete[b.ID]++
			}
		}
	}
	var found []string
	for _, id := range slices.Sorted(maps.Keys(complete)) {
		if complete[id] < len(r.nodes) {
			id += "?"
		}
		found = append(found, id)
	}
	return found
}
