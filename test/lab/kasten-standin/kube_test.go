//go:build kube

package kastenstandin

import (
	"bytes"
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/rand"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/casshook/casshook/test/lab/kasten-standin/kanister"
)

// lab is a cluster with an application in a namespace of its own.
type lab struct {
	*Kasten
	app, other string
	streams    *kanister.ClusterStreams
	progress   bytes.Buffer
}

// newLab needs KUBECONFIG and CASSHOOK_TEST_IMAGE, an image with a shell.
func newLab(t *testing.T) *lab {
	t.Helper()
	kubeconfig, image := os.Getenv("KUBECONFIG"), os.Getenv("CASSHOOK_TEST_IMAGE")
	require.NotEmpty(t, kubeconfig, "KUBECONFIG is not set")
	require.NotEmpty(t, image, "CASSHOOK_TEST_IMAGE is not set: an image with sh, such as busybox")
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	require.NoError(t, err)
	suffix := rand.String(5)
	l := &lab{app: "kst-app-" + suffix, other: "kst-other-" + suffix}
	home := Home{Namespace: "kst-home-" + suffix, ServiceAccount: "default"}
	content, err := os.ReadFile("testdata/kube.yaml")
	require.NoError(t, err)
	text := strings.NewReplacer("%APP%", l.app, "%HOME%", home.Namespace, "%IMAGE%", image).Replace(string(content))
	catalog := &Catalog{}
	require.NoError(t, catalog.Add([]byte(text)))
	l.Kasten, err = Connect(config, catalog, home, &l.progress)
	require.NoError(t, err)
	l.streams, err = kanister.NewClusterStreams(config)
	require.NoError(t, err)
	l.Dir, l.Poll = t.TempDir(), 200*time.Millisecond
	l.Actions.(*kanister.Controller).Poll = 200 * time.Millisecond
	l.Limits = Limits{Hook: 2 * time.Minute, Workload: 2 * time.Minute, Volume: 2 * time.Minute}
	t.Cleanup(func() {
		if t.Failed() || testing.Verbose() {
			t.Log("\n" + l.progress.String())
		}
	})
	for _, name := range []string{l.app, l.other, home.Namespace} {
		l.createNamespace(t, name)
	}
	l.createOthers(t)
	return l
}

func (l *lab) createNamespace(t *testing.T, name string) {
	t.Helper()
	namespaces := l.Dynamic.Resource(corev1.SchemeGroupVersion.WithResource("namespaces"))
	_, err := namespaces.Create(t.Context(), &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": name}}}, metav1.CreateOptions{})
	require.NoError(t, err)
	t.Cleanup(func() { l.deleteNamespace(t, name) })
}

// deleteNamespace waits until all of it is gone.
func (l *lab) deleteNamespace(t *testing.T, name string) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	namespaces := l.Dynamic.Resource(corev1.SchemeGroupVersion.WithResource("namespaces"))
	err := namespaces.Delete(ctx, name, metav1.DeleteOptions{})
	for err == nil {
		select {
		case <-ctx.Done():
			t.Errorf("namespace %s is still there", name)
			return
		case <-time.After(100 * time.Millisecond):
		}
		_, err = namespaces.Get(ctx, name, metav1.GetOptions{})
	}
	if !apierrors.IsNotFound(err) {
		t.Errorf("delete namespace %s: %v", name, err)
	}
}

func (l *lab) createOthers(t *testing.T) {
	t.Helper()
	groups, err := restmapper.GetAPIGroupResources(l.Discovery)
	require.NoError(t, err)
	mapper := restmapper.NewDiscoveryRESTMapper(groups)
	for _, u := range l.Catalog.Others {
		kind := u.GroupVersionKind()
		mapping, err := mapper.RESTMapping(kind.GroupKind(), kind.Version)
		require.NoError(t, err)
		_, err = l.Dynamic.Resource(mapping.Resource).Namespace(u.GetNamespace()).Create(t.Context(), u, metav1.CreateOptions{})
		require.NoError(t, err)
	}
	l.awaitWeb(t, l.app)
}

func (l *lab) awaitWeb(t *testing.T, namespace string) {
	t.Helper()
	r, err := l.newRun(namespace)
	require.NoError(t, err)
	require.NoError(t, r.awaitWorkload(t.Context(), web()))
}

func web() ID { return ID{Group: "apps", Version: "v1", Resource: "statefulsets", Name: "web"} }

// sh runs a script in the application's pod.
func (l *lab) sh(t *testing.T, namespace, script string) string {
	t.Helper()
	var out, problems bytes.Buffer
	err := l.streams.Exec(t.Context(), kanister.Exec{Namespace: namespace, Pod: "web-0", Container: "main", Command: []string{"sh", "-c", script}}, &out, &problems)
	require.NoError(t, err, problems.String())
	return strings.TrimSpace(out.String())
}

