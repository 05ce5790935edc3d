package kube

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/ring"
)

// volumeSnapshots are the VolumeSnapshots of a ring's volume claims.
type volumeSnapshots struct {
	client *apiClient
	ring   *dcRing
	// class of those that are made; the storage's default one when empty.
	class string
}

var _ ring.VolumeSnapshots = (*volumeSnapshots)(nil)

// newVolumeSnapshots makes those of a ring.
func newVolumeSnapshots(client *apiClient, of *dcRing, class string) *volumeSnapshots {
	return &volumeSnapshots{client: client, ring: of, class: class}
}

// snapshotPoll is how often WaitVolumeSnapshots looks.
const snapshotPoll = time.Second

// WaitVolumeSnapshots waits until every VolumeSnapshot of the ring's volumes that
// was made since a time (by Client.Now) is cut, which its status.creationTime
// shows; until then the snapshot of Cassandra must stay on the volumes. Those that
// failed are passed over: they are no restore point. Where there are none, or
// Kubernetes does not know them, there is nothing to wait for.
func (v *volumeSnapshots) WaitVolumeSnapshots(ctx context.Context, since time.Time, limit time.Duration, progress func(string)) error {
	clock := v.client.clock
	deadline := clock.Now().Add(limit)
	told := ""
	for {
		uncut, err := v.uncutSnapshots(ctx, since)
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

func (v *volumeSnapshots) uncutSnapshots(ctx context.Context, since time.Time) ([]string, error) {
	list, err := v.snapshots(ctx)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	claims, err := v.ring.claimNames(ctx)
	if err != nil {
		return nil, err
	}
	var uncut []string
	for i := range list {
		s := &list[i]
		claim := fields(s.Object).text("spec", "source", "persistentVolumeClaimName")
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
	f := fields(s.Object)
	return f.text("status", "creationTime") != "" || len(f.object("status", "error")) > 0
}
