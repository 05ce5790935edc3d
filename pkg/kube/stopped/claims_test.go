package stopped

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/kube/datacenter"
	"github.com/casshook/casshook/pkg/kube/internal/kubetest"
	"github.com/casshook/casshook/pkg/kube/objects"
	"github.com/casshook/casshook/pkg/ring"
)

func claimNode(name, claim string) ring.StoppedNode {
	return ring.StoppedNode{Name: name, Volume: claim, Identity: "pvc/uid-" + claim + "/pv-" + claim}
}

func TestVolumeClaimsWithoutOperator(t *testing.T) {
	t.Parallel()
	for _, runAs := range []int64{0, 5} {
		w, opts := kubetest.NewWorld(t), Options{Image: "i", PullSecrets: []string{"ours"}, RunAs: runAs}
		w.Absent["cassandradatacenters"] = true
		f := kubetest.RunJobs(w)
		w.PutClaim("server-data-b-0")
		w.PutClaim("server-data-a-0")
		w.PutClaim("other")
		claims, err := NewClaims(t.Context(), w.Client, nil, opts)
		require.NoError(t, err)
		nodes, err := claims.StoppedNodes(t.Context())
		require.NoError(t, err)
		require.Equal(t, []ring.StoppedNode{claimNode("a-0", "server-data-a-0"), claimNode("b-0", "server-data-b-0")}, nodes)
		claims, err = NewClaims(t.Context(), w.Client, []string{"other"}, opts)
		require.NoError(t, err)
		outcomes, err := claims.Clean(t.Context(), tasksOf(t, claims), (&kubetest.Told{}).Tell)
		require.NoError(t, err)
		require.NoError(t, outcomes[0].Err)
		user := objects.OwnerContext(999, 999)
		if runAs != 0 {
			user = objects.SecurityContextOf(runAs)
		}
		want := objects.CleanerJob{Namespace: "db", Claim: "other", Image: "i", PullSecrets: []string{"ours"}, Mounts: []objects.Claim{{Name: "other", Mount: "/var/lib/cassandra"}},
			VolumeID: "pvc/uid-other/pv-other", SecurityContext: user, Once: true}
		require.Equal(t, want.Object().Spec, f.Made[0].Spec)
	}
}

func TestVolumeClaimsRefuses(t *testing.T) {
	t.Parallel()
	w := kubetest.NewWorld(t)
	_, err := NewClaims(t.Context(), w.Client, nil, Options{Image: "i"})
	require.EqualError(t, err, "namespace db has no volume claims server-data-*: restore them first, or name others")
	require.Equal(t, flow.Precondition, flow.CodeOf(err))
	w.PutClaim("a")
	_, err = NewClaims(t.Context(), w.Client, []string{"c", "a", "b"}, Options{Image: "i"})
	require.EqualError(t, err, "namespace db has no volume claims b, c: restore them first")
	claims, err := NewClaims(t.Context(), w.Client, []string{"a"}, Options{Image: "i"})
	require.NoError(t, err)
	w.Put("", "pods", kubetest.UserOf("a", corev1.PodRunning, nil))
	_, err = claims.StoppedNodes(t.Context())
	require.ErrorContains(t, err, "the volume claim a is in use by the pod user-of-a")
	w.Remove("", "persistentvolumeclaims", "a")
	_, err = claims.StoppedNodes(t.Context())
	require.ErrorContains(t, err, "has no volume claims a")
}

