package cleaner

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/document"
	"github.com/casshook/casshook/pkg/flow"
)

func TestCleanRefusesDocumentsOfANewerRelease(t *testing.T) {
	t.Parallel()
	w, root := smallWreck(t)
	path := w.path("casshook", testID, document.NodeFile)
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	w.write(path, strings.Replace(string(content), `"minor": 2`, `"minor": 3, "key": "x"`, 1))
	before := portrait(t, root)
	_, err = Clean(t.Context(), wreckOptions(root, false))
	require.ErrorContains(t, err, "node.json: written by a newer casshook (format 1.3, field key): needs casshook with format 1.3 or newer")
	require.Equal(t, flow.Precondition, flow.CodeOf(err), "the backup is whole")
	sameTree(t, before, portrait(t, root), "refused")
}
