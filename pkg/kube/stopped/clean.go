// Package stopped finds the nodes of a ring that is stopped, or those of volumes without
// a datacenter, by their volume claims, and runs the cleaner on them.
package stopped

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/kube/api"
	"github.com/casshook/casshook/pkg/kube/cleaner"
	"github.com/casshook/casshook/pkg/kube/datacenter"
	"github.com/casshook/casshook/pkg/kube/objects"
	"github.com/casshook/casshook/pkg/ring"
)

// Options are for the cleaner's Jobs, and for what is waited for before them.
type Options struct {
	// Image is casshook's own, which the Jobs run; PullSecrets are for it, besides
	// those of Cassandra's pods.
	Image       string
	PullSecrets []string
	// RunAs is the user, and group, of the Jobs instead of Cassandra's own: as its
	// pods say, or the volume's files where it has no datacenter.
	RunAs int64
	// StopLimit is how long to wait until the last pod of a ring that stops is gone;
	// JobStart until the pod of a Job runs.
	StopLimit, JobStart time.Duration
}

// DefaultStop and defaultJobStart are the limits where none is given.
const (
	DefaultStop     = 10 * time.Minute
	defaultJobStart = 5 * time.Minute
)

// filled has defaults where nothing is given.
func (o Options) filled() Options {
	o.StopLimit, o.JobStart = cmp.Or(o.StopLimit, DefaultStop), cmp.Or(o.JobStart, defaultJobStart)
	return o
}

// Ring is a ring that is stopped, or is to be.
type Ring struct {
	client  *api.Client
	ring    *datacenter.Ring
	options Options
}

var _ ring.Cleaner = (*Ring)(nil)

// New makes one of a ring.
func New(client *api.Client, of *datacenter.Ring, options Options) *Ring {
	return &Ring{client: client, ring: of, options: options.filled()}
}

// volumes is ring.Cleaner for whatever nodes a look finds.
type volumes struct {
	client    *api.Client
	options   Options
	namespace string
	// look finds the nodes, and fails where one is not stopped; it waits until that
	// is so where progress is given.
	look func(ctx context.Context, progress func(string)) ([]node, error)
}

// StoppedNodes implements ring.Cleaner. It waits, up to its options' StopLimit, until the nodes
// of a ring that is to stop are gone; what for is told as a notice.
func (r *Ring) StoppedNodes(ctx context.Context) ([]ring.StoppedNode, error) {
	return r.volumes().stoppedNodes(ctx)
}

// Clean implements ring.Cleaner.
func (r *Ring) Clean(ctx context.Context, tasks []ring.CleanTask, progress func(node, message string)) ([]ring.CleanOutcome, error) {
	return r.volumes().clean(ctx, tasks, progress)
}

func (r *Ring) volumes() *volumes {
	return &volumes{client: r.client, options: r.options, namespace: r.ring.Namespace(), look: r.nodes}
}

// nodes are all nodes of the ring.
func (r *Ring) nodes(ctx context.Context, progress func(string)) ([]node, error) {
	state, err := r.now(ctx, progress)
	if err != nil {
		return nil, err
	}
	var found []node
	var problems []error
	for _, part := range state.parts {
		nodes, err := part.nodes(state.objects, r.options)
		found, problems = append(found, nodes...), append(problems, err)
	}
	return found, flow.Fail(flow.Precondition, errors.Join(problems...))
}

// now waits only where somebody is told.
func (r *Ring) now(ctx context.Context, progress func(string)) (*State, error) {
	if progress != nil {
		return r.Await(ctx, progress)
	}
	state, err := r.look(ctx)
	if err != nil {
		return nil, err
	}
	var waiting []string
	for _, part := range state.parts {
		waiting = append(waiting, part.waiting...)
	}
	if len(waiting) > 0 {
		return nil, flow.Failf(flow.Precondition, "the ring is no longer stopped: %s", api.Few(waiting))
	}
	return state, nil
}

func (s *volumes) stoppedNodes(ctx context.Context) ([]ring.StoppedNode, error) {
	nodes, err := s.fitting(ctx, func(message string) { s.client.Notify("%s", message) })
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
func (s *volumes) fitting(ctx context.Context, progress func(string)) ([]node, error) {
	nodes, err := s.look(ctx, progress)
	if err != nil {
		return nil, err
	}
	claims, err := s.client.Claims(ctx, s.namespace)
	if err != nil {
		return nil, flow.Fail(flow.Precondition, err)
	}
	pods, err := s.client.Pods(ctx, s.namespace, metav1.ListOptions{})
	if err != nil {
		return nil, flow.Fail(flow.Precondition, err)
	}
	return nodes, fit(nodes, datacenter.ClaimsByName(claims), usersOf(pods))
}

// cleanersAtOnce bounds the Jobs that run at the same time.
const cleanersAtOnce = 16

// clean looks anew before it makes a Job: much may have happened since the nodes were
// listed.
func (s *volumes) clean(ctx context.Context, tasks []ring.CleanTask, progress func(node, message string)) ([]ring.CleanOutcome, error) {
	if s.options.Image == "" {
		return nil, flow.Failf(flow.Usage, "pass --image: the casshook image for the cleaner Jobs")
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
			c := cleaner.Run{Client: s.client, StartLimit: s.options.JobStart, Task: task, Run: run, Tell: func(line string) {
				mu.Lock()
				defer mu.Unlock()
				progress(task.Node.Name, line)
			}}
			outcomes[i].Result, outcomes[i].Err = jobs[i].run(ctx, c)
			return nil // the others go on
		})
	}
	return outcomes, group.Wait()
}

// jobsFor are the Jobs of tasks, or all reasons why there cannot be some.
func jobsFor(tasks []ring.CleanTask, nodes []node) ([]node, error) {
	jobs, seen := make([]node, len(tasks)), map[string]bool{}
	var problems []error
	for i, task := range tasks {
		name, was := task.Node.Name, task.Node.Identity
		n := slices.IndexFunc(nodes, func(s node) bool { return s.Name == name })
		switch {
		case seen[name]:
			problems = append(problems, fmt.Errorf("node %s has two tasks", name))
		case n < 0:
			problems = append(problems, fmt.Errorf("node %s no longer exists", name))
		case was == "" && !task.DryRun:
			problems = append(problems, fmt.Errorf("node %s: the volume claim %s was not bound when it was inspected: run with --dry-run first to bind it", name, nodes[n].Volume))
		case was != "" && was != nodes[n].Identity:
			problems = append(problems, fmt.Errorf("node %s: the volume claim %s was replaced (%s, now %s): start over", name, nodes[n].Volume, was, nodes[n].Identity))
		default:
			jobs[i] = nodes[n]
			jobs[i].job = jobFor(nodes[n].job, task, nodes[n].Identity)
		}
		seen[name] = true
	}
	return jobs, errors.Join(problems...)
}

// jobFor is the Job for a task. The identity of a volume that is not bound is not known to
// anybody before the Job's own pod binds it: only a dry run may look at it, as at a restored one.
func jobFor(j objects.CleanerJob, task ring.CleanTask, identity string) objects.CleanerJob {
	j.VolumeID, j.Restored = identity, task.Restored || identity == ""
	j.Backup, j.HostID = task.Backup, task.HostID
	j.ForgetPeers, j.InPlace, j.Again, j.DryRun, j.Full = task.ForgetPeers, task.InPlace, task.Again, task.DryRun, task.Full
	return j
}
