// Package cleaner runs one Job of the cleaner at the volumes of one node, from the
// removal of an earlier Job to its result.
package cleaner

import (
	"context"
	"errors"
	"fmt"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/kube/api"
	"github.com/casshook/casshook/pkg/kube/objects"
	"github.com/casshook/casshook/pkg/ring"
)

// Run is one run of a cleaner's Job, from the removal of an earlier one to its own.
type Run struct {
	Client *api.Client
	// StartLimit is how long the pod of the Job may take until it runs.
	StartLimit time.Duration
	Task       ring.CleanTask
	Object     *batchv1.Job
	// Run tells this run's Jobs from those of another.
	Run string
	// Tell is told the lines of the cleaner's log, and what is waited for.
	Tell func(string)
	log  jobLog
	// unread is why the log could not be read to its end.
	unread error
	// began is set once the cleaner may have begun its work, judged once it has ended.
	began, judged bool
}

// removeLimit is how long a Job and its pods may take to go: the cleaner ends at once
// when it is told to.
const removeLimit = 2 * time.Minute

// cleanPoll is how often the pod of a Job is looked at.
const cleanPoll = time.Second

// Do runs the Job, and removes it whatever became of it: while it is there, so is the
// volume's user, and the operator does not delete the claims of a datacenter.
func (r *Run) Do(ctx context.Context) (*wire.CleanResult, error) {
	result, err := r.perform(ctx)
	// The limit holds where the API server does not answer, too.
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*removeLimit)
	defer cancel()
	left := removeJob(end, r.Client, r.Object.Namespace, r.Object.Name, removal{run: r.Run})
	if err == nil {
		if left != nil { // the work is done all the same
			r.Client.Notify("cannot delete Job %s, delete it by hand: %v", r.Object.Name, left)
		}
		return result, nil
	}
	if !r.Task.DryRun && (r.began && uncoded(err) || left != nil && !r.judged) {
		err = flow.Recode(flow.HalfWay, fmt.Errorf("%w; the cleaner may have started: do not start Cassandra, run the cleaner again", err))
	}
	if left != nil {
		left = fmt.Errorf("the cleaner's Job still exists: %w", left)
	}
	return nil, r.about(errors.Join(err, left))
}

// uncoded tells an error that says nothing of what was done, such as that of an API
// server that cannot be reached.
func uncoded(err error) bool {
	return flow.CodeOf(err) == flow.Failed && flow.CodeOf(flow.Fail(flow.HalfWay, err)) == flow.HalfWay
}

// about says which volume an error is about, and keeps its code.
func (r *Run) about(err error) error {
	return fmt.Errorf("volume %s of node %s: %w", r.Task.Node.Volume, r.Task.Node.Name, err)
}

func (r *Run) perform(ctx context.Context) (*wire.CleanResult, error) {
	if err := removeJob(ctx, r.Client, r.Object.Namespace, r.Object.Name, removal{progress: r.Tell}); err != nil {
		return nil, fmt.Errorf("an earlier Job of the cleaner: %w", err)
	}
	job, err := r.create(ctx)
	if err != nil {
		return nil, err
	}
	pod, err := r.start(ctx, job)
	if err != nil {
		return nil, err
	}
	return r.follow(ctx, pod)
}

// create makes the Job. One that is there already is ours if its answer was lost.
func (r *Run) create(ctx context.Context) (*batchv1.Job, error) {
	r.Object.Annotations = map[string]string{objects.RunAnnotation: r.Run}
	jobs := r.Client.Typed.BatchV1().Jobs(r.Object.Namespace)
	var made *batchv1.Job
	err := r.Client.Do(ctx, r.request("create"), func(ctx context.Context) (err error) {
		made, err = jobs.Create(ctx, r.Object, metav1.CreateOptions{})
		if apierrors.IsAlreadyExists(err) {
			made, err = jobs.Get(ctx, r.Object.Name, metav1.GetOptions{})
			if err == nil && made.Annotations[objects.RunAnnotation] != r.Run {
				return flow.Failf(flow.Locked, "another run has created the Job %s: wait for it, or stop one of the two", r.Object.Name)
			}
		}
		return err
	})
	r.began = err == nil || ctx.Err() != nil || api.Transient(err)
	return made, err
}

func (r *Run) request(verb string) api.Request {
	return api.NewRequest(verb, "jobs", r.Object.Namespace, r.Object.Name)
}

// start waits until the cleaner's container has run, whether or not it runs still.
func (r *Run) start(ctx context.Context, job *batchv1.Job) (*corev1.Pod, error) {
	var pod *corev1.Pod
	wait := flow.Waiting{Limit: r.StartLimit, Every: cleanPoll, For: "the cleaner to run", Progress: r.Tell}
	err := r.Client.Wait(ctx, wait, func(ctx context.Context) (waiting []string, err error) {
		if pod, err = podOfJob(ctx, r.Client, job); err != nil {
			return nil, err
		}
		if pod == nil {
			return r.podless(ctx, job)
		}
		return unstarted(pod)
	})
	return pod, err
}

