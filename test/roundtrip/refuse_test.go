//go:build ring

package roundtrip

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/test/lab/cassandra"
)

// TestRefusals gives a ring everything that must be refused, and wants the code,
// the reason as the last line, and untouched data each time.
func TestRefusals(t *testing.T) {
	t.Parallel()
	w := small(t, cassandra.Options{})
	t.Run("usage", func(t *testing.T) { w.refuseUsage(t) })
	t.Run("ring", func(t *testing.T) { w.refuseRing(t) })
	t.Run("no backup", func(t *testing.T) {
		w.refused(t, 3, "no backup on the volumes", "after-restore", "--in-place")
		w.refused(t, 3, "no backup on the volumes", "verify")
		w.must(t, "after-backup")
		w.must(t, "on-failure")
	})
	t.Run("the backup", func(t *testing.T) { w.refuseBackup(t) })
	t.Run("the scope", func(t *testing.T) { w.refuseScope(t) })
	t.Run("switched-off features", func(t *testing.T) { w.refuseFeatures(t) })
	t.Run("a node that is down", func(t *testing.T) {
		id := w.backup(t)
		w.close()
		require.NoError(t, w.ring.KillNode(t.Context(), 1))
		for _, args := range [][]string{{"before-backup"}, {"after-restore", "--in-place"}, {"plan", "--in-place"}} {
			r := w.casshook(t, args...)
			require.Equal(t, 3, r.code, r.stderr)
			require.Contains(t, r.reason(), "every node must be up: node n1")
		}
		require.Contains(t, w.must(t, "verify", "--full").stdout, id+" is intact", "verify needs no Cassandra")
		require.Contains(t, w.must(t, "list").stdout, id)
		require.NoError(t, w.ring.StartAll(t.Context()))
		w.connect(t)
		w.must(t, "after-backup")
	})
}

func (w *world) refuseUsage(t *testing.T) {
	w.refused(t, 2, "no such file", "before-backup", "--inventory", "/nowhere.yaml")
	w.refused(t, 2, `unknown field "password"`, "before-backup", "--inventory", w.edited(t, "  passwordFile:", "  password: x\n  passwordFile:"))
	w.refused(t, 2, "unknown flag", "before-backup", "--nonsense")
	w.refused(t, 2, "output format", "list", "-o", "xml")
}

func (w *world) refuseRing(t *testing.T) {
	wrong := filepath.Join(t.TempDir(), "password")
	require.NoError(t, os.WriteFile(wrong, []byte("wrong\n"), 0o600))
	w.refused(t, 3, "keeper", "before-backup", "--inventory", w.edited(t, w.ring.PasswordFile()+".keeper", wrong))
	w.refused(t, 3, `the cluster is called "lab", expected was "other"`, "before-backup", "--inventory", w.edited(t, "cluster: lab", "cluster: other"))
	w.refused(t, 3, "% free", "before-backup", "--min-free", "1")
	w.refused(t, 3, "not a directory", "before-backup", "--inventory", w.edited(t, "volume: "+w.ring.Node(1).VolumeRoot+"\n", "volume: "+w.ring.Node(1).LogFile+"\n"))
	w.refused(t, 3, "every node must be up", "before-backup", "--inventory", w.edited(t, w.ring.Node(1).APISocket, "/nowhere.sock"))
	// nothing of the refused runs is left
	require.Empty(t, w.glob(t, "casshook/casshook-*"))
	require.Empty(t, w.glob(t, "casshook/lock.json"))
	require.Empty(t, w.glob(t, "data/*/*/snapshots/casshook-*"))
}

