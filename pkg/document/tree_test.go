package document_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/cleaner"
	"github.com/casshook/casshook/pkg/document"
	"github.com/casshook/casshook/pkg/ledger"
	"github.com/casshook/casshook/pkg/schema"
)

// Trees of volumes as releases wrote them, one for each format, are below testdata. They
// are never made anew: what a release wrote must be restored for ever.

// TestTreesAreRestored reads, verifies, stages and restores every tree with what
// is there now.
func TestTreesAreRestored(t *testing.T) {
	t.Parallel()
	trees, err := filepath.Glob(filepath.Join("testdata", "tree-v*"))
	require.NoError(t, err)
	require.NotEmpty(t, trees)
	for _, tree := range trees {
		t.Run(filepath.Base(tree), func(t *testing.T) {
			t.Parallel()
			root := unpack(t, tree)
			data := []string{filepath.Join(root, "data")}
			ids, err := document.List(root)
			require.NoError(t, err)
			require.Len(t, ids, 1)
			b, err := document.Open(root, ids[0], nil)
			require.NoError(t, err)
			require.Empty(t, document.VerifyFiles(&b.Node, data, document.VerifyOptions{Full: true}))
			t.Run("schema", func(t *testing.T) { readSchema(t, b) })
			t.Run("agent", func(t *testing.T) { stageTree(t, root, b) })
			t.Run("cleaner", func(t *testing.T) { cleanTree(t, root, b) })
		})
	}
}

// unpack copies a tree to a volume, with what a node has beside it.
func unpack(t *testing.T, tree string) string {
	t.Helper()
	root := t.TempDir()
	require.NoError(t, os.CopyFS(root, os.DirFS(tree)))
	for _, dir := range []string{"data", "commitlog", "hints", "saved_caches"} {
		require.NoError(t, os.MkdirAll(filepath.Join(root, dir), 0o755))
	}
	return root
}

func readSchema(t *testing.T, b *document.Backup) {
	rows, err := document.DecodeLines[schema.Row](b.Schema)
	require.NoError(t, err)
	parsed, err := schema.Parse(rows, b.Cluster.Extras)
	require.NoError(t, err)
	var tables []string
	for _, o := range parsed.Of("shop", schema.KindTable, schema.KindView) {
		tables = append(tables, o.Ref.String())
	}
	require.ElementsMatch(t, []string{"shop.users", "shop.orders", "shop.orders_by_city"}, tables)
	grants, err := document.DecodeLines[schema.Grant](b.Grants)
	require.NoError(t, err)
	require.Equal(t, "reader", grants[0].Role)
}

// stageTree reads the volume and stages the backup as an online restore does.
func stageTree(t *testing.T, root string, b *document.Backup) {
	c := open(t, wire.Node{Name: "n1", Volume: root, DataDirs: []string{filepath.Join(root, "data")}, API: "unix:///nowhere.sock"})
	v := ask[ledger.Volume](c, wire.OpInspect, struct{}{})
	require.Len(t, v.Backups, 1)
	require.True(t, v.Backups[0].Complete)
	require.Empty(t, v.Backups[0].Problem)
	require.NotEqual(t, v.Identity, v.Backups[0].Volume, "the tree is a copy")
	require.Nil(t, v.Lock, "the lock of another volume is nobody's")
	states := map[string]int{}
	for _, r := range v.Restores {
		require.Equal(t, b.Node.BackupID, r.BackupID)
		require.NotEmpty(t, r.Steps)
		states[fmt.Sprintf("%s, cleaned %t", r.Stage, r.Cleaned != nil)]++
	}
	require.Equal(t, map[string]int{"done, cleaned false": 1, "schema, cleaned false": 1, "loaded, cleaned true": 1}, states)

	ask[struct{}](c, wire.OpLock, wire.LockArgs{Action: wire.LockAcquire, Holder: "me", Operation: "test", BackupID: b.Node.BackupID})
	require.Empty(t, ask[wire.VerifyResult](c, wire.OpVerify, wire.VerifyArgs{BackupID: b.Node.BackupID, Full: true}).Problems)
	var tables []document.TableName
	want := 0
	for _, table := range b.Node.Tables {
		if table.Keyspace != "shop" {
			continue
		}
		tables = append(tables, document.TableName{Keyspace: table.Keyspace, Name: table.Name})
		for _, s := range table.SSTables {
			if s.Index == "" {
				want += len(s.Components)
			}
		}
	}
	staged := ask[wire.StageResult](c, wire.OpStage, wire.StageArgs{RestoreID: "0011223344556677", BackupID: b.Node.BackupID, Tables: tables})
	require.Equal(t, want, staged.Links)
	ask[struct{}](c, wire.OpLock, wire.LockArgs{Action: wire.LockRelease, Holder: "me"})
}

// cleanTree puts the backup in place and compares it with the snapshot.
func cleanTree(t *testing.T, root string, b *document.Backup) {
	data := filepath.Join(root, "data")
	foreign := filepath.Join(data, "shop", "users-"+tableOne, "nb-99-big-Data.db")
	require.NoError(t, os.WriteFile(foreign, []byte("newer"), 0o600))
	r, err := cleaner.Clean(t.Context(), cleaner.Options{Volume: root, Data: []string{data}, HostID: b.Node.Member.HostID, Full: true, AssumeStopped: true})
	require.NoError(t, err)
	require.Equal(t, wire.StateCleaned, r.State)
	require.NoFileExists(t, foreign)
	files := 0
	for _, table := range b.Node.Tables {
		snapshot := document.SnapshotDir(data, table.Keyspace, table.Name, table.ID, b.Node.BackupID)
		for _, s := range table.SSTables {
			for _, c := range s.Components {
				name := filepath.Join(s.Index, s.Base+"-"+c.Name)
				want, err := os.ReadFile(filepath.Join(snapshot, name))
				require.NoError(t, err)
				got, err := os.ReadFile(filepath.Join(snapshot, "..", "..", name))
				require.NoError(t, err)
				require.Equal(t, want, got, name)
				files++
			}
		}
	}
	require.Equal(t, r.Files, files)
	require.Positive(t, files)
}

