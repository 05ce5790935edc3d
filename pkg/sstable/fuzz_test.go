package sstable

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// FuzzParseTransactionLog: what somebody wrote in the place of Cassandra's log names
// SSTables by directory and base, and never panics.
func FuzzParseTransactionLog(f *testing.F) {
	f.Add([]byte("ADD:[/d/ks/t-1/nb-2-big,0,8][1234]\nREMOVE:[/d/ks/t-1/nb-1-big,1700000000000,8][99]\nCOMMIT:[,0,0][613268994]\n"))
	f.Add([]byte("remove:[../../etc/passwd,9223372036854775807,1][]\nremove:[,99999999999999999999,1][1]\nremove:[/,0,0][1]"))
	f.Add([]byte(strings.Repeat("x", 70_000)))
	f.Fuzz(func(t *testing.T, content []byte) {
		records, _ := ParseTransactionLog(content)
		for _, r := range records {
			if r.Base == "" || strings.ContainsRune(r.Base, '/') && r.Base != "/" {
				t.Fatalf("%+v", r)
			}
			_ = r.Modified.Unix()
		}
	})
}

// FuzzTexts reads the small texts beside SSTables: manifests and digests.
func FuzzTexts(f *testing.F) {
	f.Add([]byte(`{"files":["nb-1-big-Data.db",".i/nb-1-big-Data.db"],"created_at":"x"}`))
	f.Add([]byte(`{"files":["../../x",null]}`))
	f.Add([]byte("3421780262"))
	f.Add([]byte("-1\n"))
	f.Fuzz(func(t *testing.T, content []byte) {
		dir := t.TempDir()
		for _, name := range []string{ManifestFile, FileOf("nb-1-big", Digest), FileOf("nb-1-big", Data)} {
			if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		d := opened(t, dir)
		_, _ = ReadManifest(d)
		_ = VerifyDigest(d, "nb-1-big")
	})
}

// FuzzTableDir: what is taken for the directory of a table can be named again.
func FuzzTableDir(f *testing.F) {
	f.Add("users-0123456789abcdef0123456789abcdef")
	f.Add("-0123456789abcdef0123456789abcdef")
	f.Add("../x-0123456789abcdef0123456789abcdef")
	f.Fuzz(func(t *testing.T, dir string) {
		if table, id, ok := ParseTableDir(dir); ok && (TableDir(table, id) != dir || strings.ContainsAny(table, "/\x00")) {
			t.Fatalf("%q became %q", dir, TableDir(table, id))
		}
	})
}
