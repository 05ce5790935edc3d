//go:build kube

package e2e

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/casshook/casshook/pkg/kube/objects"
	"github.com/casshook/casshook/test/lab/site"
)

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
	require.Contains(t, r.stderr, "whether it is still running")
	w.must(t, "after-backup")
	require.Empty(t, w.locks(t))
}

// locks are casshook's leases.
func (w *world) locks(t *testing.T) []coordinationv1.Lease {
	t.Helper()
	list, err := w.Core.CoordinationV1().Leases(w.namespace).List(t.Context(), metav1.ListOptions{LabelSelector: metav1.FormatLabelSelector(
		&metav1.LabelSelector{MatchLabels: objects.OwnLabels()})})
	require.NoError(t, err)
	return list.Items
}
