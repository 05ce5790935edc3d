package doctor

import (
	"fmt"
	"strings"

	"github.com/casshook/casshook/pkg/blueprint"
)

// blueprint is about Kasten's own, which asks for Medusa.
func (e *exam) blueprint() {
	e.doubtful()
	for _, c := range e.courses() {
		if !c.bound.blueprint.builtIn() {
			continue
		}
		what := fmt.Sprintf("Kasten's Blueprint %s would run %s", c.bound.name, c.bound.by)
		if c.keeps {
			e.fail(c.datacenter.about(), what+", and take no snapshots of volumes, in backups of "+c.policy.about(),
				"bind casshook's Blueprint (casshook generate --strategy resource-bound), or leave StatefulSets out of the policy and use its hooks")
			continue
		}
		e.ok(c.datacenter.about(), fmt.Sprintf("Kasten's Blueprint %s does not run: %s leaves StatefulSets out", c.bound.name, c.policy.about()))
	}
}

func (e *exam) policy() {
	found := 0
	for i := range e.Policies.Items {
		p := &e.Policies.Items[i]
		if !p.backsUp() {
			continue
		}
		switch e.selects(p) {
		case perhaps:
			what := "it selects by labels, and whether it means the namespace is not known"
			if e.Labels.Unread != "" {
				what += ": " + e.Labels.Unread
			}
			e.unknown(p.about(), what, "select by "+blueprint.AppNamespaceKey+", or look in the dashboard which applications it has")
		case surely:
			found++
			if p.Spec.Paused {
				e.warn(p.about(), "it is paused", "resume it, or nothing is backed up")
			}
		}
	}
	if found == 0 {
		e.warn(e.inNamespace(), "no policy is known to back it up", "casshook generate policy writes one")
	}
}

func (p *Policy) backsUp() bool {
	for _, a := range p.Spec.Actions {
		if a.Action == "backup" {
			return true
		}
	}
	return false
}

// filter is about StatefulSets, through which Kasten finds what is bound to the
// datacenters: hooks need them in or out.
func (e *exam) filter() {
	e.doubtful()
	for _, c := range e.courses() {
		switch {
		case !c.keeps && c.bindable && !c.hook:
			e.fail(c.policy.about(), fmt.Sprintf("it leaves StatefulSets out, through which Kasten finds %s: the Blueprint %s does not run, and the backup is called complete",
				c.datacenter.about(), c.bound.name), "take StatefulSets out of excludeResources, or into includeResources; leave them out of restores only")
		case c.keeps && c.bound.blueprint.has(backupAction) && !c.bound.blueprint.builtIn():
			e.fail(c.policy.about(), fmt.Sprintf("it keeps StatefulSets, through which Kasten finds %s; the Blueprint %s is bound to it %s and has an action backup: no volume is snapshotted",
				c.datacenter.about(), c.bound.name, c.bound.by), "exclude {group: apps, resource: statefulsets} from the backup, or remove that Blueprint")
		}
	}
}

// hooks wants before-backup once, and after-backup after it.
func (e *exam) hooks() {
	e.doubtful()
	for _, b := range e.backups() {
		for _, h := range hooksOf(b.params) {
			if !e.blueprintOf(h.Blueprint).has(h.ActionName) {
				e.fail(b.policy.about(), fmt.Sprintf("its hook calls the action %s of the Blueprint %s, which is not there", h.ActionName, h.Blueprint),
					"apply the Blueprint, or correct the name")
			}
		}
	}
	for _, c := range e.courses() {
		reached := c.keeps && c.bindable
		switch {
		case c.hook && reached:
			e.fail(c.policy.about(), fmt.Sprintf("before-backup would run twice: by its preHook, and by the Blueprint %s that is bound to %s; the second finds the lock of the first",
				c.bound.name, c.datacenter.about()), "remove the preHook and onSuccess of the policy, or the binding")
		case !c.hook && !c.bindable:
			e.fail(c.policy.about(), "nothing runs before-backup for "+c.datacenter.about()+": its volumes are snapshotted as they are, if at all",
				"use hooks of the policy, or bind a Blueprint (casshook generate)")
		case reached && !c.bound.blueprint.runs(postHookAction, afterBackup):
			e.warn(c.datacenter.about(), fmt.Sprintf("the Blueprint %s does not run after-backup in %s: snapshots stay on the volumes until the next backup", c.bound.name, postHookAction),
				"take the Blueprint of casshook generate")
		case c.hook && !e.calls(c.params.Hooks.OnSuccess, afterBackup):
			e.warn(c.policy.about(), "no onSuccess hook runs after-backup: snapshots stay on the volumes until the next backup", "take the policy of casshook generate")
		}
	}
}

func (e *exam) onFailure() {
	e.doubtful()
	for _, b := range e.backups() {
		h := b.params.Hooks.OnFailure
		if !e.calls(h, onFailure) && !e.calls(h, afterBackup) {
			e.warn(b.policy.about(), "no onFailure hook runs on-failure: after a failed backup its snapshot stays on the volumes, and the lock with it",
				"name an onFailure hook; the Blueprints of casshook generate have one")
		}
	}
}

// profile is needed by hooks of bound Blueprints only.
func (e *exam) profile() {
	e.doubtful()
	for _, c := range e.courses() {
		if !c.keeps || !c.bindable || !c.bound.blueprint.has(restoreHookAction) {
			continue
		}
		ref := c.params.Profile
		if ref == nil || ref.Name == "" {
			if c.policy.Spec.PresetRef != nil {
				e.unknown(c.policy.about(), "its profile is that of the preset "+c.policy.Spec.PresetRef.Name+", which was not looked at", "see that it is a location profile")
				continue
			}
			e.fail(c.policy.about(), "it names no location profile, without which "+restoreHookAction+" does not run", "set backupParameters.profile to a location profile")
			continue
		}
		e.located(c.policy, ref)
	}
}

// located looks at the profile that a policy names.
func (e *exam) located(p *Policy, ref *blueprint.Ref) {
	for _, f := range e.Profiles.Items {
		if f.Name != ref.Name || (ref.Namespace != "" && f.Namespace != ref.Namespace) {
			continue
		}
		at := about("Profile", f.Namespace, f.Name)
		switch {
		case !strings.EqualFold(f.Spec.Type, "Location"):
			e.fail(at, fmt.Sprintf("%s names it, but it is no location profile (type %q): %s does not run", p.about(), f.Spec.Type, restoreHookAction), "name a location profile")
		case strings.EqualFold(f.Spec.LocationSpec.Type, "VBR"):
			e.fail(at, fmt.Sprintf("%s names it, but a repository of Veeam Backup & Replication does not do for Blueprints", p.about()), "name another location profile")
		case f.Status.Validation == "Failed":
			e.warn(at, "Kasten could not validate it", "see its status")
		}
		return
	}
	e.fail(p.about(), fmt.Sprintf("the profile %s that it names is not there, without which %s does not run", ref.Name, restoreHookAction), "create the profile, or name another")
}
