//go:build kube

package e2e

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	kastenstandin "github.com/casshook/casshook/test/lab/kasten-standin"
	"github.com/casshook/casshook/test/lab/kasten-standin/kanister"
	"github.com/casshook/casshook/test/lab/site"
)

// hookAccount is the service account of the hook pods: it may do what the generated Role says, and nothing else.
const hookAccount = "casshook"

// backup runs the policy and returns the name of the restore point.
func backup(t *testing.T, k *kastenstandin.Kasten) string {
	t.Helper()
	results, err := k.RunPolicy(t.Context(), onlyPolicy(t, k))
	require.NoError(t, err)
	require.Len(t, results, 1)
	require.Equal(t, kastenstandin.Complete, results[0].State)
	return results[0].RestorePoint
}

// restore runs the RestoreAction about a restore point, with changes of its spec.
func restore(t *testing.T, k *kastenstandin.Kasten, point string, changes ...func(*kastenstandin.RestoreSpec)) (*kastenstandin.Result, error) {
	t.Helper()
	require.Len(t, k.Catalog.RestoreActions, 1)
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
	list, err := w.Core.CoreV1().Pods(w.kastenNamespace).List(ctx, metav1.ListOptions{LabelSelector: kanister.CreatedByLabel + "=" + kanister.CreatedBy})
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
	log, err := w.Core.CoreV1().Pods(w.kastenNamespace).GetLogs(pod, &corev1.PodLogOptions{Follow: true}).Stream(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }() // nothing was written to it
	for lines := bufio.NewScanner(log); lines.Scan(); {
		if strings.Contains(lines.Text(), after) {
			none := int64(0)
			return w.Core.CoreV1().Pods(w.kastenNamespace).Delete(ctx, pod, metav1.DeleteOptions{GracePeriodSeconds: &none})
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
