package kanister

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
)

// cleanUp limits what still runs after a cancelled context.
const cleanUp = 30 * time.Second

// kubeTask runs a pod: create, wait out of Pending, follow and parse the log, wait
// for Succeeded, delete with no grace.
func (c *Controller) kubeTask(ctx context.Context, in call) (out map[string]any, err error) {
	spec, err := c.taskPod(in)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("create the pod: %w", err)
	}
	pod, err := c.createPod(ctx, spec)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.deletePod(ctx, pod)) }()
	if pod, err = c.awaitStart(ctx, pod); err != nil {
		return nil, err
	}
	o := newOutputs(c.log())
	if err := c.followLog(ctx, pod, o); err != nil {
		return nil, err
	}
	if pod, err = c.awaitEnd(ctx, pod); err != nil {
		return nil, err
	}
	if pod.Status.Phase != corev1.PodSucceeded {
		return nil, podFailed(pod, o)
	}
	return o.values, nil
}

func (c *Controller) createPod(ctx context.Context, pod *corev1.Pod) (*corev1.Pod, error) {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(pod)
	if err != nil {
		return nil, err
	}
	u, err := c.Dynamic.Resource(podResource()).Namespace(pod.Namespace).Create(ctx, &unstructured.Unstructured{Object: content}, metav1.CreateOptions{})
	if err != nil {
		return nil, fmt.Errorf("create pod %s/%s: %w", pod.Namespace, pod.Name, err)
	}
	return toPod(u)
}

func (c *Controller) getPod(ctx context.Context, pod *corev1.Pod) (*corev1.Pod, error) {
	u, err := c.Dynamic.Resource(podResource()).Namespace(pod.Namespace).Get(ctx, pod.Name, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("get pod %s/%s: %w", pod.Namespace, pod.Name, err)
	}
	return toPod(u)
}

func toPod(u *unstructured.Unstructured) (*corev1.Pod, error) {
	var pod corev1.Pod
	return &pod, runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, &pod)
}

// deletePod deletes with no grace, even when the context is over.
func (c *Controller) deletePod(ctx context.Context, pod *corev1.Pod) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanUp)
	defer cancel()
	var grace int64
	err := c.Dynamic.Resource(podResource()).Namespace(pod.Namespace).Delete(ctx, pod.Name, metav1.DeleteOptions{GracePeriodSeconds: &grace})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("delete pod %s/%s: %w", pod.Namespace, pod.Name, err)
	}
	return nil
}

// awaitStart waits until the pod is no longer Pending. A bad image is not noticed
// before the limit.
func (c *Controller) awaitStart(ctx context.Context, pod *corev1.Pod) (*corev1.Pod, error) {
	latest := pod
	err := wait.PollUntilContextTimeout(ctx, c.poll(), c.podReady(), true, func(ctx context.Context) (bool, error) {
		var err error
		if latest, err = c.getPod(ctx, pod); err != nil {
			latest = pod
			return false, err
		}
		return latest.Status.Phase != corev1.PodPending && latest.Status.Phase != "", nil
	})
	if err != nil {
		return pod, fmt.Errorf("wait up to %s for pod %s/%s to leave Pending (status: %s): %w", c.podReady(), pod.Namespace, pod.Name, podStatus(latest), err)
	}
	return latest, nil
}

// awaitEnd has no limit but the context's.
func (c *Controller) awaitEnd(ctx context.Context, pod *corev1.Pod) (*corev1.Pod, error) {
	latest := pod
	err := wait.PollUntilContextCancel(ctx, c.poll(), true, func(ctx context.Context) (bool, error) {
		current, err := c.getPod(ctx, pod)
		if err != nil {
			return false, err
		}
		latest = current
		return ended(current), nil
	})
	if err != nil {
		return pod, fmt.Errorf("wait for pod %s/%s to end: %w", pod.Namespace, pod.Name, err)
	}
	return latest, nil
}

func ended(pod *corev1.Pod) bool {
	return pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
}

// followLog parses the log until the pod has ended. A stream that is cut while the
// pod runs is opened again; lines may come twice, which outputs do not mind.
func (c *Controller) followLog(ctx context.Context, pod *corev1.Pod, o *outputs) error {
	var since time.Time
	for {
		opened := time.Now()
		if err := c.readLog(ctx, pod, since, o); err != nil {
			return err
		}
		latest, err := c.getPod(ctx, pod)
		if err != nil {
			return err
		}
		if ended(latest) || !running(latest, TaskContainer) {
			return nil
		}
		since = opened
		if err := pause(ctx, c.poll()); err != nil {
			return fmt.Errorf("follow the log of pod %s/%s: %w", pod.Namespace, pod.Name, err)
		}
	}
}

// running tells whether the container has not ended; its pod says so a little
// later.
func running(pod *corev1.Pod, container string) bool {
	for _, status := range pod.Status.ContainerStatuses {
		if status.Name == container {
			return status.State.Terminated == nil
		}
	}
	return true
}

func (c *Controller) readLog(ctx context.Context, pod *corev1.Pod, since time.Time, o *outputs) error {
	stream, err := c.Streams.Follow(ctx, pod.Namespace, pod.Name, TaskContainer, since)
	if err != nil {
		return fmt.Errorf("follow the log of pod %s/%s: %w", pod.Namespace, pod.Name, err)
	}
	defer func() { _ = stream.Close() }() // nothing was written to it
	reader := bufio.NewReader(stream)
	for {
		line, err := reader.ReadString('\n')
		if line != "" {
			if err := o.line(line); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read the log of pod %s/%s: %w", pod.Namespace, pod.Name, err)
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
