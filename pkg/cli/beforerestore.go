package cli

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/kube"
	"github.com/casshook/casshook/pkg/restore"
)

// noDatacenter tells that a namespace has no CassandraDatacenter at all.
func noDatacenter(err error) bool { return kube.NoDatacenter(err) }

func (a *app) beforeRestore() *cobra.Command {
	stop, remove, keep, yes := false, false, false, false
	timeout := 10 * time.Minute
	cmd := &cobra.Command{
		Use:   "before-restore",
		Short: "Make room for a restore: stop the datacenters of a namespace, or delete them",
		Long: "before-restore prepares a restore over datacenters that are there. It stops all nodes;\n" +
			"to delete a datacenter it then takes a VolumeSnapshot of each of its volumes first,\n" +
			"and names them: they are the undo. Where there is no datacenter nothing is done.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var ways []restore.Way
			for way, meant := range map[restore.Way]bool{restore.WayStop: stop, restore.WayDelete: remove, restore.WayDeleteKeepVolumes: keep} {
				if meant {
					ways = append(ways, way)
				}
			}
			if len(ways) != 1 {
				return flow.Failf(flow.Usage, "say one of --stop, --delete and --delete-keep-volumes")
			}
			return a.runBeforeRestore(cmd, ways[0], yes, timeout)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&stop, "stop", false, "stop the datacenters")
	f.BoolVar(&remove, "delete", false, "delete the datacenters with their volumes, of which VolumeSnapshots are taken first")
	f.BoolVar(&keep, "delete-keep-volumes", false, "delete the datacenters and keep their volumes, of which VolumeSnapshots are taken first")
	f.BoolVar(&yes, "yes", false, "do it: the ring will not answer until it is restored")
	f.DurationVar(&timeout, "volume-snapshot-timeout", timeout, "how long the VolumeSnapshots may take")
	a.stopFlag(f)
	f.StringVar(&a.place.snapshotClass, "volume-snapshot-class", "", "class of the VolumeSnapshots; the default of the volumes' driver when left out")
	return cmd
}

func (a *app) runBeforeRestore(cmd *cobra.Command, way restore.Way, yes bool, timeout time.Duration) error {
	if a.place.inventory != "" {
		return flow.Failf(flow.Usage, "before-restore is for Kubernetes; on hosts stop Cassandra on every node")
	}
	if !yes {
		return flow.Failf(flow.Usage, "the ring will not answer until it is restored: say --yes to go on")
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
		fmt.Fprintf(a.stderr, "no CassandraDatacenter in namespace %s: there is nothing to make room of\n", a.place.namespace)
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
		fmt.Fprintf(w, "ring %q and its volumes are deleted; the volumes can be made anew from the VolumeSnapshots\n", ring)
	case restore.WayDeleteKeepVolumes:
		fmt.Fprintf(w, "ring %q is deleted, its volumes are kept\n", ring)
	}
}

func roomOutputs(rooms []*restore.Room) []output {
	if len(rooms) == 0 {
		return nil
	}
	return []output{column("verdict", rooms, func(r *restore.Room) string {
		return fmt.Sprintf("%s, %d volume snapshots as an undo", r.Way, len(r.Undo))
	})}
}
