package kube

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/ring"
)

func claimNode(name, claim string) ring.StoppedNode {
	return ring.StoppedNode{Name: name, Volume: claim, Identity: "pvc/uid-" + claim + "/pv-" + claim}
}

func TestVolumeClaimsWithoutOperator(t *testing.T) {
	t.Parallel()
	for _, runAs := range []int64{0, 5} {
		w, opts := newWorld(t), jobOptions{Image: "i", PullSecrets: []string{"ours"}, RunAs: runAs}
		w.absent["cassandradatacenters"] = true
		f := runJobs(w)
		w.claim("server-data-b-0")
		w.claim("server-data-a-0")
		w.claim("other")
		claims, err := newVolumeClaims(t.Context(), w.client, nil, opts)
		require.NoError(t, err)
		nodes, err := claims.StoppedNodes(t.Context())
		require.NoError(t, err)
		require.Equal(t, []ring.StoppedNode{claimNode("a-0", "server-data-a-0"), claimNode("b-0", "server-data-b-0")}, nodes)
		claims, err = newVolumeClaims(t.Context(), w.client, []string{"other"}, opts)
		require.NoError(t, err)
		outcomes, err := claims.Clean(t.Context(), tasksOf(t, claims), (&progress{}).tell)
		require.NoError(t, err)
		require.NoError(t, outcomes[0].Err)
		if runAs == 0 {
			runAs = 999
		}
		want := CleanerJob{Namespace: "db", Claim: "other", Image: "i", PullSecrets: []string{"ours"}, Mounts: []Claim{{Name: "other", Mount: "/var/lib/cassandra"}},
			VolumeID: "pvc/uid-other/pv-other", SecurityContext: operatorSecurityContext(runAs), Once: true}
		require.Equal(t, want.Object().Spec, f.made[0].Spec)
	}
}

func TestVolumeClaimsRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, err := newVolumeClaims(t.Context(), w.client, nil, jobOptions{Image: "i"})
	require.EqualError(t, err, "namespace db has no volume claims server-data-*: restore them first, or name others")
	require.Equal(t, flow.Precondition, flow.CodeOf(err))
	w.claim("a")
	_, err = newVolumeClaims(t.Context(), w.client, []string{"c", "a", "b"}, jobOptions{Image: "i"})
	require.EqualError(t, err, "namespace db has no volume claims b, c: restore them first")
	claims, err := newVolumeClaims(t.Context(), w.client, []string{"a"}, jobOptions{Image: "i"})
	require.NoError(t, err)
	w.put("", "pods", userOf("a", corev1.PodRunning, nil))
	_, err = claims.StoppedNodes(t.Context())
	require.ErrorContains(t, err, "the volume claim a is in use by the pod user-of-a")
	w.remove("", "persistentvolumeclaims", "a")
	_, err = claims.StoppedNodes(t.Context())
	require.ErrorContains(t, err, "has no volume claims a")
}

// Claims of a datacenter are handled as its nodes, a part of them as well.
func TestVolumeClaimsOfDatacenter(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f := runJobs(w)
	w.stoppedDatacenter("prod", "dc1", 2, []string{"r1"}, func(s *appsv1.StatefulSet) {
		s.Spec.VolumeClaimTemplates = append(s.Spec.VolumeClaimTemplates, corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Name: "logs"}})
		s.Spec.Template.Spec.ServiceAccountName = "cassandra"
		mounts := &s.Spec.Template.Spec.Containers[1].VolumeMounts
		*mounts = append(*mounts, corev1.VolumeMount{Name: "logs", MountPath: "/commit"})
	})
	w.stoppedDatacenter("other", "dc2", 1, []string{"r1"})
	editOther := func(stopped bool) {
		w.edit(cassandraGroup, "cassandradatacenters", "dc2", func(o map[string]any) { in(o, "spec")["stopped"] = stopped })
	}
	editOther(false) // does not matter to the ring
	w.claim("server-data-x-0")
	claims, err := newVolumeClaims(t.Context(), w.client, []string{"server-data-x-0", "server-data-dc1-r1-sts-1"}, jobOptions{Image: "i"})
	require.NoError(t, err)
	nodes, err := claims.StoppedNodes(t.Context())
	require.NoError(t, err)
	second := claimNode("dc1-r1-sts-1", "server-data-dc1-r1-sts-1")
	second.Datacenter, second.Rack = "dc1", "r1"
	require.Equal(t, []ring.StoppedNode{second, claimNode("x-0", "server-data-x-0")}, nodes)
	_, err = claims.Clean(t.Context(), []ring.CleanTask{{Node: nodes[0]}}, (&progress{}).tell)
	require.NoError(t, err)
	require.Equal(t, "cassandra", f.made[0].Spec.Template.Spec.ServiceAccountName)
	require.Len(t, f.made[0].Spec.Template.Spec.Volumes, 2, "the commit log comes along")

	claims, err = newVolumeClaims(t.Context(), w.client, []string{"logs-dc1-r1-sts-1"}, jobOptions{Image: "i"})
	require.NoError(t, err)
	_, err = claims.StoppedNodes(t.Context())
	require.ErrorContains(t, err, "the volume claim logs-dc1-r1-sts-1 belongs to the node dc1-r1-sts-1: name its data volume server-data-dc1-r1-sts-1")
	require.Equal(t, flow.Precondition, flow.CodeOf(err))

	claims, err = newVolumeClaims(t.Context(), w.client, nil, jobOptions{Image: "i"})
	require.NoError(t, err)
	_, err = claims.StoppedNodes(t.Context())
	require.ErrorContains(t, err, "datacenter db/dc2 is not stopped: set spec.stopped to true")
	editOther(true)
	nodes, err = claims.StoppedNodes(t.Context())
	require.NoError(t, err)
	require.Len(t, nodes, 4)
	started := w.client.Now()
	w.put("", "pods", pod("other", "dc2", 0))
	onWait(w, map[int]func(){2: func() { w.remove("", "pods", "set-dc2-0") }})
	_, err = claims.StoppedNodes(t.Context())
	require.NoError(t, err)
	require.Equal(t, 4*time.Second, w.client.Now().Sub(started), "it is waited for")
}

func TestOrdinalOf(t *testing.T) {
	t.Parallel()
	set := stoppedSet("prod", "dc1", "r1")
	for claim, want := range map[string]int{"server-data-dc1-r1-sts-0": 0, "server-data-dc1-r1-sts-12": 12} {
		n, ok := ordinalOf(set, claim)
		require.True(t, ok, claim)
		require.Equal(t, want, n)
	}
	for _, claim := range []string{"", "server-data-dc1-r1-sts-", "server-data-dc1-r1-sts-x", "server-data-dc1-r1-sts-01", "server-data-dc1-r1-sts-1a", "server-data-dc1-r1-sts--1", "logs-dc1-r1-sts-0"} {
		_, ok := ordinalOf(set, claim)
		require.False(t, ok, claim)
	}
}