// Claims of a datacenter are handled as its nodes, a part of them as well.
func TestVolumeClaimsOfDatacenter(t *testing.T) {
	t.Parallel()
	w := kubetest.NewWorld(t)
	f := kubetest.RunJobs(w)
	w.PutStoppedDatacenter("prod", "dc1", 2, []string{"r1"}, func(s *appsv1.StatefulSet) {
		s.Spec.VolumeClaimTemplates = append(s.Spec.VolumeClaimTemplates, corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Name: "logs"}})
		s.Spec.Template.Spec.ServiceAccountName = "cassandra"
		mounts := &s.Spec.Template.Spec.Containers[1].VolumeMounts
		*mounts = append(*mounts, corev1.VolumeMount{Name: "logs", MountPath: "/commit"})
	})
	w.PutStoppedDatacenter("other", "dc2", 1, []string{"r1"})
	editOther := func(stopped bool) {
		w.Edit(kubetest.CassandraGroup, "cassandradatacenters", "dc2", func(o map[string]any) { kubetest.In(o, "spec")["stopped"] = stopped })
	}
	editOther(false) // does not matter to the ring
	w.PutClaim("server-data-x-0")
	claims, err := NewClaims(t.Context(), w.Client, []string{"server-data-x-0", "server-data-dc1-r1-sts-1"}, Options{Image: "i"})
	require.NoError(t, err)
	nodes, err := claims.StoppedNodes(t.Context())
	require.NoError(t, err)
	second := claimNode("dc1-r1-sts-1", "server-data-dc1-r1-sts-1")
	second.Datacenter, second.Rack, second.Config.Known = "dc1", "r1", true
	require.Equal(t, []ring.StoppedNode{second, claimNode("x-0", "server-data-x-0")}, nodes)
	_, err = claims.Clean(t.Context(), []ring.CleanTask{{Node: nodes[0]}}, (&kubetest.Told{}).Tell)
	require.NoError(t, err)
	require.Equal(t, "cassandra", f.Made[0].Spec.Template.Spec.ServiceAccountName)
	require.Len(t, f.Made[0].Spec.Template.Spec.Volumes, 2, "the commit log comes along")

	claims, err = NewClaims(t.Context(), w.Client, []string{"logs-dc1-r1-sts-1"}, Options{Image: "i"})
	require.NoError(t, err)
	_, err = claims.StoppedNodes(t.Context())
	require.ErrorContains(t, err, "the volume claim logs-dc1-r1-sts-1 belongs to node dc1-r1-sts-1: pass its data volume server-data-dc1-r1-sts-1")
	require.Equal(t, flow.Precondition, flow.CodeOf(err))

	claims, err = NewClaims(t.Context(), w.Client, nil, Options{Image: "i"})
	require.NoError(t, err)
	_, err = claims.StoppedNodes(t.Context())
	require.ErrorContains(t, err, "datacenter db/dc2 is not stopped: set spec.stopped to true")
	editOther(true)
	nodes, err = claims.StoppedNodes(t.Context())
	require.NoError(t, err)
	require.Len(t, nodes, 4)
	started := w.Client.Now()
	w.Put("", "pods", kubetest.Pod("other", "dc2", 0))
	kubetest.OnWait(w, map[int]func(){2: func() { w.Remove("", "pods", "set-dc2-0") }})
	_, err = claims.StoppedNodes(t.Context())
	require.NoError(t, err)
	require.Equal(t, 4*time.Second, w.Client.Now().Sub(started), "it is waited for")
}

func TestOrdinalOf(t *testing.T) {
	t.Parallel()
	set := kubetest.StoppedSet("prod", "dc1", "r1")
	for claim, want := range map[string]int{"server-data-dc1-r1-sts-0": 0, "server-data-dc1-r1-sts-12": 12} {
		n, ok := datacenter.OrdinalOf(set, claim)
		require.True(t, ok, claim)
		require.Equal(t, want, n)
	}
	for _, claim := range []string{"", "server-data-dc1-r1-sts-", "server-data-dc1-r1-sts-x", "server-data-dc1-r1-sts-01", "server-data-dc1-r1-sts-1a", "server-data-dc1-r1-sts--1", "logs-dc1-r1-sts-0"} {
		_, ok := datacenter.OrdinalOf(set, claim)
		require.False(t, ok, claim)
	}
}
