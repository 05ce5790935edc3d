package generate

import (
	"fmt"
	"maps"
	"slices"

	"github.com/casshook/casshook/pkg/blueprint"
)

// program is where the binary lies in the image.
const program = "/casshook/casshook"

// Commands of casshook that hooks call.
const (
	beforeBackup = "before-backup"
	afterBackup  = "after-backup"
	onFailure    = "on-failure"
	// beforeRestore stops or deletes what is in the way of a restore.
	beforeRestore = "before-restore"
	afterRestore  = "after-restore"
	clean         = "clean"
	version       = "version"
)

// The artifact that a bound backup leaves in the restore point.
const (
	artifact   = "casshook"
	backupID   = "backupId"
	boundPhase = "beforeBackup"
)

// outputs are what before-backup prints for Kanister.
func outputs() []string { return []string{backupID, "skewMs", "windowMs", "nodes", "tables", "bytes"} }

// owned has the hooks of a backup act for an owner, which is the policy, unless its
// flags name another: those of another policy leave its backup alone.
func (h Hook) owned(owner string) Hook {
	flags := map[string]string{"owner": owner}
	maps.Copy(flags, h.Flags)
	h.Flags = flags
	return h
}

// arguments are the flags of a hook, sorted.
func (h Hook) arguments() []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(h.Flags)) {
		out = append(out, "--"+name+"="+h.Flags[name])
	}
	return out
}

// task is a pod in Kasten's namespace that runs a command of the binary.
func (o *Options) task(command string, args ...string) blueprint.KubeTask {
	return blueprint.KubeTask{
		Namespace: o.KastenNamespace, Image: o.Image,
		Command: append([]string{program, command}, args...), PodOverride: o.podOverride(),
	}
}

// podOverride gives the pod our own service account, without which it would have
// Kasten's rights, and takes away all that the binary does without, which is what the pod security
// standard "restricted" asks for. Kasten makes a pod run as root unless its container says otherwise.
func (o *Options) podOverride() blueprint.PodOverride {
	override := blueprint.PodOverride{
		ServiceAccountName: o.ServiceAccount, AutomountServiceAccountToken: true,
		NodeSelector: o.PodOverride.NodeSelector, Tolerations: o.PodOverride.Tolerations,
		Containers: []blueprint.Container{{
			Name: blueprint.TaskContainer, Resources: o.PodOverride.Resources,
			SecurityContext: &blueprint.SecurityContext{
				RunAsUser: o.PodOverride.RunAsUser, RunAsGroup: o.PodOverride.RunAsUser, RunAsNonRoot: true, ReadOnlyRootFilesystem: true,
				Capabilities: blueprint.Capabilities{Drop: []string{"ALL"}}, SeccompProfile: blueprint.SeccompProfile{Type: "RuntimeDefault"},
			},
		}},
	}
	for _, secret := range o.ImagePullSecrets {
		override.ImagePullSecrets = append(override.ImagePullSecrets, blueprint.LocalRef{Name: secret})
	}
	return override
}

// namespaceTask runs a hook about the namespace, which is what policies and actions
// call hooks for: about all its rings, or that of the one datacenter.
func (o *Options) namespaceTask(command string, hook Hook, more ...string) blueprint.KubeTask {
	args := []string{"--namespace=" + blueprint.SubjectNamespace}
	if o.Datacenter != "" {
		args = append(args, "--datacenter="+o.Datacenter)
	}
	args = append(append(args, "--output=kanister"), more...)
	return o.task(command, append(args, hook.arguments()...)...)
}

// boundTask runs a hook about the datacenter that the Blueprint is bound to.
func (o *Options) boundTask(command string, hook Hook, more ...string) blueprint.KubeTask {
	args := append([]string{"--namespace=" + blueprint.ObjectNamespace, "--datacenter=" + blueprint.ObjectName, "--output=kanister"}, more...)
	return o.task(command, append(args, hook.arguments()...)...)
}

