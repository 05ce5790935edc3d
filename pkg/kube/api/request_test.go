package api_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/kube/api"
	"github.com/casshook/casshook/pkg/kube/datacenter"
	"github.com/casshook/casshook/pkg/kube/internal/kubetest"
)

func TestForbiddenNamesTheVerb(t *testing.T) {
	t.Parallel()
	for _, rule := range []string{"list cassandra.datastax.com/cassandradatacenters", "list apps/statefulsets", "list /pods", "list /persistentvolumeclaims"} {
		t.Run(rule, func(t *testing.T) {
			t.Parallel()
			w := kubetest.NewWorld(t)
			w.PutDatacenter("prod", "dc1", 1)
			rings, err := datacenter.Find(t.Context(), w.Client, datacenter.Selection{})
			require.NoError(t, err)
			target := rings[0]
			w.Refuse = kubetest.Forbid(rule)
			_, err = target.Nodes(t.Context())
			verb, resource, _ := strings.Cut(rule, " ")
			_, resource, _ = strings.Cut(resource, "/")
			require.ErrorContains(t, err, "the service account may not "+verb+" "+resource+" in namespace db: add this permission to the Role")
			require.Empty(t, w.Noticed(), "what is forbidden is not retried")
		})
	}
}

func TestRetries(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		status  *metav1.Status
		retried bool
	}{
		{"unavailable", kubetest.Status(http.StatusServiceUnavailable, metav1.StatusReasonServiceUnavailable, "starting"), true},
		{"internal", kubetest.Status(http.StatusInternalServerError, metav1.StatusReasonInternalError, "etcd"), true},
		{"too many", kubetest.Status(http.StatusTooManyRequests, metav1.StatusReasonTooManyRequests, "slow down"), true},
		{"bad gateway", kubetest.Status(http.StatusBadGateway, metav1.StatusReasonUnknown, "proxy"), true},
		{"no such API", kubetest.Status(http.StatusNotFound, metav1.StatusReasonNotFound, "404 page not found"), false},
		{"unauthorized", kubetest.Status(http.StatusUnauthorized, metav1.StatusReasonUnauthorized, "who?"), false},
		{"invalid", kubetest.Status(http.StatusUnprocessableEntity, metav1.StatusReasonInvalid, "no"), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := kubetest.NewWorld(t)
			w.PutDatacenter("prod", "dc1", 1)
			refusals := 0
			w.Refuse = func(kubetest.Asked) *metav1.Status {
				if refusals++; refusals <= 7 { // some 25 seconds
					return c.status
				}
				return nil
			}
			_, err := datacenter.Find(t.Context(), w.Client, datacenter.Selection{})
			if !c.retried {
				require.ErrorContains(t, err, "list cassandradatacenters in namespace db: ")
				require.Equal(t, 1, refusals)
				return
			}
			require.NoError(t, err)
			require.Len(t, w.Noticed(), 7)
			require.Contains(t, w.Noticed()[0], "list cassandradatacenters in namespace db: ")
			require.Contains(t, w.Noticed()[0], "retrying in 500ms")
		})
	}
}

func TestRetriesEnd(t *testing.T) {
	t.Parallel()
	w := kubetest.NewWorld(t)
	w.HTTP.Close()
	started := w.Client.Now()
	_, err := datacenter.Find(t.Context(), w.Client, datacenter.Selection{})
	require.ErrorContains(t, err, "list cassandradatacenters in namespace db: tried for 1m")
	require.ErrorContains(t, err, "connection refused")
	require.Equal(t, flow.Precondition, flow.CodeOf(err))
	require.Less(t, w.Client.Now().Sub(started), api.Patience)
	require.Greater(t, w.Client.Now().Sub(started), time.Minute, "an API server that is gone for half a minute must not fail a hook")
}
