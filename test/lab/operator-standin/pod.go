package operatorstandin

import (
	"time"

	corev1 "k8s.io/api/core/v1"
)

// server is the state of the container cassandra, nil before the kubelet has said anything.
func server(pod *corev1.Pod) *corev1.ContainerStatus {
	for i := range pod.Status.ContainerStatuses {
		if pod.Status.ContainerStatuses[i].Name == cassandraContainer {
			return &pod.Status.ContainerStatuses[i]
		}
	}
	return nil
}

func ready(pod *corev1.Pod) bool {
	status := server(pod)
	return status != nil && status.Ready
}

// reachable says whether the Management API has had the time to come up.
func reachable(pod *corev1.Pod, now time.Time, after time.Duration) bool {
	status := server(pod)
	return status != nil && status.State.Running != nil && !now.Before(status.State.Running.StartedAt.Add(after))
}

func state(pod *corev1.Pod) string { return pod.Labels[stateLabel] }

// wasStarted covers both labels of a node that was up once.
func wasStarted(pod *corev1.Pod) bool { return state(pod) == started || state(pod) == startedNotReady }

// terminatedBefore says that the container ran in this pod before and ended.
func terminatedBefore(pod *corev1.Pod) bool {
	status := server(pod)
	return status != nil && status.LastTerminationState.Terminated != nil
}

// readySince is the last change of the pod's readiness; zero when unknown.
func readySince(pod *corev1.Pod) time.Time {
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodReady {
			return condition.LastTransitionTime.Time
		}
	}
	return time.Time{}
}

// unreadyFor says that a pod's readiness has been lost for at least limit.
func unreadyFor(pod *corev1.Pod, now time.Time, limit time.Duration) bool {
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodReady && condition.Status == corev1.ConditionFalse {
			return now.Sub(condition.LastTransitionTime.Time) > limit
		}
	}
	return false
}

// port is that of the pod's Management API.
func port(pod *corev1.Pod) int32 {
	for _, container := range pod.Spec.Containers {
		for _, p := range container.Ports {
			if container.Name == cassandraContainer && p.Name == managementPort {
				return p.ContainerPort
			}
		}
	}
	return defaultManagementPort
}
