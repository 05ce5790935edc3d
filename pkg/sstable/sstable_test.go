package sstable

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseName(t *testing.T) {
	tests := []struct {
		name, file string
		want       Name
		ok         bool
	}{
		{"sequence", "nb-12-big-Data.db", Name{"nb", "12", "big", "Data.db"}, true},
		{"uuid", "da-3gp2_0a1x_4sv282a1uclk7bjbz4-bti-Data.db", Name{"da", "3gp2_0a1x_4sv282a1uclk7bjbz4", "bti", "Data.db"}, true},
		{"sai", "oa-1-big-SAI+aa+i_x+Meta.db", Name{"oa", "1", "big", "SAI+aa+i_x+Meta.db"}, true},
		{"sasi", "nb-1-big-SI_by_name.db", Name{"nb", "1", "big", "SI_by_name.db"}, true},
		{"manifest", "manifest.json", Name{}, false},
		{"transaction log", "nb_txn_flush_f00.log", Name{}, false},
		{"too long a sequence", "nb-12345678901-big-Data.db", Name{}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := ParseName(tt.file)
			require.Equal(t, tt.ok, ok)
			require.Equal(t, tt.want, got)
			if ok {
				require.Equal(t, tt.file, got.String())
			}
		})
	}
}

func TestTableDir(t *testing.T) {
	table, id, ok := ParseTableDir("Users-0123456789abcdef0123456789abcdef")
	require.True(t, ok)
	require.Equal(t, "Users", table)
	require.Equal(t, "Users-0123456789abcdef0123456789abcdef", TableDir(table, "01234567-89AB-cdef-0123-456789abcdef"))
	require.Equal(t, "0123456789abcdef0123456789abcdef", id)
	_, _, ok = ParseTableDir("_paxos_repair_state")
	require.False(t, ok)
}

func TestRenamed(t *testing.T) {
	got, err := Renamed("da-3gp2_0a1x_4sv282a1uclk7bjbz4-bti", "2000000001")
	require.NoError(t, err)
	require.Equal(t, "da-2000000001-bti", got)
	require.True(t, UUIDBased("da-3gp2_0a1x_4sv282a1uclk7bjbz4-bti"))
	require.False(t, UUIDBased(got))
	_, err = Renamed("../x", "1")
	require.Error(t, err)
}

func TestGroupAndComponents(t *testing.T) {
	groups := Group([]string{"nb-1-big-Statistics.db", "nb-1-big-Data.db", "nb-1-big-Index.db", "schema.cql", "nb-2-big-Data.db"})
	require.Len(t, groups, 2)
	require.NoError(t, CheckComponents(groups["nb-1-big"]))
	require.EqualError(t, CheckComponents(groups["nb-2-big"]), "lacks Statistics.db, Index.db or Partitions.db")
	require.Equal(t, []string{"Index.db", "Statistics.db", "Data.db"}, DataLast(groups["nb-1-big"]))
	require.Equal(t, []string{"Index.db"}, DataLast([]string{"Index.db"}))
}

func TestVerifyDigest(t *testing.T) {
	dir := t.TempDir()
	data := filepath.Join(dir, "nb-1-big-Data.db")
	require.NoError(t, os.WriteFile(data, []byte("123456789"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "nb-1-big-Digest.crc32"), []byte("3421780262"), 0o600))
	require.NoError(t, VerifyDigest(opened(t, dir), "nb-1-big"))
	require.NoError(t, os.WriteFile(data, []byte("123456788"), 0o600))
	require.ErrorIs(t, VerifyDigest(opened(t, dir), "nb-1-big"), ErrDigest)
}

func TestReadable(t *testing.T) {
	tests := []struct {
		name, version, format string
		reader                Reader
		ok                    bool
	}{
		{"nb on 4.0", "nb", "big", Reader{Major: 4}, true},
		{"oa on 4.1", "oa", "big", Reader{Major: 4, Minor: 1}, false},
		{"da on 4.1", "da", "bti", Reader{Major: 4, Minor: 1}, false},
		{"oa on 5.0 in compatibility mode", "oa", "big", Reader{Major: 5, Compatibility: "CASSANDRA_4"}, false},
		{"oa on 5.0", "oa", "big", Reader{Major: 5, Compatibility: "NONE"}, true},
		{"da on 5.0", "da", "bti", Reader{Major: 5, Compatibility: "NONE"}, true},
		{"da on 5.0 in compatibility mode", "da", "bti", Reader{Major: 5, Compatibility: "CASSANDRA_4"}, false},
		{"other product", "bb", "bti", Reader{Major: 5, Compatibility: "NONE"}, false},
		{"too old", "jb", "big", Reader{Major: 4}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.reader.Readable(tt.version, tt.format)
			require.Equal(t, tt.ok, err == nil, "%v", err)
		})
	}
}

func TestManifest(t *testing.T) {
	dir := t.TempDir()
	_, err := ReadManifest(opened(t, dir))
	require.ErrorIs(t, err, os.ErrNotExist)
	require.NoError(t, os.WriteFile(filepath.Join(dir, ManifestFile), []byte(`{"files":["nb-1-big-Data.db"],"created_at":"x"}`), 0o600))
	m, err := ReadManifest(opened(t, dir))
	require.NoError(t, err)
	require.Equal(t, []string{"nb-1-big-Data.db"}, m.Files)
}

func FuzzParseName(f *testing.F) {
	f.Add("nb-12-big-Data.db")
	f.Add("da-3gp2_0a1x_4sv282a1uclk7bjbz4-bti-SAI+aa+x.db")
	f.Fuzz(func(t *testing.T, file string) {
		if n, ok := ParseName(file); ok && n.String() != file {
			t.Fatalf("%q became %q", file, n.String())
		}
	})
}
