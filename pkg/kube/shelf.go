package kube

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"golang.org/x/sync/errgroup"

	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/ring"
)

// shelf is ring.Shelf for whatever nodes a look finds.
type shelf struct {
	client    *Client
	namespace string
	// look finds the nodes, and fails where one is not stopped; it waits until that
	// is so where progress is given.
	look func(ctx context.Context, progress func(string)) ([]shelved, error)
}

// StoppedNodes implements ring.Shelf. It waits, up to Options.StopLimit, until the nodes
// of a ring that is to stop are gone; what for is told to Options.Notify.
func (t *Target) StoppedNodes(ctx context.Context) ([]ring.StoppedNode, error) {
	return t.shelf().stoppedNodes(ctx)
}

// Clean implements ring.Shelf.
func (t *Target) Clean(ctx context.Context, tasks []ring.CleanTask, progress func(node, message string)) ([]ring.CleanOutcome, error) {
	return t.shelf().clean(ctx, tasks, progress)
}

func (t *Target) shelf() *shelf {
	return &shelf{client: t.client, namespace: t.namespace, look: t.shelved}
}

// shelved are all nodes of the ring.
func (t *Target) shelved(ctx context.Context, progress func(string)) ([]shelved, error) {
	still, err := t.stillNow(ctx, progress)
	if err != nil {
		return nil, err
	}
	var found []shelved
	var problems []error
	for _, part := range still.parts {
		nodes, err := part.nodes(still.objects, t.client.opts)
		found, problems = append(found, nodes...), append(problems, err)
	}
	return found, flow.Fail(flow.Precondition, errors.Join(problems...))
}

// stillNow waits only where somebody is told.
func (t *Target) stillNow(ctx context.Context, progress func(string)) (*still, error) {
	if progress != nil {
		return t.awaitStill(ctx, progress)
	}
	still, err := t.still(ctx)
	if err != nil {
		return nil, err
	}
	var waiting []string
	for _, part := range still.parts {
		waiting = append(waiting, part.waiting...)
	}
	if len(waiting) > 0 {
		return nil, flow.Failf(flow.Precondition, "the ring is not stopped any more: %s", few(waiting))
	}
	return still, nil
}

func (s *shelf) stoppedNodes(ctx context.Context) ([]ring.StoppedNode, error) {
	nodes, err := s.fitting(ctx, func(message string) { s.client.notify("%s", message) })
	if err != nil {
		return nil, err
	}
	var found []ring.StoppedNode
	for _, node := range sorted(nodes) {
		found = append(found, node.StoppedNode)
	}
	return found, nil
}

// fitting are the nodes whose volumes can be worked on.
func (s *shelf) fitting(ctx context.Context, progress func(string)) ([]shelved, error) {
	nodes, err := s.look(ctx, progress)
	if err != nil {
		return nil, err
	}
	claims, err := s.client.claims(ctx, s.namespace)
	if err != nil {
		return nil, flow.Fail(flow.Precondition, err)
	}
	pods, err := s.client.pods(ctx, s.namespace, metav1.ListOptions{})
	if err != nil {
		return nil, flow.Fail(flow.Precondition, err)
	}
	return nodes, fit(nodes, claimsByName(claims), usersOf(pods))
}

// cleanersAtOnce bounds the Jobs that run at the same time.
const cleanersAtOnce = 16

// clean looks anew before it makes a Job: much may have happened since the nodes were
// listed.
func (s *shelf) clean(ctx context.Context, tasks []ring.CleanTask, progress func(node, message string)) ([]ring.CleanOutcome, error) {
	if s.client.opts.Image == "" {
		return nil, flow.Failf(flow.Usage, "say --image: the image of casshook that the cleaner's Jobs run")
	}
	nodes, err := s.fitting(ctx, nil)
	if err != nil {
		return nil, err
	}
	jobs, err := jobsFor(tasks, nodes)
	if err != nil {
		return nil, flow.Fail(flow.Precondition, err)
	}
	outcomes, run := make([]ring.CleanOutcome, len(tasks)), rand.Text()
	var group errgroup.Group
	var mu sync.Mutex
	group.SetLimit(cleanersAtOnce)
	for i, task := range tasks {
		group.Go(func() error {
			c := &cleaning{client: s.client, task: task, object: jobs[i].Object(), run: run, tell: func(line string) {
				mu.Lock()
				defer mu.Unlock()
				progress(task.Node.Name, line)
			}}
			outcomes[i].Result, outcomes[i].Err = c.do(ctx)
			return nil // the others go on
		})
	}
	return outcomes, group.Wait()
}

// jobsFor are the Jobs of tasks, or all reasons why there cannot be some.
func jobsFor(tasks []ring.CleanTask, nodes []shelved) ([]CleanerJob, error) {
	jobs, seen := make([]CleanerJob, len(tasks)), map[string]bool{}
	var problems []error
	for i, task := range tasks {
		name, was := task.Node.Name, task.Node.Identity
		n := slices.IndexFunc(nodes, func(s shelved) bool { return s.Name == name })
		switch {
		case seen[name]:
			problems = append(problems, fmt.Errorf("node %s has two tasks", name))
		case n < 0:
			problems = append(problems, fmt.Errorf("node %s is not there any more", name))
		case was == "" && !task.DryRun:
			problems = append(problems, fmt.Errorf("node %s: the volume claim %s was not bound when it was looked at, and so is not known: a dry run binds it", name, nodes[n].Volume))
		case was != "" && was != nodes[n].Identity:
			problems = append(problems, fmt.Errorf("node %s: the volume claim %s is another than it was (%s, now %s): start over", name, nodes[n].Volume, was, nodes[n].Identity))
		default:
			jobs[i] = nodes[n].job.with(task, nodes[n].Identity)
		}
		seen[name] = true
	}
	return jobs, errors.Join(problems...)
}

// with is the Job for a task. The identity of a volume that is not bound is not known to
// anybody before the Job's own pod binds it: such a volume is a restored one.
func (j CleanerJob) with(task ring.CleanTask, identity string) CleanerJob {
	j.VolumeID, j.Restored = identity, identity == ""
	j.Backup, j.HostID = task.Backup, task.HostID
	j.ForgetPeers, j.InPlace, j.Again, j.DryRun, j.Full = task.ForgetPeers, task.InPlace, task.Again, task.DryRun, task.Full
	return j
}
