package ringtest

import (
	"os"
	"path/filepath"

	"github.com/stretchr/testify/require"
)

// Rebind binds the very volumes to claims that were made anew. Neither their directories
// nor their devices tell, as where the volumes are mounted elsewhere.
func (r *Ring) Rebind() {
	r.t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, n := range r.nodes {
		aside := filepath.Join(tempDir(r.t), "volume")
		require.NoError(r.t, os.Rename(n.Volume, aside))
		require.NoError(r.t, os.Mkdir(n.Volume, 0o755))
		entries, err := os.ReadDir(aside)
		require.NoError(r.t, err)
		for _, e := range entries {
			require.NoError(r.t, os.Rename(filepath.Join(aside, e.Name()), filepath.Join(n.Volume, e.Name())))
		}
		n.VolumeID = "pvc/anew-" + n.Name + "/" + filepath.Base(n.VolumeID)
	}
}