// podless says what may have kept the Job's controller from making a pod.
func (r *Run) podless(ctx context.Context, job *batchv1.Job) ([]string, error) {
	var now *batchv1.Job
	err := r.Client.Do(ctx, r.request("get"), func(ctx context.Context) (err error) {
		now, err = r.Client.Typed.BatchV1().Jobs(job.Namespace).Get(ctx, job.Name, metav1.GetOptions{})
		return err
	})
	if api.Absent(err) || err == nil && now.UID != job.UID {
		return nil, fmt.Errorf("somebody deleted the Job %s", job.Name)
	}
	if err != nil {
		return nil, err
	}
	for _, condition := range now.Status.Conditions {
		if condition.Type == batchv1.JobFailed && condition.Status == corev1.ConditionTrue {
			return nil, flow.Failf(flow.Failed, "the Job %s failed before it had a pod: %s", job.Name, condition.Message)
		}
	}
	return []string{fmt.Sprintf("the Job %s has no pod yet: check its events", job.Name)}, nil
}

// podOfJob is the Job's pod, nil when there is none.
func podOfJob(ctx context.Context, c *api.Client, job *batchv1.Job) (*corev1.Pod, error) {
	pods, err := podsOfJob(ctx, c, job.Namespace, job.Name)
	if err != nil {
		return nil, err
	}
	for i := range pods {
		if ref := metav1.GetControllerOf(&pods[i]); ref != nil && ref.UID == job.UID {
			return &pods[i], nil
		}
	}
	return nil, nil
}

func podsOfJob(ctx context.Context, c *api.Client, namespace, name string) ([]corev1.Pod, error) {
	return c.Pods(ctx, namespace, metav1.ListOptions{LabelSelector: metav1.FormatLabelSelector(&metav1.LabelSelector{MatchLabels: map[string]string{objects.JobLabel: name}})})
}

// removal of a Job.
type removal struct {
	// run is the only one whose Job is removed; any when empty.
	run      string
	progress func(string)
}

// removeJob deletes a Job of casshook's, if it is there, and waits until its pods are
// gone, too.
func removeJob(ctx context.Context, c *api.Client, namespace, name string, r removal) error {
	jobs := c.Typed.BatchV1().Jobs(namespace)
	wait := flow.Waiting{Limit: removeLimit, Every: cleanPoll, For: "the Job " + name + " to be gone", Code: flow.Failed, Progress: r.progress}
	return c.Wait(ctx, wait, func(ctx context.Context) (waiting []string, err error) {
		var job *batchv1.Job
		err = c.Do(ctx, api.NewRequest("get", "jobs", namespace, name), func(ctx context.Context) (err error) {
			job, err = jobs.Get(ctx, name, metav1.GetOptions{})
			return err
		})
		if err != nil && !api.Absent(err) {
			return nil, err
		}
		if err == nil {
			if r.run != "" && job.Annotations[objects.RunAnnotation] != r.run {
				return nil, nil
			}
			if err := deleteJob(ctx, c, job); err != nil {
				return nil, err
			}
			waiting = append(waiting, "it is being deleted")
		}
		pods, err := podsOfJob(ctx, c, namespace, name)
		for _, pod := range pods {
			waiting = append(waiting, fmt.Sprintf("pod %s is still there%s", pod.Name, onNode(&pod)))
		}
		return waiting, err
	})
}

// deleteJob deletes a Job after its pods, unless somebody does already.
func deleteJob(ctx context.Context, c *api.Client, job *batchv1.Job) error {
	if job.Labels[objects.ManagedByLabel] != objects.OwnName {
		return flow.Failf(flow.Precondition, "the Job %s/%s is not casshook's (no label %s=%s): remove or rename it", job.Namespace, job.Name, objects.ManagedByLabel, objects.OwnName)
	}
	if job.DeletionTimestamp != nil {
		return nil
	}
	policy := metav1.DeletePropagationForeground
	err := c.Do(ctx, api.NewRequest("delete", "jobs", job.Namespace, job.Name), func(ctx context.Context) error {
		return c.Typed.BatchV1().Jobs(job.Namespace).Delete(ctx, job.Name, metav1.DeleteOptions{
			PropagationPolicy: &policy, Preconditions: &metav1.Preconditions{UID: &job.UID},
		})
	})
	if api.Absent(err) || apierrors.IsConflict(err) { // gone, or another by now: the next look tells
		return nil
	}
	return err
}
