package restore

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/ring"
)

// Way is how before-restore makes room.
type Way string

// Ways.
const (
	// WayStop stops the datacenters; volumes can then be cleaned in place.
	WayStop Way = "stop"
	// WayDelete deletes them with their volumes, WayDeleteKeepVolumes without.
	WayDelete            Way = "delete"
	WayDeleteKeepVolumes Way = "delete-keep-volumes"
)

// Room is what before-restore did.
type Room struct {
	Way Way `json:"way"`
	// Undo are volume snapshots that were taken before anything was deleted.
	Undo []string `json:"undo,omitempty"`
}

// Before makes room for a restore. Before it deletes anything it stops all nodes,
// so that nothing is written any more, and takes snapshots of the volumes, which it
// names.
func Before(ctx context.Context, target ring.Target, way Way, snapshotTimeout time.Duration, observer flow.Observer) (*Room, error) {
	room := &Room{Way: way}
	steps := []flow.Step{{Name: "stopping the nodes", Destroys: true, Do: func(ctx context.Context) error {
		return flow.Fail(flow.HalfWay, target.Datacenters.Stop(ctx, observer.Progress))
	}}}
	if way != WayStop {
		steps = slices.Concat([]flow.Step{{Name: "checking the datacenters", Do: target.Datacenters.Deletable}}, steps)
		steps = append(steps,
			flow.Step{Name: "taking volume snapshots", Do: func(ctx context.Context) (err error) {
				room.Undo, err = target.Datacenters.SnapshotVolumes(ctx, snapshotTimeout, observer.Progress)
				if err != nil && len(room.Undo) > 0 {
					err = fmt.Errorf("%w (begun, and left: the volume snapshots %v)", err, room.Undo)
				}
				return flow.Fail(flow.HalfWay, err)
			}},
			flow.Step{Name: "deleting", Do: func(ctx context.Context) error {
				err := target.Datacenters.Delete(ctx, way == WayDeleteKeepVolumes, observer.Progress)
				if err != nil {
					err = fmt.Errorf("%w (the volumes are in the volume snapshots %v)", err, room.Undo)
				}
				return flow.Fail(flow.HalfWay, err)
			}})
	}
	if err := flow.Run(ctx, locked(target.Locker, "before-restore", "", steps...), observer); err != nil {
		return nil, err
	}
	return room, nil
}
