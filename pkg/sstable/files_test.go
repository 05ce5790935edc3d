package sstable

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/safefile"
)

const uuidBase = "da-3gp2_0a1x_4sv282a1uclk7bjbz4-bti"

func TestNamesOfNoSSTable(t *testing.T) {
	t.Parallel()
	for _, file := range []string{
		"", "-", "nb", "nb-1", "nb-1-big", "nb-1-big-", "NB-1-big-Data.db", "n-1-big-Data.db", "nbx-1-big-Data.db", "nb--big-Data.db", "nb-a-big-Data.db", "nb-1-BIG-Data.db",
		"nb-1--Data.db", "nb-3gp2_0a1x_4sv282a1uclk7bjbz-big-Data.db", "nb-3GP2_0A1X_4SV282A1UCLK7BJBZ4-big-Data.db", " nb-1-big-Data.db",
		"tmp-nb-1-big-Data.db", "ks-t-jb-1-Data.db", "schema.cql", "manifest.json", "nb_txn_compaction_c933f4d0-06a2-11f1-8f4b-0f3a5c1b2d3e.log",
	} {
		_, ok := ParseName(file)
		require.False(t, ok, "%q", file)
		require.Empty(t, Group([]string{file}), "%q", file)
	}
}

// What is written while an SSTable is made, or by who repairs it, has the name of
// a component: it is listed, so that nothing is there that nobody knows of.
func TestComponentsOfAnyName(t *testing.T) {
	t.Parallel()
	for _, component := range []string{"Data.db", "Data.db.bak", "TOC.txt.tmp", "SAI+aa+GroupMeta.db", "SI_a-b.db", "-", "Statistics.db-x"} {
		name, ok := ParseName(FileOf("nb-1-big", component))
		require.True(t, ok, component)
		require.Equal(t, component, name.Component)
		require.Equal(t, "nb-1-big", name.Base())
	}
}

func TestTableDirectories(t *testing.T) {
	t.Parallel()
	const id = "0123456789abcdef0123456789abcdef"
	for dir, want := range map[string]string{
		"users-" + id: "users", "Users_2-" + id: "Users_2", "_-" + id: "_",
		"users": "", "users-": "", "-" + id: "", "users-" + id[1:]: "", "users-" + id + "0": "", "users-" + strings.ToUpper(id): "",
		"a-b-" + id: "", "../users-" + id: "", "users-" + id + "/snapshots": "", "users-01234567-89ab-cdef-0123-456789abcdef": "",
	} {
		table, got, ok := ParseTableDir(dir)
		require.Equal(t, want != "", ok, dir)
		require.Equal(t, want, table, dir)
		if ok {
			require.Equal(t, id, got)
			require.Equal(t, dir, TableDir(table, got))
		}
	}
	require.Equal(t, id, CompactID("01234567-89AB-CDEF-0123-456789ABCDEF"))
	require.Equal(t, id, CompactID(id))
}

func TestTransactionLogs(t *testing.T) {
	t.Parallel()
	for file, want := range map[string]bool{
		"nb_txn_flush_5a1d4c40-cc3e-11f0-9d2b-d3a5e6b7c8d9.log":          true,
		"nb_txn_compaction_5a1d4c40-cc3e-11f0-9d2b-d3a5e6b7c8d9.log":     true,
		"nb_txn_anticompaction_5a1d4c40.log":                             true,
		"big-oa_txn_unknown_5a1d4c40.log":                                true, // 5.0 names the format, too
		"bti-da_txn_write_5a1d4c40-cc3e-11f0-9d2b-d3a5e6b7c8d9.log":      true,
		"txn_flush_5a1d4c40.log":                                         true,
		"nb_txn_flush_5a1d4c40.log.tmp":                                  false,
		"nb_txn_flush.log":                                               false,
		"nb-1-big-Data.db":                                               false,
		"CommitLog-7-1795774550000.log":                                  false,
		"other_nb_txn_flush_5a1d4c40-cc3e-11f0-9d2b-d3a5e6b7c8d9.log":    false,
		"nb_txn_flush_5a1d4c40-cc3e-11f0-9d2b-d3a5e6b7c8d9.log/Data.db":  false,
		"snapshots/nb_txn_flush_5a1d4c40-cc3e-11f0-9d2b-d3a5e6b7c8d.log": false,
	} {
		require.Equal(t, want, IsTransactionLog(file), file)
	}
}

