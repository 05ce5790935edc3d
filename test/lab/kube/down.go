package kube

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

// stopGrace is how long a process may take to end after SIGTERM.
const stopGrace = 15 * time.Second

// Down ends all processes of the lab and removes what they made on this machine: mounts, loop device, links, routes, rules,
// cgroups. Pods end like on a machine that loses power; etcd's data, images and volumes stay for the next Up.
func (l *Lab) Down(ctx context.Context) error {
	if os.Geteuid() != 0 {
		return errors.New("the lab needs root")
	}
	unlock, err := l.lock()
	if err != nil {
		return err
	}
	defer unlock()
	began := time.Now()
	if err := l.down(ctx); err != nil {
		return err
	}
	l.Log("down in %.1f s", time.Since(began).Seconds())
	return nil
}

func (l *Lab) down(ctx context.Context) error {
	last := []string{"kube-apiserver", "etcd", "containerd"} // in this order: without etcd the API server does not end
	return l.steps(ctx, []step{
		{"kubelet", func(ctx context.Context) error { return l.stop(ctx, "kubelet", stopGrace) }}, // or it restarts the pods
		{"controllers", func(ctx context.Context) error {
			return l.stopAll(ctx, slices.DeleteFunc(l.units(), func(name string) bool { return slices.Contains(last, name) }))
		}},
		{"pods", l.endPods},
		{"API server, etcd, containerd", func(ctx context.Context) error { return l.stopAll(ctx, last) }},
		{"shims", func(ctx context.Context) error { return killAll(ctx, "containerd's shims", l.shims) }},
		{"mounts", func(context.Context) error { return unmount(filepath.Join(l.Root, "state")) }},
		{"addresses of pods", func(context.Context) error { return os.RemoveAll(l.data("cni")) }},
		{"network", disconnect},
		{"cgroups", func(ctx context.Context) error {
			return wait(ctx, stopGrace, "cgroups to be empty", func(context.Context) error { return removeCgroups() })
		}},
		{"kernel tunables", func(context.Context) error { return l.restoreSysctls() }},
	})
}

// stopAll stops units one after the other.
func (l *Lab) stopAll(ctx context.Context, names []string) error {
	var problems []error
	for _, name := range names {
		problems = append(problems, l.stop(ctx, name, stopGrace))
	}
	return errors.Join(problems...)
}

// endPods kills what runs in the pods' cgroups and has containerd forget its containers, so that the next one does not look
// for them.
func (l *Lab) endPods(ctx context.Context) error {
	if err := killAll(ctx, "the pods' processes", podProcesses); err != nil {
		return err
	}
	if !l.alive("containerd") {
		return nil
	}
	return l.forget(ctx)
}

// forget removes all tasks and containers of containerd.
func (l *Lab) forget(ctx context.Context) error {
	tasks, err := l.ctr(ctx, "tasks", "list", "--quiet")
	if err != nil {
		return err
	}
	for _, id := range lines(tasks) {
		_, _ = l.ctr(ctx, "tasks", "delete", "--force", id) // what is left of it goes with its shim
	}
	containers, err := l.ctr(ctx, "containers", "list", "--quiet")
	if err != nil {
		return err
	}
	for _, id := range lines(containers) {
		if _, err := l.ctr(ctx, "containers", "delete", id); err != nil {
			l.Log("containerd keeps container %s: %v", id, err)
		}
	}
	return nil
}

// killAll kills processes until none is left.
func killAll(ctx context.Context, what string, list func() []int) error {
	return wait(ctx, stopGrace, "the end of "+what, func(context.Context) error {
		pids := list()
		for _, pid := range pids {
			if err := signal(pid, syscall.SIGKILL); err != nil {
				return err
			}
		}
		if len(pids) > 0 {
			return fmt.Errorf("%d still run", len(pids))
		}
		return nil
	})
}

// Purge is Down and the removal of volumes, objects and images. The built programs, which take minutes, go only when all
// says so.
func (l *Lab) Purge(ctx context.Context, all bool) error {
	if err := l.Down(ctx); err != nil {
		return err
	}
	if left := mountsBelow(l.Root); len(left) > 0 {
		return fmt.Errorf("%s is still mounted: nothing was removed", left[0])
	}
	dirs := []string{filepath.Join(l.Root, "state"), l.images()}
	if all {
		dirs = []string{l.Root}
	}
	for _, dir := range dirs {
		if err := os.RemoveAll(dir); err != nil {
			return fmt.Errorf("remove %s: %w", dir, err)
		}
	}
	return nil
}
