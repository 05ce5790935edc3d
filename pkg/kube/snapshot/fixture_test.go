package snapshot

import (
	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/kube/datacenter"
	"github.com/casshook/casshook/pkg/kube/internal/kubetest"
)

// snapshotsOf are those of the only ring of a world.
func snapshotsOf(w *kubetest.World, class string) *Volumes {
	w.T.Helper()
	found, err := datacenter.Find(w.T.Context(), w.Client, datacenter.Selection{})
	require.NoError(w.T, err)
	require.Len(w.T, found, 1)
	return New(w.Client, found[0], class)
}
