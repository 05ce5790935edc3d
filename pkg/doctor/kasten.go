package doctor

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/casshook/casshook/pkg/blueprint"
)

// The types below read objects that anybody wrote; pkg/blueprint has those that
// casshook writes, which are fewer and strict.

// Meta is what is used of an object's metadata.
type Meta struct {
	Name      string    `json:"name"`
	Namespace string    `json:"namespace"`
	Created   time.Time `json:"creationTimestamp"`
}

// Binding is a BlueprintBinding.
type Binding struct {
	Meta `json:"metadata"`
	Spec struct {
		Disabled     bool          `json:"disabled"`
		BlueprintRef blueprint.Ref `json:"blueprintRef"`
		Resources    struct {
			MatchAll []Requirement `json:"matchAll"`
			MatchAny []Requirement `json:"matchAny"`
		} `json:"resources"`
	} `json:"spec"`
	Status struct {
		// Validation is Success, Failed, or empty until Kasten has looked.
		Validation string   `json:"validation"`
		Errors     []string `json:"error"`
	} `json:"status"`
}

func (b *Binding) about() string { return about(blueprint.BindingKind, b.Namespace, b.Name) }

// Requirement holds one constraint.
type Requirement struct {
	Type        *blueprint.TypeConstraint      `json:"type"`
	Namespace   *blueprint.NamespaceConstraint `json:"namespace"`
	Annotations *KeyConstraint                 `json:"annotations"`
	Labels      *KeyConstraint                 `json:"labels"`
}

// KeyConstraint is about a label or an annotation; also an expression of a
// policy's selector.
type KeyConstraint struct {
	Key      string   `json:"key"`
	Operator string   `json:"operator"`
	Values   []string `json:"values"`
}

// Blueprint is Kanister's.
type Blueprint struct {
	Meta    `json:"metadata"`
	Actions map[string]Action `json:"actions"`
}

// Action of a Blueprint.
type Action struct {
	Phases []Phase `json:"phases"`
}

// Phase of an action. Its args are any function's.
type Phase struct {
	Func string          `json:"func"`
	Name string          `json:"name"`
	Args json.RawMessage `json:"args"`
}

// task is what is used of the args of a phase that runs a pod.
type task struct {
	Image       string   `json:"image"`
	Command     []string `json:"command"`
	PodOverride struct {
		ServiceAccountName string               `json:"serviceAccountName"`
		ImagePullSecrets   []blueprint.LocalRef `json:"imagePullSecrets"`
		NodeSelector       map[string]string    `json:"nodeSelector"`
	} `json:"podOverride"`
}

// tasks of an action's phases; args that are no task's are left out.
func (a Action) tasks() []task {
	var found []task
	for _, p := range a.Phases {
		var t task
		if json.Unmarshal(p.Args, &t) == nil {
			found = append(found, t)
		}
	}
	return found
}

// Commands of casshook that hooks run.
const (
	beforeBackup = "before-backup"
	afterBackup  = "after-backup"
	onFailure    = "on-failure"
	afterRestore = "after-restore"
)

// runs tells whether a command of casshook is called, directly or in a script.
func (t task) runs(command string) bool {
	return slices.ContainsFunc(t.Command, func(part string) bool { return strings.Contains(part, command) })
}

func (t task) ours() bool {
	return slices.ContainsFunc([]string{beforeBackup, afterBackup, onFailure, afterRestore}, t.runs)
}

// runs tells whether an action calls a command of casshook.
func (b *Blueprint) runs(action, command string) bool {
	return b != nil && slices.ContainsFunc(b.Actions[action].tasks(), func(t task) bool { return t.runs(command) })
}

func (b *Blueprint) has(action string) bool {
	if b == nil {
		return false
	}
	_, ok := b.Actions[action]
	return ok
}

// hooks are the tasks that call casshook.
func (b *Blueprint) hooks() []task {
	var found []task
	for _, a := range b.Actions {
		for _, t := range a.tasks() {
			if t.ours() {
				found = append(found, t)
			}
		}
	}
	return found
}

// builtInPrefix begins the names of the Blueprints for K8ssandra that Kasten brings
// along: k10-k8ssandra-bp-0.0.4, -0.0.5.
const builtInPrefix = "k10-k8ssandra-bp-"

// builtIn tells Kasten's own from what overrides it under the same name: only the
// former asks for Medusa.
func (b *Blueprint) builtIn() bool {
	if b == nil || !strings.HasPrefix(b.Name, builtInPrefix) {
		return false
	}
	for _, a := range b.Actions {
		for _, p := range a.Phases {
			if bytes.Contains(bytes.ToLower(p.Args), []byte("medusa")) {
				return true
			}
		}
	}
	return false
}

// PullSecrets are the secrets that hook pods of Blueprints name to pull images with.
func PullSecrets(all []Blueprint) []string {
	var names []string
	for _, b := range all {
		for _, t := range b.hooks() {
			for _, ref := range t.PodOverride.ImagePullSecrets {
				names = append(names, ref.Name)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Policy is Kasten's.
type Policy struct {
	Meta `json:"metadata"`
	Spec struct {
		Paused    bool           `json:"paused"`
		PresetRef *blueprint.Ref `json:"presetRef"`
		Selector  struct {
			MatchExpressions []KeyConstraint   `json:"matchExpressions"`
			MatchLabels      map[string]string `json:"matchLabels"`
		} `json:"selector"`
		Actions []PolicyAction `json:"actions"`
	} `json:"spec"`
}

func (p *Policy) about() string { return about(blueprint.PolicyKind, p.Namespace, p.Name) }

// PolicyAction is one action of a policy.
type PolicyAction struct {
	Action           string            `json:"action"`
	BackupParameters *BackupParameters `json:"backupParameters"`
}

// BackupParameters of a policy's action backup.
type BackupParameters struct {
	Profile *blueprint.Ref  `json:"profile"`
	Hooks   blueprint.Hooks `json:"hooks"`
	Filters struct {
		IncludeResources []FilterEntry `json:"includeResources"`
		ExcludeResources []FilterEntry `json:"excludeResources"`
	} `json:"filters"`
}

// FilterEntry matches when all that it names matches.
type FilterEntry struct {
	Name        string            `json:"name"`
	Group       string            `json:"group"`
	Version     string            `json:"version"`
	Resource    string            `json:"resource"`
	MatchLabels map[string]string `json:"matchLabels"`
}

// Profile is Kasten's: Location, or infrastructure.
type Profile struct {
	Meta `json:"metadata"`
	Spec struct {
		Type         string `json:"type"`
		LocationSpec struct {
			// Type is ObjectStore, FileStore or VBR.
			Type string `json:"type"`
		} `json:"locationSpec"`
	} `json:"spec"`
	Status struct {
		Validation string `json:"validation"`
	} `json:"status"`
}
