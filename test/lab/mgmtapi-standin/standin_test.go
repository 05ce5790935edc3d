package standin_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	standin "github.com/casshook/casshook/test/lab/mgmtapi-standin"
)

func TestBuildUsesTheCacheAndNeedsAJDKOtherwise(t *testing.T) {
	t.Parallel()
	digest, err := standin.Digest()
	require.NoError(t, err)
	require.Regexp(t, "^[0-9a-f]{16}$", digest)

	cache := t.TempDir()
	_, err = standin.Build(t.Context(), "/nowhere", cache)
	require.ErrorContains(t, err, "install a JDK 17")
	left, err := os.ReadDir(cache)
	require.NoError(t, err)
	require.Empty(t, left)

	jar := filepath.Join(cache, digest+".jar")
	require.NoError(t, os.WriteFile(jar, nil, 0o644))
	got, err := standin.Build(t.Context(), "/nowhere", cache)
	require.NoError(t, err)
	require.Equal(t, jar, got)
}
