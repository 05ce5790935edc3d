//go:build kube

package e2e

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"text/template"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/casshook/casshook/pkg/kube"
	kastenstandin "github.com/casshook/casshook/test/lab/kasten-standin"
	"github.com/casshook/casshook/test/lab/kasten-standin/kanister"
	"github.com/casshook/casshook/test/lab/site"
)

// hookAccount is the service account of the hook pods: it may do what kube.Rules says, and nothing else.
const hookAccount = "casshook"

// image is casshook's own.
func image() string {
	if name := os.Getenv("CASSHOOK_IMAGE"); name != "" {
		return name
	}
	return "casshook.lab/casshook:e2e"
}

// policyHooks is a Blueprint for hooks of a policy and a restore, about the namespace, with both of these.
const policyHooks = `apiVersion: cr.kanister.io/v1alpha1
kind: Blueprint
metadata: {name: cassandra-hooks, namespace: kasten-io}
actions:
{{- range $hook, $phase := .Hooks }}
  {{ $hook }}:
    kind: Namespace
    phases:
    - func: KubeTask
      name: {{ $phase }}
      args:
        image: {{ $.Image }}
        podOverride: {serviceAccountName: {{ $.Account }}}
        command: [/casshook/casshook, {{ $hook }}, "--namespace={{ "{{ .Namespace.Name }}" }}", --output=kanister{{ range $.Flags }}, {{ . }}{{ end }}]
{{- end }}
---
apiVersion: config.kio.kasten.io/v1alpha1
kind: Policy
metadata: {name: cassandra, namespace: kasten-io}
spec:
  frequency: '@onDemand'
  selector: {matchExpressions: [{key: k10.kasten.io/appNamespace, operator: In, values: [{{ .Namespace }}]}]}
  actions:
  - action: backup
    backupParameters:
      profile: {name: none, namespace: kasten-io}
      filters:
        excludeResources: [{group: apps, resource: statefulsets}{{ if not .KeepOwn }}, {matchLabels: {app.kubernetes.io/managed-by: casshook}}{{ end }}]
      hooks:
        preHook: {blueprint: cassandra-hooks, actionName: before-backup}
        onSuccess: {blueprint: cassandra-hooks, actionName: after-backup}
        onFailure: {blueprint: cassandra-hooks, actionName: on-failure}
---
apiVersion: actions.kio.kasten.io/v1alpha1
kind: RestoreAction
metadata: {generateName: restore-, namespace: {{ .Namespace }}}
spec:
  subject: {apiVersion: apps.kio.kasten.io/v1alpha1, kind: RestorePoint, name: newest, namespace: {{ .Namespace }}}
  targetNamespace: {{ .Namespace }}
  filters: {excludeResources: [{group: apps, resource: statefulsets}]}
  hooks:
    onSuccess: {blueprint: cassandra-hooks, actionName: after-restore}
`

// hooks are the values of policyHooks.
type hooks struct {
	Image, Account, Namespace string
	Hooks                     map[string]string
	Flags                     []string
	// KeepOwn lets our own Lease and ConfigMap into the restore point.
	KeepOwn bool
}

// protect makes a Kasten that backs the namespace up with casshook's hooks, in pods that may do just what kube.Rules says.
func (w *world) protect(t *testing.T, change func(*hooks)) *kastenstandin.Kasten {
	t.Helper()
	w.account(t)
	h := hooks{Image: image(), Account: hookAccount, Namespace: w.namespace, Hooks: map[string]string{
		"before-backup": "beforeBackup", "after-backup": "afterBackup", "on-failure": "onFailure", "after-restore": "afterRestore",
	}}
	if change != nil {
		change(&h)
	}
	var text bytes.Buffer
	require.NoError(t, template.Must(template.New("hooks").Parse(policyHooks)).Execute(&text, h))
	return w.kasten(t, file(t, text.String()))
}

