package kube

import (
	"context"
	"crypto/rand"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
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
	for _, d := range r.target.Datacenters() {
		r.tell(ctx, r.target.client.postEvent(ctx, d, kind, subject(r.operation)+what, message))
	}
}

func (c *Client) postEvent(ctx context.Context, d *Datacenter, kind, reason, message string) error {
	now := c.Now()
	e := &corev1.Event{
		ObjectMeta: metav1.ObjectMeta{Name: d.Name + "." + strings.ToLower(rand.Text()[:12]), Namespace: d.Namespace, Labels: OwnLabels()},
		InvolvedObject: corev1.ObjectReference{
			APIVersion: datacenterResource().GroupVersion().String(), Kind: "CassandraDatacenter",
			Namespace: d.Namespace, Name: d.Name, UID: types.UID(d.UID),
		},
		Type: kind, Reason: reason, Message: message, Count: 1,
		FirstTimestamp: metav1.NewTime(now), LastTimestamp: metav1.NewTime(now),
		Source: corev1.EventSource{Component: ownName, Host: hostname()}, ReportingController: ownName, ReportingInstance: hostname(),
	}
	err := c.do(ctx, request{"create", "events", d.Namespace, e.Name}, func(ctx context.Context) error {
		_, err := c.typed.CoreV1().Events(d.Namespace).Create(ctx, e, metav1.CreateOptions{})
		return err
	})
	if apierrors.IsAlreadyExists(err) { // written, though its answer was lost
		return nil
	}
	return err
}
