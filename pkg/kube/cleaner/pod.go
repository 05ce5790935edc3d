package cleaner

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/kube/objects"
)

// unstarted says why the cleaner has not run yet. A pod that failed before is an error.
func unstarted(pod *corev1.Pod) ([]string, error) {
	status := cleanerStatus(pod)
	if status != nil && (status.State.Running != nil || status.State.Terminated != nil) {
		return nil, nil
	}
	if pod.Status.Phase == corev1.PodFailed {
		return nil, flow.Failf(flow.Failed, "the pod %s failed before it began: %s", pod.Name, reasonOf(pod))
	}
	text := fmt.Sprintf("pod %s is %s", pod.Name, pod.Status.Phase)
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodScheduled && condition.Status == corev1.ConditionFalse {
			text = fmt.Sprintf("pod %s cannot be placed (%s): %s", pod.Name, condition.Reason, condition.Message)
		}
	}
	if status != nil && status.State.Waiting != nil {
		text = fmt.Sprintf("pod %s waits%s: %s", pod.Name, onNode(pod), status.State.Waiting.Reason)
		if message := status.State.Waiting.Message; message != "" {
			text += ": " + message
		}
	}
	return []string{text}, nil
}

func cleanerStatus(pod *corev1.Pod) *corev1.ContainerStatus {
	for i := range pod.Status.ContainerStatuses {
		if pod.Status.ContainerStatuses[i].Name == objects.CleanerContainer {
			return &pod.Status.ContainerStatuses[i]
		}
	}
	return nil
}

func onNode(pod *corev1.Pod) string {
	if pod.Spec.NodeName == "" {
		return ""
	}
	return " on the machine " + pod.Spec.NodeName
}

func reasonOf(pod *corev1.Pod) string {
	return strings.TrimSuffix(strings.TrimSpace(pod.Status.Reason+": "+pod.Status.Message), ":")
}

// ending is how a cleaner ended.
type ending struct {
	// code is its exit code; -1 where nobody knows it.
	code int
	// text says what ended it, where it did not end by itself.
	text string
	// message is its last words, where Kubernetes kept them.
	message string
	// unbegun is set where the program could not be started at all.
	unbegun bool
}

// endOf is nil while the pod has not ended.
func endOf(pod *corev1.Pod) *ending {
	e := &ending{code: -1}
	if status := cleanerStatus(pod); status != nil && status.State.Terminated != nil {
		end := status.State.Terminated
		e.code, e.message = int(end.ExitCode), strings.TrimSpace(end.Message)
		switch {
		case end.Reason == "OOMKilled":
			e.code, e.text = -1, "it ran out of memory and was killed (OOMKilled)"
		case end.Reason == "StartError", end.Reason == "ContainerCannotRun":
			e.code, e.text, e.unbegun = -1, "its program cannot be started: check that --image is a casshook image", true
		case end.Reason == "ContainerStatusUnknown", !known(e.code):
			e.code, e.text = -1, fmt.Sprintf("it was killed (%s, exit code %d)", end.Reason, end.ExitCode)
		}
	} else if pod.Status.Phase != corev1.PodFailed {
		return nil
	}
	switch {
	case pod.Status.Reason == "Evicted":
		e.text = "its pod was evicted" + onNode(pod) + ": " + pod.Status.Message
	case e.code == -1 && e.text == "":
		e.text = "its pod failed" + onNode(pod) + ": " + reasonOf(pod)
	}
	return e
}

// known tells the exit codes of casshook-agent clean.
func known(code int) bool {
	return code >= int(flow.Done) && code <= int(flow.Locked) || code == int(flow.Interrupted)
}
