package stopped

import (
	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/kube/datacenter"
	"github.com/casshook/casshook/pkg/kube/internal/kubetest"
)

// stoppedOf is the only ring of a world, as one that is stopped.
func stoppedOf(w *kubetest.World, opts Options) *Ring {
	w.T.Helper()
	found, err := datacenter.Find(w.T.Context(), w.Client, datacenter.Selection{})
	require.NoError(w.T, err)
	require.Len(w.T, found, 1)
	return New(w.Client, found[0], opts)
}
