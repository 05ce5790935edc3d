package doctor

import (
	"fmt"
	"slices"
	"strings"

	"github.com/casshook/casshook/pkg/blueprint"
)

// Actions that Kasten calls about a bound resource.
const (
	preHookAction     = blueprint.BackupPrehook
	postHookAction    = blueprint.BackupPosthook
	restoreHookAction = blueprint.RestorePosthook
	backupAction      = blueprint.Backup
)

// bondage is the Blueprint that Kasten runs about a datacenter where a workload in
// the backup leads to it, and by what it is found.
type bondage struct {
	name, by string
	// blueprint is nil where there is none of that name.
	blueprint *Blueprint
}

// bound finds it: a binding beats the annotation, and either the built-in one.
func (e *exam) bound(d *Datacenter) bondage {
	if found := e.bindingsOf(d); len(found) > 0 {
		name := found[0].Spec.BlueprintRef.Name
		return bondage{name, "by the BlueprintBinding " + found[0].Name, e.blueprintOf(name)}
	}
	if name := d.Annotations[blueprintAnnotation]; name != "" {
		return bondage{name, "by the annotation " + blueprintAnnotation, e.blueprintOf(name)}
	}
	for i := range e.Blueprints.Items {
		b := &e.Blueprints.Items[i]
		if b.Namespace == e.KastenNamespace && strings.HasPrefix(b.Name, builtInPrefix) {
			return bondage{b.Name, "as the built-in default", b}
		}
	}
	return bondage{}
}

// blueprintAnnotation names a Blueprint on a resource.
const blueprintAnnotation = "kanister.kasten.io/blueprint"

// blueprintOf finds a Blueprint, all of which are in Kasten's namespace.
func (e *exam) blueprintOf(name string) *Blueprint {
	for i := range e.Blueprints.Items {
		if b := &e.Blueprints.Items[i]; b.Name == name && b.Namespace == e.KastenNamespace {
			return b
		}
	}
	return nil
}

// backup is an action of a policy that backs the namespace up.
type backup struct {
	policy *Policy
	params *BackupParameters
}

// backups are those that surely do.
func (e *exam) backups() []backup {
	var found []backup
	for i := range e.Policies.Items {
		p := &e.Policies.Items[i]
		if e.selects(p) != surely {
			continue
		}
		for _, a := range p.Spec.Actions {
			if a.Action == "backup" {
				params := a.BackupParameters
				if params == nil {
					params = &BackupParameters{}
				}
				found = append(found, backup{p, params})
			}
		}
	}
	return found
}

// doubtful reports the policies that may back the namespace up or not: nothing is
// known of what they would do to it.
func (e *exam) doubtful() {
	for i := range e.Policies.Items {
		if p := &e.Policies.Items[i]; p.backsUp() && e.selects(p) == perhaps {
			e.unknown(p.about(), "cannot tell whether it backs up the namespace; it was not checked", "select by "+blueprint.AppNamespaceKey)
		}
	}
}

// protected is whether any policy is there to look at.
func protected(e *exam) (string, bool) {
	for i := range e.Policies.Items {
		if p := &e.Policies.Items[i]; p.backsUp() && e.selects(p) != never {
			return "", false
		}
	}
	return "", e.Policies.Unread == ""
}

// course is what a backup does with a datacenter.
type course struct {
	backup
	datacenter *Datacenter
	bound      bondage
	// keeps StatefulSets: what is bound to the datacenter runs.
	keeps bool
	// hook of the policy runs before-backup; so does bindable, if it is reached.
	hook, bindable bool
}

func (e *exam) courses() []course {
	var found []course
	for _, b := range e.backups() {
		for i := range e.chosen {
			d := &e.chosen[i]
			if d.Unreadable != "" {
				continue
			}
			c := course{backup: b, datacenter: d, bound: e.bound(d), keeps: e.keeps(b.params, d), hook: e.calls(b.params.Hooks.PreHook, beforeBackup)}
			c.bindable = c.bound.blueprint.runs(preHookAction, beforeBackup)
			found = append(found, c)
		}
	}
	return found
}

