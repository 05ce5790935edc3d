package kanister

import (
	"context"
	"fmt"
	"io"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/remotecommand"
)

var _ Streams = (*ClusterStreams)(nil)

// ClusterStreams reaches the pods of a cluster.
type ClusterStreams struct {
	config *rest.Config
	client kubernetes.Interface
}

// NewClusterStreams connects to a cluster.
func NewClusterStreams(config *rest.Config) (*ClusterStreams, error) {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("connect to the cluster: %w", err)
	}
	return &ClusterStreams{config: config, client: client}, nil
}

// Follow implements Streams.
func (s *ClusterStreams) Follow(ctx context.Context, namespace, pod, container string, since time.Time) (io.ReadCloser, error) {
	options := &corev1.PodLogOptions{Container: container, Follow: true}
	if !since.IsZero() {
		options.SinceTime = &metav1.Time{Time: since}
	}
	return s.client.CoreV1().Pods(namespace).GetLogs(pod, options).Stream(ctx)
}

// Exec implements Streams, by SPDY as Kanister does.
func (s *ClusterStreams) Exec(ctx context.Context, target Exec, stdout, stderr io.Writer) error {
	request := s.client.CoreV1().RESTClient().Post().Resource("pods").Namespace(target.Namespace).Name(target.Pod).SubResource("exec").
		VersionedParams(&corev1.PodExecOptions{Container: target.Container, Command: target.Command, Stdout: true, Stderr: true}, scheme.ParameterCodec)
	executor, err := remotecommand.NewSPDYExecutor(s.config, "POST", request.URL())
	if err != nil {
		return err
	}
	return executor.StreamWithContext(ctx, remotecommand.StreamOptions{Stdout: stdout, Stderr: stderr})
}
