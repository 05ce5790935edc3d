package blueprint

// Binding binds a Blueprint to resources. Of several that match a resource the one
// created first wins.
type Binding struct {
	Head `json:",inline"`
	Spec BindingSpec `json:"spec"`
}

// BindingSpec is what is bound to what.
type BindingSpec struct {
	BlueprintRef Ref              `json:"blueprintRef"`
	Resources    BindingResources `json:"resources"`
}

// BindingResources must all hold.
type BindingResources struct {
	MatchAll []Requirement `json:"matchAll"`
}

// Requirement holds one constraint.
type Requirement struct {
	Type      *TypeConstraint      `json:"type,omitempty"`
	Namespace *NamespaceConstraint `json:"namespace,omitempty"`
}

// TypeConstraint is about the type, and the name where it is given.
type TypeConstraint struct {
	Operator string     `json:"operator"`
	Values   []Resource `json:"values"`
}

// NamespaceConstraint is about the namespace.
type NamespaceConstraint struct {
	Operator string   `json:"operator"`
	Values   []string `json:"values"`
}

// Resource names a type by its lower-case plural, or an object of it. What is
// left out matches all.
type Resource struct {
	Group    string `json:"group,omitempty"`
	Version  string `json:"version,omitempty"`
	Resource string `json:"resource,omitempty"`
	Name     string `json:"name,omitempty"`
}

// In is the operator of constraints and selectors that casshook uses.
const In = "In"

// NewBinding binds a Blueprint to CassandraDatacenters of some namespaces: all, or
// the one of that name.
func NewBinding(name string, ref Ref, datacenter string, namespaces []string) *Binding {
	datacenters := Resource{Group: CassandraGroup, Resource: CassandraDatacenters, Name: datacenter}
	return &Binding{
		Head{ConfigVersion, BindingKind, Metadata{Name: name, Namespace: ref.Namespace}},
		BindingSpec{ref, BindingResources{[]Requirement{
			{Type: &TypeConstraint{In, []Resource{datacenters}}},
			{Namespace: &NamespaceConstraint{In, namespaces}},
		}}},
	}
}

// Filters choose what is backed up or restored.
type Filters struct {
	ExcludeResources []FilterEntry `json:"excludeResources,omitempty"`
}

// FilterEntry matches when all that it names matches.
type FilterEntry struct {
	Group       string            `json:"group,omitempty"`
	Resource    string            `json:"resource,omitempty"`
	MatchLabels map[string]string `json:"matchLabels,omitempty"`
}

// StatefulSets is the filter entry for them.
func StatefulSets() FilterEntry { return FilterEntry{Group: "apps", Resource: "statefulsets"} }

// Hook names an action of a Blueprint in Kasten's namespace.
type Hook struct {
	Blueprint  string `json:"blueprint"`
	ActionName string `json:"actionName"`
}

// Hooks of a policy or an action. There is no postHook: onSuccess is it.
type Hooks struct {
	PreHook   *Hook `json:"preHook,omitempty"`
	OnSuccess *Hook `json:"onSuccess,omitempty"`
	OnFailure *Hook `json:"onFailure,omitempty"`
}

// Policy says what is backed up, when and how.
type Policy struct {
	Head `json:",inline"`
	Spec PolicySpec `json:"spec"`
}

// OnDemand is the frequency of a policy that runs only when it is told to. It takes
// no retention, and all others need one.
const OnDemand = "@onDemand"

// PolicySpec is a policy's content.
type PolicySpec struct {
	Comment   string         `json:"comment,omitempty"`
	Frequency string         `json:"frequency"`
	Retention map[string]int `json:"retention,omitempty"`
	Selector  Selector       `json:"selector"`
	Actions   []PolicyAction `json:"actions"`
}

// Selector selects namespaces.
type Selector struct {
	MatchExpressions []Expression `json:"matchExpressions"`
}

// Expression is one condition of a selector.
type Expression struct {
	Key      string   `json:"key"`
	Operator string   `json:"operator"`
	Values   []string `json:"values"`
}

// Namespaces selects namespaces by name.
func Namespaces(names []string) Selector {
	return Selector{[]Expression{{AppNamespaceKey, In, names}}}
}

// PolicyAction is one action of a policy.
type PolicyAction struct {
	Action           string            `json:"action"`
	BackupParameters *BackupParameters `json:"backupParameters,omitempty"`
}

// BackupParameters of a policy. Restore hooks of a bound Blueprint run only where
// Profile names a location profile.
type BackupParameters struct {
	Profile Ref     `json:"profile"`
	Filters Filters `json:"filters"`
	Hooks   Hooks   `json:"hooks,omitzero"`
}

// RestoreAction restores a restore point. It is created, never applied.
type RestoreAction struct {
	Head `json:",inline"`
	Spec RestoreSpec `json:"spec"`
}

// RestoreSpec says what is restored, and how.
type RestoreSpec struct {
	Subject         Subject        `json:"subject"`
	TargetNamespace string         `json:"targetNamespace"`
	Filters         Filters        `json:"filters"`
	Transforms      []TransformRef `json:"transforms,omitempty"`
	Hooks           Hooks          `json:"hooks,omitzero"`
}

// TransformRef stands for the transforms of a TransformSet. JSON must be there, and
// is empty.
type TransformRef struct {
	JSON            []Operation `json:"json"`
	TransformSetRef Ref         `json:"transformSetRef"`
}

// Subject is what an action is about.
type Subject struct {
	APIVersion string `json:"apiVersion,omitempty"`
	Kind       string `json:"kind"`
	Name       string `json:"name"`
	Namespace  string `json:"namespace"`
}

// RunAction runs a policy now. It is created, never applied.
type RunAction struct {
	Head `json:",inline"`
	Spec RunSpec `json:"spec"`
}

// RunSpec names the policy.
type RunSpec struct {
	Subject Subject `json:"subject"`
}

// TransformSet changes objects on their way out of a restore point.
type TransformSet struct {
	Head `json:",inline"`
	Spec TransformSetSpec `json:"spec"`
}

// TransformSetSpec lists the transforms.
type TransformSetSpec struct {
	Comment    string      `json:"comment,omitempty"`
	Transforms []Transform `json:"transforms"`
}

// Transform changes the objects that its subject names.
type Transform struct {
	Subject Resource    `json:"subject"`
	Name    string      `json:"name"`
	JSON    []Operation `json:"json"`
}

// Operation of a JSON patch. One that fails, but for a test, fails the restore. In
// its path * is any one step.
type Operation struct {
	Op   string `json:"op"`
	Path string `json:"path"`
	// Value is a bool or a string.
	Value any `json:"value"`
}
