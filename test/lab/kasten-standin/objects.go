package kastenstandin

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Ref names an object of Kasten's or Kanister's.
type Ref struct {
	Name      string `json:"name"`
	Namespace string `json:"namespace,omitempty"`
}

// Hook is one action hook.
type Hook struct {
	Blueprint  string   `json:"blueprint"`
	ActionName string   `json:"actionName"`
	Subject    *Subject `json:"subject,omitempty"`
}

// Subject is what a hook is about when it is not the namespace.
type Subject struct {
	Name      string `json:"name"`
	Namespace string `json:"namespace"`
	// Type is a kind, such as statefulset.
	Type string `json:"type"`
}

// Hooks of a backup, an export or a restore. There is no postHook.
type Hooks struct {
	PreHook   *Hook `json:"preHook,omitempty"`
	OnSuccess *Hook `json:"onSuccess,omitempty"`
	OnFailure *Hook `json:"onFailure,omitempty"`
}

// Filters choose resources.
type Filters struct {
	IncludeResources        []FilterEntry `json:"includeResources,omitempty"`
	ExcludeResources        []FilterEntry `json:"excludeResources,omitempty"`
	IncludeClusterResources []FilterEntry `json:"includeClusterResources,omitempty"`
	ExcludeClusterResources []FilterEntry `json:"excludeClusterResources,omitempty"`
}

// FilterEntry matches when all that it names matches; group core is the empty group.
type FilterEntry struct {
	Name        string            `json:"name,omitempty"`
	Group       string            `json:"group,omitempty"`
	Version     string            `json:"version,omitempty"`
	Resource    string            `json:"resource,omitempty"`
	MatchLabels map[string]string `json:"matchLabels,omitempty"`
}

// Policy is Kasten's policy.
type Policy struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              PolicySpec `json:"spec"`
}

// PolicySpec says what is backed up, and how.
type PolicySpec struct {
	Comment   string               `json:"comment,omitempty"`
	Frequency string               `json:"frequency,omitempty"`
	PresetRef *Ref                 `json:"presetRef,omitempty"`
	Retention map[string]int       `json:"retention,omitempty"`
	Paused    bool                 `json:"paused,omitempty"`
	Selector  metav1.LabelSelector `json:"selector"`
	Actions   []PolicyAction       `json:"actions"`
}

// PolicyAction is one action of a policy: backup or export.
type PolicyAction struct {
	Action           string            `json:"action"`
	BackupParameters *BackupParameters `json:"backupParameters,omitempty"`
	ExportParameters *ExportParameters `json:"exportParameters,omitempty"`
	Retention        map[string]int    `json:"retention,omitempty"`
}

// BackupParameters of a policy.
type BackupParameters struct {
	Profile          *Ref    `json:"profile,omitempty"`
	IgnoreExceptions bool    `json:"ignoreExceptions,omitempty"`
	Filters          Filters `json:"filters,omitempty"`
	Hooks            Hooks   `json:"hooks,omitempty"`
	ActionPodSpec    *Ref    `json:"actionPodSpec,omitempty"`
}

// ExportParameters of a policy. The stand-in moves no data: it runs the hooks.
type ExportParameters struct {
	Frequency  string      `json:"frequency,omitempty"`
	Profile    *Ref        `json:"profile,omitempty"`
	ExportData *ExportData `json:"exportData,omitempty"`
	Hooks      Hooks       `json:"hooks,omitempty"`
}

// ExportData says whether data would be moved.
type ExportData struct {
	Enabled bool `json:"enabled"`
}

// RestoreAction restores a restore point.
type RestoreAction struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              RestoreSpec `json:"spec"`
}

