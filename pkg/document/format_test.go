package document

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// nodeOf is a node.json with one SSTable, whose fields a test may change.
func nodeOf(t *testing.T, change func(doc map[string]any)) []byte {
	t.Helper()
	content, err := Encode(Node{Version: Version, BackupID: testID, DataDirectories: []string{"/d"}, Tables: []Table{{TableName: TableName{Keyspace: "ks", Name: "t"}, ID: testTable,
		SSTables: []SSTable{{Base: "nb-1-big", Components: []Component{{Name: "Data.db", Size: 9}}}}}}})
	require.NoError(t, err)
	var doc map[string]any
	require.NoError(t, json.Unmarshal(content, &doc))
	change(doc)
	content, err = json.Marshal(doc)
	require.NoError(t, err)
	return content
}

// at finds the object of a node.json that a dotted name leads to.
func at(doc map[string]any, path string) map[string]any {
	for name := range strings.SplitSeq(path, ".") {
		if name == "" {
			continue
		}
		switch v := doc[name].(type) {
		case map[string]any:
			doc = v
		case []any:
			doc = v[0].(map[string]any)
		}
	}
	return doc
}

func TestFormatsGrow(t *testing.T) {
	t.Parallel()
	ignorable := func(names ...string) []any {
		list := []any{}
		for _, n := range names {
			list = append(list, n)
		}
		return list
	}
	tests := []struct {
		name   string
		reader format
		change func(doc map[string]any)
		want   string
	}{
		{"the same", format{1, 0}, func(map[string]any) {}, ""},
		{"an older minor", format{1, 4}, func(doc map[string]any) { doc["minor"] = 3 }, ""},
		{"an older major", format{2, 0}, func(map[string]any) {}, ""},
		{"an older major of a high minor", format{2, 0}, func(doc map[string]any) { doc["minor"] = 7 }, ""},
		{"a newer minor without new fields", format{1, 0}, func(doc map[string]any) { doc["minor"] = 1 }, ""},
		{"a newer minor, its field marked", format{1, 0}, func(doc map[string]any) {
			doc["minor"], doc["ignorable"], doc["hint"] = 1, ignorable("hint"), map[string]any{"deep": 1}
		}, ""},
		{"a newer minor, a field of a list marked", format{1, 2}, func(doc map[string]any) {
			doc["minor"], doc["ignorable"] = 3, ignorable("tables.sstables.components.blake3")
			at(doc, "tables.sstables.components")["blake3"] = "x"
		}, ""},
		{"a newer minor, a field not marked", format{1, 0}, func(doc map[string]any) {
			doc["minor"], doc["ignorable"], doc["hint"], doc["key"] = 3, ignorable("hint"), 1, 1
		}, "written by a newer casshook (format 1.3, field key): needs casshook with format 1.3 or newer"},
		{"a newer minor, the field of another place marked", format{1, 0}, func(doc map[string]any) {
			doc["minor"], doc["ignorable"] = 3, ignorable("size", "tables.hint")
			at(doc, "node")["size"] = 1
		}, "(format 1.3, field node.size)"},
		{"a newer minor, only the parent marked", format{1, 0}, func(doc map[string]any) {
			doc["minor"], doc["ignorable"] = 3, ignorable("node")
			at(doc, "node")["size"] = 1
		}, "(format 1.3, field node.size)"},
		{"a newer major, all marked", format{1, 0}, func(doc map[string]any) {
			doc["version"], doc["ignorable"], doc["hint"] = 2, ignorable("hint"), 1
		}, "written by a newer casshook (format 2.0): needs casshook with format 2.0 or newer"},
		{"this minor has no such field", format{1, 3}, func(doc map[string]any) {
			doc["minor"], doc["ignorable"], doc["hint"] = 3, ignorable("hint"), 1
		}, `unknown field "hint"`},
		{"the first minor has nothing to mark", format{1, 0}, func(doc map[string]any) {
			doc["ignorable"], doc["hint"] = ignorable("hint"), 1
		}, `unknown field "hint"`},
		{"an older major has no such field", format{2, 0}, func(doc map[string]any) { doc["hint"] = 1 }, `unknown field "hint"`},
		{"no version", format{1, 0}, func(doc map[string]any) { delete(doc, "version") }, "invalid document version 0.0"},
		{"a version below one", format{1, 0}, func(doc map[string]any) { doc["version"] = -1 }, "invalid document version -1.0"},
		{"a minor below zero", format{1, 0}, func(doc map[string]any) { doc["minor"] = -1 }, "invalid document version 1.-1"},
		{"a version that is no number", format{1, 0}, func(doc map[string]any) { doc["version"] = "1" }, "cannot unmarshal string"},
		{"a field of another type in a newer minor", format{1, 0}, func(doc map[string]any) { doc["minor"], doc["tables"] = 1, "none" }, "cannot unmarshal string"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var n Node
			err := decode(nodeOf(t, tt.change), &n, tt.reader)
			if tt.want != "" {
				require.ErrorContains(t, err, tt.want)
				var newer *NewerError
				require.Equal(t, strings.Contains(tt.want, "format"), errors.As(err, &newer), "only what a newer casshook can read says so")
				return
			}
			require.NoError(t, err)
			require.Equal(t, testID, n.BackupID)
			require.Equal(t, int64(9), n.Tables[0].SSTables[0].Components[0].Size)
		})
	}
}

