package operator

import (
	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/kube/datacenter"
	"github.com/casshook/casshook/pkg/kube/internal/kubetest"
	"github.com/casshook/casshook/pkg/kube/stopped"
)

// operatorOf is the only ring of a world, as operators see it.
func operatorOf(w *kubetest.World, l Limits) *Ring {
	w.T.Helper()
	found, err := datacenter.Find(w.T.Context(), w.Client, datacenter.Selection{})
	require.NoError(w.T, err)
	require.Len(w.T, found, 1)
	return New(w.Client, found[0], stopped.New(w.Client, found[0], stopped.Options{StopLimit: l.Stop}), l)
}
