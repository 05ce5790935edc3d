// Package kanister runs one action of a Blueprint as the Kanister controller
// does, and validates Blueprints as kanctl does.
//
// Sources: kanisterio/kanister, pkg/apis/cr/v1alpha1, pkg/controller,
// pkg/function, pkg/kube, pkg/output, pkg/blueprint/validate; and experiments
// with the real controller.
package kanister

import (
	"fmt"
	"os"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/casshook/casshook/test/lab/kasten-standin/kanister/param"
)

// APIVersion and BlueprintKind head every Blueprint.
const (
	APIVersion    = "cr.kanister.io/v1alpha1"
	BlueprintKind = "Blueprint"
)

// Artifact is a set of values that an action leaves for later actions.
type Artifact = param.Artifact

// ObjectReference names an object; its apiVersion is the version alone.
type ObjectReference = param.ObjectReference

// Blueprint is a set of actions.
type Blueprint struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Actions           map[string]*BlueprintAction `json:"actions,omitempty"`
}

// BlueprintAction is a list of phases. Kind, the names of ConfigMaps, Secrets and
// input artifacts are not enforced by Kanister; Kasten passes the artifacts that
// InputArtifactNames lists.
type BlueprintAction struct {
	Name               string              `json:"name,omitempty"`
	Kind               string              `json:"kind,omitempty"`
	ConfigMapNames     []string            `json:"configMapNames,omitempty"`
	SecretNames        []string            `json:"secretNames,omitempty"`
	InputArtifactNames []string            `json:"inputArtifactNames,omitempty"`
	OutputArtifacts    map[string]Artifact `json:"outputArtifacts,omitempty"`
	Phases             []BlueprintPhase    `json:"phases,omitempty"`
	DeferPhase         *BlueprintPhase     `json:"deferPhase,omitempty"`
}

// BlueprintPhase is one call of a function.
type BlueprintPhase struct {
	Func    string                     `json:"func"`
	Name    string                     `json:"name"`
	Objects map[string]ObjectReference `json:"objects,omitempty"`
	Args    map[string]any             `json:"args,omitempty"`
}

// Load reads a Blueprint from a file.
func Load(path string) (*Blueprint, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("blueprint: %w", err)
	}
	bp, err := Parse(content)
	if err != nil {
		return nil, fmt.Errorf("blueprint %s: %w", path, err)
	}
	return bp, nil
}

// Parse decodes one Blueprint strictly: a field that the real API server prunes
// in silence is an error.
func Parse(content []byte) (*Blueprint, error) {
	var bp Blueprint
	if err := yaml.UnmarshalStrict(content, &bp); err != nil {
		return nil, err
	}
	if bp.APIVersion != APIVersion || bp.Kind != BlueprintKind {
		return nil, fmt.Errorf("apiVersion and kind are %q and %q: must be %s and %s", bp.APIVersion, bp.Kind, APIVersion, BlueprintKind)
	}
	if bp.Name == "" {
		return nil, fmt.Errorf("metadata.name is missing")
	}
	return &bp, nil
}
