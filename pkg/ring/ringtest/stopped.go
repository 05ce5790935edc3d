package ringtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/cleaner"
	"github.com/casshook/casshook/pkg/ring"
)

var (
	_ ring.StoppedRing = seams{}
	_ ring.Datacenters = datacenters{}
)

// Stop stops all nodes, as somebody does by hand.
func (r *Ring) Stop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stopped = true
}

// Running tells whether the nodes run.
func (r *Ring) Running() bool { return r.runs() == nil }

// Stopped implements ring.StoppedRing.
func (s seams) Stopped(context.Context) (stopped bool, err error) {
	err = s.do(Stopped, "", "stopped", func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		stopped = s.stopped
		return nil
	})
	return stopped, err
}

// isStopped is an error where nodes run, or are gone.
func (r *Ring) isStopped() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.stopped || r.gone {
		return errors.New("the ring is not stopped")
	}
	return nil
}

// StoppedNodes implements ring.Cleaner.
func (s seams) StoppedNodes(context.Context) ([]ring.StoppedNode, error) {
	var found []ring.StoppedNode
	err := s.do(Stopped, "", "nodes", func() error {
		if err := s.isStopped(); err != nil {
			return err
		}
		for i, n := range s.nodes {
			found = append(found, ring.StoppedNode{Name: n.Name, Datacenter: "dc1", Rack: fmt.Sprintf("r%d", i+1), Volume: "data-" + n.Name, Identity: n.VolumeID})
		}
		return nil
	})
	return found, err
}

// Clean implements ring.Cleaner: the cleaner runs in this process.
func (s seams) Clean(ctx context.Context, tasks []ring.CleanTask, progress func(node, message string)) ([]ring.CleanOutcome, error) {
	outcomes := make([]ring.CleanOutcome, len(tasks))
	if err := s.do(Stopped, "", "clean", s.isStopped); err != nil {
		return nil, err
	}
	var all sync.WaitGroup
	for i, task := range tasks {
		all.Go(func() {
			what := "clean"
			if task.DryRun {
				what = "look"
			}
			outcomes[i].Err = s.do(Stopped, task.Node.Name, what, func() (err error) {
				outcomes[i].Result, err = s.clean(ctx, task, progress)
				return err
			})
			if outcomes[i].Err != nil {
				outcomes[i].Result = nil
			}
		})
	}
	all.Wait()
	return outcomes, nil
}

func (s seams) clean(ctx context.Context, task ring.CleanTask, progress func(node, message string)) (*wire.CleanResult, error) {
	for _, n := range s.nodes {
		if n.Name != task.Node.Name {
			continue
		}
		return cleaner.Clean(ctx, cleaner.Options{
			Volume: n.Volume, Data: n.DataDirs, Backup: task.Backup, ForgetPeers: task.ForgetPeers, VolumeID: task.Node.Identity, HostID: task.HostID,
			InPlace: task.InPlace, Restored: task.Restored, Again: task.Again, AssumeStopped: true, DryRun: task.DryRun, Full: task.Full,
			Progress: func(message string) { progress(n.Name, message) },
		})
	}
	return nil, fmt.Errorf("no node %s", task.Node.Name)
}

// Start implements ring.StoppedRing: the nodes come up on what lies on their volumes.
func (s seams) Start(context.Context, func(string)) error {
	return s.do(Stopped, "", "start", func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.gone {
			return errors.New("there is no datacenter")
		}
		s.stopped = false
		return s.load()
	})
}

type datacenters seams

// Stop implements ring.Datacenters.
func (d datacenters) Stop(context.Context, func(string)) error {
	return d.do(Stopped, "", "stop", func() error {
		d.Ring.Stop()
		return nil
	})
}

// Deletable implements ring.Datacenters.
func (d datacenters) Deletable(context.Context) error {
	return d.do(Stopped, "", "deletable", func() error { return nil })
}

// SnapshotVolumes implements ring.Datacenters.
func (d datacenters) SnapshotVolumes(context.Context, time.Duration, func(string)) ([]string, error) {
	var names []string
	for _, n := range d.nodes {
		err := d.do(Stopped, n.Name, "snapshot volume", func() error {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.images++
			names = append(names, fmt.Sprintf("undo-%s-%d", n.Name, d.images))
			return nil
		})
		if err != nil {
			return names, err
		}
	}
	return names, nil
}

// Delete implements ring.Datacenters.
func (d datacenters) Delete(_ context.Context, keepVolumes bool, _ func(string)) error {
	return d.do(Stopped, "", fmt.Sprintf("delete keep=%v", keepVolumes), func() error {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.gone, d.stopped = true, true
		for _, n := range d.nodes {
			if keepVolumes {
				continue
			}
			entries, err := os.ReadDir(n.Volume)
			if err != nil {
				return err
			}
			for _, e := range entries {
				if err := os.RemoveAll(filepath.Join(n.Volume, e.Name())); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// Exists tells whether the datacenters were not deleted.
func (r *Ring) Exists() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !r.gone
}
