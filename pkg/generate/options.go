package generate

import (
	"fmt"

	"github.com/casshook/casshook/pkg/blueprint"
	"github.com/casshook/casshook/pkg/configfile"
)

// APIVersion and Kind head every config file.
const (
	APIVersion = "casshook.io/v1"
	Kind       = "GenerateConfig"
)

// Strategy is how Kasten is led to the datacenters.
type Strategy string

// Strategies. EveryStrategy makes the files of both, side by side; a namespace is
// protected by one of them.
const (
	// PolicyHooks runs hooks that a policy names, about the namespace.
	PolicyHooks Strategy = "policy-hooks"
	// ResourceBound runs hooks of a Blueprint that is bound to the datacenters.
	ResourceBound Strategy = "resource-bound"
	EveryStrategy Strategy = ""
)

// Strategies are those to choose from.
func Strategies() []Strategy { return []Strategy{PolicyHooks, ResourceBound} }

// Options are what the files are made of, and the content of a config file.
type Options struct {
	// Namespaces that are protected; at least one.
	Namespaces []string `json:"namespaces"`
	// Datacenter is the only CassandraDatacenter to protect in them; all when empty.
	Datacenter string   `json:"datacenter,omitempty"`
	Strategy   Strategy `json:"strategy,omitempty"`
	// Image of casshook, with a tag or a digest.
	Image string `json:"image"`
	// ImagePullSecrets are names of secrets in Kasten's namespace.
	ImagePullSecrets []string `json:"imagePullSecrets,omitempty"`
	// KastenNamespace is where Kasten, its objects and the hook pods are.
	KastenNamespace string `json:"kastenNamespace"`
	// ServiceAccount of the hook pods, in Kasten's namespace; and the name of its
	// roles.
	ServiceAccount string `json:"serviceAccount"`
	// Prefix begins the names of all objects in Kasten's namespace.
	Prefix string `json:"prefix"`
	// Profile is a location profile in Kasten's namespace.
	Profile string `json:"profile"`
	// Frequency of the policy: @onDemand, @hourly, @daily, @weekly, @monthly, @yearly.
	Frequency string `json:"frequency"`
	// Retention is how many restore points are kept by hourly, daily, weekly,
	// monthly, yearly. With @onDemand there is none; else 7 daily, 4 weekly and
	// 12 monthly when empty.
	Retention map[string]int `json:"retention,omitempty"`
	// RestorePoint is what RestoreActions restore; a placeholder when empty.
	RestorePoint string  `json:"restorePoint,omitempty"`
	Restore      Restore `json:"restore"`
	Clone        Clone   `json:"clone,omitzero"`
	Hooks        Hooks   `json:"hooks"`
	// PodOverride is of the hook pods.
	PodOverride PodOverride `json:"podOverride,omitzero"`
	Cleaner     Cleaner     `json:"cleaner"`

	// Invocation is the command line that made the files, as their headers tell it,
	// without strategy and output.
	Invocation string `json:"-"`
}

// Restore is how RestoreActions restore.
type Restore struct {
	// Offline has the datacenters come back stopped, and after-restore put the backup
	// in place before it starts them. Else Cassandra starts on the volumes as they
	// are, and after-restore works through it.
	Offline bool `json:"offline"`
	// StopFirst runs before-restore about the namespace, for restores over datacenters
	// that are there.
	StopFirst bool `json:"stopFirst,omitempty"`
}

// Clone is a restore into another namespace, beside the original.
type Clone struct {
	// Namespace of the copy; made of the first protected one's name when empty.
	Namespace string `json:"namespace,omitempty"`
}

// Hooks are settings by hook, whatever calls it.
type Hooks struct {
	BeforeBackup  Hook `json:"beforeBackup,omitzero"`
	AfterBackup   Hook `json:"afterBackup,omitzero"`
	OnFailure     Hook `json:"onFailure,omitzero"`
	BeforeRestore Hook `json:"beforeRestore,omitzero"`
	AfterRestore  Hook `json:"afterRestore,omitzero"`
}

// Hook is the settings of one hook.
type Hook struct {
	// Action is the name that a policy calls it by.
	Action string `json:"action,omitempty"`
	// Flags of the command, without the dashes.
	Flags map[string]string `json:"flags,omitempty"`
}

