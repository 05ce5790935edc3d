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
			e.fail(c.datacenter.about(), what+" in backups of "+c.policy.about()+" and would not snapshot the volumes",
				"bind casshook's Blueprint (casshook generate --strategy resource-bound), or exclude StatefulSets from the policy and use policy hooks")
			continue
		}
		e.ok(c.datacenter.about(), fmt.Sprintf("Kasten's Blueprint %s does not run: %s excludes StatefulSets", c.bound.name, c.policy.about()))
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
			what := "it selects by labels; cannot tell whether it includes the namespace"
			if e.Labels.Unread != "" {
				what += ": " + e.Labels.Unread
			}
			e.unknown(p.about(), what, "select by "+blueprint.AppNamespaceKey+", or check its applications in the dashboard")
		case surely:
			found++
			if p.Spec.Paused {
				e.warn(p.about(), "it is paused: nothing is backed up", "resume it")
			}
		}
	}
	if found == 0 {
		e.warn(e.inNamespace(), "no policy found that backs it up", "create one with casshook generate policy")
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
			e.fail(c.policy.about(), fmt.Sprintf("it excludes StatefulSets, through which Kasten finds %s: the Blueprint %s does not run, and the backup is reported as complete",
				c.datacenter.about(), c.bound.name), "remove StatefulSets from excludeResources, or add them to includeResources; exclude them from restores only")
		case c.keeps && c.bound.blueprint.has(backupAction) && !c.bound.blueprint.builtIn():
			e.fail(c.policy.about(), fmt.Sprintf("it includes StatefulSets, through which Kasten finds %s; the Blueprint %s is bound to it %s and has a backup action: no volume is snapshotted",
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
				e.fail(b.policy.about(), fmt.Sprintf("its hook calls action %s of the Blueprint %s, which does not exist", h.ActionName, h.Blueprint),
					"apply the Blueprint, or correct the name")
			}
		}
	}
	for _, c := range e.courses() {
		reached := c.keeps && c.bindable
		switch {
		case c.hook && reached:
			e.fail(c.policy.about(), fmt.Sprintf("before-backup would run twice, by its preHook and by the Blueprint %s bound to %s; the second run finds the ring locked",
				c.bound.name, c.datacenter.about()), "remove preHook and onSuccess from the policy, or remove the binding")
		case !c.hook && !c.bindable:
			e.fail(c.policy.about(), "nothing runs before-backup for "+c.datacenter.about()+": its volume snapshots, if any, are not consistent",
				"use policy hooks, or bind a Blueprint (casshook generate)")
		case reached && !c.bound.blueprint.runs(postHookAction, afterBackup):
			e.warn(c.datacenter.about(), fmt.Sprintf("the Blueprint %s does not run after-backup in %s: snapshots stay on the volumes until the next backup", c.bound.name, postHookAction),
				"use the Blueprint from casshook generate")
		case c.hook && !e.calls(c.params.Hooks.OnSuccess, afterBackup):
			e.warn(c.policy.about(), "no onSuccess hook runs after-backup: snapshots stay on the volumes until the next backup", "use the policy from casshook generate")
		}
	}
}

func (e *exam) onFailure() {
	e.doubtful()
	for _, b := range e.backups() {
		h := b.params.Hooks.OnFailure
		if !e.calls(h, onFailure) && !e.calls(h, afterBackup) {
			e.warn(b.policy.about(), "no onFailure hook runs on-failure: a failed backup leaves its snapshot and its lock on the volumes",
				"add an onFailure hook; the Blueprints from casshook generate have one")
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
				e.unknown(c.policy.about(), "its profile comes from preset "+c.policy.Spec.PresetRef.Name+", which was not checked", "check that it is a location profile")
				continue
			}
			e.fail(c.policy.about(), "it has no location profile: "+restoreHookAction+" does not run without one", "set backupParameters.profile to a location profile")
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
			e.fail(at, fmt.Sprintf("%s uses it, but it is not a location profile (type %q): %s does not run", p.about(), f.Spec.Type, restoreHookAction), "use a location profile")
		case strings.EqualFold(f.Spec.LocationSpec.Type, "VBR"):
			e.fail(at, fmt.Sprintf("%s uses it, but Blueprints cannot use a Veeam Backup & Replication repository", p.about()), "use another location profile")
		case f.Status.Validation == "Failed":
			e.warn(at, "Kasten could not validate it", "check its status")
		}
		return
	}
	e.fail(p.about(), fmt.Sprintf("its profile %s does not exist: %s does not run without it", ref.Name, restoreHookAction), "create the profile, or use another")
}
