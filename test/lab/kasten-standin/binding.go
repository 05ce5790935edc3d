package kastenstandin

import (
	"slices"
	"sort"

	"github.com/casshook/casshook/test/lab/kasten-standin/kanister"
)

func (c *TypeConstraint) holds(o object) bool {
	in := slices.ContainsFunc(c.Values, func(v TransformSubject) bool { return o.ID.matches(v.Group, v.Version, v.Resource, v.Name) })
	return in == (c.Operator == "In")
}

func (c *NamespaceConstraint) holds(namespace string) bool {
	return operatorHolds(c.Operator, namespace, namespace != "", c.Values)
}

func (c *KeyConstraint) holds(m map[string]string) bool {
	value, ok := m[c.Key]
	return operatorHolds(c.Operator, value, ok, c.Values)
}

func operatorHolds(operator, value string, present bool, values []string) bool {
	switch operator {
	case "In":
		return present && slices.Contains(values, value)
	case "NotIn":
		return !present || !slices.Contains(values, value)
	case "Exists":
		return present
	default:
		return !present
	}
}

func (r *Requirement) holds(o object) bool {
	switch {
	case r.Type != nil:
		return r.Type.holds(o)
	case r.Namespace != nil:
		return r.Namespace.holds(o.GetNamespace())
	case r.Annotations != nil:
		return r.Annotations.holds(o.GetAnnotations())
	case r.Labels != nil:
		return r.Labels.holds(o.GetLabels())
	default:
		return false
	}
}

// matches tells whether a binding is in force for an object.
func (b *BlueprintBinding) matches(o object) bool {
	if b.Spec.Disabled || (b.Status != nil && b.Status.Validation == "Failed") {
		return false
	}
	for _, r := range b.Spec.Resources.MatchAll {
		if !r.holds(o) {
			return false
		}
	}
	any := b.Spec.Resources.MatchAny
	return len(any) == 0 || slices.ContainsFunc(any, func(r Requirement) bool { return r.holds(o) })
}

// bound is the name of the Blueprint of an object, or "". A binding beats the
// annotation, and of several bindings the one that was created first wins;
// bindings without a time of creation are taken in their order in the catalog.
func (c *Catalog) bound(o object) string {
	bindings := slices.Clone(c.Bindings)
	sort.SliceStable(bindings, func(i, j int) bool {
		return bindings[i].CreationTimestamp.Before(&bindings[j].CreationTimestamp)
	})
	for _, b := range bindings {
		if b.matches(o) {
			return b.Spec.BlueprintRef.Name
		}
	}
	// On a bare pod the annotation is ignored without a word.
	if o.is("", "pods") {
		return ""
	}
	return o.GetAnnotations()[BlueprintAnnotation]
}

// boundBlueprint is the Blueprint of an object, or nil.
func (c *Catalog) boundBlueprint(o object) (*kanister.Blueprint, error) {
	name := c.bound(o)
	if name == "" {
		return nil, nil
	}
	return c.blueprint(name)
}
