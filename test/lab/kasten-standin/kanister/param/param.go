// Package param holds what templates of a Blueprint see, and renders them as
// the Kanister controller does. The package and its types are called as
// Kanister's are, because their names stand in template errors.
//
// Source: kanisterio/kanister, pkg/param.
package param

import (
	corev1 "k8s.io/api/core/v1"
)

// TemplateParams is the dot of every template. Which of the pointers are nil
// depends on the kind of the subject: a custom resource has none of them, so
// that {{ .Namespace.Name }} is an error there.
type TemplateParams struct {
	StatefulSet      *StatefulSetParams
	DeploymentConfig *DeploymentConfigParams
	Deployment       *DeploymentParams
	PVC              *PVCParams
	Namespace        *NamespaceParams
	ArtifactsIn      map[string]Artifact
	ConfigMaps       map[string]corev1.ConfigMap
	Secrets          map[string]corev1.Secret
	// Time is UTC in RFC 3339 with nanoseconds.
	Time           string
	Profile        *Profile
	Options        map[string]string
	Object         map[string]any
	Phases         map[string]*Phase
	DeferPhase     *Phase
	PodOverride    map[string]any
	PodAnnotations map[string]string
	PodLabels      map[string]string
}

// StatefulSetParams are set when the subject is a StatefulSet.
type StatefulSetParams struct {
	Name       string
	Namespace  string
	Pods       []string
	Containers [][]string
	// PersistentVolumeClaims is pod -> claim -> mount path.
	PersistentVolumeClaims map[string]map[string]string
}

// DeploymentParams are set when the subject is a Deployment.
type DeploymentParams StatefulSetParams

// DeploymentConfigParams are never set: the stand-in knows no OpenShift.
type DeploymentConfigParams StatefulSetParams

// PVCParams are set when the subject is of kind pvc.
type PVCParams struct {
	Name      string
	Namespace string
}

// NamespaceParams are set when the subject is a Namespace.
type NamespaceParams struct {
	Name      string
	Namespace string
}

// Profile is never set: hooks use no location profile.
type Profile struct {
	SkipSSLVerify bool
}

// Phase is what a phase offers to the phases after it.
type Phase struct {
	Secrets    map[string]corev1.Secret
	ConfigMaps map[string]corev1.ConfigMap
	Output     map[string]any
}

// Artifact is a set of values that an action leaves for later actions.
type Artifact struct {
	KeyValue      map[string]string `json:"keyValue,omitempty"`
	KopiaSnapshot string            `json:"kopiaSnapshot,omitempty"`
}

// ObjectReference names an object. APIVersion is the version alone, without the
// group, which stands beside it.
type ObjectReference struct {
	APIVersion string `json:"apiVersion,omitempty"`
	Group      string `json:"group,omitempty"`
	Resource   string `json:"resource,omitempty"`
	Kind       string `json:"kind,omitempty"`
	Name       string `json:"name,omitempty"`
	Namespace  string `json:"namespace,omitempty"`
}
