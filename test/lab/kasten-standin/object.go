package kastenstandin

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// ID names an object within a namespace.
type ID struct {
	Group    string `json:"group,omitempty"`
	Version  string `json:"version"`
	Resource string `json:"resource"`
	Name     string `json:"name"`
}

// String is resource.group/name.
func (id ID) String() string { return id.gr().String() + "/" + id.Name }

func (id ID) gr() schema.GroupResource {
	return schema.GroupResource{Group: id.Group, Resource: id.Resource}
}

func (id ID) gvr() schema.GroupVersionResource { return id.gr().WithVersion(id.Version) }

// object is an object with its resource.
type object struct {
	ID
	*unstructured.Unstructured
}

func newObject(gvr schema.GroupVersionResource, u *unstructured.Unstructured) object {
	return object{ID: ID{Group: gvr.Group, Version: gvr.Version, Resource: gvr.Resource, Name: u.GetName()}, Unstructured: u}
}

// is tells the resource; core has the empty group.
func (id ID) is(group string, resources ...string) bool {
	return id.Group == group && slices.Contains(resources, id.Resource)
}

func (id ID) isWorkload() bool { return id.is("apps", "statefulsets", "deployments", "daemonsets") }

func (id ID) isClaim() bool { return id.is("", "persistentvolumeclaims") }

// isCustom tells whether a resource comes from a CustomResourceDefinition. The
// groups of Kubernetes have no dot or end in k8s.io.
func (id ID) isCustom() bool {
	return strings.Contains(id.Group, ".") && !strings.HasSuffix(id.Group, "k8s.io")
}

// matches compares what a filter, a transform or a binding names; what is left out
// matches all, and core is the empty group.
func (id ID) matches(group, version, resource, name string) bool {
	if group == "core" {
		group = ""
		if id.Group != "" {
			return false
		}
	}
	return (group == "" || group == id.Group) && (version == "" || version == id.Version) &&
		(resource == "" || resource == id.Resource) && (name == "" || name == id.Name)
}

// workloadReady tells whether all replicas that are wanted are ready.
func workloadReady(u *unstructured.Unstructured) bool {
	number := func(missing int64, fields ...string) int64 {
		n, found, err := unstructured.NestedInt64(u.Object, fields...)
		if err != nil || !found {
			return missing
		}
		return n
	}
	if number(0, "status", "observedGeneration") < u.GetGeneration() {
		return false
	}
	if u.GetKind() == "DaemonSet" {
		return number(0, "status", "numberReady") >= number(0, "status", "desiredNumberScheduled")
	}
	return number(0, "status", "readyReplicas") >= number(1, "spec", "replicas")
}