// calls tells whether a policy's hook runs a command of casshook.
func (e *exam) calls(h *blueprint.Hook, command string) bool {
	return h != nil && e.blueprintOf(h.Blueprint).runs(h.ActionName, command)
}

// tasks are the hook pods of the Blueprints that policies call or that are bound,
// by the Blueprint's name.
func (e *exam) tasks() map[string][]task {
	found := map[string][]task{}
	add := func(name string) {
		if b := e.blueprintOf(name); b != nil && len(b.hooks()) > 0 {
			found[name] = b.hooks()
		}
	}
	for i := range e.chosen {
		add(e.bound(&e.chosen[i]).name)
	}
	for _, b := range e.backups() {
		for _, h := range hooksOf(b.params) {
			add(h.Blueprint)
		}
	}
	return found
}

func hooksOf(params *BackupParameters) []blueprint.Hook {
	var found []blueprint.Hook
	for _, h := range []*blueprint.Hook{params.Hooks.PreHook, params.Hooks.OnSuccess, params.Hooks.OnFailure} {
		if h != nil {
			found = append(found, *h)
		}
	}
	return found
}

// binding names the one that wins where several match, and those that do not work.
func (e *exam) binding() {
	for i := range e.chosen {
		d := &e.chosen[i]
		found := e.bindingsOf(d)
		bound := e.bound(d)
		if len(found) > 1 {
			e.several(d, found)
		}
		if annotation := d.Annotations[blueprintAnnotation]; len(found) > 0 && annotation != "" && annotation != bound.name {
			e.warn(d.about(), fmt.Sprintf("its annotation names the Blueprint %s, but %s runs, %s", annotation, bound.name, bound.by), "remove the annotation or the binding")
		}
		if bound.name != "" && bound.blueprint == nil {
			e.fail(d.about(), fmt.Sprintf("the Blueprint %s is bound to it %s, but is not in namespace %s", bound.name, bound.by, e.KastenNamespace),
				"apply the Blueprint, or remove the binding or annotation")
		}
	}
	for i := range e.Bindings.Items {
		e.oddBinding(&e.Bindings.Items[i])
	}
}

// several are an error where the first is not casshook's but a later one is: that
// one was made in vain.
func (e *exam) several(d *Datacenter, found []*Binding) {
	var later []string
	inVain := false
	runs := func(b *Binding) bool {
		return e.blueprintOf(b.Spec.BlueprintRef.Name).runs(preHookAction, beforeBackup)
	}
	for _, b := range found[1:] {
		later = append(later, b.Name)
		inVain = inVain || runs(b)
	}
	what := fmt.Sprintf("several bindings match; %s wins because it is older than %s", found[0].Name, strings.Join(later, ", "))
	remedy := "delete the other bindings, or narrow them"
	if inVain && !runs(found[0]) {
		e.fail(d.about(), what+"; casshook does not run", remedy)
		return
	}
	e.warn(d.about(), what, remedy)
}

// oddBinding is about bindings that look as if they were for the datacenters.
func (e *exam) oddBinding(b *Binding) {
	for i := range e.chosen {
		if b.Status.Validation == "Failed" && b.matches(&e.chosen[i]) {
			e.fail(b.about(), "Kasten reports it as invalid and ignores it: "+strings.Join(b.Status.Errors, "; "), "correct it")
			break
		}
	}
	for _, r := range append(slices.Clone(b.Spec.Resources.MatchAll), b.Spec.Resources.MatchAny...) {
		if r.Type == nil {
			continue
		}
		for _, v := range r.Type.Values {
			if v.Resource != blueprint.CassandraDatacenters && strings.EqualFold(strings.TrimSuffix(v.Resource, "s"), "cassandradatacenter") {
				e.warn(b.about(), fmt.Sprintf("its resource %q matches nothing", v.Resource), "use "+blueprint.CassandraDatacenters)
			}
		}
	}
}
