package restore_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/restore"
	"github.com/casshook/casshook/pkg/ring/ringtest"
)

// done are the calls of a kind that before-restore made, in order.
func done(r *ringtest.Ring) []string {
	var found []string
	for _, c := range r.Calls() {
		if c.Kind == ringtest.Stopped {
			found = append(found, c.What)
		}
	}
	return found
}

// TestBeforeRestoreFailsAnywhere: nothing is deleted before all nodes are stopped and all
// volumes are in snapshots, and the next run goes on.
func TestBeforeRestoreFailsAnywhere(t *testing.T) {
	t.Parallel()
	for way, want := range map[restore.Way][]string{
		restore.WayStop:              {"stop"},
		restore.WayDelete:            {"deletable", "stop", "snapshot volume", "snapshot volume", "delete keep=false"},
		restore.WayDeleteKeepVolumes: {"deletable", "stop", "snapshot volume", "snapshot volume", "delete keep=true"},
	} {
		t.Run(string(way), func(t *testing.T) {
			t.Parallel()
			var seen []string
			ringtest.FailEach(t, ringtest.Scenario{
				Make: func(t testing.TB) *ringtest.Ring {
					r := ringtest.New(t, 2)
					r.Write("shop", "orders", "monday")
					return r
				},
				Run: func(ctx context.Context, r *ringtest.Ring, o flow.Observer) error {
					room, err := restore.Before(ctx, r.Target(), way, time.Minute, o)
					if err == nil && way != restore.WayStop {
						require.Len(t, room.Undo, 2)
					}
					return err
				},
				Failed: func(t testing.TB, f ringtest.Failure) {
					require.Error(t, f.Err)
					if saysUntouched(f.Err) {
						require.True(t, f.Running(), "%v", f.Err)
					}
					if f.Exists() || way == restore.WayDeleteKeepVolumes {
						require.Contains(t, f.Content(), "shop.orders: n1 has monday")
					}
					if f.Killed {
						return
					}
					require.False(t, f.Held(), "%v", f.Err)
					if f.Steps.Begun()[len(f.Steps.Begun())-1] == "deleting" {
						require.ErrorContains(t, f.Err, "undo-n1-1", "where the volumes are")
					}
				},
				Ended: func(t testing.TB, r *ringtest.Ring) {
					if seen == nil {
						seen = done(r)
						require.Equal(t, want, seen)
					}
					require.False(t, r.Running())
					require.False(t, r.Held())
					require.Equal(t, way == restore.WayStop, r.Exists())
					require.Equal(t, way != restore.WayDelete, slices.Contains(r.Content(), "shop.orders: n1 has monday"))
				},
			})
		})
	}
}
