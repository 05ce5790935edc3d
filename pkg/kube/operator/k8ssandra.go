package operator

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/kube/api"
	"github.com/casshook/casshook/pkg/kube/datacenter"
	"github.com/casshook/casshook/pkg/kube/objects"
)

// cluster is what is used of a K8ssandraCluster (k8ssandra.io/v1alpha1), which writes
// the specs of its datacenters, maybe in other namespaces or other Kubernetes.
type cluster struct {
	namespace, name string
	// members are spec.cassandra.datacenters.
	members []member
}

type member struct {
	name, namespace string
	// context names another Kubernetes; empty for the operator's own.
	context string
	stopped bool
}

// is tells whether a member is a datacenter: without a namespace it is in the cluster's.
func (m member) is(d *datacenter.Datacenter) bool {
	return m.name == d.Name && m.namespace == d.Namespace
}

// String names the cluster in texts.
func (c *cluster) String() string { return objects.K8ssandraKind + " " + c.namespace + "/" + c.name }

// ownerOf reads the K8ssandraCluster of a datacenter; nil where it has none, or where
// it is not in this Kubernetes: then nobody writes the datacenter's spec.
func ownerOf(ctx context.Context, c *api.Client, d *datacenter.Datacenter) (*cluster, error) {
	namespace, name, owned := strings.Cut(d.Owner, "/")
	if !owned {
		return nil, nil
	}
	var o *unstructured.Unstructured
	err := c.Do(ctx, api.NewRequest("get", "k8ssandraclusters", namespace, name), func(ctx context.Context) (err error) {
		o, err = c.Dynamic.Resource(objects.ClusterResource()).Namespace(namespace).Get(ctx, name, metav1.GetOptions{})
		return err
	})
	if api.Absent(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	found := &cluster{namespace: namespace, name: name}
	for _, m := range objects.Fields(o.Object).Objects("spec", "cassandra", "datacenters") {
		one := member{name: m.Text("metadata", "name"), namespace: m.Text("metadata", "namespace"), context: m.Text("k8sContext"), stopped: m.Flag("stopped")}
		if one.namespace == "" {
			one.namespace = namespace
		}
		found.members = append(found.members, one)
	}
	return found, nil
}

// checkCreated refuses a K8ssandraCluster with several datacenters that was created
// stopped: k8ssandra-operator adds all but the first to a cluster that is there already,
// and refuses to do that to one that is stopped (controllers/k8ssandra/datacenters.go).
func (o *Ring) checkCreated(ctx context.Context, ds []*datacenter.Datacenter) error {
	for _, d := range ds {
		owner, err := ownerOf(ctx, o.client, d)
		if err != nil {
			return flow.Fail(flow.Precondition, err)
		}
		if owner == nil || len(owner.members) < 2 {
			continue
		}
		for _, m := range owner.members {
			i := slices.IndexFunc(ds, m.is)
			if i < 0 && (m.namespace != o.ring.Namespace() || m.context != "") {
				return flow.Failf(flow.Precondition, "%s has datacenter %s outside of namespace %s: a stopped ring must be in one namespace, since it is restored as a whole",
					owner, m.name, o.ring.Namespace())
			}
			if i < 0 || !ds[i].True("Initialized") {
				return flow.Failf(flow.Precondition, "%s has several datacenters, and %s was never started: such a cluster cannot be created stopped; "+
					"set stopped to false there, wait until it is Ready, and run after-restore again", owner, m.name)
			}
		}
	}
	return nil
}

// patchTries is how often the index of a datacenter is looked up again when somebody
// changed the list meanwhile.
const patchTries = 3

// setStoppedOf writes spec.cassandra.datacenters[].stopped of a datacenter's owner, and
// tells whether it had to.
func setStoppedOf(ctx context.Context, c *api.Client, d *datacenter.Datacenter, stopped bool) (owner *cluster, changed bool, err error) {
	for try := 1; ; try++ {
		owner, err := ownerOf(ctx, c, d)
		if err != nil || owner == nil {
			return nil, false, err
		}
		i := slices.IndexFunc(owner.members, func(m member) bool { return m.is(d) })
		if i < 0 {
			return nil, false, fmt.Errorf("%s is not a datacenter of %s, although its labels say so", d, owner)
		}
		if owner.members[i].stopped == stopped {
			return owner, false, nil
		}
		err = patchMember(ctx, c, owner, i, stopped)
		if !apierrors.IsInvalid(err) && !apierrors.IsConflict(err) || try == patchTries {
			return owner, true, err
		}
	}
}

func patchMember(ctx context.Context, c *api.Client, owner *cluster, i int, stopped bool) error {
	at := fmt.Sprintf("/spec/cassandra/datacenters/%d", i)
	patch, err := json.Marshal([]map[string]any{
		{"op": "test", "path": at + "/metadata/name", "value": owner.members[i].name},
		{"op": "add", "path": at + "/stopped", "value": stopped},
	})
	if err != nil {
		return err
	}
	return c.Do(ctx, api.NewRequest("patch", "k8ssandraclusters", owner.namespace, owner.name), func(ctx context.Context) error {
		_, err := c.Dynamic.Resource(objects.ClusterResource()).Namespace(owner.namespace).Patch(ctx, owner.name, types.JSONPatchType, patch, metav1.PatchOptions{})
		return err
	})
}