func TestWhatCassandraRewrites(t *testing.T) {
	t.Parallel()
	for component, want := range map[string]struct{ mayChange, sasi, sai bool }{
		Data: {}, Statistics: {}, Digest: {}, "Index.db": {}, "Partitions.db": {}, "Summary.db": {}, "CompressionInfo.db": {}, "CRC.db": {},
		Filter: {mayChange: true}, TOC: {mayChange: true},
		"SI_users_city.db":        {mayChange: true, sasi: true},
		"SAI+aa+GroupComplete.db": {sai: true},
		"SAI+aa+i+TermsData.db":   {sai: true},
		"SAI_x.db":                {}, "XSI_x.db": {},
	} {
		require.Equal(t, want.mayChange, MayChange(component), component)
		require.Equal(t, want.sasi, IsSASI(component), component)
		require.Equal(t, want.sai, IsSAI(component), component)
	}
}

func TestRenaming(t *testing.T) {
	t.Parallel()
	for _, base := range []string{"nb-1-big", "oa-2147483647-big", uuidBase} {
		got, err := Renamed(base, "2000000001")
		require.NoError(t, err)
		name, ok := ParseName(FileOf(got, Data))
		require.True(t, ok)
		require.Equal(t, "2000000001", name.ID)
		back, err := Renamed(got, strings.Split(base, "-")[1])
		require.NoError(t, err)
		require.Equal(t, base, back)
	}
	for _, base := range []string{"", "nb-1", "nb-1-big/..", "../nb-1-big", "tmp-nb-1-big"} {
		_, err := Renamed(base, "1")
		require.ErrorContains(t, err, "not an SSTable name", base)
		require.False(t, UUIDBased(base), base)
	}
}

func TestComponentsThatAnSSTableNeeds(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name       string
		components []string
		want       string
	}{
		{"big", []string{Data, Statistics, "Index.db"}, ""},
		{"bti", []string{Data, Statistics, "Partitions.db", "Rows.db"}, ""},
		{"all but the data", []string{Statistics, "Index.db", TOC}, "lacks Data.db"},
		{"all but statistics", []string{Data, "Index.db"}, "lacks Statistics.db"},
		{"bti without partitions", []string{Data, Statistics, "Rows.db"}, "lacks Index.db or Partitions.db"},
		{"a torn one", []string{TOC}, "lacks Data.db, Statistics.db, Index.db or Partitions.db"},
		{"names that only begin so", []string{"Data.db.bak", "Statistics.db.tmp", "Index.db~"}, "lacks Data.db, Statistics.db, Index.db or Partitions.db"},
		{"nothing", nil, "lacks Data.db, Statistics.db, Index.db or Partitions.db"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			err := CheckComponents(tt.components)
			if tt.want == "" {
				require.NoError(t, err)
				return
			}
			require.EqualError(t, err, tt.want)
		})
	}
}

func TestDataComesLast(t *testing.T) {
	t.Parallel()
	given := []string{Data, "Index.db", Statistics}
	require.Equal(t, []string{"Index.db", Statistics, Data}, DataLast(given))
	require.Equal(t, []string{Data, "Index.db", Statistics}, given, "what was given stays")
	require.Equal(t, []string{Data}, DataLast([]string{Data}))
	require.Empty(t, DataLast(nil))
}

func TestGroupKeepsGenerationsApart(t *testing.T) {
	t.Parallel()
	require.Equal(t, map[string][]string{
		"nb-1-big": {"Data.db", "TOC.txt"}, "nb-11-big": {"Data.db"}, "oa-1-big": {"Index.db"}, uuidBase: {"Data.db"},
	}, Group([]string{"nb-1-big-TOC.txt", "oa-1-big-Index.db", "nb-11-big-Data.db", uuidBase + "-Data.db", "nb-1-big-Data.db", "snapshots", ".idx"}))
}

