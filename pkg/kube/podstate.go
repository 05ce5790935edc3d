package kube

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
)

// container is that of Cassandra; nil where there is none.
func container(pod *corev1.Pod) *corev1.Container {
	for i := range pod.Spec.Containers {
		if pod.Spec.Containers[i].Name == cassandraContainer {
			return &pod.Spec.Containers[i]
		}
	}
	return nil
}

// containerStatus is that of Cassandra's container; nil where there is none.
func containerStatus(pod *corev1.Pod) *corev1.ContainerStatus {
	for i := range pod.Status.ContainerStatuses {
		if pod.Status.ContainerStatuses[i].Name == cassandraContainer {
			return &pod.Status.ContainerStatuses[i]
		}
	}
	return nil
}

// stateOf is a container's state in brackets.
func stateOf(status *corev1.ContainerStatus) string {
	switch {
	case status == nil:
		return ""
	case status.State.Waiting != nil:
		return fmt.Sprintf(" (waiting: %s)", status.State.Waiting.Reason)
	case status.State.Terminated != nil:
		return fmt.Sprintf(" (ended: %s, exit code %d)", status.State.Terminated.Reason, status.State.Terminated.ExitCode)
	}
	return ""
}
