//go:build kube

package e2e

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/casshook/casshook/pkg/kube"
	"github.com/casshook/casshook/test/lab/site"
)

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
	w.refused(t, 3, run{args: []string{"before-backup", "--ready-timeout=1s"}}, "pod stray has the labels of a Cassandra node", "not of the operator's StatefulSets")
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

// restrictedAccount is that of missingVerbs.
const restrictedAccount = "restricted"

// restricted makes a service account without any right, and a kubeconfig with a token of it.
func (w *world) restricted(t *testing.T) string {
	t.Helper()
	_, err := w.Core.CoreV1().ServiceAccounts(w.namespace).Create(t.Context(), &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: restrictedAccount}}, metav1.CreateOptions{})
	require.NoError(t, err)
	meta := metav1.ObjectMeta{Name: restrictedAccount}
	_, err = w.Core.RbacV1().Roles(w.namespace).Create(t.Context(), &rbacv1.Role{ObjectMeta: meta}, metav1.CreateOptions{})
	require.NoError(t, err)
	_, err = w.Core.RbacV1().RoleBindings(w.namespace).Create(t.Context(), &rbacv1.RoleBinding{ObjectMeta: meta,
		RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: restrictedAccount},
		Subjects: []rbacv1.Subject{{Kind: "ServiceAccount", Name: restrictedAccount, Namespace: w.namespace}}}, metav1.CreateOptions{})
	require.NoError(t, err)
	return w.kubeconfigOf(t, w.namespace, restrictedAccount)
}

// kubeconfigOf writes a kubeconfig with a token of a service account.
func (w *world) kubeconfigOf(t *testing.T, namespace, account string) string {
	t.Helper()
	token, err := w.Core.CoreV1().ServiceAccounts(namespace).CreateToken(t.Context(), account, &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	require.NoError(t, err)
	config, err := clientcmd.LoadFromFile(w.Kubeconfig)
	require.NoError(t, err)
	require.NoError(t, clientcmdapi.FlattenConfig(config), "files that it names beside itself")
	config.AuthInfos = map[string]*clientcmdapi.AuthInfo{account: {Token: token.Status.Token}}
	for _, c := range config.Contexts {
		c.AuthInfo = account
	}
	path := filepath.Join(t.TempDir(), "kubeconfig")
	require.NoError(t, clientcmd.WriteToFile(*config, path))
	return path
}

// allowAllBut gives the restricted account all that is declared but one verb, and waits until that is so. Execs are
// opened with either of two verbs: both go.
func (w *world) allowAllBut(t *testing.T, group, resource, verb string) {
	t.Helper()
	role := &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Name: restrictedAccount}}
	for _, r := range kube.Rules() {
		for _, v := range r.Verbs {
			if r.APIGroup == group && r.Resource == resource && (v == verb || resource == "pods/exec") {
				continue
			}
			role.Rules = append(role.Rules, rbacv1.PolicyRule{APIGroups: []string{r.APIGroup}, Resources: []string{r.Resource}, Verbs: []string{v}})
		}
	}
	_, err := w.Core.RbacV1().Roles(w.namespace).Update(t.Context(), role, metav1.UpdateOptions{})
	require.NoError(t, err)
	for _, r := range kube.Rules() {
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

// right is one that a service account may have in the test's namespace.
type right struct{ accountNamespace, account, group, resource, verb string }

// awaitRight waits until the API server has taken note.
func (w *world) awaitRight(t *testing.T, r right, allowed bool) {
	t.Helper()
	name, subresource, _ := strings.Cut(r.resource, "/")
	soon(t, "the right of "+r.account+" to "+r.verb+" "+r.resource, func(ctx context.Context) error {
		review, err := w.Core.AuthorizationV1().SubjectAccessReviews().Create(ctx, &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
			User: "system:serviceaccount:" + r.accountNamespace + ":" + r.account,
			ResourceAttributes: &authorizationv1.ResourceAttributes{
				Namespace: w.namespace, Group: r.group, Resource: name, Subresource: subresource, Verb: r.verb}}}, metav1.CreateOptions{})
		if err == nil && review.Status.Allowed != allowed {
			err = fmt.Errorf("allowed is %v", review.Status.Allowed)
		}
		return err
	})
}

// killedWithLock kills a before-backup that has the lock. The next one watches the lock until it is stale, and takes it.
func (w *world) killedWithLock(t *testing.T, d site.Datacenter) {
	w.killed(t, "✓ taking the lock", "before-backup")
	require.NotEmpty(t, w.locks(t), "it had no time to give the lock back")
	r := w.must(t, "before-backup")
	require.Contains(t, r.stderr, "looking whether it lives")
	w.must(t, "after-backup")
	require.Empty(t, w.locks(t))
}

// locks are casshook's leases.
func (w *world) locks(t *testing.T) []coordinationv1.Lease {
	t.Helper()
	list, err := w.Core.CoordinationV1().Leases(w.namespace).List(t.Context(), metav1.ListOptions{LabelSelector: metav1.FormatLabelSelector(
		&metav1.LabelSelector{MatchLabels: kube.OwnLabels()})})
	require.NoError(t, err)
	return list.Items
}

// podLost takes the only pod away in the middle of a backup. While it is not back, another is refused or waits, as it is told.
func (w *world) podLost(t *testing.T, d site.Datacenter) {
	pods, err := w.Pods(t.Context(), d)
	require.NoError(t, err)
	none := int64(0)
	w.refused(t, 1, run{args: []string{"before-backup"}, after: "✓ checking the volumes", do: func() {
		err = w.Core.CoreV1().Pods(d.Namespace).Delete(t.Context(), pods[0], metav1.DeleteOptions{GracePeriodSeconds: &none})
	}}, pods[0])
	require.NoError(t, err)
	w.refused(t, 3, run{args: []string{"before-backup", "--ready-timeout=1s"}}, "not ready after 1s", pods[0])
	w.must(t, "before-backup", "--ready-timeout=5m")
	w.must(t, "after-backup")
}

// serverGone is a restore during which the API server does not answer for half a minute. It goes on, or its next attempt does.
func (w *world) serverGone(t *testing.T, d site.Datacenter) {
	if !w.Lab {
		t.Skip("only the lab's API server may be stopped")
	}
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
}
