package objects

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
)

// Container is that of Cassandra; nil where there is none.
func Container(pod *corev1.Pod) *corev1.Container {
	for i := range pod.Spec.Containers {
		if pod.Spec.Containers[i].Name == CassandraContainer {
			return &pod.Spec.Containers[i]
		}
	}
	return nil
}

// ContainerStatus is that of Cassandra's container; nil where there is none.
func ContainerStatus(pod *corev1.Pod) *corev1.ContainerStatus {
	for i := range pod.Status.ContainerStatuses {
		if pod.Status.ContainerStatuses[i].Name == CassandraContainer {
			return &pod.Status.ContainerStatuses[i]
		}
	}
	return nil
}

// StateOf is a container's state in brackets.
func StateOf(status *corev1.ContainerStatus) string {
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
