package kube

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
	"github.com/casshook/casshook/pkg/ring"
)

// cleanerRun is one run of a cleaner's Job, from the removal of an earlier one to its own.
type cleanerRun struct {
	client *apiClient
	// startLimit is how long the pod of the Job may take until it runs.
	startLimit time.Duration
	task       ring.CleanTask
	object     *batchv1.Job
	// run tells this run's Jobs from those of another.
	run string
	// tell is told the lines of the cleaner's log, and what is waited for.
	tell func(string)
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

// do runs the Job, and removes it whatever became of it: while it is there, so is the
// volume's user, and the operator does not delete the claims of a datacenter.
func (r *cleanerRun) do(ctx context.Context) (*wire.CleanResult, error) {
	result, err := r.perform(ctx)
	// The limit holds where the API server does not answer, too.
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*removeLimit)
	defer cancel()
	left := removeJob(end, r.client, r.object.Namespace, r.object.Name, removal{run: r.run})
	if err == nil {
		if left != nil { // the work is done all the same
			r.client.notify("delete the Job %s by hand: %v", r.object.Name, left)
		}
		return result, nil
	}
	if !r.task.DryRun && (r.began && uncoded(err) || left != nil && !r.judged) {
		err = flow.Recode(flow.HalfWay, fmt.Errorf("%w; the cleaner may have begun: do not start Cassandra, run it again", err))
	}
	if left != nil {
		left = fmt.Errorf("the cleaner's Job is still there: %w", left)
	}
	return nil, r.about(errors.Join(err, left))
}

// uncoded tells an error that says nothing of what was done, such as that of an API
// server that cannot be reached.
func uncoded(err error) bool {
	return flow.CodeOf(err) == flow.Failed && flow.CodeOf(flow.Fail(flow.HalfWay, err)) == flow.HalfWay
}

// about says which volume an error is about, and keeps its code.
func (r *cleanerRun) about(err error) error {
	return fmt.Errorf("volume %s of node %s: %w", r.task.Node.Volume, r.task.Node.Name, err)
}

func (r *cleanerRun) perform(ctx context.Context) (*wire.CleanResult, error) {
	if err := removeJob(ctx, r.client, r.object.Namespace, r.object.Name, removal{progress: r.tell}); err != nil {
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
func (r *cleanerRun) create(ctx context.Context) (*batchv1.Job, error) {
	r.object.Annotations = map[string]string{runAnnotation: r.run}
	jobs := r.client.typed.BatchV1().Jobs(r.object.Namespace)
	var made *batchv1.Job
	err := r.client.do(ctx, r.request("create"), func(ctx context.Context) (err error) {
		made, err = jobs.Create(ctx, r.object, metav1.CreateOptions{})
		if apierrors.IsAlreadyExists(err) {
			made, err = jobs.Get(ctx, r.object.Name, metav1.GetOptions{})
			if err == nil && made.Annotations[runAnnotation] != r.run {
				return flow.Failf(flow.Locked, "another run made the Job %s meanwhile: let one of the two do it", r.object.Name)
			}
		}
		return err
	})
	r.began = err == nil || ctx.Err() != nil || transient(err)
	return made, err
}

func (r *cleanerRun) request(verb string) request {
	return newRequest(verb, "jobs", r.object.Namespace, r.object.Name)
}

// start waits until the cleaner's container has run, whether or not it runs still.
func (r *cleanerRun) start(ctx context.Context, job *batchv1.Job) (*corev1.Pod, error) {
	var pod *corev1.Pod
	wait := await{limit: r.startLimit, every: cleanPoll, what: "the cleaner runs", progress: r.tell}
	err := r.client.until(ctx, wait, func(ctx context.Context) (waiting []string, err error) {
		if pod, err = podOfJob(ctx, r.client, job); err != nil {
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
func (r *cleanerRun) podless(ctx context.Context, job *batchv1.Job) ([]string, error) {
	var now *batchv1.Job
	err := r.client.do(ctx, r.request("get"), func(ctx context.Context) (err error) {
		now, err = r.client.typed.BatchV1().Jobs(job.Namespace).Get(ctx, job.Name, metav1.GetOptions{})
		return err
	})
	if absent(err) || err == nil && now.UID != job.UID {
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
	return []string{fmt.Sprintf("the Job %s has no pod yet: see its events", job.Name)}, nil
}

// podOfJob is the Job's pod, nil when there is none.
func podOfJob(ctx context.Context, c *apiClient, job *batchv1.Job) (*corev1.Pod, error) {
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

func podsOfJob(ctx context.Context, c *apiClient, namespace, name string) ([]corev1.Pod, error) {
	return c.pods(ctx, namespace, metav1.ListOptions{LabelSelector: metav1.FormatLabelSelector(&metav1.LabelSelector{MatchLabels: map[string]string{jobLabel: name}})})
}

// removal of a Job.
type removal struct {
	// run is the only one whose Job is removed; any when empty.
	run      string
	progress func(string)
}

// removeJob deletes a Job of casshook's, if it is there, and waits until its pods are
// gone, too.
func removeJob(ctx context.Context, c *apiClient, namespace, name string, r removal) error {
	jobs := c.typed.BatchV1().Jobs(namespace)
	wait := await{limit: removeLimit, every: cleanPoll, what: "the Job " + name + " is gone", code: flow.Failed, progress: r.progress}
	return c.until(ctx, wait, func(ctx context.Context) (waiting []string, err error) {
		var job *batchv1.Job
		err = c.do(ctx, newRequest("get", "jobs", namespace, name), func(ctx context.Context) (err error) {
			job, err = jobs.Get(ctx, name, metav1.GetOptions{})
			return err
		})
		if err != nil && !absent(err) {
			return nil, err
		}
		if err == nil {
			if r.run != "" && job.Annotations[runAnnotation] != r.run {
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
func deleteJob(ctx context.Context, c *apiClient, job *batchv1.Job) error {
	if job.Labels[managedByLabel] != ownName {
		return flow.Failf(flow.Precondition, "the Job %s/%s is not casshook's (no label %s=%s): remove or rename it", job.Namespace, job.Name, managedByLabel, ownName)
	}
	if job.DeletionTimestamp != nil {
		return nil
	}
	policy := metav1.DeletePropagationForeground
	err := c.do(ctx, newRequest("delete", "jobs", job.Namespace, job.Name), func(ctx context.Context) error {
		return c.typed.BatchV1().Jobs(job.Namespace).Delete(ctx, job.Name, metav1.DeleteOptions{
			PropagationPolicy: &policy, Preconditions: &metav1.Preconditions{UID: &job.UID},
		})
	})
	if absent(err) || apierrors.IsConflict(err) { // gone, or another by now: the next look tells
		return nil
	}
	return err
}
