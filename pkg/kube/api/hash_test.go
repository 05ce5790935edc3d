package api_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/kube/internal/kubetest"
)

func TestClusterHash(t *testing.T) {
	t.Parallel()
	w := kubetest.NewWorld(t)
	hash := func() string {
		t.Helper()
		found, err := w.Client.ClusterHash(t.Context(), "db")
		require.NoError(t, err)
		return found
	}
	require.Empty(t, hash(), "there is none")
	put := func(text string) {
		w.Put("", "configmaps", kubetest.Object("v1", "ConfigMap", "db", "kube-root-ca.crt", map[string]any{"data": map[string]any{"ca.crt": text}}))
	}
	put("abc")
	require.Equal(t, "ba7816bf8f01cfea", hash(), "the beginning of its SHA-256")
	put("")
	require.Empty(t, hash(), "an empty one tells nothing")
	put("abd")
	require.NotEqual(t, "ba7816bf8f01cfea", hash())
	w.Refuse = kubetest.Forbid("get /configmaps")
	require.Empty(t, hash(), "it may not be read")
	require.Empty(t, w.Noticed())
	w.HTTP.Close()
	_, err := w.Client.ClusterHash(t.Context(), "db")
	require.ErrorContains(t, err, "get configmaps kube-root-ca.crt in namespace db: tried for 1m")
}
