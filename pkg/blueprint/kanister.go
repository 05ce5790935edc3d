package blueprint

// Actions of a Blueprint that Kasten runs about the resource that a binding binds
// it to. Others are ignored in silence then; hooks of a policy may name any.
// A Blueprint with Backup keeps Kasten from snapshotting the volumes.
const (
	Backup          = "backup"
	BackupPrehook   = "backupPrehook"
	BackupPosthook  = "backupPosthook"
	Restore         = "restore"
	RestorePrehook  = "restorePrehook"
	RestorePosthook = "restorePosthook"
	Delete          = "delete"
)

// Reserved are the names of all of these actions.
func Reserved() []string {
	return []string{Backup, BackupPrehook, BackupPosthook, Restore, RestorePrehook, RestorePosthook, Delete}
}

// Blueprint is a set of actions by name.
type Blueprint struct {
	Head    `json:",inline"`
	Actions map[string]Action `json:"actions"`
}

// NewBlueprint makes a Blueprint, which must be in Kasten's namespace.
func NewBlueprint(name, namespace string, actions map[string]Action) *Blueprint {
	return &Blueprint{Head{KanisterVersion, BlueprintKind, Metadata{Name: name, Namespace: namespace}}, actions}
}

// Action is a list of phases. Kind is documentation. Kasten hands an action the
// artifacts that InputArtifactNames lists, where the restore point has them.
type Action struct {
	Kind               string              `json:"kind,omitempty"`
	InputArtifactNames []string            `json:"inputArtifactNames,omitempty"`
	OutputArtifacts    map[string]Artifact `json:"outputArtifacts,omitempty"`
	Phases             []Phase             `json:"phases"`
}

// Artifact is a set of values that an action leaves in the restore point.
type Artifact struct {
	KeyValue map[string]string `json:"keyValue"`
}

// Phase is one pod. Its name must be the only one of the whole Blueprint, and a
// word that templates can name after a dot.
type Phase struct {
	Func string   `json:"func"`
	Name string   `json:"name"`
	Args KubeTask `json:"args"`
}

// KubeTaskFunc runs a pod until it ends; what it prints is read for outputs.
const KubeTaskFunc = "KubeTask"

// KubeTask are the args of a phase that runs a pod. A null below them ends the
// process of the Kanister controller, so nothing here can become one.
type KubeTask struct {
	Namespace   string      `json:"namespace"`
	Image       string      `json:"image"`
	Command     []string    `json:"command"`
	PodOverride PodOverride `json:"podOverride,omitzero"`
}

// NewPhase makes a phase that runs a pod.
func NewPhase(name string, task KubeTask) Phase { return Phase{KubeTaskFunc, name, task} }

// TaskContainer is what Kanister calls the container of a KubeTask.
const TaskContainer = "container"

// PodOverride is merged into the spec of a pod, lists by the names in them. It
// reads and writes as the same fields of a PodSpec.
type PodOverride struct {
	ServiceAccountName string `json:"serviceAccountName,omitempty"`
	// AutomountServiceAccountToken is off where the controller runs with
	// SECURE_DEFAULTS_FOR_JOB_PODS.
	AutomountServiceAccountToken bool              `json:"automountServiceAccountToken,omitempty"`
	ImagePullSecrets             []LocalRef        `json:"imagePullSecrets,omitempty"`
	NodeSelector                 map[string]string `json:"nodeSelector,omitempty"`
	Tolerations                  []Toleration      `json:"tolerations,omitempty"`
	Containers                   []Container       `json:"containers,omitempty"`
}

// LocalRef names an object in the namespace of the pod.
type LocalRef struct {
	Name string `json:"name"`
}

// Toleration lets a pod onto nodes with a taint.
type Toleration struct {
	Key      string `json:"key,omitempty"`
	Operator string `json:"operator,omitempty"`
	Value    string `json:"value,omitempty"`
	Effect   string `json:"effect,omitempty"`
	// Seconds is for NoExecute: how long the pod may stay.
	Seconds *int64 `json:"tolerationSeconds,omitempty"`
}

// Container overrides the container of that name.
type Container struct {
	Name            string           `json:"name"`
	Resources       Resources        `json:"resources,omitzero"`
	SecurityContext *SecurityContext `json:"securityContext,omitempty"`
}

// Resources of a container, as quantities by resource.
type Resources struct {
	Requests map[string]string `json:"requests,omitempty"`
	Limits   map[string]string `json:"limits,omitempty"`
}

// SecurityContext of a container.
type SecurityContext struct {
	// RunAsUser and RunAsGroup are left to the cluster when 0.
	RunAsUser                int64          `json:"runAsUser,omitempty"`
	RunAsGroup               int64          `json:"runAsGroup,omitempty"`
	RunAsNonRoot             bool           `json:"runAsNonRoot"`
	AllowPrivilegeEscalation bool           `json:"allowPrivilegeEscalation"`
	ReadOnlyRootFilesystem   bool           `json:"readOnlyRootFilesystem"`
	Capabilities             Capabilities   `json:"capabilities"`
	SeccompProfile           SeccompProfile `json:"seccompProfile"`
}

// SeccompProfile is the filter of a container's system calls.
type SeccompProfile struct {
	Type string `json:"type"`
}

// Capabilities that a container gives up.
type Capabilities struct {
	Drop []string `json:"drop"`
}
