package generate

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWriteAndCompare(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	files, err := Generate(Default())
	require.NoError(t, err)
	compare := func() string {
		diff, err := Compare(dir, files, true)
		require.NoError(t, err)
		return diff
	}
	at := func(path string) string { return filepath.Join(dir, path) }
	const script, policy = "hooks/cassandra_before_backup.sh", "examples/policy-hooks/policy.yaml"

	require.Equal(t, len(files), strings.Count(compare(), "--- "+os.DevNull+"\n"))
	require.NoError(t, Write(dir, files))
	require.Empty(t, compare())
	require.NoError(t, Write(dir, files))
	info, err := os.Stat(at(script))
	require.NoError(t, err)
	require.NotZero(t, info.Mode()&0o100)

	require.NoError(t, os.Chmod(at(script), 0o644))
	require.Equal(t, script+": is not executable\n", compare())
	content, err := os.ReadFile(at(policy))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(at(policy), []byte(strings.Replace(string(content), "@onDemand", "@daily", 1)), 0o600))
	require.Contains(t, compare(), "--- a/"+policy+"\n+++ b/"+policy+"\n@@ -7,7 +7,7 @@\n")
	require.Contains(t, compare(), "\n-  frequency: '@daily'\n+  frequency: '@onDemand'\n")
	require.NoError(t, Write(dir, files))
	require.Empty(t, compare())

	// Files that are no longer made; those of others are none of ours.
	require.NoError(t, os.WriteFile(at("blueprints/old.yaml"), files[0].Content, 0o600))
	require.NoError(t, os.WriteFile(at("examples/mine.yaml"), []byte("a: b\n"), 0o600))
	require.Contains(t, compare(), "--- a/blueprints/old.yaml\n+++ "+os.DevNull+"\n")
	require.NotContains(t, compare(), "mine")
	diff, err := Compare(dir, files, false)
	require.NoError(t, err)
	require.Empty(t, diff)

	// Nothing is written when something is in the way.
	require.NoError(t, os.Remove(at("blueprints/overrides/README.md")))
	require.NoError(t, os.WriteFile(at(policy), []byte("kind: Policy\n"), 0o600))
	require.NoError(t, os.Remove(at(script)))
	require.NoError(t, os.Mkdir(at(script), 0o700))
	err = Write(dir, files)
	require.ErrorContains(t, err, "write "+policy+": a file that was not generated exists")
	require.ErrorContains(t, err, "write "+script+": ")
	require.NoFileExists(t, at("blueprints/overrides/README.md"))
	_, err = Compare(dir, files, false)
	require.ErrorContains(t, err, "compare "+script+": ")
}

func TestUnifiedDiff(t *testing.T) {
	t.Parallel()
	lines := func(s string) string { return strings.Join(strings.Split(s, ""), "\n") + "\n" }
	for name, c := range map[string]struct{ a, b, want string }{
		"equal":     {"a\n", "a\n", ""},
		"new":       {"", lines("ab"), "@@ -0,0 +1,2 @@\n+a\n+b\n"},
		"gone":      {lines("ab"), "", "@@ -1,2 +0,0 @@\n-a\n-b\n"},
		"one":       {lines("abcdefghij"), lines("abcdeXghij"), "@@ -3,7 +3,7 @@\n c\n d\n e\n-f\n+X\n g\n h\n i\n"},
		"two hunks": {lines("abcdefghijk"), lines("Xbcdefghij"), "@@ -1,4 +1,4 @@\n-a\n+X\n b\n c\n d\n@@ -8,4 +8,3 @@\n h\n i\n j\n-k\n"},
		"joined":    {lines("abcdefgh"), lines("XbcdefgY"), "@@ -1,8 +1,8 @@\n-a\n+X\n b\n c\n d\n e\n f\n g\n-h\n+Y\n"},
		"last line": {"a", "a\n", "@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+a\n"},
		"inserted":  {lines("ab"), lines("aXb"), "@@ -1,2 +1,3 @@\n a\n+X\n b\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := c.want
			if want != "" {
				want = "--- x\n+++ y\n" + want
			}
			got, err := unifiedDiff("x", "y", c.a, c.b)
			require.NoError(t, err)
			require.Equal(t, want, got)
		})
	}
}
