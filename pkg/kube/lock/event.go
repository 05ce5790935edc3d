package lock

import (
	"context"
	"crypto/rand"
	"os"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/casshook/casshook/pkg/kube/api"
	"github.com/casshook/casshook/pkg/kube/objects"
)

// subject is what an operation is called in an Event's reason.
func subject(operation string) string {
	switch operation {
	case "before-backup":
		return "Backup"
	case "after-backup", "on-failure":
		return "BackupRemoval"
	case "before-restore":
		return "RestorePreparation"
	case "after-restore", "restore":
		return "Restore"
	}
	return "Operation"
}

// event puts an Event on every datacenter of the ring: BackupStarted, RestoreFailed
// and so on. `kubectl get events` shows them.
func (r *Record) event(ctx context.Context, kind, what, message string) {
	for _, d := range r.of.Datacenters() {
		r.tell(ctx, r.postEvent(ctx, d, kind, subject(r.operation)+what, message))
	}
}

func (r *Record) postEvent(ctx context.Context, d Datacenter, kind, reason, message string) error {
	c := r.client
	now := c.Clock.Now()
	e := &corev1.Event{
		ObjectMeta: metav1.ObjectMeta{Name: d.Name + "." + strings.ToLower(rand.Text()[:12]), Namespace: r.of.Namespace, Labels: objects.OwnLabels()},
		InvolvedObject: corev1.ObjectReference{
			APIVersion: objects.DatacenterResource().GroupVersion().String(), Kind: "CassandraDatacenter",
			Namespace: r.of.Namespace, Name: d.Name, UID: types.UID(d.UID),
		},
		Type: kind, Reason: reason, Message: message, Count: 1,
		FirstTimestamp: metav1.NewTime(now), LastTimestamp: metav1.NewTime(now),
		Source: corev1.EventSource{Component: objects.OwnName, Host: hostname()}, ReportingController: objects.OwnName, ReportingInstance: hostname(),
	}
	err := c.Do(ctx, api.NewRequest("create", "events", r.of.Namespace, e.Name), func(ctx context.Context) error {
		_, err := c.Typed.CoreV1().Events(r.of.Namespace).Create(ctx, e, metav1.CreateOptions{})
		return err
	})
	if apierrors.IsAlreadyExists(err) { // written, though its answer was lost
		return nil
	}
	return err
}

// hostname names this process in objects.
func hostname() string {
	host, err := os.Hostname()
	if err != nil {
		return "unknown"
	}
	return host
}
