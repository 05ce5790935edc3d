package cleaner

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/flow"
)

// TestCleanComparesTheConfiguration: what keeps the node from starting is refused, and
// not a name on the volume has changed.
func TestCleanComparesTheConfiguration(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		yaml, release string
		code          flow.Code
		text          string
	}{
		"fits":                   {"num_tokens: 1\ncluster_name: shop\nstorage_compatibility_mode: NONE\n", "5.0.9", flow.Done, ""},
		"other tokens":           {"num_tokens: 8\ncluster_name: shop\nstorage_compatibility_mode: NONE\n", "", flow.Precondition, "configured with num_tokens 8, but has 1 tokens in the backup"},
		"another cluster":        {"num_tokens: 1\ncluster_name: x\n", "", flow.Precondition, "cluster_name"},
		"older Cassandra":        {"", "4.0.3", flow.Precondition, "which is older"},
		"no version":             {"", "five", flow.Usage, "is not a version such as 5.0.9"},
		"a file that is no YAML": {"{}", "", flow.Precondition, "read --config: "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, root := smallWreck(t)
			before := portrait(t, w.root)
			opts := wreckOptions(root, false)
			opts.Release = tt.release
			if tt.yaml != "" {
				opts.ConfigFile = filepath.Join(t.TempDir(), "cassandra.yaml")
				require.NoError(t, os.WriteFile(opts.ConfigFile, []byte(tt.yaml), 0o600))
			}
			r, err := Clean(t.Context(), opts)
			require.Equal(t, tt.code, flow.CodeOf(err))
			if tt.text != "" {
				require.ErrorContains(t, err, tt.text)
				require.Equal(t, before, portrait(t, w.root))
				return
			}
			require.Empty(t, r.NotCompared)
			require.NotContains(t, Text(r), "not compared")
		})
	}
}

func TestCleanSaysWhatWasNotCompared(t *testing.T) {
	t.Parallel()
	_, root := smallWreck(t)
	r, err := Clean(t.Context(), wreckOptions(root, false))
	require.NoError(t, err)
	require.Equal(t, []string{"num_tokens", "cluster_name", "storage_compatibility_mode", "auto_repair", "Cassandra version"}, r.NotCompared)
	require.Equal(t, 1, strings.Count(Text(r), "not compared    num_tokens, cluster_name, storage_compatibility_mode, auto_repair, Cassandra version: use --config"))
}