// PodOverride is what site and cluster ask of a pod.
type PodOverride struct {
	NodeSelector map[string]string      `json:"nodeSelector,omitempty"`
	Tolerations  []blueprint.Toleration `json:"tolerations,omitempty"`
	Resources    blueprint.Resources    `json:"resources,omitzero"`
	// RunAsUser is the user, and group, of the pods: that of casshook's image. 0 leaves them to the cluster,
	// as OpenShift wants it.
	RunAsUser int64 `json:"runAsUser"`
}

// imageUser is whom casshook's image runs as (images/Dockerfile).
const imageUser = 65532

// PlaceholderImage stands for the image that a site keeps in its registry.
const PlaceholderImage = "registry.example.com/casshook:VERSION"

// DefaultInvocation is the command line of the checked-in files.
const DefaultInvocation = "casshook generate all"

// Default are the options of the checked-in files.
//
// Kasten ends a hook after 20 minutes unless Helm's timeout.blueprintHooks says
// otherwise, so what hooks wait for before their work begins is limited to less:
// killed, a hook cannot say what it waited for.
func Default() Options {
	return Options{
		Namespaces:      []string{"cassandra"},
		Image:           PlaceholderImage,
		KastenNamespace: "kasten-io",
		ServiceAccount:  "casshook",
		Prefix:          "casshook",
		Profile:         "location-profile",
		Frequency:       blueprint.OnDemand,
		Restore:         Restore{Offline: true},
		Hooks: Hooks{
			BeforeBackup:  Hook{"before-backup", map[string]string{readyTimeout: "5m", snapshotTimeout: "5m"}},
			AfterBackup:   Hook{"after-backup", map[string]string{readyTimeout: "5m", snapshotTimeout: "10m"}},
			OnFailure:     Hook{"on-failure", map[string]string{readyTimeout: "5m", snapshotTimeout: "10m"}},
			BeforeRestore: Hook{"before-restore", nil},
			AfterRestore:  Hook{"after-restore", map[string]string{readyTimeout: "12m"}},
		},
		PodOverride: PodOverride{RunAsUser: imageUser, Resources: blueprint.Resources{
			Requests: map[string]string{"cpu": "100m", "memory": "128Mi"}, Limits: map[string]string{"cpu": "1", "memory": "1Gi"},
		}},
		Cleaner:    defaultCleaner(),
		Invocation: DefaultInvocation,
	}
}

// Flags that bound what a hook waits for.
const (
	readyTimeout    = "ready-timeout"
	snapshotTimeout = "volume-snapshot-timeout"
)

// each calls for every hook with its command and its field.
func (h *Hooks) each(do func(command, field string, hook Hook)) {
	do(beforeBackup, "hooks.beforeBackup", h.BeforeBackup)
	do(afterBackup, "hooks.afterBackup", h.AfterBackup)
	do(onFailure, "hooks.onFailure", h.OnFailure)
	do(beforeRestore, "hooks.beforeRestore", h.BeforeRestore)
	do(afterRestore, "hooks.afterRestore", h.AfterRestore)
}

// Arguments are the commands of the hooks with their flags, by the field that sets
// them, so that whoever knows the commands can check them.
func (o *Options) Arguments() map[string][]string {
	all := map[string][]string{}
	o.Hooks.each(func(command, field string, hook Hook) {
		all[field+".flags"] = append([]string{command}, hook.arguments()...)
	})
	return all
}

// ReadConfig decodes a config file into options, strictly. What it does not name
// stays as it is; a flag of a hook is set beside the others.
func ReadConfig(content []byte, o *Options) error {
	config := struct {
		APIVersion string `json:"apiVersion"`
		Kind       string `json:"kind"`
		*Options   `json:",inline"`
	}{Options: o}
	if err := configfile.Decode(content, &config); err != nil {
		return err
	}
	if config.APIVersion != APIVersion || config.Kind != Kind {
		return fmt.Errorf("apiVersion and kind are %q and %q: must be %s and %s", config.APIVersion, config.Kind, APIVersion, Kind)
	}
	return nil
}
