package document

import (
	"bytes"
	"encoding/json"
	"errors"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"github.com/casshook/casshook/pkg/schema"
)

// FuzzDecode reads hostile bytes as every document. What is read must be of a
// format that is known, must come back from what is written of it, and a field
// more must not go unseen.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"version":1,"backupId":"x"}`))
	f.Add([]byte(`{"version":1,"minor":3,"ignorable":["hint"],"hint":{}}`))
	f.Fuzz(func(t *testing.T, content []byte) {
		for _, into := range []func() any{
			func() any { return &Intent{} }, func() any { return &Node{} }, func() any { return &Cluster{} }, func() any { return &Complete{} },
		} {
			doc := into()
			if err := Decode(content, doc); err != nil {
				continue
			}
			var h header
			if json.Unmarshal(content, &h) != nil || (format{h.Version, 0}).newer(format{Version, Minor}) {
				t.Fatalf("decoded format %s", h.format())
			}
			sameAgain(t, doc, into())
			more := append([]byte(`{"unheardOf":1,`), bytes.TrimLeft(content, " \t\r\n{")...)
			if Decode(more, into()) == nil && !slices.Contains(h.Ignorable, "unheardOf") {
				t.Fatalf("an unknown field was not seen in %q", more)
			}
		}
	})
}

// sameAgain wants a document to survive being written and read.
func sameAgain(t *testing.T, doc, again any) {
	t.Helper()
	written, err := Encode(doc)
	if err != nil {
		t.Fatal(err)
	}
	if err := Decode(written, again); err != nil {
		t.Fatalf("what was written cannot be read: %v\n%s", err, written)
	}
	rewritten, err := Encode(again)
	if err != nil || !bytes.Equal(written, rewritten) {
		t.Fatalf("it changes when read:\n%s\n%s", written, rewritten)
	}
}

// FuzzDecodeLines reads hostile bytes as the rows of the schema and of grants.
func FuzzDecodeLines(f *testing.F) {
	f.Add([]byte(`{"keyspace_name":"ks","type":"table","name":"t","create_statement":"CREATE TABLE ks.t (id int PRIMARY KEY)"}` + "\n"))
	f.Add([]byte(`{"role":"r","resource":"data/ks","permissions":["SELECT"]}` + "\n{}"))
	f.Fuzz(func(t *testing.T, content []byte) {
		linesAgain[schema.Row](t, content)
		linesAgain[schema.Grant](t, content)
	})
}

func linesAgain[T any](t *testing.T, content []byte) {
	t.Helper()
	rows, err := DecodeLines[T](content)
	if err != nil {
		return
	}
	written, err := EncodeLines(rows)
	if err != nil {
		t.Fatal(err)
	}
	again, err := DecodeLines[T](written)
	if err != nil || !reflect.DeepEqual(rows, again) {
		t.Fatalf("rows change when read again: %v: %q", err, written)
	}
}

// FuzzOpen puts hostile bytes in the place of a document of a whole backup, whose
// digests are made to agree: nothing may panic, and nothing outside of the
// snapshot may be read as a part of it.
func FuzzOpen(f *testing.F) {
	f.Add(byte(0), []byte(`{"version":1}`))
	f.Add(byte(1), []byte(`{"version":1,"backupId":"`+testID+`","node":{"hostId":"h1"},"dataDirectories":["/d"],"tables":[{"keyspace":"ks","name":"t","id":"`+testTable+
		`","sstables":[{"dir":7,"base":"nb-1-big","digest":"1"}]}]}`))
	f.Add(byte(2), []byte(`{"version":1,"backupId":"`+testID+`","nodes":{},"shared":{}}`))
	root, dataDirs := volume(f)
	backup(f, root, dataDirs)
	names := []string{ClusterFile, NodeFile, CompleteFile, SchemaFile, GrantsFile}
	whole, err := Open(root, testID, nil)
	if err != nil {
		f.Fatal(err)
	}
	kept := map[string][]byte{SchemaFile: whole.Schema, GrantsFile: whole.Grants}
	for name, doc := range map[string]any{ClusterFile: whole.Cluster, NodeFile: whole.Node, CompleteFile: whole.Complete} {
		if kept[name], err = Encode(doc); err != nil {
			f.Fatal(err)
		}
	}
	f.Fuzz(func(t *testing.T, which byte, content []byte) {
		name := names[int(which)%len(names)]
		contents := map[string][]byte{}
		for n, c := range kept {
			contents[n] = c
		}
		contents[name] = content
		if name != CompleteFile {
			contents[CompleteFile] = completeOf(t, contents)
		}
		dir := BackupDir(root, testID)
		for n, c := range contents {
			write(t, filepath.Join(dir, n), string(c))
		}
		b, err := Open(root, testID, nil)
		if err != nil {
			if errors.Is(err, ErrIncomplete) {
				t.Fatal("COMPLETE is there")
			}
			return
		}
		if b.Node.BackupID != testID || b.Cluster.BackupID != testID {
			t.Fatal("opened another backup")
		}
		VerifyFiles(&b.Node, dataDirs, VerifyOptions{Full: true})
	})
}

// completeOf makes a COMPLETE that agrees with the documents.
func completeOf(t *testing.T, contents map[string][]byte) []byte {
	t.Helper()
	complete := Complete{Version: Version, BackupID: testID, Shared: map[string]string{}, Nodes: map[string]string{"h1": SHA256(contents[NodeFile])}}
	for _, name := range Shared() {
		complete.Shared[name] = SHA256(contents[name])
	}
	content, err := Encode(complete)
	if err != nil {
		t.Fatal(err)
	}
	return content
}
