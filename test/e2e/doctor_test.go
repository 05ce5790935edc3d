//go:build kube

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/casshook/casshook/pkg/cli"
	"github.com/casshook/casshook/pkg/doctor"
	"github.com/casshook/casshook/pkg/kube/objects"
	"github.com/casshook/casshook/test/lab/site"
)

// Namespaces of fixNamespace, and what it has in the cluster's scope.
const (
	doctorNamespace = "doc-cassandra"
	doctorKasten    = "doc-kasten"
	doctorRole      = "doc-doctor"
)

// doctorWorld is a namespace, and one that stands for Kasten's. The kinds of Kasten's objects that are not there are made for
// the test, without any schema: theirs is not public.
func doctorWorld(t *testing.T) *world {
	t.Helper()
	s, err := site.Open(t.Context())
	require.NoError(t, err)
	w := &world{Site: s, namespace: doctorNamespace, kastenNamespace: doctorKasten}
	clean := func(ctx context.Context) {
		for _, namespace := range []string{doctorNamespace, doctorKasten} {
			require.NoError(t, s.RemoveNamespace(ctx, namespace, removeLimit))
		}
		for _, err := range []error{
			s.Core.RbacV1().ClusterRoleBindings().Delete(ctx, doctorRole, metav1.DeleteOptions{}),
			s.Core.RbacV1().ClusterRoles().Delete(ctx, doctorRole, metav1.DeleteOptions{}),
			w.dropSnapshotClass(ctx, doctorRole),
		} {
			require.True(t, err == nil || apierrors.IsNotFound(err), err)
		}
	}
	clean(t.Context())
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), removeLimit)
		defer cancel()
		clean(ctx)
	})
	for _, kind := range []kind{bindings(), policies(), profiles()} {
		w.define(t, kind)
	}
	for _, namespace := range []string{doctorNamespace, doctorKasten} {
		require.NoError(t, s.Namespace(t.Context(), namespace))
	}
	return w
}

// diagnose runs doctor and returns what it found.
func (w *world) diagnose(t *testing.T, kubeconfig string) (doctor.Diagnosis, result) {
	t.Helper()
	r := w.start(t, run{args: []string{"doctor", "--kasten-namespace=" + doctorKasten, "--output=json"}, kubeconfig: kubeconfig})
	var d doctor.Diagnosis
	require.NoError(t, json.Unmarshal([]byte(r.stdout), &d), r.stderr)
	return d, r
}

// ill wants exit code 3 for just these checks, as soon as the API server has taken notice of a change.
func (w *world) ill(t *testing.T, checks ...string) {
	t.Helper()
	soon(t, "doctor to see "+strings.Join(checks, ", "), func(context.Context) error {
		d, r := w.diagnose(t, "")
		if got, want := strings.Join(d.Failing(), ", "), strings.Join(checks, ", "); got != want {
			return fmt.Errorf("it sees %q", got)
		}
		code := 0
		if len(checks) > 0 {
			code = 3
			require.Contains(t, r.reason(), "fix "+strings.Join(checks, ", "))
		}
		require.Equal(t, code, r.code)
		return nil
	})
}

// generated applies what casshook generate writes.
func (w *world) generated(t *testing.T, kind string, flags ...string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	args := append([]string{"generate", kind, "--namespace=" + doctorNamespace, "--kasten-namespace=" + doctorKasten, "--image=" + image()}, flags...)
	require.Zero(t, cli.Run(t.Context(), args, &stdout, &stderr), stderr.String())
	soon(t, "the objects of "+kind, func(ctx context.Context) error { return w.Apply(ctx, stdout.String()) })
}