// refuseBackup damages a backup in every way; nothing is touched each time.
func (w *world) refuseBackup(t *testing.T) {
	id := w.backup(t)
	w.damage(t)
	w.refused(t, 3, "no restore point was restored", "after-restore")
	w.refused(t, 3, "% free", "after-restore", "--in-place", "--min-free", "1")
	w.refused(t, 3, "is not on the volumes", "after-restore", "--in-place", "--backup", "casshook-20200101T000000Z-0000")
	root := w.ring.Node(1).VolumeRoot
	data := w.glob(t, "data/ks/users-*/snapshots/"+id+"/*-Data.db")[0]
	index := w.glob(t, "data/ks/users-*/snapshots/"+id+"/*-Index.db")[0]
	documents := filepath.Join(root, "casshook", id)
	tests := []struct {
		name, file, reason string
		change             func([]byte) []byte
		args               []string
	}{
		{"without COMPLETE", documents + "/COMPLETE", "is not complete on node n1", nil, nil},
		{"without node.json", documents + "/node.json", "no such file", nil, nil},
		{"newer version", documents + "/cluster.json", "written by a newer casshook (format 9.0)", replace(`"version": 1`, `"version": 9`), nil},
		{"unknown field", documents + "/cluster.json", "unknown field", replace(`"clusterName"`, `"clusterNom"`), nil},
		{"changed document", documents + "/schema.jsonl", "does not match COMPLETE", replace("users", "losers"), nil},
		{"missing SSTable", data, "lacks Data.db", nil, nil},
		{"truncated SSTable", data, "bytes, expected", func(b []byte) []byte { return b[:len(b)-1] }, nil},
		{"flipped bit in an index file", index, "Index.db: checksum mismatch", flip, nil},
		{"flipped bit in the data", data, "checksum of Data.db differs", flip, []string{"--full"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			original, err := os.ReadFile(tt.file)
			require.NoError(t, err)
			require.NoError(t, os.Remove(tt.file)) // not through the hard link
			if tt.change != nil {
				require.NoError(t, os.WriteFile(tt.file, tt.change(original), 0o644))
			}
			code := 4
			if tt.name == "newer version" { // nothing is wrong with it
				code = 3
			}
			for _, command := range [][]string{{"after-restore", "--in-place"}, {"plan", "--in-place"}, {"verify"}} {
				w.refused(t, code, tt.reason, append(command, tt.args...)...)
			}
			require.NoError(t, os.WriteFile(tt.file, original, 0o644))
		})
	}
	w.must(t, "verify", "--full")
	w.must(t, "after-restore", "--in-place")
}

func replace(old, new string) func([]byte) []byte {
	return func(content []byte) []byte { return []byte(strings.ReplaceAll(string(content), old, new)) }
}

func flip(content []byte) []byte {
	changed := append([]byte{}, content...)
	changed[len(changed)/2] ^= 1
	return changed
}

func (w *world) refuseScope(t *testing.T) {
	w.backup(t)
	w.refused(t, 3, "nosuch", "after-restore", "--in-place", "--include", "nosuch.*")
	w.refused(t, 3, "users_by_name", "after-restore", "--in-place", "--exclude", "ks.users_by_name")
	w.refused(t, 3, "users", "after-restore", "--in-place", "--include", "ks.users_by_name")
	w.must(t, "after-backup")
}

// refuseFeatures backs up a view, drops it, and has the node forget views.
func (w *world) refuseFeatures(t *testing.T) {
	w.exec(t, "CREATE FUNCTION ks.f(a int) RETURNS NULL ON NULL INPUT RETURNS int LANGUAGE java AS 'return a;'",
		"CREATE CUSTOM INDEX plain_v ON ks.plain (v) USING 'org.apache.cassandra.index.sasi.SASIIndex'")
	want := w.digest(t)
	w.backup(t)
	w.exec(t, "DROP MATERIALIZED VIEW ks.users_by_name", "DROP FUNCTION ks.f", "DROP INDEX ks.plain_v")
	conf := filepath.Join(w.ring.Dir(), "n1", "conf", "cassandra.yaml")
	original, err := os.ReadFile(conf)
	require.NoError(t, err)
	off := string(original)
	for _, key := range []string{"materialized_views_enabled", "user_defined_functions_enabled", "sasi_indexes_enabled"} {
		require.Contains(t, off, key+": true")
		off = strings.ReplaceAll(off, key+": true", key+": false")
	}
	w.restartWith(t, conf, []byte(off))
	for _, reason := range []string{"materialized_views_enabled is off", "user_defined_functions_enabled is off", "sasi_indexes_enabled is off"} {
		w.refused(t, 3, reason, "after-restore", "--in-place")
	}
	w.restartWith(t, conf, original)
	w.must(t, "after-restore", "--in-place")
	w.same(t, want)
}

func (w *world) restartWith(t *testing.T, conf string, content []byte) {
	t.Helper()
	w.close()
	require.NoError(t, w.ring.Stop(t.Context()))
	require.NoError(t, os.WriteFile(conf, content, 0o644))
	require.NoError(t, w.ring.StartAll(t.Context()))
	w.connect(t)
}
