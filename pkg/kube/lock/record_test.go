package lock

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/kube/internal/kubetest"
	"github.com/casshook/casshook/pkg/kube/objects"
)

// listener is an observer with a log.
type listener struct{ log []string }

var _ flow.Observer = (*listener)(nil)

func (l *listener) Begin(step string)                         { l.log = append(l.log, "begin "+step) }
func (l *listener) End(step string, _ time.Duration, _ error) { l.log = append(l.log, "end "+step) }
func (l *listener) Progress(message string)                   { l.log = append(l.log, message) }

func recordIn(w *kubetest.World) (*corev1.ConfigMap, bool) {
	cm := &corev1.ConfigMap{}
	return cm, w.Read("", "configmaps", "casshook-prod", cm)
}

// eventsIn is the reasons of the events, by datacenter.
func eventsIn(w *kubetest.World) map[string][]string {
	found := map[string][]string{}
	events := w.List("", "events")
	slices.SortFunc(events, func(a, b map[string]any) int { // as they were written
		return version(a) - version(b)
	})
	for _, o := range events {
		about := kubetest.In(o, "involvedObject")
		name := about["name"].(string)
		require.Equal(w.T, "CassandraDatacenter", about["kind"])
		require.Equal(w.T, "uid-"+name, about["uid"])
		require.LessOrEqual(w.T, len(o["message"].(string)), 1024)
		found[name] = append(found[name], o["type"].(string)+" "+o["reason"].(string))
	}
	return found
}

func version(o map[string]any) int {
	n, _ := strconv.Atoi(kubetest.In(o, "metadata")["resourceVersion"].(string))
	return n
}

func TestRecord(t *testing.T) {
	t.Parallel()
	w := kubetest.NewWorld(t)
	w.PutDatacenter("prod", "dc1", 1)
	w.PutDatacenter("prod", "dc2", 1)
	next := &listener{}
	r := recordOf(w, "before-backup", next)
	r.Start(t.Context())
	r.Begin("flushing")
	require.Eventually(t, func() bool { cm, ok := recordIn(w); return ok && cm.Data["step"] == "flushing" }, 15*time.Second, 5*time.Millisecond)
	cm, _ := recordIn(w)
	require.Equal(t, "running", cm.Data["state"])
	require.Equal(t, "uid-dc1,uid-dc2", cm.Data["datacenterUids"])
	require.Equal(t, objects.OwnLabels(), cm.Labels)
	r.Progress("half")
	r.End("flushing", time.Second, nil)
	kubetest.ClockOf(w.Client).Pass(time.Minute)
	r.Finish(t.Context(), "b1", nil)
	cm, _ = recordIn(w)
	require.Equal(t, "before-backup completed (backup b1)", cm.Data["message"])
	require.Equal(t, []string{"before-backup", "completed", "b1", "2026-11-21T10:00:00Z", "2026-11-21T10:01:00Z"},
		[]string{cm.Data["operation"], cm.Data["state"], cm.Data["backupId"], cm.Data["started"], cm.Data["finished"]})
	require.Equal(t, []string{"begin flushing", "half", "end flushing"}, next.log)
	both := []string{"Normal BackupStarted", "Normal BackupCompleted"}
	require.Equal(t, map[string][]string{"dc1": both, "dc2": both}, eventsIn(w))
	require.Empty(t, w.Noticed())
}

func TestRecordOfAFailure(t *testing.T) {
	t.Parallel()
	w := kubetest.NewWorld(t)
	w.PutDatacenter("prod", "dc1", 1)
	w.Put("", "configmaps", &corev1.ConfigMap{ // of a restore point
		ObjectMeta: metav1.ObjectMeta{Namespace: "db", Name: "casshook-prod", Labels: objects.OwnLabels()}, Data: map[string]string{"state": "completed", "old": "x"}})
	r := recordOf(w, "after-restore", &listener{})
	ctx, cancel := context.WithCancel(t.Context())
	r.Start(ctx)
	cancel() // the operation was interrupted
	r.Finish(ctx, "", errors.New("two lines\n"+strings.Repeat("ä", 2000)))
	cm, _ := recordIn(w)
	require.Equal(t, "failed", cm.Data["state"])
	require.True(t, strings.HasPrefix(cm.Data["message"], "after-restore failed: two lines ä"), cm.Data["message"])
	require.NotContains(t, cm.Data, "old")
	require.Equal(t, `role x\x1b[2J\u202e`, brief("role\tx\x1b[2J\u202e"), "what kubectl prints")
	require.Equal(t, map[string][]string{"dc1": {"Normal RestoreStarted", "Warning RestoreFailed"}}, eventsIn(w))
}

// What cannot be shown does no harm, and is told once.
func TestRecordFails(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*kubetest.World){
		"forbidden": func(w *kubetest.World) { w.Refuse = kubetest.Forbid("create /configmaps") },
		"events too": func(w *kubetest.World) {
			w.Refuse = func(kubetest.Asked) *metav1.Status {
				return kubetest.Status(http.StatusForbidden, metav1.StatusReasonForbidden, "no")
			}
		},
		"somebody's": func(w *kubetest.World) {
			w.Put("", "configmaps", &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "db", Name: "casshook-prod"}, Data: map[string]string{"a": "b"}})
		},
		"never started": nil,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := kubetest.NewWorld(t)
			w.PutDatacenter("prod", "dc1", 1)
			r := recordOf(w, "before-backup", &listener{})
			if spoil != nil {
				spoil(w)
				r.Start(t.Context())
			}
			r.Begin("flushing")
			r.End("flushing", time.Second, errors.New("x"))
			r.Finish(t.Context(), "b1", nil)
			if spoil == nil {
				return
			}
			require.Len(t, w.Noticed(), 1)
			require.Contains(t, w.Noticed()[0], "cannot write the record in Kubernetes (this does no harm): ")
			if cm, ok := recordIn(w); ok {
				require.Equal(t, map[string]string{"a": "b"}, cm.Data, "another's is left alone")
			}
		})
	}
}

func TestSubjects(t *testing.T) {
	t.Parallel()
	for operation, want := range map[string]string{"before-backup": "Backup", "after-backup": "BackupRemoval", "on-failure": "BackupRemoval",
		"before-restore": "RestorePreparation", "after-restore": "Restore", "clean": "Operation"} {
		require.Equal(t, want, subject(operation))
	}
}