// Digests are decimal numbers of 32 bits; whatever else is there proves nothing
// and must not pass.
func TestDigestsThatAreNone(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, digest, data string
		want               string
	}{
		{"with a newline", "3421780262\n", "123456789", ""},
		{"of nothing", "0", "", ""},
		{"empty", "", "123456789", "Digest.crc32: strconv.ParseUint"},
		{"torn", "342178", "123456789", "differs from Digest.crc32 (342178, is 3421780262)"},
		{"torn to a letter", "3421780262x", "123456789", "invalid syntax"},
		{"hexadecimal", "cbf43926", "123456789", "invalid syntax"},
		{"below zero", "-873187034", "123456789", "invalid syntax"},
		{"of more than 32 bits", "7716747558", "123456789", "value out of range"},
		{"of data that was cut", "3421780262", "12345678", "differs from Digest.crc32"},
		{"of data that is longer", "3421780262", "1234567890", "differs from Digest.crc32"},
		{"of data that is gone", "0", "-", "no such file"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			require.NoError(t, os.WriteFile(filepath.Join(dir, "nb-1-big-Digest.crc32"), []byte(tt.digest), 0o600))
			if tt.data != "-" {
				require.NoError(t, os.WriteFile(filepath.Join(dir, "nb-1-big-Data.db"), []byte(tt.data), 0o600))
			}
			err := VerifyDigest(opened(t, dir), "nb-1-big")
			if tt.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, tt.want)
			require.ErrorContains(t, err, dir, "it says where")
		})
	}
	require.ErrorIs(t, VerifyDigest(opened(t, t.TempDir()), "nb-1-big"), os.ErrNotExist)
}

// opened opens a directory.
func opened(t *testing.T, dir string) *safefile.Dir {
	t.Helper()
	d, err := safefile.New(dir).Dir(dir)
	require.NoError(t, err)
	t.Cleanup(d.Close)
	return d
}

func TestCRC32OfADirectory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "sub"), 0o700))
	_, err := CRC32(opened(t, dir), "sub")
	require.ErrorIs(t, err, safefile.ErrKind)
}

func TestManifestsThatAreNone(t *testing.T) {
	t.Parallel()
	for content, want := range map[string]string{
		"": "unexpected end", `{"files":["nb-1-big-Da`: "unexpected end", `{"files":"nb-1-big-Data.db"}`: "cannot unmarshal string",
		`{"files":[]}{}`: "after top-level value", `[]`: "cannot unmarshal array",
	} {
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, ManifestFile), []byte(content), 0o600))
		_, err := ReadManifest(opened(t, dir))
		require.ErrorContains(t, err, want, "%q", content)
		require.ErrorContains(t, err, filepath.Join(dir, ManifestFile), "%q", content)
	}
}

func TestReadableSaysWhy(t *testing.T) {
	t.Parallel()
	five := Reader{Major: 5, Compatibility: "NONE"}
	for _, tt := range []struct {
		reader          Reader
		version, format string
		want            string
	}{
		{Reader{Major: 4}, "oa", "big", "SSTable version oa (big) needs Cassandra 5.0"},
		{Reader{Major: 4}, "da", "bti", "SSTable version da (bti) needs Cassandra 5.0"},
		{Reader{Major: 5, Compatibility: "CASSANDRA_4"}, "oa", "big", "is not read with storage_compatibility_mode CASSANDRA_4"},
		{Reader{Major: 5, Compatibility: "UPGRADING"}, "oa", "big", ""},
		{Reader{Major: 5, Compatibility: "CASSANDRA_4"}, "nc", "big", ""},
		{five, "ma", "big", ""}, {five, "me", "big", ""}, {five, "nb", "big", ""},
		{five, "lb", "big", "is older than Cassandra 3.0"}, {five, "aa", "bti", "is of another product"}, {five, "nb", "tri", "is of an unknown format"},
	} {
		err := tt.reader.Readable(tt.version, tt.format)
		if tt.want == "" {
			require.NoError(t, err, "%s %s", tt.version, tt.format)
			continue
		}
		require.ErrorContains(t, err, tt.want)
	}
}
