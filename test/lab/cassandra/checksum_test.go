package cassandra

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	sumA = "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb" // of "a"
	sumB = "3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d" // of "b"
)

func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(dir, 0o755))
	for name, text := range files {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
}

func TestParseSums(t *testing.T) {
	t.Parallel()
	sums, err := parseSums(sumA + "  a.jar\n" + sumB + "  b c.jar\n")
	require.NoError(t, err)
	require.Equal(t, map[string]string{"a.jar": sumA, "b c.jar": sumB}, sums)

	for name, text := range map[string]string{
		"one space":    sumA + " a.jar\n",
		"short digest": sumA[2:] + "  a.jar\n",
		"no hex":       "zz" + sumA[2:] + "  a.jar\n",
		"no name":      sumA + "  \n",
		"empty line":   "\n",
		"name twice":   sumA + "  a.jar\n" + sumB + "  a.jar\n",
	} {
		_, err := parseSums(text)
		require.Error(t, err, name)
	}
}

func TestVerifyNamesEveryProblem(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, map[string]string{"a.jar": "a", "b.jar": "changed", "z.jar": "z"})
	sums := map[string]string{"a.jar": sumA, "b.jar": sumB, "c.jar": sumA}
	err := verify(dir, sums)
	require.ErrorContains(t, err, "b.jar: different")
	require.ErrorContains(t, err, "z.jar: extra")
	require.ErrorContains(t, err, "c.jar: missing")
	require.NotContains(t, err.Error(), "a.jar")

	require.NoError(t, os.Remove(filepath.Join(dir, "z.jar")))
	write(t, dir, map[string]string{"b.jar": "b", "c.jar": "a"})
	require.NoError(t, verify(dir, sums))
}

func TestCheckTrustsSizesOnlyAfterAVerification(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	lib := filepath.Join(dir, "lib")
	sums := map[string]string{"a.jar": sumA}
	write(t, lib, map[string]string{"a.jar": "x"})
	require.ErrorContains(t, check(dir, sums), "a.jar: different")

	write(t, lib, map[string]string{"a.jar": "a"})
	require.NoError(t, check(dir, sums))
	write(t, lib, map[string]string{"a.jar": "y"})
	require.NoError(t, check(dir, sums), "same size, so not read again")
	write(t, lib, map[string]string{"a.jar": "longer"})
	require.ErrorContains(t, check(dir, sums), "a.jar: different")
	write(t, lib, map[string]string{"a.jar": "a", "b.jar": ""})
	require.ErrorContains(t, check(dir, sums), "b.jar: extra")
	require.NoError(t, os.Remove(filepath.Join(lib, "b.jar")))
	require.NoError(t, check(dir, sums))
	require.ErrorContains(t, check(dir, map[string]string{"a.jar": sumB}), "different", "other digests void the marker")
}

func TestPinnedFilesAreComplete(t *testing.T) {
	t.Parallel()
	for _, version := range Versions() {
		text, err := pinned.ReadFile("sums/" + version + ".sha256")
		require.NoError(t, err)
		sums, err := parseSums(string(text))
		require.NoError(t, err)
		require.Contains(t, sums, "cassandra-all-"+version+".jar")
		pom, err := pinned.ReadFile("pom/" + version + ".xml")
		require.NoError(t, err)
		require.Contains(t, string(pom), "<artifactId>cassandra-all</artifactId>\n      <version>"+version+"<")
	}
}