const aboutLimit = "Kasten ends a hook after 20 minutes. The limits of waits are shorter, so that a hook can report what it waited\n" +
	"for. To allow more time, raise the flags here (hooks in the generator's config file) and Helm's\n" +
	"timeout.blueprintHooks (from 9.0 on timeout.blueprintResourceHooks). If a restore was ended, run it again to\n" +
	"resume."

const (
	noteReady = "\nready-timeout: Cassandra starts node by node, one to two minutes each; the remaining time is for the restore."

	notePreHook = "preHook: backs up all rings of the namespace, or none."
	noteSuccess = "onSuccess: removes the backup from the volumes once the volume snapshots are taken."
	noteFailure = "onFailure: removes the backup from the volumes."

	noteBeforeRestore = "preHook of a RestoreAction over existing datacenters: %s.\nDoes nothing if there are none."
	noteAfterRestore  = "onSuccess of a RestoreAction: restores the rings from the backup on their volumes. A stopped ring is restored offline, with one\n" +
		"cleaner Job per volume (--image), and started; a running ring is restored through Cassandra." + noteReady
)

// namedAction is an action that a policy or a RestoreAction names, about the namespace.
func namedAction(phase string, task blueprint.KubeTask) blueprint.Action {
	return blueprint.Action{Kind: "Namespace", Phases: []blueprint.Phase{blueprint.NewPhase(phase, task)}}
}

// modes are the flags of before-restore that say how it clears the way.
func modes() []string { return []string{"stop", "delete", "delete-keep-volumes"} }

// beforeRestoreMode is what before-restore does: stop, unless its flags say otherwise.
func (o *Options) beforeRestoreMode() (mode string, said bool) {
	for _, mode := range modes() {
		if _, said := o.Hooks.BeforeRestore.Flags[mode]; said {
			return mode, true
		}
	}
	return "stop", false
}

// clears says what before-restore does.
func (o *Options) clears() string {
	switch mode, _ := o.beforeRestoreMode(); mode {
	case "delete":
		return "snapshots the volumes, then deletes the datacenters and their volumes"
	case "delete-keep-volumes":
		return "snapshots the volumes, then deletes the datacenters and keeps their volumes"
	}
	return "stops the datacenters"
}

func (o *Options) beforeRestoreTask() blueprint.KubeTask {
	more := []string{"--yes"}
	if mode, said := o.beforeRestoreMode(); !said {
		more = append(more, "--"+mode)
	}
	return o.namespaceTask(beforeRestore, o.Hooks.BeforeRestore, more...)
}

// cleanerImage are the flags by which after-restore makes cleaner Jobs.
func (o *Options) cleanerImage() []string {
	flags := []string{"--image=" + o.Image}
	for _, secret := range o.Cleaner.ImagePullSecrets {
		flags = append(flags, "--image-pull-secret="+secret)
	}
	return flags
}

// restoreActions are those that RestoreActions name, whatever the strategy: a copy
// in another namespace is bound to nothing.
func (o *Options) restoreActions(actions map[string]blueprint.Action, notes comments) {
	before, after := o.Hooks.BeforeRestore, o.Hooks.AfterRestore
	actions[before.Action] = namedAction("beforeRestore", o.beforeRestoreTask())
	notes["actions."+before.Action] = fmt.Sprintf(noteBeforeRestore, o.clears())
	actions[after.Action] = namedAction("afterRestoreOfNamespace", o.namespaceTask(afterRestore, after, o.cleanerImage()...))
	notes["actions."+after.Action] = noteAfterRestore
}

