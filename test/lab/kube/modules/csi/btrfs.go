package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// btrfs implements subvolumes with the program of that name.
type btrfs struct{}

var _ subvolumes = btrfs{}

// Create implements subvolumes.
func (btrfs) Create(ctx context.Context, path string) error {
	return runBtrfs(ctx, "subvolume", "create", "--", path)
}

// Snapshot implements subvolumes.
func (btrfs) Snapshot(ctx context.Context, source, target string, readOnly bool) error {
	argv := []string{"subvolume", "snapshot"}
	if readOnly {
		argv = append(argv, "-r")
	}
	return runBtrfs(ctx, append(argv, "--", source, target)...)
}

// Delete implements subvolumes.
func (btrfs) Delete(ctx context.Context, path string) error {
	return runBtrfs(ctx, "subvolume", "delete", "--", path)
}

func runBtrfs(ctx context.Context, argv ...string) error {
	cmd := exec.CommandContext(ctx, "btrfs", argv...)
	cmd.WaitDelay = 5 * time.Second
	if out, err := cmd.CombinedOutput(); err != nil {
		if errors.Is(err, exec.ErrNotFound) {
			return errors.New("btrfs is not on PATH; install btrfs-progs")
		}
		return fmt.Errorf("btrfs %s: %w: %s", strings.Join(argv, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}

// checkBtrfs says whether a directory can be a pool.
func checkBtrfs(dir string) error {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return fmt.Errorf("look at pool %s: %w", dir, err)
	}
	if st.Type != unix.BTRFS_SUPER_MAGIC {
		return fmt.Errorf("pool %s is not on btrfs: mount a btrfs file system there", dir)
	}
	return nil
}
