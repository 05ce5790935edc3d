package datacenter

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/kube/api"
	"github.com/casshook/casshook/pkg/kube/objects"
)

// Selection says which rings are meant.
type Selection struct {
	// Namespace of the datacenters; the client's when empty.
	Namespace string
	// Datacenter is the name of one CassandraDatacenter, which must be the whole
	// of its ring as far as the namespace goes.
	Datacenter string
	// Cluster is a Cassandra cluster's name.
	Cluster string
}

// ByCluster groups the datacenters of a namespace by the name of their cluster.
func ByCluster(all []*Datacenter) map[string][]*Datacenter {
	found := map[string][]*Datacenter{}
	for _, d := range all {
		found[d.ClusterName] = append(found[d.ClusterName], d)
	}
	return found
}

// Find finds the datacenters of a namespace and groups them into rings by
// their cluster's name, sorted by it. Whether a ring reaches further, into other
// namespaces or clusters, only the ring itself can say (ring.View.Check). Two
// rings of one namespace cannot have one name: their secrets and services would
// be the same objects.
func Find(ctx context.Context, c *api.Client, sel Selection) ([]*Ring, error) {
	if sel.Namespace == "" {
		sel.Namespace = c.Namespace
	}
	all, err := List(ctx, c, sel.Namespace)
	if err != nil {
		return nil, flow.Fail(flow.Precondition, err)
	}
	members := ByCluster(slices.DeleteFunc(slices.Clone(all), func(d *Datacenter) bool { return sel.Cluster != "" && d.ClusterName != sel.Cluster }))
	if sel.Datacenter != "" {
		members, err = alone(members, sel)
		if err != nil {
			return nil, flow.Fail(flow.Precondition, err)
		}
	}
	if len(all) == 0 && c.NamespaceMissing(ctx, sel.Namespace) {
		return nil, flow.Failf(flow.Precondition, "namespace %s does not exist: name another with --namespace", sel.Namespace)
	}
	if len(members) == 0 {
		return nil, flow.Fail(flow.Precondition, nothing(all, sel))
	}
	var found []*Ring
	for _, cluster := range slices.Sorted(maps.Keys(members)) {
		found = append(found, NewRing(c, members[cluster]))
	}
	return found, nil
}

// alone keeps the ring of one datacenter, which has no other.
func alone(byCluster map[string][]*Datacenter, sel Selection) (map[string][]*Datacenter, error) {
	for cluster, members := range byCluster {
		i := slices.IndexFunc(members, func(d *Datacenter) bool { return d.Name == sel.Datacenter })
		if i < 0 {
			continue
		}
		if others := slices.Delete(names(members), i, i+1); len(others) > 0 {
			return nil, fmt.Errorf("datacenter %s/%s belongs to ring %q together with %s: a ring is backed up and restored as a whole; "+
				"use a hook for the namespace, without --datacenter", sel.Namespace, sel.Datacenter, cluster, strings.Join(others, ", "))
		}
		return map[string][]*Datacenter{cluster: members}, nil
	}
	return nil, nil
}

func names(ds []*Datacenter) []string {
	var found []string
	for _, d := range ds {
		found = append(found, d.Name)
	}
	return found
}

// ErrNoDatacenter is of a namespace without any CassandraDatacenter.
var ErrNoDatacenter = errors.New("does the namespace exist? --namespace")

// nothing says what there is instead.
func nothing(all []*Datacenter, sel Selection) error {
	what := "no CassandraDatacenter"
	if sel.Datacenter != "" {
		what += " " + sel.Datacenter
	}
	if sel.Cluster != "" {
		what += fmt.Sprintf(" of the cluster %q", sel.Cluster)
	}
	what += " in namespace " + sel.Namespace
	if len(all) == 0 {
		return fmt.Errorf("%s (%w)", what, ErrNoDatacenter)
	}
	return fmt.Errorf("%s (it has %s)", what, strings.Join(names(all), ", "))
}

// List lists those of a namespace by name.
func List(ctx context.Context, c *api.Client, namespace string) ([]*Datacenter, error) {
	var list *unstructured.UnstructuredList
	err := c.Do(ctx, api.NewRequest("list", "cassandradatacenters", namespace, ""), func(ctx context.Context) (err error) {
		list, err = c.Dynamic.Resource(objects.DatacenterResource()).Namespace(namespace).List(ctx, metav1.ListOptions{})
		return err
	})
	if api.Absent(err) {
		return nil, fmt.Errorf("%w: cass-operator is not installed in this cluster", err)
	}
	if err != nil {
		return nil, err
	}
	var found []*Datacenter
	var problems []error
	for i := range list.Items {
		d, err := Read(&list.Items[i])
		if err != nil {
			problems = append(problems, err)
			continue
		}
		found = append(found, d)
	}
	slices.SortFunc(found, func(a, b *Datacenter) int { return strings.Compare(a.Name, b.Name) })
	return found, errors.Join(problems...)
}