func TestNothingFollowsADocumentOfAnyFormat(t *testing.T) {
	t.Parallel()
	for _, minor := range []int{0, 1} {
		content := nodeOf(t, func(doc map[string]any) {
			if minor > 0 {
				doc["minor"] = minor
			}
		})
		require.Error(t, Decode(append(content, "{}"...), &Node{}))
		require.Error(t, Decode(content[:len(content)-1], &Node{}), "torn")
		require.NoError(t, Decode(append(content, "\n\t "...), &Node{}))
	}
}

// What is written carries the minor that its fields need, and no newer one: readers
// of the first minor read whatever has nothing new in it.
func TestWhatIsWrittenCarriesTheFormat(t *testing.T) {
	t.Parallel()
	read := func(content []byte) (h header) {
		require.NoError(t, json.Unmarshal(content, &h))
		return h
	}
	require.Equal(t, format{1, 0}, read(nodeOf(t, func(map[string]any) {})).format())
	c := Cluster{Version: Version}
	c.Place("shop", "")
	content, err := Encode(c)
	require.NoError(t, err)
	require.Equal(t, format{1, 0}, read(content).format())
	c.Place("shop", "0f1e2d3c")
	content, err = Encode(c)
	require.NoError(t, err)
	require.Equal(t, format{1, 1}, read(content).format())
	require.Equal(t, []string{"clusterHash"}, read(content).Ignorable)
	c = Cluster{Version: Version}
	c.Unbuilt([]TableName{{Keyspace: "k", Name: "v"}})
	content, err = Encode(c)
	require.NoError(t, err)
	require.Equal(t, format{1, 1}, read(content).format())
	require.Empty(t, read(content).Ignorable, "half a view must not be taken for all of it")
}

func TestFieldsOfEveryShapeAreFound(t *testing.T) {
	t.Parallel()
	type inner struct {
		Known int `json:"known"`
	}
	type embedded struct {
		Up int `json:"up"`
	}
	type shape struct {
		embedded
		List    []inner          `json:"list"`
		Map     map[string]inner `json:"map"`
		Pointer *inner           `json:"pointer"`
		Raw     json.RawMessage  `json:"raw"`
		Plain   string
		Text    map[string]string `json:"text"`
	}
	content := []byte(`{"version":1,"minor":9,"up":1,"UP":2,"plain":"","list":[{"known":1},{"x":1}],"map":{"any":{"KNOWN":1,"y":2},"b":{"y":1}},
		"pointer":{"z":{}},"raw":{"what":1},"text":{"any":"thing"},"top":[]}`)
	err := decode(content, &struct {
		Version int `json:"version"`
		shape
	}{}, format{1, 0})
	require.ErrorContains(t, err, "field list.x)", "the first by name")
	for i, marked := range []string{"list.x", "map.y", "pointer.z", "top"} {
		marks, err := json.Marshal([]string{"list.x", "map.y", "pointer.z", "top"}[:i+1])
		require.NoError(t, err)
		all := append([]byte(`{"ignorable":`+string(marks)+`,`), content[1:]...)
		err = decode(all, &struct {
			Version int `json:"version"`
			shape
		}{}, format{1, 0})
		if marked == "top" {
			require.NoError(t, err)
			continue
		}
		require.Error(t, err)
		require.NotContains(t, err.Error(), "field "+marked+")")
	}
}

func TestNamesThatAreNone(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, path, field string
		value             any
		want              string
	}{
		{"keyspace that leads out", "tables", "keyspace", "../..", "not a table name"},
		{"empty keyspace", "tables", "keyspace", "", "not a table name"},
		{"table with a slash", "tables", "name", "a/b", "not a table name"},
		{"id that is none", "tables", "id", "..", "not a table id"},
		{"id in capitals", "tables", "id", strings.ToUpper(testTable), "not a table id"},
		{"data directory below zero", "tables.sstables", "dir", -1, "is in data directory -1 of 1"},
		{"data directory too high", "tables.sstables", "dir", 1, "is in data directory 1 of 1"},
		{"SSTable that leads out", "tables.sstables", "base", "../nb-1-big", "not an SSTable name"},
		{"SSTable without a name", "tables.sstables", "base", "", "not an SSTable name"},
		{"SSTable with a component", "tables.sstables", "base", "nb-1-big-x", "not an SSTable name"},
		{"index that is no hidden directory", "tables.sstables", "index", "idx", "not an index directory"},
		{"index that leads out", "tables.sstables", "index", "..", "not an index directory"},
		{"index with a slash", "tables.sstables", "index", ".a/../..", "not an index directory"},
		{"component that leads out", "tables.sstables.components", "name", "x/../../y", "not a component name"},
		{"component without a name", "tables.sstables.components", "name", "", "not a component name"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			content := nodeOf(t, func(doc map[string]any) { at(doc, tt.path)[tt.field] = tt.value })
			require.ErrorContains(t, Decode(content, &Node{}), tt.want)
		})
	}
	content := nodeOf(t, func(doc map[string]any) { at(doc, "tables.sstables")["index"] = ".by_city" })
	require.NoError(t, Decode(content, &Node{}))
}