// fixNamespace fixes a namespace, finding by finding, until nothing would fail, and then breaks it again.
func fixNamespace(t *testing.T) {
	w := doctorWorld(t)
	w.ill(t, "datacenter", "account", "rbac")
	w.create(t, site.Datacenter{Name: "dc1", Cluster: "doc", Size: 1})
	if !w.snapshotsByKasten(t) { // as in the lab
		w.ill(t, "snapshots", "account", "rbac")
		w.snapshotClass(t, doctorRole)
	}
	w.ill(t, "account", "rbac")
	w.generated(t, "rbac")
	w.ill(t)

	for _, kind := range []string{"blueprint", "policy"} {
		w.generated(t, kind, "--strategy=policy-hooks")
	}
	w.ill(t)
	for _, kind := range []string{"blueprint", "policy"} {
		w.generated(t, kind, "--strategy=resource-bound")
	}
	w.ill(t, "hooks") // nothing is bound
	w.generated(t, "binding", "--strategy=resource-bound")
	w.ill(t, "profile")
	require.NoError(t, w.Apply(t.Context(), "apiVersion: config.kio.kasten.io/v1alpha1\nkind: Profile\nmetadata: {name: location-profile, namespace: "+doctorKasten+
		"}\nspec: {type: Location, locationSpec: {type: ObjectStore}}\n"))
	w.ill(t)

	w.doctorsRights(t)

	// The overrides come first now.
	bindings := w.Dynamic.Resource(schema.GroupVersionResource{Group: "config.kio.kasten.io", Version: "v1alpha1", Resource: "blueprintbindings"}).Namespace(doctorKasten)
	require.NoError(t, bindings.Delete(t.Context(), "casshook-resource-bound", metav1.DeleteOptions{}))
	w.generated(t, "override")
	w.generated(t, "binding", "--strategy=resource-bound")
	w.ill(t, "binding", "filter", "hooks")
	require.NoError(t, bindings.DeleteCollection(t.Context(), metav1.DeleteOptions{}, metav1.ListOptions{}))
	w.generated(t, "binding", "--strategy=resource-bound")
	w.ill(t)

	roles, err := w.Core.RbacV1().Roles(w.namespace).List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	for _, role := range roles.Items {
		if role.Name == hookAccount {
			require.NoError(t, w.Core.RbacV1().Roles(w.namespace).Delete(t.Context(), role.Name, metav1.DeleteOptions{}))
		}
	}
	w.ill(t, "rbac")
}

// doctorsRights: without any right everything is unknown; with just those that are declared doctor sees what an administrator sees.
func (w *world) doctorsRights(t *testing.T) {
	t.Helper()
	kubeconfig := w.restricted(t)
	d, r := w.diagnose(t, kubeconfig)
	require.Equal(t, 3, r.code, "it may not look at the datacenters")
	for _, f := range d.Findings {
		require.Equal(t, doctor.Unknown, f.Severity, "%s: %s", f.Check, f.What)
	}

	want, _ := w.diagnose(t, "")
	w.allowDoctor(t)
	soon(t, "the rights of the doctor", func(context.Context) error {
		got, _ := w.diagnose(t, kubeconfig)
		if got.Unknown > want.Unknown {
			return fmt.Errorf("%d findings are unknown: %v", got.Unknown, got.Findings)
		}
		require.Equal(t, want, got)
		return nil
	})
}

// allowDoctor gives the restricted account what objects.Rules and objects.DoctorRules say.
func (w *world) allowDoctor(t *testing.T) {
	t.Helper()
	ctx, byScope := t.Context(), map[objects.Scope][]rbacv1.PolicyRule{}
	add := func(scope objects.Scope, r objects.Rule) {
		byScope[scope] = append(byScope[scope], rbacv1.PolicyRule{APIGroups: []string{r.APIGroup}, Resources: []string{r.Resource}, Verbs: r.Verbs})
	}
	for _, r := range objects.Rules() {
		add(objects.InNamespace, r)
	}
	for _, r := range objects.DoctorRules() {
		add(r.Scope, r.Rule)
	}
	subjects := []rbacv1.Subject{{Kind: "ServiceAccount", Name: restrictedAccount, Namespace: w.namespace}}
	meta := metav1.ObjectMeta{Name: doctorRole}
	rbac := w.Core.RbacV1()
	_, err := rbac.Roles(w.namespace).Update(ctx, &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Name: restrictedAccount}, Rules: byScope[objects.InNamespace]}, metav1.UpdateOptions{})
	require.NoError(t, err)
	_, err = rbac.Roles(doctorKasten).Create(ctx, &rbacv1.Role{ObjectMeta: meta, Rules: byScope[objects.InKasten]}, metav1.CreateOptions{})
	require.NoError(t, err)
	_, err = rbac.RoleBindings(doctorKasten).Create(ctx, &rbacv1.RoleBinding{ObjectMeta: meta, Subjects: subjects,
		RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: doctorRole}}, metav1.CreateOptions{})
	require.NoError(t, err)
	_, err = rbac.ClusterRoles().Create(ctx, &rbacv1.ClusterRole{ObjectMeta: meta, Rules: byScope[objects.InCluster]}, metav1.CreateOptions{})
	require.NoError(t, err)
	_, err = rbac.ClusterRoleBindings().Create(ctx, &rbacv1.ClusterRoleBinding{ObjectMeta: meta, Subjects: subjects,
		RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: doctorRole}}, metav1.CreateOptions{})
	require.NoError(t, err)
}
