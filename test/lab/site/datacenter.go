package site

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	operatorstandin "github.com/casshook/casshook/test/lab/operator-standin"
)

// datacenters is the resource of cass-operator.
func datacenters() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: "cassandra.datastax.com", Version: "v1beta1", Resource: "cassandradatacenters"}
}

// Datacenter describes a CassandraDatacenter that fits on a small machine.
type Datacenter struct {
	Namespace, Name string
	// Cluster is the clusterName.
	Cluster string
	// Version is 5.0.9 when empty.
	Version string
	// Racks have Size/len(Racks) nodes each; no racks: cass-operator's default rack.
	Racks []string
	Size  int
	// Spec is merged over the spec, key by key.
	Spec map[string]any
	// YAML is merged over the cassandra-yaml of the configuration.
	YAML map[string]any
}

// Manifest is the object, with its volumes in a storage class.
func (d Datacenter) Manifest(storageClass string) *unstructured.Unstructured {
	yaml := map[string]any{
		"authenticator": "PasswordAuthenticator", "authorizer": "CassandraAuthorizer", "role_manager": "CassandraRoleManager",
		"materialized_views_enabled": true, "user_defined_functions_enabled": true, "sasi_indexes_enabled": true, "drop_compact_storage_enabled": true,
		"num_tokens": int64(16), "concurrent_compactors": int64(1),
	}
	for key, value := range d.YAML {
		yaml[key] = value
	}
	small := func(memory string) map[string]any {
		return map[string]any{"requests": map[string]any{"cpu": "10m", "memory": "32Mi"}, "limits": map[string]any{"cpu": "2", "memory": memory}}
	}
	spec := map[string]any{
		"clusterName": d.Cluster, "serverType": "cassandra", "serverVersion": d.version(), "size": int64(d.Size),
		"allowMultipleNodesPerWorker": true,
		"resources":                   map[string]any{"requests": map[string]any{"cpu": "100m", "memory": "1Gi"}, "limits": map[string]any{"cpu": "4", "memory": "3Gi"}},
		"configBuilderResources":      small("256Mi"),
		"systemLoggerResources":       small("128Mi"),
		"storageConfig": map[string]any{"cassandraDataVolumeClaimSpec": map[string]any{
			"storageClassName": storageClass, "accessModes": []any{"ReadWriteOnce"},
			"resources": map[string]any{"requests": map[string]any{"storage": "2Gi"}},
		}},
		"config": map[string]any{
			"cassandra-yaml":     yaml,
			"jvm-server-options": map[string]any{"initial_heap_size": "640M", "max_heap_size": "640M"},
		},
	}
	if len(d.Racks) > 0 {
		var racks []any
		for _, name := range d.Racks {
			racks = append(racks, map[string]any{"name": name})
		}
		spec["racks"] = racks
	}
	for key, value := range d.Spec {
		spec[key] = value
	}
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "cassandra.datastax.com/v1beta1", "kind": "CassandraDatacenter",
		"metadata": map[string]any{"name": d.Name, "namespace": d.Namespace}, "spec": spec,
	}}
}

func (d Datacenter) version() string {
	if d.Version == "" {
		return "5.0.9"
	}
	return d.Version
}

// CassandraName is what Cassandra calls the datacenter.
func (d Datacenter) CassandraName() string {
	if name, ok := d.Spec["datacenterName"].(string); ok {
		return name
	}
	return d.Name
}

// Create creates it.
func (s *Site) Create(ctx context.Context, d Datacenter) error {
	_, err := s.Dynamic.Resource(datacenters()).Namespace(d.Namespace).Create(ctx, d.Manifest(s.StorageClass), metav1.CreateOptions{})
	return err
}

// Read reads it as it is.
func (s *Site) Read(ctx context.Context, d Datacenter) (*unstructured.Unstructured, error) {
	return s.Dynamic.Resource(datacenters()).Namespace(d.Namespace).Get(ctx, d.Name, metav1.GetOptions{})
}

// Ready waits until it is ready as k8ssandra-operator defines it, and all its nodes are.
func (s *Site) Ready(ctx context.Context, d Datacenter, limit time.Duration) error {
	return Wait(ctx, limit, "datacenter "+d.Name+" to be ready", func(ctx context.Context) error {
		dc, err := s.Read(ctx, d)
		if err != nil {
			return err
		}
		if err := ready(dc); err != nil {
			return err
		}
		pods, err := s.Pods(ctx, d)
		if err == nil && len(pods) != d.Size {
			err = fmt.Errorf("%d of %d nodes are there", len(pods), d.Size)
		}
		return err
	})
}

// ready reads the status: condition Ready, progress Ready, and of this generation.
func ready(dc *unstructured.Unstructured) error {
	progress, _, _ := unstructured.NestedString(dc.Object, "status", "cassandraOperatorProgress")
	observed, _, _ := unstructured.NestedInt64(dc.Object, "status", "observedGeneration")
	statuses, _, _ := unstructured.NestedMap(dc.Object, "status", "nodeStatuses")
	if Condition(dc, "Ready") != "True" || progress != "Ready" || observed < dc.GetGeneration() {
		return fmt.Errorf("Ready is %q, progress %q, generation %d observed of %d, %d nodes started", Condition(dc, "Ready"), progress, observed, dc.GetGeneration(), len(statuses))
	}
	return nil
}

