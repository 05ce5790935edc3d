// Package snapshot makes VolumeSnapshots of the volumes of a ring, and waits for those
// that others make.
package snapshot

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/kube/api"
	"github.com/casshook/casshook/pkg/kube/datacenter"
	"github.com/casshook/casshook/pkg/kube/objects"
	"github.com/casshook/casshook/pkg/ring"
)

// Volumes are the VolumeSnapshots of a ring's volume claims.
type Volumes struct {
	client *api.Client
	ring   *datacenter.Ring
	// class of those that are made; the storage's default one when empty.
	class string
}

var _ ring.VolumeSnapshots = (*Volumes)(nil)

// New makes those of a ring.
func New(client *api.Client, of *datacenter.Ring, class string) *Volumes {
	return &Volumes{client: client, ring: of, class: class}
}

// snapshotPoll is how often WaitVolumeSnapshots looks.
const snapshotPoll = time.Second

// WaitVolumeSnapshots waits until every VolumeSnapshot of the ring's volumes that
// was made since a time (by Client.Now) is cut, which its status.creationTime
// shows; until then the snapshot of Cassandra must stay on the volumes. Those that
// failed are passed over: they are no restore point. Where there are none, or
// Kubernetes does not know them, there is nothing to wait for.
func (v *Volumes) WaitVolumeSnapshots(ctx context.Context, since time.Time, limit time.Duration, progress func(string)) error {
	w := flow.Waiting{For: "volume snapshots to be taken", Limit: limit, Every: snapshotPoll, Progress: progress}
	err := v.client.Wait(ctx, w, func(ctx context.Context) ([]string, error) { return v.uncutSnapshots(ctx, since) })
	if errors.Is(err, flow.ErrLimit) {
		return fmt.Errorf("%w: check their events, or delete them", err)
	}
	return err
}

func (v *Volumes) uncutSnapshots(ctx context.Context, since time.Time) ([]string, error) {
	list, err := v.snapshots(ctx)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	claims, err := v.ring.ClaimNames(ctx)
	if err != nil {
		return nil, err
	}
	var uncut []string
	for i := range list {
		s := &list[i]
		claim := objects.Fields(s.Object).Text("spec", "source", "persistentVolumeClaimName")
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
	f := objects.Fields(s.Object)
	return f.Text("status", "creationTime") != "" || len(f.Object("status", "error")) > 0
}