// TestTheTreeIsOfThisFormat fails when the format changes without a tree of its
// own: when what is written now has other files or fields than the tree of this
// format, or when a type has fields that are nowhere in it.
func TestTheTreeIsOfThisFormat(t *testing.T) {
	t.Parallel()
	tree := thisTree()
	written := writeTree(t)
	if *update {
		require.NoDirExists(t, tree, "a tree that was released is never made anew: raise document.Minor or document.Version")
		require.NoError(t, os.CopyFS(tree, os.DirFS(written)))
	}
	advice := "the format of what is on a volume has changed: follow docs/format.md, raise document.Minor or document.Version, and run this with -update; " +
		"as long as no release has written " + tree + ", remove that and make it anew"
	want, got := shapeOf(t, tree), shapeOf(t, written)
	require.Equal(t, want, got, advice)
	for file, doc := range map[string]any{document.IntentFile: document.Intent{}, document.NodeFile: document.Node{}, document.ClusterFile: document.Cluster{},
		document.CompleteFile: document.Complete{}, document.SchemaFile: schema.Row{}, document.GrantsFile: schema.Grant{}} {
		for _, field := range fieldsOf(reflect.TypeOf(doc), "") {
			place := "casshook/ID/" + file + " " + field + " "
			require.True(t, slices.ContainsFunc(want, func(line string) bool { return strings.HasPrefix(line, place) }), "%s is nowhere: %s", place, advice)
		}
	}
}

// thisTree is the tree of this format.
func thisTree() string {
	name := fmt.Sprintf("tree-v%d", document.Version)
	if document.Minor > 0 {
		name += fmt.Sprintf(".%d", document.Minor)
	}
	return filepath.Join("testdata", name)
}

// TestTheFormatIsDocumented wants every file and every field of this format in
// docs/format.md, and no other.
func TestTheFormatIsDocumented(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile(filepath.Join("..", "..", "docs", "format.md"))
	require.NoError(t, err)
	documented, written := map[string]bool{}, map[string]bool{}
	file := ""
	for line := range strings.SplitSeq(string(content), "\n") {
		if name, ok := strings.CutPrefix(line, "### "); ok {
			file = name
			documented[file] = true
		} else if field, _, ok := strings.Cut(strings.TrimPrefix(line, "| `"), "` |"); ok && file != "" {
			documented[file+" "+field] = true
		}
	}
	for _, line := range shapeOf(t, thisTree()) {
		if !strings.HasPrefix(line, document.Root) {
			continue
		}
		name, field, _ := strings.Cut(line, " ")
		field, _, _ = strings.Cut(field, " ")
		written[strings.TrimSpace(filepath.Base(name)+" "+field)] = true
	}
	require.Equal(t, written, documented)
}

// shapeOf lists the files of a tree, and of those that are JSON every field with
// its kind. Ids that differ from tree to tree are replaced.
func shapeOf(t *testing.T, tree string) []string {
	t.Helper()
	found := map[string]bool{}
	require.NoError(t, filepath.WalkDir(tree, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		require.NoError(t, err)
		name, err := filepath.Rel(tree, path)
		require.NoError(t, err)
		if strings.HasPrefix(name, "data") { // Cassandra's
			found[name] = true
			return nil
		}
		name = ids.ReplaceAllString(name, "/${1}ID/")
		found[name] = true
		dec := json.NewDecoder(bytes.NewReader(content))
		for dec.More() && content[0] == '{' {
			var doc any
			require.NoError(t, dec.Decode(&doc), path)
			kinds(doc, name+" ", "", found)
		}
		return nil
	}))
	list := []string{}
	for line := range found {
		list = append(list, line)
	}
	slices.Sort(list)
	return list
}

// kinds adds the dotted fields of decoded JSON with their kinds; maps whose keys
// are data have one field, whatever is in them.
func kinds(v any, file, path string, found map[string]bool) {
	switch v := v.(type) {
	case map[string]any:
		for name, value := range v {
			found[fmt.Sprintf("%s%s%s %s", file, path, name, kindOf(value))] = true
			if !slices.Contains(dataMaps(), name) {
				kinds(value, file, path+name+".", found)
			}
		}
	case []any:
		for _, value := range v {
			kinds(value, file, path, found)
		}
	}
}

// dataMaps are the fields that are maps of data.
func dataMaps() []string {
	return []string{"shared", "nodes", "settings", "replication", "options", "report", "volumeAttributes"}
}

func kindOf(v any) string {
	switch v.(type) {
	case map[string]any:
		return "object"
	case []any:
		return "list"
	case nil:
		return "null"
	}
	return reflect.TypeOf(v).String()
}

// fieldsOf lists the dotted fields of a document's type.
func fieldsOf(t reflect.Type, path string) []string {
	for t.Kind() == reflect.Slice || t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || reflect.PointerTo(t).Implements(reflect.TypeFor[json.Unmarshaler]()) {
		return nil
	}
	var fields []string
	for _, f := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous { // its fields are among the visible ones
			continue
		}
		fields = append(fields, path+name)
		fields = append(fields, fieldsOf(f.Type, path+name+".")...)
	}
	return fields
}
