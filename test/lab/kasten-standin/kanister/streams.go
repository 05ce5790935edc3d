package kanister

import (
	"context"
	"fmt"
	"io"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

var _ Streams = (*ClusterStreams)(nil)

// ClusterStreams reads the logs of the pods of a cluster.
type ClusterStreams struct {
	client kubernetes.Interface
}

// NewClusterStreams connects to a cluster.
func NewClusterStreams(config *rest.Config) (*ClusterStreams, error) {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("connect to the cluster: %w", err)
	}
	return &ClusterStreams{client: client}, nil
}

// Follow implements Streams.
func (s *ClusterStreams) Follow(ctx context.Context, namespace, pod, container string, since time.Time) (io.ReadCloser, error) {
	options := &corev1.PodLogOptions{Container: container, Follow: true}
	if !since.IsZero() {
		options.SinceTime = &metav1.Time{Time: since}
	}
	return s.client.CoreV1().Pods(namespace).GetLogs(pod, options).Stream(ctx)
}
