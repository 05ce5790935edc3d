package cli

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/kube"
	"github.com/casshook/casshook/pkg/report"
	"github.com/casshook/casshook/pkg/restore"
)

// noDatacenter tells that a namespace has no CassandraDatacenter at all.
func noDatacenter(err error) bool { return kube.NoDatacenter(err) }

func (a *app) beforeRestore() *cobra.Command {
	stop, remove, keep, yes := false, false, false, false
	timeout := 10 * time.Minute
	cmd := &cobra.Command{
		Use:   "before-restore",
		Short: "Prepare a restore: stop or delete the datacenters of a namespace",
		Long: "before-restore prepares a restore over existing datacenters. It stops all nodes.\n" +
			"Before it deletes a datacenter it takes a VolumeSnapshot of each volume and prints\n" +
			"its name: these snapshots are the way back. Without a datacenter it does nothing.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var ways []restore.Way
			for way, meant := range map[restore.Way]bool{restore.WayStop: stop, restore.WayDelete: remove, restore.WayDeleteKeepVolumes: keep} {
				if meant {
					ways = append(ways, way)
				}
			}
			if len(ways) != 1 {
				return flow.Failf(flow.Usage, "pass one of --stop, --delete and --delete-keep-volumes")
			}
			return a.runBeforeRestore(cmd, ways[0], yes, timeout)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&stop, "stop", false, "stop the datacenters")
	f.BoolVar(&remove, "delete", false, "snapshot the volumes, then delete the datacenters and their volumes")
	f.BoolVar(&keep, "delete-keep-volumes", false, "snapshot the volumes, then delete the datacenters and keep their volumes")
	f.BoolVar(&yes, "yes", false, "confirm; the ring is down until it is restored")
	number{f, "volume-snapshot-timeout", "how long to wait for the VolumeSnapshots"}.timeout(&timeout, timeout)
	a.stopFlag(f)
	f.StringVar(&a.place.snapshotClass, "volume-snapshot-class", "", "class of the VolumeSnapshots (default: that of the volumes' driver)")
	return cmd
}

func (a *app) runBeforeRestore(cmd *cobra.Command, way restore.Way, yes bool, timeout time.Duration) error {
	if a.place.inventory != "" {
		return flow.Failf(flow.Usage, "before-restore is for Kubernetes only; on hosts, stop Cassandra on every node")
	}
	if way == restore.WayStop && (given(cmd.Flags(), "volume-snapshot-class") || given(cmd.Flags(), "volume-snapshot-timeout")) {
		return flow.Failf(flow.Usage, "--stop takes no VolumeSnapshots: leave out --volume-snapshot-class and --volume-snapshot-timeout")
	}
	if !yes {
		return flow.Failf(flow.Usage, "the ring will be down until it is restored: pass --yes to confirm")
	}
	var rooms []*restore.Room
	err := a.each(cmd, work{operation: "before-restore", any: true, stop: true, do: func(ctx context.Context, s *subject, observer flow.Observer) (string, error) {
		room, err := restore.Before(ctx, s.Target, way, timeout, observer)
		if err != nil {
			return "", err
		}
		rooms = append(rooms, room)
		return "", a.printChange(nil, room, func(w io.Writer) { writeRoom(w, s.name, room) })
	}})
	if noDatacenter(err) {
		fmt.Fprintf(a.stderr, "no CassandraDatacenter in namespace %s: nothing to do\n", a.place.namespace)
		err = nil
	}
	if len(rooms) > 0 {
		err = afterChange(err) // rings before the one that failed are stopped or deleted
	}
	return joinLate(err, a.outputs(roomOutputs(rooms)))
}

func writeRoom(w io.Writer, ring string, room *restore.Room) {
	for _, name := range room.Undo {
		fmt.Fprintf(w, "undo: VolumeSnapshot %s\n", name)
	}
	switch room.Way {
	case restore.WayStop:
		fmt.Fprintf(w, "ring %q is stopped\n", ring)
	case restore.WayDelete:
		fmt.Fprintf(w, "ring %q and its volumes are deleted; recreate the volumes from the VolumeSnapshots if needed\n", ring)
	case restore.WayDeleteKeepVolumes:
		fmt.Fprintf(w, "ring %q is deleted; its volumes are kept\n", ring)
	}
}

func roomOutputs(rooms []*restore.Room) []output {
	if len(rooms) == 0 {
		return nil
	}
	return []output{column("verdict", rooms, func(r *restore.Room) string {
		return fmt.Sprintf("%s, %s to undo it", r.Way, report.Count(len(r.Undo), "volume snapshot"))
	})}
}
