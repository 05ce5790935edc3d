package kube

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/casshook/casshook/pkg/flow"
)

// snapshotPoll is how often WaitVolumeSnapshots looks.
const snapshotPoll = time.Second

// WaitVolumeSnapshots waits until every VolumeSnapshot of the ring's volumes that
// was made since a time (by Client.Now) is cut, which its status.creationTime
// shows; until then the snapshot of Cassandra must stay on the volumes. Those that
// failed are passed over: they are no restore point. Where there are none, or
// Kubernetes does not know them, there is nothing to wait for.
func (t *Target) WaitVolumeSnapshots(ctx context.Context, since time.Time, limit time.Duration, progress func(string)) error {
	clock := t.client.clock
	deadline := clock.Now().Add(limit)
	told := ""
	for {
		uncut, err := t.uncutSnapshots(ctx, since)
		if err != nil || len(uncut) == 0 {
			return err
		}
		text := "volume snapshots that are not cut yet: " + strings.Join(uncut, ", ")
		if !clock.Now().Before(deadline) {
			return flow.Failf(flow.Precondition, "after %s there are %s: see the events of these objects, and delete them if nobody wants them", limit, text)
		}
		if text != told {
			progress("waiting for " + text)
			told = text
		}
		if err := clock.Wait(ctx, snapshotPoll); err != nil {
			return fmt.Errorf("waiting for %s: %w", text, err)
		}
	}
}

func (t *Target) uncutSnapshots(ctx context.Context, since time.Time) ([]string, error) {
	list, err := t.snapshots(ctx)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	claims, err := t.claimNames(ctx)
	if err != nil {
		return nil, err
	}
	var uncut []string
	for i := range list {
		s := &list[i]
		claim := fields{s.Object}.text("spec", "source", "persistentVolumeClaimName")
		recent := !s.GetCreationTimestamp().Time.Before(since.Truncate(time.Second)) // objects have whole seconds
		if recent && slices.Contains(claims, claim) && !cut(s) {
			uncut = append(uncut, s.GetName())
		}
	}
	slices.Sort(uncut)
	return uncut, nil
}

// cut is also a snapshot that failed.
func cut(s *unstructured.Unstructured) bool {
	f := fields{s.Object}
	return f.text("status", "creationTime") != "" || len(f.object("status", "error")) > 0
}

// claimNames are the ring's claims: those with its labels, and those that its pods
// were seen with.
func (t *Target) claimNames(ctx context.Context) ([]string, error) {
	claims, err := t.client.claims(ctx, t.namespace)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, claim := range claims {
		if claim.Labels[clusterLabel] == cleanLabel(t.cluster) {
			names = append(names, claim.Name)
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, pod := range t.pods {
		for _, c := range pod.claims {
			names = append(names, c.Name)
		}
	}
	return names, nil
}
