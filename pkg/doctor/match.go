package doctor

import (
	"cmp"
	"path"
	"slices"

	"github.com/casshook/casshook/pkg/blueprint"
)

// Operators of constraints.
const (
	opIn     = "In"
	opNotIn  = "NotIn"
	opExists = "Exists"
	opAbsent = "DoesNotExist"
)

func operatorHolds(operator, value string, present bool, values []string) bool {
	switch operator {
	case opIn:
		return present && slices.Contains(values, value)
	case opNotIn:
		return !present || !slices.Contains(values, value)
	case opExists:
		return present
	case opAbsent:
		return !present
	}
	return false
}

func (k *KeyConstraint) holds(m map[string]string) bool {
	value, ok := m[k.Key]
	return operatorHolds(k.Operator, value, ok, k.Values)
}

// orAny matches a field that is left out, too.
func orAny(field, value string) bool { return field == "" || field == value }

// isDatacenters tells whether a resource, as a binding names it, is the datacenters
// or one of them.
func isDatacenters(r blueprint.Resource, name string) bool {
	return orAny(r.Group, blueprint.CassandraGroup) && orAny(r.Version, "v1beta1") &&
		orAny(r.Resource, blueprint.CassandraDatacenters) && orAny(r.Name, name)
}

func (r *Requirement) holds(d *Datacenter) bool {
	switch {
	case r.Type != nil:
		in := slices.ContainsFunc(r.Type.Values, func(v blueprint.Resource) bool { return isDatacenters(v, d.Name) })
		return in == (r.Type.Operator == opIn)
	case r.Namespace != nil:
		return operatorHolds(r.Namespace.Operator, d.Namespace, true, r.Namespace.Values)
	case r.Annotations != nil:
		return r.Annotations.holds(d.Annotations)
	case r.Labels != nil:
		return r.Labels.holds(d.Labels)
	}
	return false
}

// matches tells whether a binding is for a datacenter, in force or not.
func (b *Binding) matches(d *Datacenter) bool {
	resources := b.Spec.Resources
	if len(resources.MatchAll)+len(resources.MatchAny) == 0 {
		return false
	}
	for _, r := range resources.MatchAll {
		if !r.holds(d) {
			return false
		}
	}
	return len(resources.MatchAny) == 0 || slices.ContainsFunc(resources.MatchAny, func(r Requirement) bool { return r.holds(d) })
}

// inForce: Kasten passes over bindings that are switched off or not valid. One that
// it has not looked at yet will be.
func (b *Binding) inForce() bool { return !b.Spec.Disabled && b.Status.Validation != "Failed" }

// bindingsOf are the bindings in force for a datacenter, the one that wins first:
// the earliest.
func (e *exam) bindingsOf(d *Datacenter) []*Binding {
	var found []*Binding
	for i := range e.Bindings.Items {
		if b := &e.Bindings.Items[i]; b.inForce() && b.matches(d) {
			found = append(found, b)
		}
	}
	slices.SortStableFunc(found, func(a, b *Binding) int {
		return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.Name, b.Name))
	})
	return found
}

// chance of a selection.
type chance int

const (
	never chance = iota
	perhaps
	surely
)

// selects tells whether a policy backs the namespace up. One with labels may select
// it by those of its workloads, which were not read.
func (e *exam) selects(p *Policy) chance {
	if p.Namespace != e.KastenNamespace && p.Namespace != e.Namespace {
		return never
	}
	selector := p.Spec.Selector
	if len(selector.MatchExpressions)+len(selector.MatchLabels) == 0 {
		return perhaps
	}
	var labels map[string]string
	for _, l := range e.Labels.Items {
		labels = l
	}
	verdict := surely
	for _, x := range selector.MatchExpressions {
		switch {
		case x.Key != blueprint.AppNamespaceKey:
			if !x.holds(labels) {
				verdict = perhaps
			}
		case slices.ContainsFunc(x.Values, e.isNamespace) != (x.Operator == opIn):
			return never
		}
	}
	for key, value := range selector.MatchLabels {
		switch {
		case key == blueprint.AppNamespaceKey && !e.isNamespace(value):
			return never
		case key != blueprint.AppNamespaceKey && labels[key] != value:
			verdict = perhaps
		}
	}
	return verdict
}

// isNamespace takes a name, or a pattern with stars.
func (e *exam) isNamespace(pattern string) bool {
	ok, err := path.Match(pattern, e.Namespace)
	return err == nil && ok
}

// defaultsGroup and defaultsResource add Kasten's default set to include filters.
const (
	defaultsGroup    = "actions.kio.kasten.io"
	defaultsResource = "defaults"
)

// matches a StatefulSet. The empty group is "core" in filters.
func (f *FilterEntry) matches(w Workload) bool {
	if !orAny(f.Group, "apps") || !orAny(f.Version, "v1") || !orAny(f.Resource, "statefulsets") || !orAny(f.Name, w.Name) {
		return false
	}
	for key, value := range f.MatchLabels {
		if have, ok := w.Labels[key]; !ok || have != value {
			return false
		}
	}
	return true
}

// keeps tells whether a backup has StatefulSets of a datacenter, through which
// Kasten finds what is bound to it. Includes come first, then excludes.
func (e *exam) keeps(params *BackupParameters, d *Datacenter) bool {
	of := func(entries []FilterEntry, w Workload) bool {
		return slices.ContainsFunc(entries, func(f FilterEntry) bool { return f.matches(w) })
	}
	includes := params.Filters.IncludeResources
	all := len(includes) == 0 || slices.ContainsFunc(includes, func(f FilterEntry) bool { return f.Group == defaultsGroup && f.Resource == defaultsResource })
	kept := func(w Workload) bool {
		return (all || of(includes, w)) && !of(params.Filters.ExcludeResources, w)
	}
	known := false
	for _, w := range e.Workloads.Items {
		if w.Datacenter == d.Name {
			known = true
			if kept(w) {
				return true
			}
		}
	}
	return !known && kept(Workload{}) // one that is still to come
}
