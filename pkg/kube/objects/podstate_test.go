package objects

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
)

func TestContainerOfCassandra(t *testing.T) {
	t.Parallel()
	pod := &corev1.Pod{}
	require.Nil(t, Container(pod))
	require.Nil(t, ContainerStatus(pod))
	pod.Spec.Containers = []corev1.Container{{Name: "server-system-logger"}, {Name: "cassandra", Image: "i"}}
	pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "cassandra", ContainerID: "c"}, {Name: "server-system-logger"}}
	require.Equal(t, "i", Container(pod).Image)
	require.Equal(t, "c", ContainerStatus(pod).ContainerID)
}

func TestStateOf(t *testing.T) {
	t.Parallel()
	for want, state := range map[string]corev1.ContainerState{
		"":                             {Running: &corev1.ContainerStateRunning{}},
		" (waiting: CrashLoopBackOff)": {Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}},
		" (ended: Error, exit code 1)": {Terminated: &corev1.ContainerStateTerminated{Reason: "Error", ExitCode: 1}},
	} {
		require.Equal(t, want, StateOf(&corev1.ContainerStatus{State: state}))
	}
	require.Empty(t, StateOf(nil))
}
