package kanister

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic/fake"
	clienttesting "k8s.io/client-go/testing"
	"sigs.k8s.io/yaml"
)

// cluster is a fake cluster whose pods end at once.
type cluster struct {
	*Controller
	mu sync.Mutex
	// pods are the pods that were created, as they were created.
	pods []*unstructured.Unstructured
	// graces are the grace periods of their deletions.
	graces []int64
	// phase is what a new pod is at once: Succeeded when left out.
	phase map[string]string
	// logs by command, joined with blanks.
	logs map[string]string
}

var _ Streams = (*cluster)(nil)

func (c *cluster) Follow(_ context.Context, _, pod, container string, _ time.Time) (io.ReadCloser, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, u := range c.pods {
		if u.GetName() == pod && container == TaskContainer {
			return io.NopCloser(strings.NewReader(c.logs[command(u)])), nil
		}
	}
	return nil, errors.New("no such pod " + pod)
}

func command(pod *unstructured.Unstructured) string {
	containers, _, _ := unstructured.NestedSlice(pod.Object, "spec", "containers")
	words, _, _ := unstructured.NestedStringSlice(containers[0].(map[string]any), "command")
	return strings.Join(words, " ")
}

func newCluster(t *testing.T, manifests string) *cluster {
	t.Helper()
	kinds := map[schema.GroupVersionResource]string{
		{Version: "v1", Resource: "pods"}:                                                       "PodList",
		{Version: "v1", Resource: "namespaces"}:                                                 "NamespaceList",
		{Version: "v1", Resource: "secrets"}:                                                    "SecretList",
		{Version: "v1", Resource: "configmaps"}:                                                 "ConfigMapList",
		{Group: "apps", Version: "v1", Resource: "statefulsets"}:                                "StatefulSetList",
		{Group: "cassandra.datastax.com", Version: "v1beta1", Resource: "cassandradatacenters"}: "CassandraDatacenterList",
	}
	client := fake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(), kinds, objects(t, manifests)...)
	c := &cluster{phase: map[string]string{}, logs: map[string]string{}}
	c.Controller = &Controller{Dynamic: client, Streams: c, Namespace: "kasten-io", ServiceAccount: "kanister-svc", Poll: time.Millisecond}
	client.PrependReactor("create", "pods", func(action clienttesting.Action) (bool, runtime.Object, error) {
		pod := action.(clienttesting.CreateAction).GetObject().(*unstructured.Unstructured)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.pods = append(c.pods, pod.DeepCopy())
		phase := c.phase[command(pod)]
		if phase == "" {
			phase = "Succeeded"
		}
		return false, nil, unstructured.SetNestedField(pod.Object, phase, "status", "phase")
	})
	client.PrependReactor("delete", "pods", func(action clienttesting.Action) (bool, runtime.Object, error) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.graces = append(c.graces, *action.(clienttesting.DeleteActionImpl).DeleteOptions.GracePeriodSeconds)
		return false, nil, nil
	})
	return c
}

// commands are those of the pods, in the order of their creation.
func (c *cluster) commands() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []string
	for _, pod := range c.pods {
		all = append(all, command(pod))
	}
	return all
}

func objects(t *testing.T, manifests string) []runtime.Object {
	t.Helper()
	var all []runtime.Object
	for _, document := range strings.Split(manifests, "---\n") {
		if strings.TrimSpace(document) == "" {
			continue
		}
		content, err := yaml.YAMLToJSON([]byte(document))
		require.NoError(t, err)
		u := &unstructured.Unstructured{}
		require.NoError(t, u.UnmarshalJSON(content))
		all = append(all, u)
	}
	return slices.Clip(all)
}