// count counts objects of the cluster that carry our label.
func (l *lab) snapshots(t *testing.T) (snapshots, contents int) {
	t.Helper()
	s, err := l.Dynamic.Resource(snapshotResource()).Namespace(l.app).List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	c, err := l.Dynamic.Resource(contentResource()).List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	for _, item := range c.Items {
		if ns, _, _ := unstructured.NestedString(item.Object, "spec", "volumeSnapshotRef", "namespace"); ns == l.app || ns == l.other {
			contents++
		}
	}
	return len(s.Items), contents
}

func (l *lab) restoreAction(point, target string) *RestoreAction {
	action := &RestoreAction{}
	action.Name = "r"
	action.Spec = RestoreSpec{Subject: ActionSubject{Kind: RestorePointKind, Name: point, Namespace: l.app}, TargetNamespace: target}
	return action
}

func TestCluster(t *testing.T) {
	l := newLab(t)
	l.sh(t, l.app, "echo one > /data/value; sync")

	results, err := l.RunPolicy(t.Context(), l.Catalog.Policies["web"])
	require.NoError(t, err)
	point := results[0].RestorePoint
	require.Equal(t, []string{"attempt 1", "preHook web-bp/before", "discover", "workloadReady statefulsets.apps/web", "backupPrehook statefulsets.apps/web",
		"snapshot data-web-0", "snapshotReady data-web-0", "restorePoint " + point}, names(results[0].Events))
	read, err := ReadPoint(l.Dir, point)
	require.NoError(t, err)
	require.Equal(t, map[string]string{"id": "web-7", "value": "one"}, read.artifactsOf(web())["web"].KeyValue)
	require.False(t, read.Volumes[0].Cut.IsZero())

	t.Run("a failing hook", func(t *testing.T) {
		results, err := l.RunPolicy(t.Context(), l.Catalog.Policies["failing"])
		require.ErrorContains(t, err, "this is why")
		require.Equal(t, Failed, results[0].State)
		require.Empty(t, results[0].RestorePoint)
		made, err := l.Dynamic.Resource(corev1.SchemeGroupVersion.WithResource("configmaps")).Namespace(l.app).List(t.Context(), metav1.ListOptions{})
		require.NoError(t, err)
		n := 0
		for _, item := range made.Items {
			if strings.HasPrefix(item.GetName(), "failed-") {
				n++
			}
		}
		require.Equal(t, 1, n, "onFailure runs once")
	})

	t.Run("a cancelled hook", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
		defer cancel()
		_, err := l.Actions.Run(ctx, l.Catalog.Blueprints["web-bp"], kanister.Action{Name: "sleeps",
			Object: kanister.ObjectReference{Kind: "Namespace", Name: l.app, Namespace: l.app}})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		pods, err := l.Dynamic.Resource(corev1.SchemeGroupVersion.WithResource("pods")).Namespace(l.Namespace).List(t.Context(), metav1.ListOptions{})
		require.NoError(t, err)
		require.Empty(t, pods.Items, "the pod is deleted with no grace")
	})

	t.Run("in place", func(t *testing.T) {
		l.sh(t, l.app, "echo two > /data/value; sync")
		result, err := l.Restore(t.Context(), l.restoreAction(point, l.app))
		require.NoError(t, err)
		require.Equal(t, Complete, result.State)
		require.Equal(t, "one", l.sh(t, l.app, "cat /data/value"))
		require.Contains(t, names(result.Events), "restorePosthook statefulsets.apps/web")
		require.Contains(t, names(result.Events), "keep configmaps/settings")
	})

	t.Run("into another namespace", func(t *testing.T) {
		result, err := l.Restore(t.Context(), l.restoreAction(point, l.other))
		require.NoError(t, err)
		require.Equal(t, "one", l.sh(t, l.other, "cat /data/value"))
		require.Contains(t, names(result.Events), "create services/web")
		_, contents := l.snapshots(t)
		require.Equal(t, 1, contents, "what the restore needed is gone, the backup's snapshot is not")
	})

	t.Run("after the namespace is gone", func(t *testing.T) {
		l.deleteNamespace(t, l.app)
		l.createNamespace(t, l.app)
		_, err := l.Restore(t.Context(), l.restoreAction(point, l.app))
		require.NoError(t, err)
		require.Equal(t, "one", l.sh(t, l.app, "cat /data/value"))
	})

	_, err = l.Retire(t.Context(), point)
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		snapshots, contents := l.snapshots(t)
		return snapshots == 0 && contents == 0
	}, time.Minute, 100*time.Millisecond, "snapshots are left")
	jobs, err := l.Dynamic.Resource(corev1.SchemeGroupVersion.WithResource("pods")).List(t.Context(), metav1.ListOptions{LabelSelector: "createdBy=kanister"})
	require.NoError(t, err)
	for _, pod := range jobs.Items {
		require.NotContains(t, []string{l.app, l.other, l.Namespace}, pod.GetNamespace(), "a pod is left")
	}
}
