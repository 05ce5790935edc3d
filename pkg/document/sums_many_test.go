package document

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/safefile"
)

// TestMoreSumsThanAreRemembered: a backup does not fail for want of a memory.
func TestMoreSumsThanAreRemembered(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(root, Root), 0o755))
	s := OpenSums(root, "v")
	s.used["a"] = Sum{CRC32: 1}
	require.NoError(t, s.Save(safefile.New(root), root))
	for i := range maxShared / 200 {
		s.used[strconv.Itoa(i)+strings.Repeat("x", 200)] = Sum{CRC32: 1}
	}
	require.NoError(t, s.Save(safefile.New(root), root))
	require.Equal(t, map[string]Sum{"a": {CRC32: 1}}, OpenSums(root, "v").Files, "what was remembered stays")
}
