package operatorstandin

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Reasons of events, as in pkg/events of github.com/k8ssandra/cass-operator; ValidationFailed is the controller's.
const (
	eventCreatedResource      = "CreatedResource"
	eventLabeledRackResource  = "LabeledRackResource"
	eventScalingUpRack        = "ScalingUpRack"
	eventStoppingDatacenter   = "StoppingDatacenter"
	eventUpdatingRack         = "UpdatingRack"
	eventLabeledPodAsSeed     = "LabeledPodAsSeed"
	eventUnlabeledPodAsSeed   = "UnlabeledPodAsSeed"
	eventStartingCassandra    = "StartingCassandra"
	eventStartedCassandra     = "StartedCassandra"
	eventDeletingStuckPod     = "DeletingStuckPod"
	eventUnhealthyDatacenter  = "UnhealthyDatacenter"
	eventCreatedUsers         = "CreatedUsers"
	eventDeletedClaim         = "DeletedPvc"
	eventValidationFailed     = "ValidationFailed"
	eventComponent            = "cass-operator"
	normalEvent, warningEvent = corev1.EventTypeNormal, corev1.EventTypeWarning
)

// event records an event about the datacenter and logs it. An event that cannot be written is only logged, as the real one's.
func (r *round) event(ctx context.Context, level, reason, format string, arguments ...any) {
	message := fmt.Sprintf(format, arguments...)
	log := r.log.With("namespace", r.dc.Namespace, "datacenter", r.dc.Name, "reason", reason)
	log.Info("event", "message", message)
	now := metav1.NewTime(r.now())
	event := &corev1.Event{
		ObjectMeta: metav1.ObjectMeta{
			Name:      r.dc.Name + "." + strings.ToLower(rand.Text()),
			Namespace: r.dc.Namespace,
		},
		InvolvedObject: corev1.ObjectReference{
			APIVersion: kind().GroupVersion().String(), Kind: kind().Kind,
			Namespace: r.dc.Namespace, Name: r.dc.Name, UID: r.dc.UID,
		},
		Type: level, Reason: reason, Message: message, Count: 1, FirstTimestamp: now, LastTimestamp: now,
		Source: corev1.EventSource{Component: eventComponent},
	}
	if _, err := r.core.CoreV1().Events(r.dc.Namespace).Create(ctx, event, metav1.CreateOptions{}); err != nil {
		log.Warn("write event", "error", err)
	}
}
