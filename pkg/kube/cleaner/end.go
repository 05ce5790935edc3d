package cleaner

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/kube/api"
)

// lostAfter is how long a pod may neither be heard of, nor end when it is being deleted,
// until its machine is believed to be lost.
const lostAfter = 5 * time.Minute

// logTries is how often the log of a pod that has ended is asked for.
const logTries = 5

// follow tells the log until the pod has ended, and judges the end. How long the work
// takes is the volume's affair: there is no limit but the context's while the pod runs.
func (r *Run) follow(ctx context.Context, pod *corev1.Pod) (*wire.CleanResult, error) {
	r.log.tell = r.Tell
	clock := r.Client.Clock
	heard, leaving := clock.Now(), time.Time{}
	for {
		opened, err := r.read(ctx, pod, false)
		if apierrors.IsForbidden(err) {
			return nil, api.Forbidden(api.NewRequest("get", "pods/log", pod.Namespace, pod.Name), err)
		}
		now, err := r.look(ctx, pod)
		if err != nil {
			return nil, err
		}
		if now == nil {
			return r.judge(&ending{code: -1, text: "its pod " + pod.Name + " was deleted"})
		}
		if end := endOf(now); end != nil {
			r.readRest(ctx, now)
			return r.judge(end)
		}
		if opened {
			heard = clock.Now()
		}
		if now.DeletionTimestamp != nil && leaving.IsZero() {
			leaving = clock.Now()
		}
		if clock.Now().Sub(heard) > lostAfter || !leaving.IsZero() && clock.Now().Sub(leaving) > lostAfter {
			return r.judge(&ending{code: -1, text: fmt.Sprintf("its pod %s%s neither logs anything nor ends: is the machine lost?", now.Name, onNode(now))})
		}
		if err := clock.Wait(ctx, cleanPoll); err != nil {
			return nil, fmt.Errorf("waiting for the end of the cleaner: %w", err)
		}
	}
}

// look is the pod as it is now; nil when it is gone.
func (r *Run) look(ctx context.Context, pod *corev1.Pod) (*corev1.Pod, error) {
	var now *corev1.Pod
	err := r.Client.Do(ctx, api.NewRequest("get", "pods", pod.Namespace, pod.Name), func(ctx context.Context) (err error) {
		now, err = r.Client.Typed.CoreV1().Pods(pod.Namespace).Get(ctx, pod.Name, metav1.GetOptions{})
		return err
	})
	if api.Absent(err) || err == nil && now.UID != pod.UID {
		return nil, nil
	}
	return now, err
}

// readRest reads what the log has to say after the end, which the streams may have
// missed.
func (r *Run) readRest(ctx context.Context, pod *corev1.Pod) {
	for range logTries {
		_, err := r.read(ctx, pod, true)
		if r.unread = err; err == nil || r.Client.Clock.Wait(ctx, cleanPoll) != nil {
			return
		}
	}
}

// OtherUserError says that the files of a volume belong to another user than that of
// the Job. Nothing was changed.
type OtherUserError struct{ Owner wire.Owner }

// Error implements error.
func (e *OtherUserError) Error() string {
	return fmt.Sprintf("the files belong to uid %d, gid %d: run the cleaner as that user (--run-as)", e.Owner.UID, e.Owner.GID)
}

// judge makes the outcome of an end. The result is the last that the cleaner says, when
// all is done: with it, a pod that vanished has done its work.
func (r *Run) judge(e *ending) (*wire.CleanResult, error) {
	r.judged = true
	if r.log.result != nil && e.code <= int(flow.Done) {
		return r.log.result, nil
	}
	if result := r.log.result; result != nil && result.State == wire.StateOtherUser && result.Owner != nil && e.code == int(flow.Precondition) {
		return nil, flow.Fail(flow.Precondition, &OtherUserError{Owner: *result.Owner})
	}
	words := cmp.Or(r.log.last, lastLine(e.message))
	switch {
	case e.code == int(flow.Done):
		return nil, r.unsure(errors.Join(errors.New("the cleaner succeeded, but its log has no result: is the image of a different release?"), r.unread))
	case e.code < 0:
		return nil, r.unfinished(e, joined(e.text, words))
	}
	return nil, flow.Fail(flow.Code(e.code), errors.New(cmp.Or(joined(e.text, words), fmt.Sprintf("exit code %d", e.code))))
}

func (r *Run) unfinished(e *ending, text string) error {
	if e.unbegun {
		return flow.Fail(flow.Precondition, errors.New(text))
	}
	return r.unsure(errors.New(text))
}

// unsure is an error after which nobody knows what was done.
func (r *Run) unsure(err error) error {
	if r.Task.DryRun {
		return flow.Fail(flow.Failed, err)
	}
	return flow.Fail(flow.HalfWay, fmt.Errorf("%w; it may have started: do not start Cassandra, run the cleaner again", err))
}

// joined is what ended the cleaner and its last words.
func joined(text, words string) string {
	if text == "" || words == "" {
		return text + words
	}
	return text + "; it said last: " + words
}

func lastLine(message string) string {
	lines := strings.Split(message, "\n")
	return strings.TrimPrefix(strings.TrimSpace(lines[len(lines)-1]), "casshook-agent: ")
}
