package datacenter

import (
	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/kube/internal/kubetest"
)

// ringOf is the only ring of a world.
func ringOf(w *kubetest.World) *Ring {
	w.T.Helper()
	found, err := Find(w.T.Context(), w.Client, Selection{})
	require.NoError(w.T, err)
	require.Len(w.T, found, 1)
	return found[0]
}
