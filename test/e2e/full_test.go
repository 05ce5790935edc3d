//go:build kube && full

package e2e

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/casshook/casshook/pkg/kube/objects"
	"github.com/casshook/casshook/test/lab/site"
)

// trouble are the parts of TestOneNode that only the full suite has.
func (w *world) trouble() []part {
	return []part{
		{"stray pod", w.strayPod},
		{"missing verbs", w.missingVerbs},
		{"pod lost", w.podLost},
	}
}

// strayPod has the operator's labels and none of its StatefulSets: nobody knows whether it is a node. It is of a datacenter that
// is not there, since the operator deletes one that has the labels of its own and no volume.
func (w *world) strayPod(t *testing.T, d site.Datacenter) {
	pods, err := w.Pods(t.Context(), d)
	require.NoError(t, err)
	node, err := w.Core.CoreV1().Pods(d.Namespace).Get(t.Context(), pods[0], metav1.GetOptions{})
	require.NoError(t, err)
	stray := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "stray", Labels: map[string]string{"cassandra.datastax.com/datacenter": "second"}}, Spec: corev1.PodSpec{
		NodeSelector: map[string]string{"casshook.test/nowhere": "true"},
		Containers:   []corev1.Container{{Name: "cassandra", Image: image()}}}}
	for _, label := range []string{"app.kubernetes.io/managed-by", "cassandra.datastax.com/cluster"} {
		stray.Labels[label] = node.Labels[label]
	}
	_, err = w.Core.CoreV1().Pods(d.Namespace).Create(t.Context(), stray, metav1.CreateOptions{})
	require.NoError(t, err)
	w.refused(t, 3, run{args: []string{"before-backup", "--ready-timeout=1s"}}, "pod stray has the labels of a Cassandra node", "not belong to the operator's StatefulSets")
	require.NoError(t, w.Core.CoreV1().Pods(d.Namespace).Delete(t.Context(), "stray", metav1.DeleteOptions{}))
}

// missingVerbs takes one verb after the other from a service account that has just what is declared.
func (w *world) missingVerbs(t *testing.T, d site.Datacenter) {
	kubeconfig := w.restricted(t)
	for _, missing := range []struct {
		group, resource, verb string
		code                  int
	}{
		{"cassandra.datastax.com", "cassandradatacenters", "list", 3},
		{"", "secrets", "get", 3},
		{"", "pods/exec", "create", 3},
		{"coordination.k8s.io", "leases", "create", 1},
		{"coordination.k8s.io", "leases", "update", 1}, // it is missed last of all, so there is something to undo
	} {
		t.Run(missing.verb+" "+missing.resource, func(t *testing.T) {
			w.allowAllBut(t, missing.group, missing.resource, missing.verb)
			w.refused(t, missing.code, run{args: []string{"before-backup"}, kubeconfig: kubeconfig},
				fmt.Sprintf("the service account may not %s %s in namespace %s", missing.verb, missing.resource, w.namespace))
			require.Empty(t, w.leftovers(t, d))
		})
	}
	w.allowAllBut(t, "", "", "")
	require.Zero(t, w.start(t, run{args: []string{"before-backup"}, kubeconfig: kubeconfig}).code)
	require.Zero(t, w.start(t, run{args: []string{"after-backup"}, kubeconfig: kubeconfig}).code)
}

// allowAllBut gives the restricted account all that is declared but one verb, and waits until that is so. Execs are
// opened with either of two verbs: both go.
func (w *world) allowAllBut(t *testing.T, group, resource, verb string) {
	t.Helper()
	role := &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Name: restrictedAccount}}
	for _, r := range objects.Rules() {
		for _, v := range r.Verbs {
			if r.APIGroup == group && r.Resource == resource && (v == verb || resource == "pods/exec") {
				continue
			}
			role.Rules = append(role.Rules, rbacv1.PolicyRule{APIGroups: []string{r.APIGroup}, Resources: []string{r.Resource}, Verbs: []string{v}})
		}
	}
	_, err := w.Core.RbacV1().Roles(w.namespace).Update(t.Context(), role, metav1.UpdateOptions{})
	require.NoError(t, err)
	for _, r := range objects.Rules() {
		for _, v := range r.Verbs {
			w.awaitRight(t, right{w.namespace, restrictedAccount, r.APIGroup, r.Resource, v}, allows(role, r.APIGroup, r.Resource, v))
		}
	}
}

func allows(role *rbacv1.Role, group, resource, verb string) bool {
	for _, r := range role.Rules {
		if r.APIGroups[0] == group && r.Resources[0] == resource && r.Verbs[0] == verb {
			return true
		}
	}
	return false
}

// podLost takes the only pod away in the middle of a backup. That fails with exit code 5, since it can undo nothing there; or, where the
// connection to Cassandra ended before the agent's did, with 1, undone. While the pod is not back, another is refused or waits, as it is told.
func (w *world) podLost(t *testing.T, d site.Datacenter) {
	pods, err := w.Pods(t.Context(), d)
	require.NoError(t, err)
	none := int64(0)
	got := w.start(t, run{args: []string{"before-backup"}, after: "✓ checking the volumes", do: func() {
		err = w.Core.CoreV1().Pods(d.Namespace).Delete(t.Context(), pods[0], metav1.DeleteOptions{GracePeriodSeconds: &none})
	}})
	require.Contains(t, []int{1, 5}, got.code, got.reason())
	require.Contains(t, got.reason(), "casshook: ")
	require.Contains(t, got.reason(), pods[0])
	require.NoError(t, err)
	w.refused(t, 3, run{args: []string{"before-backup", "--ready-timeout=1s"}}, "waited 1s for the ring to be ready", pods[0])
	w.must(t, "before-backup", "--ready-timeout=5m")
	w.must(t, "after-backup")
}

// TestServerGone is a restore during which the API server does not answer for half a minute. It goes on, or its next attempt does.
// No other test runs meanwhile.
func TestServerGone(t *testing.T) {
	w := open(t, "gone")
	if !w.Lab {
		t.Skip("only the lab's API server may be stopped")
	}
	d := w.create(t, site.Datacenter{Name: "dc1", Cluster: "gone", Size: 1})
	want := w.shop(t, d, shopTables)
	w.must(t, "before-backup")
	w.damage(t, d, shopTables)
	var back func(*testing.T)
	r := w.start(t, run{args: []string{"after-restore", "--in-place"}, after: "✓ removing leftovers of an earlier run", do: func() {
		back = w.stopServer(t, 30*time.Second)
	}})
	back(t)
	if r.code != 0 {
		require.Contains(t, []int{1, 5}, r.code, r.reason())
		w.must(t, "after-restore", "--in-place")
	}
	w.same(t, d, want)
	require.Empty(t, w.leftovers(t, d))
}
