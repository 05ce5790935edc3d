//go:build kube

package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/casshook/casshook/test/lab/site"
)

// Annotations of casshook's leases, as pkg/kube writes them.
const (
	parkedAnnotation      = "casshook.io/parked"
	datacentersAnnotation = "casshook.io/datacenter-uids"
)

// TestTwoRings has two rings in one namespace, which one policy backs up and one restore brings back. The policy lets casshook's
// own objects into the restore point: the locks that come back with it are of the backup's time, and nobody holds them.
func TestTwoRings(t *testing.T) {
	t.Parallel()
	w := open(t, "rings")
	alpha := site.Datacenter{Namespace: w.namespace, Name: "a1", Cluster: "alpha", Size: 1}
	beta := site.Datacenter{Namespace: w.namespace, Name: "b1", Cluster: "beta", Size: 1}
	both := []site.Datacenter{alpha, beta}
	w.createAll(t, both)
	wantAlpha, wantBeta := w.shop(t, alpha, 2), w.shop(t, beta, 3)
	k := w.protect(t, policyHooks, online(t))
	keepOwn(t, k)

	w.must(t, "before-backup", "--datacenter=a1")
	require.NotEmpty(t, w.leftovers(t, alpha))
	require.Empty(t, w.leftovers(t, beta))
	w.must(t, "after-backup", "--datacenter=a1")
	require.Empty(t, w.leftovers(t, alpha))

	point := backup(t, k)
	for _, d := range both {
		require.Empty(t, w.leftovers(t, d))
		w.damage(t, d, 2)
		require.NoError(t, w.Delete(t.Context(), d, removeLimit))
		require.NoError(t, w.Core.CoreV1().ConfigMaps(w.namespace).Delete(t.Context(), "casshook-"+d.Cluster, metav1.DeleteOptions{}))
	}
	_, err := restore(t, k, point, withoutHooks)
	require.NoError(t, err)
	for _, d := range both {
		w.ready(t, d)
		require.NotEmpty(t, w.leftovers(t, d), "the backup came back on the volume")
	}

	returned := w.returnedLock(t, alpha)
	w.hold(t, returned)
	r := w.must(t, "after-restore", "--datacenter=a1")
	require.NotContains(t, r.stderr, "whether it is still running")
	require.Empty(t, w.leftovers(t, alpha))
	require.NotEmpty(t, w.leftovers(t, beta), "not asked for")
	_, err = restore(t, k, point, hooksOnly) // what is done is done: only beta's is left
	require.NoError(t, err)
	require.Empty(t, w.leftovers(t, beta))
	w.recorded(t, alpha)
	w.same(t, alpha, wantAlpha)
	w.same(t, beta, wantBeta)

	returned.ResourceVersion, returned.UID = "", ""
	_, err = w.Core.CoordinationV1().Leases(w.namespace).Create(t.Context(), &returned, metav1.CreateOptions{})
	require.NoError(t, err)
	keep := []string{"before-backup", "--datacenter=a1", "--keep-earlier=1h"}
	w.must(t, keep...)
	w.refused(t, 7, run{args: keep}, "parked since") // this one is trusted
	w.must(t, "after-backup", "--datacenter=a1")
}

// createAll creates datacenters and waits for them all.
func (w *world) createAll(t *testing.T, all []site.Datacenter) {
	t.Helper()
	for _, d := range all {
		require.NoError(t, w.Create(t.Context(), d))
	}
	for _, d := range all {
		w.ready(t, d)
	}
}

// returnedLock is the lease of a datacenter's ring that came back with a restore point, as did the record of the backup: parked,
// and of datacenters that are no more.
func (w *world) returnedLock(t *testing.T, d site.Datacenter) coordinationv1.Lease {
	t.Helper()
	dc, err := w.Read(t.Context(), d)
	require.NoError(t, err)
	name := "casshook-" + d.Cluster
	lease, err := w.Core.CoordinationV1().Leases(w.namespace).Get(t.Context(), name, metav1.GetOptions{})
	require.NoError(t, err)
	require.Equal(t, "true", lease.Annotations[parkedAnnotation])
	require.NotContains(t, lease.Annotations[datacentersAnnotation], string(dc.GetUID()))
	record, err := w.Core.CoreV1().ConfigMaps(w.namespace).Get(t.Context(), name, metav1.GetOptions{})
	require.NoError(t, err)
	require.Equal(t, "before-backup", record.Data["operation"])
	return *lease
}

// recorded wants the record to be of the datacenter that is there.
func (w *world) recorded(t *testing.T, d site.Datacenter) {
	t.Helper()
	dc, err := w.Read(t.Context(), d)
	require.NoError(t, err)
	record, err := w.Core.CoreV1().ConfigMaps(w.namespace).Get(t.Context(), "casshook-"+d.Cluster, metav1.GetOptions{})
	require.NoError(t, err)
	require.Equal(t, string(dc.GetUID()), record.Data["datacenterUids"])
	require.Equal(t, "after-restore completed", strings.Split(record.Data["message"], " (")[0])
}

// hold makes a lease one that somebody holds and has just renewed, for so long that a run that believed it would be noticed.
func (w *world) hold(t *testing.T, lease coordinationv1.Lease) {
	t.Helper()
	held := lease.DeepCopy()
	holder, seconds, now := "somebody", int32(90), metav1.NewMicroTime(time.Now())
	held.Annotations[parkedAnnotation] = "false"
	held.Spec = coordinationv1.LeaseSpec{HolderIdentity: &holder, LeaseDurationSeconds: &seconds, AcquireTime: &now, RenewTime: &now}
	_, err := w.Core.CoordinationV1().Leases(w.namespace).Update(t.Context(), held, metav1.UpdateOptions{})
	require.NoError(t, err)
}
