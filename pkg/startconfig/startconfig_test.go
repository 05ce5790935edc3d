package startconfig

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/document"
)

func backup(edit func(*wire.CleanBackup)) *wire.CleanBackup {
	b := &wire.CleanBackup{ClusterName: "prod", Formats: []string{"nb big"}, Member: document.Member{Release: "5.0.9", Tokens: []string{"1", "2"}}}
	if edit != nil {
		edit(b)
	}
	return b
}

func TestCompare(t *testing.T) {
	t.Parallel()
	newer := func(b *wire.CleanBackup) { b.Formats = []string{"nb big", "oa big", "da bti"} }
	repair := func(b *wire.CleanBackup) { b.AutoRepair = true }
	for name, tt := range map[string]struct {
		config Config
		backup func(*wire.CleanBackup)
		want   []string
	}{
		"nothing known":           {Config{}, repair, nil},
		"the same":                {Config{Release: "5.0.9", NumTokens: 2, ClusterName: "prod", Compatibility: "NONE", Known: true}, newer, nil},
		"older patch":             {Config{Release: "5.0.2"}, nil, nil},
		"older":                   {Config{Release: "4.1.10"}, nil, []string{"which is older"}},
		"newer":                   {Config{Release: "5.1.0"}, nil, nil},
		"other tokens":            {Config{NumTokens: 8}, nil, []string{"set num_tokens to 2"}},
		"tokens nobody wrote":     {Config{NumTokens: 8}, func(b *wire.CleanBackup) { b.Member.Tokens = nil }, nil},
		"other cluster":           {Config{ClusterName: "x"}, nil, []string{`set cluster_name to "prod"`}},
		"compatibility":           {Config{Release: "5.0.9", Compatibility: "CASSANDRA_4"}, newer, []string{"oa (big)", "da (bti)"}},
		"compatibility alone":     {Config{Compatibility: "CASSANDRA_4"}, newer, []string{"oa (big)", "da (bti)"}},
		"auto_repair, without":    {Config{Known: true}, repair, []string{AutoRepairProperty}},
		"auto_repair, with":       {Config{Known: true, AutoRepair: true, Release: "5.0.8"}, repair, nil},
		"auto_repair, too old":    {Config{AutoRepair: true, Release: "5.0.7"}, repair, []string{"use Cassandra 5.0.8"}},
		"auto_repair, of nobody":  {Config{Known: true, AutoRepair: true}, nil, nil},
		"all of it, in one error": {Config{Release: "4.0.1", NumTokens: 1, ClusterName: "x", Compatibility: "CASSANDRA_4"}, newer, []string{"older", "num_tokens", "cluster_name", "oa (big)", "da (bti)"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			problems := tt.config.Compare("n1", backup(tt.backup))
			require.Len(t, problems, len(tt.want))
			for i, want := range tt.want {
				require.ErrorContains(t, problems[i], want)
			}
		})
	}
}

