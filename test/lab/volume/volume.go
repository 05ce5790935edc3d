// Package volume stands in for volume snapshots in the lab of hosts: it replaces
// the volumes of a ring that is down by copies, as a restore point's volumes
// replace those that were backed up.
package volume

import (
	"context"
	"fmt"
	"os"
	"os/exec"

	"golang.org/x/sync/errgroup"

	"github.com/casshook/casshook/test/lab/cassandra"
)

// Replace replaces the volume of every node by a copy of it. No node may run. The
// copies have other inodes and birth times than the originals, which are gone
// afterwards.
func Replace(ctx context.Context, ring *cassandra.Ring) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, n := range ring.Nodes() {
		group.Go(func() error { return replace(ctx, n) })
	}
	return group.Wait()
}

func replace(ctx context.Context, n *cassandra.Node) error {
	if n.Running() {
		return fmt.Errorf("replace volume of %s: the node runs", n.Name)
	}
	original := n.VolumeRoot + ".original"
	if err := os.Rename(n.VolumeRoot, original); err != nil {
		return err
	}
	if err := Copy(ctx, original, n.VolumeRoot); err != nil {
		return err
	}
	return os.RemoveAll(original)
}

// Copy copies a directory with everything in it; hard links within it stay
// links of one file, as in a copy of the block device.
func Copy(ctx context.Context, from, to string) error {
	out, err := exec.CommandContext(ctx, "cp", "-a", "--reflink=auto", from, to).CombinedOutput()
	if err != nil {
		return fmt.Errorf("copy volume %s: %w: %s", from, err, out)
	}
	return nil
}