// RestoreSpec says what is restored, and how.
type RestoreSpec struct {
	Subject                  ActionSubject `json:"subject"`
	TargetNamespace          string        `json:"targetNamespace"`
	Filters                  Filters       `json:"filters,omitempty"`
	OverwriteExisting        bool          `json:"overwriteExisting,omitempty"`
	DataOnly                 bool          `json:"dataOnly,omitempty"`
	VolumeClones             bool          `json:"volumeClones,omitempty"`
	SkipWaitForWorkloadReady bool          `json:"skipWaitForWorkloadReady,omitempty"`
	ArtifactOverrideProfile  *Ref          `json:"artifactOverrideProfile,omitempty"`
	Profile                  *Ref          `json:"profile,omitempty"`
	PointInTime              string        `json:"pointInTime,omitempty"`
	Transforms               []Transform   `json:"transforms,omitempty"`
	Hooks                    Hooks         `json:"hooks,omitempty"`
}

// ActionSubject is what an action is about.
type ActionSubject struct {
	APIVersion string `json:"apiVersion,omitempty"`
	Kind       string `json:"kind"`
	Name       string `json:"name"`
	Namespace  string `json:"namespace"`
}

// TransformSet is a named list of transforms.
type TransformSet struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              TransformSetSpec `json:"spec"`
}

// TransformSetSpec lists the transforms.
type TransformSetSpec struct {
	Comment    string      `json:"comment,omitempty"`
	Transforms []Transform `json:"transforms"`
}

// Transform changes the manifests that its subject matches, or refers to a set.
type Transform struct {
	Subject         *TransformSubject `json:"subject,omitempty"`
	Name            string            `json:"name,omitempty"`
	JSON            []Operation       `json:"json"`
	TransformSetRef *Ref              `json:"transformSetRef,omitempty"`
}

// TransformSubject names types and objects; what is left out matches all. A
// transform needs at least one field.
type TransformSubject struct {
	Group    string `json:"group,omitempty"`
	Version  string `json:"version,omitempty"`
	Resource string `json:"resource,omitempty"`
	Name     string `json:"name,omitempty"`
}

// Operation is one operation of a JSON patch with Kasten's additions: wildcards in
// paths, and a regexp whose groups the value may use.
type Operation struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	From  string `json:"from,omitempty"`
	Regex string `json:"regex,omitempty"`
	Value any    `json:"value,omitempty"`
}

// BlueprintBinding binds a Blueprint to the resources that match.
type BlueprintBinding struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              BindingSpec    `json:"spec"`
	Status            *BindingStatus `json:"status,omitempty"`
}

// BindingSpec is what is bound to what.
type BindingSpec struct {
	Disabled     bool             `json:"disabled,omitempty"`
	BlueprintRef Ref              `json:"blueprintRef"`
	Resources    BindingResources `json:"resources"`
}

// BindingResources needs one requirement in all.
type BindingResources struct {
	MatchAll []Requirement `json:"matchAll,omitempty"`
	MatchAny []Requirement `json:"matchAny,omitempty"`
}

// Requirement holds exactly one constraint.
type Requirement struct {
	Type        *TypeConstraint      `json:"type,omitempty"`
	Namespace   *NamespaceConstraint `json:"namespace,omitempty"`
	Annotations *KeyConstraint       `json:"annotations,omitempty"`
	Labels      *KeyConstraint       `json:"labels,omitempty"`
}

// TypeConstraint has the operators In and NotIn.
type TypeConstraint struct {
	Operator string             `json:"operator"`
	Values   []TransformSubject `json:"values"`
}

// NamespaceConstraint has the operators In, NotIn, Exists and DoesNotExist.
type NamespaceConstraint struct {
	Operator string   `json:"operator"`
	Values   []string `json:"values,omitempty"`
}

// KeyConstraint is about one label or annotation.
type KeyConstraint struct {
	Key      string   `json:"key"`
	Operator string   `json:"operator"`
	Values   []string `json:"values,omitempty"`
}

// BindingStatus is Kasten's verdict; only bindings without one or with Success are
// used.
type BindingStatus struct {
	Validation         string   `json:"validation,omitempty"`
	Error              []string `json:"error,omitempty"`
	ObservedGeneration int64    `json:"observedGeneration,omitempty"`
}