func TestRead(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		yaml string
		want Config
		err  string
	}{
		"defaults":        {"a: 1\n", Config{NumTokens: 1, ClusterName: "Test Cluster", Compatibility: "CASSANDRA_4"}, ""},
		"plain":           {"cluster_name: prod\nnum_tokens: 16\nstorage_compatibility_mode: NONE\n", Config{NumTokens: 16, ClusterName: "prod", Compatibility: "NONE"}, ""},
		"quoted, comment": {"\ufeff---\r\n# num_tokens: 1\r\ncluster_name: 'a: b # c' # d\r\n\"num_tokens\" : 8 # x\r\nstorage_compatibility_mode: none\r\n", Config{NumTokens: 8, ClusterName: "a: b # c", Compatibility: "NONE"}, ""},
		"apostrophe":      {"cluster_name: Bob's #1 # x\nnum_tokens: 2\n", Config{NumTokens: 2, ClusterName: "Bob's", Compatibility: "CASSANDRA_4"}, ""},
		"nested keys": {"seed_provider:\n  - class_name: x\n    num_tokens: 3\nencryption:\n  num_tokens: 4\nnum_tokens: 5\nseeds:\n- num_tokens: 7\n",
			Config{NumTokens: 5, ClusterName: "Test Cluster", Compatibility: "CASSANDRA_4"}, ""},
		"auto_repair":             {"auto_repair:\n  global: {enabled: false}\n  enabled: true\n", Config{NumTokens: 1, ClusterName: "Test Cluster", Compatibility: "CASSANDRA_4", AutoRepair: true}, ""},
		"auto_repair, a line":     {"auto_repair: {enabled: true}\n", Config{NumTokens: 1, ClusterName: "Test Cluster", Compatibility: "CASSANDRA_4", AutoRepair: true}, ""},
		"auto_repair, off":        {"auto_repair:\n  enabled: false\n  full:\n    enabled: true\n", Config{NumTokens: 1, ClusterName: "Test Cluster", Compatibility: "CASSANDRA_4"}, ""},
		"twice":                   {"num_tokens: 1\nnum_tokens: 2\n", Config{}, "line 2: num_tokens is set twice (first in line 1)"},
		"no number":               {"num_tokens: sixteen\n", Config{}, "line 1: num_tokens"},
		"octal":                   {"num_tokens: 016\n", Config{}, "line 1: num_tokens"},
		"zero":                    {"num_tokens: 0\n", Config{}, "line 1: num_tokens"},
		"next line":               {"num_tokens:\n  16\n", Config{}, "num_tokens"},
		"an anchor":               {"cluster_name: &n prod\n", Config{}, "cannot read the value"},
		"a template":              {"cluster_name: ${NAME}\n", Config{}, "cannot read the value"},
		"escapes":                 {`cluster_name: "a\tb"` + "\n", Config{}, "cannot read the quoted value"},
		"one flow mapping":        {"{num_tokens: 4}\n", Config{}, "not a key with a value"},
		"two documents":           {"a: 1\n---\nb: 2\n", Config{}, "more than one document"},
		"empty":                   {"# nothing\n", Config{}, "no keys"},
		"not YAML":                {"\x00\x01\n", Config{}, "not a key with a value"},
		"indented from the start": {"  num_tokens: 4\n", Config{}, "not a list of keys"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "cassandra.yaml")
			require.NoError(t, os.WriteFile(path, []byte(tt.yaml), 0o600))
			got, err := Read(path)
			if tt.err != "" {
				require.ErrorContains(t, err, tt.err)
				require.ErrorContains(t, err, path)
				return
			}
			require.NoError(t, err)
			tt.want.Known = true
			require.Equal(t, tt.want, got)
		})
	}
}

func TestReadOptionsBeside(t *testing.T) {
	t.Parallel()
	for file, text := range map[string]string{
		"jvm-server.options": "# x\n" + AutoRepairProperty + "\n", "jvm17-server.options": AutoRepairProperty, "cassandra-env.sh": `JVM_OPTS="$JVM_OPTS ` + AutoRepairProperty + `"` + "\n",
	} {
		dir := t.TempDir()
		yaml := filepath.Join(dir, "cassandra.yaml")
		require.NoError(t, os.WriteFile(yaml, []byte("num_tokens: 1\n"), 0o600))
		require.NoError(t, os.WriteFile(filepath.Join(dir, file), []byte("#"+text), 0o600))
		c, err := Read(yaml)
		require.NoError(t, err)
		require.Equal(t, strings.HasPrefix(text, "# x"), c.AutoRepair, "a comment counts for nothing, but the line after it does")
		require.NoError(t, os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600))
		c, err = Read(yaml)
		require.NoError(t, err)
		require.True(t, c.AutoRepair, file)
	}
	_, err := Read(t.TempDir())
	require.ErrorContains(t, err, "not a configuration file")
	_, err = Read("/nowhere/cassandra.yaml")
	require.ErrorIs(t, err, os.ErrNotExist)
}
