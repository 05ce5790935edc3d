//go:build kube

// Package e2e runs casshook where its users do: in a real Kubernetes with real volume snapshots, with the operator that is
// there. Without $KUBECONFIG this is the lab (make lab-up), whose operator and Kasten are stand-ins; with it, any cluster.
package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	gocql "github.com/apache/cassandra-gocql-driver/v2"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	kastenstandin "github.com/casshook/casshook/test/lab/kasten-standin"
	"github.com/casshook/casshook/test/lab/site"
)

// Limits of waiting. Cassandra starts node by node.
const (
	startLimit  = 10 * time.Minute
	removeLimit = 4 * time.Minute
)

// world is one namespace with what a test needs in it.
type world struct {
	*site.Site
	namespace string
	// kastenNamespace is where the stand-in of Kasten runs its hook pods. Each test has its own, so that tests which run side by
	// side neither see nor delete each other's hooks and accounts.
	kastenNamespace string
	// made are the namespaces that this world makes and removes.
	made []string
}

// open makes a namespace, and one for Kasten, that go with the test.
func open(t *testing.T, name string) *world {
	t.Helper()
	s, err := site.Open(t.Context())
	require.NoError(t, err)
	w := &world{Site: s, namespace: "casshook-e2e-" + name, kastenNamespace: "casshook-e2e-" + name + "-kasten"}
	w.made = []string{w.namespace, w.kastenNamespace}
	w.make(t)
	return w
}

// beside makes another namespace, with the same Kasten.
func (w *world) beside(t *testing.T, name string) *world {
	t.Helper()
	other := &world{Site: w.Site, namespace: "casshook-e2e-" + name, kastenNamespace: w.kastenNamespace}
	other.made = []string{other.namespace}
	other.make(t)
	return other
}

func (w *world) make(t *testing.T) {
	t.Helper()
	require.NoError(t, w.remove(t.Context()), "what an earlier run left")
	for _, namespace := range w.made {
		require.NoError(t, w.Namespace(t.Context(), namespace))
	}
	t.Cleanup(func() {
		if t.Failed() {
			w.tell(t)
			if os.Getenv("CASSHOOK_E2E_KEEP") != "" {
				return
			}
		}
		require.NoError(t, w.remove(context.WithoutCancel(t.Context())))
	})
}

// remove removes the namespaces, and then what restore points keep of the storage, as they do of a namespace that is lost.
func (w *world) remove(ctx context.Context) error {
	group, within := errgroup.WithContext(ctx)
	for _, namespace := range w.made {
		group.Go(func() error { return w.RemoveNamespace(within, namespace, removeLimit) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	contents := w.Dynamic.Resource(schema.GroupVersionResource{Group: "snapshot.storage.k8s.io", Version: "v1", Resource: "volumesnapshotcontents"})
	return site.Wait(ctx, removeLimit, "the end of the snapshots of "+w.namespace, func(ctx context.Context) error {
		list, err := contents.List(ctx, metav1.ListOptions{LabelSelector: kastenstandin.SnapshotLabel + "=" + w.namespace})
		if err != nil || len(list.Items) == 0 {
			return err
		}
		for _, content := range list.Items {
			if err := w.Patch(ctx, &content, `{"spec": {"deletionPolicy": "Delete"}}`); err != nil && !apierrors.IsNotFound(err) {
				return err
			}
			if err := contents.Delete(ctx, content.GetName(), metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
				return err
			}
		}
		return fmt.Errorf("%d are still there", len(list.Items))
	})
}

// tell prints what is in the namespace: a test that failed takes it away.
func (w *world) tell(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
	defer cancel()
	events, err := w.Core.CoreV1().Events(w.namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		t.Log(err)
		return
	}
	for _, e := range events.Items {
		t.Logf("event %s %s/%s %s: %s", e.LastTimestamp.Format(time.TimeOnly), e.InvolvedObject.Kind, e.InvolvedObject.Name, e.Reason, e.Message)
	}
	pods, err := w.Core.CoreV1().Pods(w.namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		t.Log(err)
		return
	}
	for _, pod := range pods.Items {
		t.Logf("pod %s %s %v", pod.Name, pod.Status.Phase, pod.Labels["cassandra.datastax.com/node-state"])
		tail := int64(15)
		for _, container := range []string{"cassandra", "server-system-logger"} {
			text, err := w.Core.CoreV1().Pods(w.namespace).GetLogs(pod.Name, &corev1.PodLogOptions{Container: container, TailLines: &tail}).DoRaw(ctx)
			if err == nil {
				t.Logf("log of %s:\n%s", container, text)
			}
		}
	}
}

// create creates a datacenter and waits until it is ready.
func (w *world) create(t *testing.T, d site.Datacenter) site.Datacenter {
	t.Helper()
	d.Namespace = w.namespace
	require.NoError(t, w.Create(t.Context(), d))
	w.ready(t, d)
	return d
}

func (w *world) ready(t *testing.T, d site.Datacenter) {
	t.Helper()
	began := time.Now()
	require.NoError(t, w.Ready(t.Context(), d, startLimit))
	t.Logf("%s is ready after %.0f s", d.Name, time.Since(began).Seconds())
}

// session is a superuser's, and ends with the test or when stop is called.
func (w *world) session(t *testing.T, d site.Datacenter) (session *gocql.Session, stop func()) {
	t.Helper()
	session, end, err := w.Session(t.Context(), d)
	require.NoError(t, err)
	ended := false
	stop = func() {
		if !ended {
			ended = true
			end()
		}
	}
	t.Cleanup(stop)
	return session, stop
}

// execute runs statements.
func execute(t *testing.T, session *gocql.Session, statements ...string) {
	t.Helper()
	for _, s := range statements {
		require.NoError(t, session.Query(s).ExecContext(t.Context()), s)
	}
}

// kasten is a Kasten with the objects of some YAML files or documents.
func (w *world) kasten(t *testing.T, files ...string) *kastenstandin.Kasten {
	t.Helper()
	catalog, err := kastenstandin.LoadCatalog(files...)
	require.NoError(t, err)
	k, err := kastenstandin.Connect(w.Config, catalog, kastenstandin.Home{Namespace: w.kastenNamespace, ServiceAccount: "default"}, logWriter{t})
	require.NoError(t, err)
	k.Dir = t.TempDir()
	return k
}

// logWriter writes lines to the test's log, and looks for hooks that lack a permission.
type logWriter struct{ t *testing.T }

func (l logWriter) Write(p []byte) (int, error) {
	permitted(l.t, string(p))
	l.t.Log(strings.TrimRight(string(p), "\n"))
	return len(p), nil
}

// file writes a document to a file.
func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "objects.yaml")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// names of events, in their order.
func names(events []kastenstandin.Event) []string {
	var found []string
	for _, e := range events {
		found = append(found, e.String())
	}
	return found
}

// count reads a number of rows.
func count(t *testing.T, session *gocql.Session, table string) int {
	t.Helper()
	var n int
	require.NoError(t, session.Query(fmt.Sprintf("SELECT count(*) FROM %s", table)).ScanContext(t.Context(), &n))
	return n
}
