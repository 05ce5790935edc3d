package kastenstandin

import (
	"slices"
	"strings"
)

func (e FilterEntry) matches(o object) bool {
	if !o.ID.matches(e.Group, e.Version, e.Resource, e.Name) {
		return false
	}
	labels := o.GetLabels()
	for key, value := range e.MatchLabels {
		if have, ok := labels[key]; !ok || have != value {
			return false
		}
	}
	return true
}

func anyMatches(entries []FilterEntry, o object) bool {
	return slices.ContainsFunc(entries, func(e FilterEntry) bool { return e.matches(o) })
}

// includes tells whether the includes choose an object; without any, the default
// set is chosen.
func (f *Filters) includes(o object) bool {
	if len(f.IncludeResources) == 0 {
		return isDefault(o)
	}
	for _, e := range f.IncludeResources {
		if e.Group == defaultsGroup && e.Resource == defaultsResource {
			if isDefault(o) {
				return true
			}
		} else if e.matches(o) {
			return true
		}
	}
	return false
}

// chooses applies the includes, then the excludes.
func (f *Filters) chooses(o object) bool { return f.includes(o) && !anyMatches(f.ExcludeResources, o) }

// isDefault tells whether an object is captured without include filters. Events,
// endpoints, replica sets, autoscalers and volume snapshots are not; nor, here, is
// what the cluster makes by itself in every namespace.
func isDefault(o object) bool {
	switch {
	case o.is("", "events", "endpoints"), o.is("events.k8s.io", "events"), o.is("discovery.k8s.io", "endpointslices"),
		o.is("apps", "replicasets", "controllerrevisions"), o.is("autoscaling", "horizontalpodautoscalers"):
		return false
	case strings.HasSuffix(o.Group, "snapshot.storage.k8s.io"), o.Group == "metrics.k8s.io", strings.HasSuffix(o.Group, "kio.kasten.io"):
		return false
	case o.is("", "pods"):
		return len(o.GetOwnerReferences()) == 0
	case o.is("", "configmaps"):
		return o.GetName() != "kube-root-ca.crt"
	case o.is("", "secrets"):
		return o.Object["type"] != "kubernetes.io/service-account-token"
	default:
		return true
	}
}