// policyHookBlueprint has the hooks that a policy and a RestoreAction name.
func (o *Options) policyHookBlueprint() object {
	h, owner := o.Hooks, o.name(PolicyHooks)
	actions := map[string]blueprint.Action{
		h.BeforeBackup.Action: namedAction("beforeBackup", o.namespaceTask(beforeBackup, h.BeforeBackup.owned(owner))),
		h.AfterBackup.Action:  namedAction("afterBackup", o.namespaceTask(afterBackup, h.AfterBackup.owned(owner))),
		h.OnFailure.Action:    namedAction("onFailure", o.namespaceTask(onFailure, h.OnFailure.owned(owner))),
	}
	notes := comments{
		"actions." + h.BeforeBackup.Action: notePreHook,
		"actions." + h.AfterBackup.Action:  noteSuccess,
		"actions." + h.OnFailure.Action:    noteFailure,
	}
	o.restoreActions(actions, notes)
	return object{blueprint.NewBlueprint(o.name(PolicyHooks), o.KastenNamespace, actions), notes}
}

// boundBlueprint has the hooks that Kasten calls by their reserved names. It must
// have no action "backup", so that Kasten snapshots the volumes; needs none for
// "delete", since all that a backup is goes with its volumes; and has no
// "restorePrehook", which only some releases call.
func (o *Options) boundBlueprint() object {
	owner := o.name(ResourceBound)
	artifacts := map[string]string{}
	for _, key := range outputs() {
		artifacts[key] = blueprint.OutputOf(boundPhase, key)
	}
	one := func(phase string, task blueprint.KubeTask) []blueprint.Phase {
		return []blueprint.Phase{blueprint.NewPhase(phase, task)}
	}
	restored := append([]string{"--backup=" + blueprint.ArtifactOf(artifact, backupID)}, o.cleanerImage()...)
	actions := map[string]blueprint.Action{
		blueprint.BackupPrehook: {
			OutputArtifacts: map[string]blueprint.Artifact{artifact: {KeyValue: artifacts}},
			Phases:          one(boundPhase, o.boundTask(beforeBackup, o.Hooks.BeforeBackup.owned(owner))),
		},
		blueprint.BackupPosthook: {Phases: one("afterBackup", o.boundTask(afterBackup, o.Hooks.AfterBackup.owned(owner)))},
		blueprint.RestorePosthook: {
			InputArtifactNames: []string{artifact},
			Phases:             one("afterRestore", o.boundTask(afterRestore, o.Hooks.AfterRestore, restored...)),
		},
		o.Hooks.OnFailure.Action: namedAction("onFailure", o.namespaceTask(onFailure, o.Hooks.OnFailure.owned(owner))),
	}
	notes := comments{
		"actions." + blueprint.BackupPrehook:  "Backs up the ring.",
		"actions." + blueprint.BackupPosthook: "Removes the backup from the volumes once the volume snapshots are taken.",
		"actions." + blueprint.RestorePosthook: "Restores the ring from the backup named by the restore point, or else from the newest one on its volumes. A stopped ring is\n" +
			"restored offline, with one cleaner Job per volume (--image), and started; a running ring is restored through Cassandra." + noteReady,
		"actions." + o.Hooks.OnFailure.Action: "Kasten does not call this name by itself: the policy calls it onFailure, since backupPosthook may not run then.",
	}
	o.restoreActions(actions, notes)
	return object{blueprint.NewBlueprint(o.name(ResourceBound), o.KastenNamespace, actions), notes}
}

// overrideBlueprint takes the place of a Blueprint that Kasten brings along.
func (o *Options) overrideBlueprint(name string) object {
	actions := map[string]blueprint.Action{}
	for action, phase := range map[string]string{blueprint.Backup: "noBackup", blueprint.Restore: "noRestore", blueprint.Delete: "noDelete"} {
		actions[action] = blueprint.Action{Phases: []blueprint.Phase{blueprint.NewPhase(phase, o.task(version))}}
	}
	notes := comments{"actions.backup": "Because of this action, Kasten does not snapshot the volumes of what the Blueprint is bound to."}
	return object{blueprint.NewBlueprint(name, o.KastenNamespace, actions), notes}
}