// account makes the hooks' service account in Kasten's namespace and gives it a role in the test's, made of kube.Rules.
func (w *world) account(t *testing.T) {
	t.Helper()
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: hookAccount}}
	_, err := w.Core.CoreV1().ServiceAccounts(kastenNamespace).Create(t.Context(), account, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		require.NoError(t, err)
	}
	role := &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Name: hookAccount}}
	for _, r := range kube.Rules() {
		role.Rules = append(role.Rules, rbacv1.PolicyRule{APIGroups: []string{r.APIGroup}, Resources: []string{r.Resource}, Verbs: r.Verbs})
	}
	_, err = w.Core.RbacV1().Roles(w.namespace).Create(t.Context(), role, metav1.CreateOptions{})
	require.NoError(t, err)
	binding := &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Name: hookAccount},
		RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: hookAccount},
		Subjects: []rbacv1.Subject{{Kind: "ServiceAccount", Name: hookAccount, Namespace: kastenNamespace}}}
	_, err = w.Core.RbacV1().RoleBindings(w.namespace).Create(t.Context(), binding, metav1.CreateOptions{})
	require.NoError(t, err)
}

// backup runs the policy and returns the name of the restore point.
func backup(t *testing.T, k *kastenstandin.Kasten) string {
	t.Helper()
	results, err := k.RunPolicy(t.Context(), k.Catalog.Policies["cassandra"])
	require.NoError(t, err)
	require.Len(t, results, 1)
	require.Equal(t, kastenstandin.Complete, results[0].State)
	return results[0].RestorePoint
}

// restore runs the RestoreAction about a restore point, with changes of its spec.
func restore(t *testing.T, k *kastenstandin.Kasten, point string, changes ...func(*kastenstandin.RestoreSpec)) (*kastenstandin.Result, error) {
	t.Helper()
	action := *k.Catalog.RestoreActions[0]
	action.Spec.Subject.Name = point
	for _, change := range changes {
		change(&action.Spec)
	}
	return k.Restore(t.Context(), &action)
}

// withoutHooks restores only what Kasten itself does.
func withoutHooks(spec *kastenstandin.RestoreSpec) { spec.Hooks = kastenstandin.Hooks{} }

// hooksOnly leaves everything as it is and runs the hooks, as a further attempt of Kasten does.
func hooksOnly(spec *kastenstandin.RestoreSpec) {
	spec.Filters = kastenstandin.Filters{IncludeResources: []kastenstandin.FilterEntry{{Resource: "configmaps", Name: "there-is-none"}}}
}

// hookPods are the pods of hooks that are there; none when nobody can tell.
func (w *world) hookPods(ctx context.Context) []corev1.Pod {
	list, err := w.Core.CoreV1().Pods(kastenNamespace).List(ctx, metav1.ListOptions{LabelSelector: kanister.CreatedByLabel + "=" + kanister.CreatedBy})
	if err != nil {
		return nil
	}
	return list.Items
}

// strike deletes the pod of the next hook without grace when its log has a line with a text. struck wants that to have happened.
func (w *world) strike(t *testing.T, after string) (struck func(*testing.T)) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- site.Wait(ctx, startLimit, fmt.Sprintf("a hook that prints %q", after), func(ctx context.Context) error {
			for _, pod := range w.hookPods(ctx) {
				return w.strikeAt(ctx, pod.Name, after)
			}
			return errors.New("there is no hook")
		})
	}()
	return func(t *testing.T) {
		t.Helper()
		stop()
		require.NoError(t, <-done)
	}
}

func (w *world) strikeAt(ctx context.Context, pod, after string) error {
	log, err := w.Core.CoreV1().Pods(kastenNamespace).GetLogs(pod, &corev1.PodLogOptions{Follow: true}).Stream(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }() // nothing was written to it
	for lines := bufio.NewScanner(log); lines.Scan(); {
		if strings.Contains(lines.Text(), after) {
			none := int64(0)
			return w.Core.CoreV1().Pods(kastenNamespace).Delete(ctx, pod, metav1.DeleteOptions{GracePeriodSeconds: &none})
		}
	}
	return fmt.Errorf("the log of %s has no such line", pod)
}

// story are the reasons of casshook's events on a datacenter, in the order of their times.
func (w *world) story(t *testing.T, datacenter string) []string {
	t.Helper()
	events, err := w.Core.CoreV1().Events(w.namespace).List(t.Context(), metav1.ListOptions{FieldSelector: "involvedObject.kind=CassandraDatacenter"})
	require.NoError(t, err)
	var lines []string
	for _, e := range events.Items {
		if e.InvolvedObject.Name == datacenter && strings.Contains(e.Source.Component+e.ReportingController, "casshook") {
			lines = append(lines, fmt.Sprintf("%s %s: %s", e.CreationTimestamp.Format("15:04:05"), e.Reason, e.Message))
		}
	}
	slices.Sort(lines)
	return lines
}