// Condition is the status of a condition, empty when there is none.
func Condition(dc *unstructured.Unstructured, name string) string {
	conditions, _, _ := unstructured.NestedSlice(dc.Object, "status", "conditions")
	for _, entry := range conditions {
		if c, ok := entry.(map[string]any); ok && c["type"] == name {
			status, _ := c["status"].(string)
			return status
		}
	}
	return ""
}

// HostIDs are those of status.nodeStatuses, by pod.
func HostIDs(dc *unstructured.Unstructured) map[string]string {
	statuses, _, _ := unstructured.NestedMap(dc.Object, "status", "nodeStatuses")
	ids := map[string]string{}
	for pod, status := range statuses {
		if m, ok := status.(map[string]any); ok {
			ids[pod], _ = m["hostID"].(string)
		}
	}
	return ids
}

// selector finds what belongs to the datacenter.
func (d Datacenter) selector() metav1.ListOptions {
	return metav1.ListOptions{LabelSelector: "cassandra.datastax.com/datacenter=" + d.Name +
		",cassandra.datastax.com/cluster=" + operatorstandin.CleanLabelValue(d.Cluster)}
}

// Pods are the names of its pods, sorted.
func (s *Site) Pods(ctx context.Context, d Datacenter) ([]string, error) {
	list, err := s.Core.CoreV1().Pods(d.Namespace).List(ctx, d.selector())
	if err != nil {
		return nil, err
	}
	return names(list.Items, func(p corev1.Pod) string { return p.Name }), nil
}

// Claims are the names of its PersistentVolumeClaims, sorted.
func (s *Site) Claims(ctx context.Context, d Datacenter) ([]string, error) {
	list, err := s.Core.CoreV1().PersistentVolumeClaims(d.Namespace).List(ctx, d.selector())
	if err != nil {
		return nil, err
	}
	return names(list.Items, func(c corev1.PersistentVolumeClaim) string { return c.Name }), nil
}

func names[T any](items []T, name func(T) string) []string {
	found := make([]string, len(items))
	for i, item := range items {
		found[i] = name(item)
	}
	slices.Sort(found)
	return found
}

// Delete deletes it and waits until it, its pods and its claims are gone.
func (s *Site) Delete(ctx context.Context, d Datacenter, limit time.Duration) error {
	err := s.Dynamic.Resource(datacenters()).Namespace(d.Namespace).Delete(ctx, d.Name, metav1.DeleteOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return err
	}
	return Wait(ctx, limit, "the end of datacenter "+d.Name, func(ctx context.Context) error {
		if _, err := s.Read(ctx, d); !apierrors.IsNotFound(err) {
			return errors.Join(err, errors.New("it is still there"))
		}
		pods, err := s.Pods(ctx, d)
		if err != nil {
			return err
		}
		claims, err := s.Claims(ctx, d)
		if err == nil && len(pods)+len(claims) > 0 {
			err = fmt.Errorf("%d pods and %d claims are still there", len(pods), len(claims))
		}
		return err
	})
}

// management asks a node's Management API over its socket, from inside the pod: that works with and without client certificates.
func (s *Site) management(ctx context.Context, d Datacenter, pod string, argv ...string) (string, error) {
	base := []string{"curl", "--silent", "--show-error", "--fail-with-body", "--unix-socket", "/tmp/oss-mgmt.sock"}
	return s.Exec(ctx, d.Namespace, pod, "cassandra", append(base, argv...)...)
}

// Flush writes one table's memtables to disk on all nodes.
func (s *Site) Flush(ctx context.Context, d Datacenter, keyspace, table string) error {
	body, err := json.Marshal(map[string]any{"keyspace_name": keyspace, "tables": []string{table}, "jobs": 0})
	if err != nil {
		return err
	}
	pods, err := s.Pods(ctx, d)
	if err != nil {
		return err
	}
	results := make(chan error, len(pods))
	for _, pod := range pods {
		go func() {
			_, err := s.management(ctx, d, pod, "-H", "Content-Type: application/json", "-d", string(body), "http://localhost/api/v0/ops/tables/flush")
			results <- err
		}()
	}
	for range pods {
		err = errors.Join(err, <-results)
	}
	return err
}

// Agree waits until all nodes have one schema version.
func (s *Site) Agree(ctx context.Context, d Datacenter) error {
	pods, err := s.Pods(ctx, d)
	if err != nil {
		return err
	}
	if len(pods) == 0 {
		return errors.New("no node is there")
	}
	return Wait(ctx, 5*time.Minute, "one schema version", func(ctx context.Context) error {
		out, err := s.management(ctx, d, pods[0], "http://localhost/api/v1/ops/node/schema/versions")
		if err != nil {
			return err
		}
		versions := map[string][]string{}
		if err := json.Unmarshal([]byte(out), &versions); err != nil {
			return fmt.Errorf("%w in %q", err, out)
		}
		if len(versions) != 1 {
			return fmt.Errorf("there are %v", versions)
		}
		return nil
	})
}
