package kube

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// storage mounts the file system of the volumes: btrfs in a sparse file on a loop device.
func (l *Lab) storage(ctx context.Context) error {
	if err := os.MkdirAll(l.pool(), 0o755); err != nil {
		return fmt.Errorf("create pool: %w", err)
	}
	if !exists(l.poolFile()) {
		next := l.poolFile() + ".next"
		if err := os.WriteFile(next, nil, 0o600); err != nil {
			return fmt.Errorf("create pool: %w", err)
		}
		if err := os.Truncate(next, poolSize); err != nil {
			return fmt.Errorf("create pool: %w", err)
		}
		if _, err := call(ctx, "mkfs.btrfs", "--quiet", next); err != nil {
			return err
		}
		if err := os.Rename(next, l.poolFile()); err != nil {
			return fmt.Errorf("create pool: %w", err)
		}
	}
	if slices.Contains(mountsBelow(l.pool()), l.pool()) {
		return nil
	}
	// Mounted with -o loop the device goes with the mount. Nobody waits for the disk: what dies with this machine is the whole lab.
	_, err := call(ctx, "mount", "-o", "loop,noatime,nobarrier", l.poolFile(), l.pool())
	return err
}

// mountsBelow lists the mount points at and below a directory, the latest first.
func mountsBelow(dir string) []string {
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil
	}
	var found []string
	for _, line := range strings.Split(string(table), "\n") {
		fields := strings.Fields(line)
		const point = 4 // field 5 of proc(5)
		if len(fields) <= point {
			continue
		}
		path := unescape(fields[point])
		if path == dir || strings.HasPrefix(path, dir+"/") {
			found = append(found, path)
		}
	}
	slices.Reverse(found)
	return found
}

// unescape undoes the octal escapes of proc(5).
func unescape(s string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}

// unmount unmounts all that is mounted below a directory; what is busy is detached.
func unmount(dir string) error {
	var problems []error
	for _, path := range mountsBelow(dir) {
		if err := syscall.Unmount(path, 0); err == nil || errors.Is(err, syscall.EINVAL) {
			continue
		}
		if err := syscall.Unmount(path, syscall.MNT_DETACH); err != nil {
			problems = append(problems, fmt.Errorf("unmount %s: %w", path, err))
		}
	}
	return errors.Join(problems...)
}

// hierarchies are the roots under which the lab has a cgroup: every controller of version 1, or the one of version 2.
func hierarchies() []string {
	if exists("/sys/fs/cgroup/cgroup.controllers") {
		return []string{"/sys/fs/cgroup"}
	}
	controllers, _ := filepath.Glob("/sys/fs/cgroup/*/cgroup.procs") // the pattern is well-formed
	var roots []string
	for _, file := range controllers {
		roots = append(roots, filepath.Dir(file))
	}
	return roots
}

func makeCgroups() error {
	for _, root := range hierarchies() {
		if err := os.MkdirAll(filepath.Join(root, cgroup), 0o755); err != nil {
			return fmt.Errorf("create cgroup: %w", err)
		}
		if filepath.Base(root) == "cpuset" {
			if err := inheritCpuset(root); err != nil {
				return err
			}
		}
	}
	return nil
}

// inheritCpuset copies what a cgroup of version 1 must have before a process can be put there.
func inheritCpuset(root string) error {
	for _, name := range []string{"cpuset.cpus", "cpuset.mems"} {
		value, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			return fmt.Errorf("create cgroup: %w", err)
		}
		if err := os.WriteFile(filepath.Join(root, cgroup, name), value, 0o644); err != nil {
			return fmt.Errorf("create cgroup: %w", err)
		}
	}
	return nil
}

// cgroups lists the lab's cgroups in all hierarchies, children before parents.
func cgroups() []string {
	var found []string
	for _, root := range hierarchies() {
		top := filepath.Join(root, cgroup)
		_ = filepath.WalkDir(top, func(path string, entry os.DirEntry, err error) error {
			if err == nil && entry.IsDir() {
				found = append(found, path)
			}
			return nil // one that goes away meanwhile is as it should be
		})
	}
	slices.Reverse(found)
	return found
}

// podProcesses are the pids in the lab's cgroups: everything that runs in its pods.
func podProcesses() []int {
	seen := map[int]bool{}
	for _, dir := range cgroups() {
		text, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
		if err != nil {
			continue
		}
		for _, field := range strings.Fields(string(text)) {
			var pid int
			if _, err := fmt.Sscan(field, &pid); err == nil {
				seen[pid] = true
			}
		}
	}
	var pids []int
	for pid := range seen {
		if state, _ := processStat(pid); state != 0 && state != 'Z' && state != 'X' {
			pids = append(pids, pid)
		}
	}
	slices.Sort(pids)
	return pids
}

func removeCgroups() error {
	var problems []error
	for _, dir := range cgroups() {
		if err := syscall.Rmdir(dir); err != nil && !errors.Is(err, syscall.ENOENT) {
			problems = append(problems, fmt.Errorf("remove cgroup %s: %w", dir, err))
		}
	}
	return errors.Join(problems...)
}
