package generate

import (
	"github.com/casshook/casshook/pkg/blueprint"
	"github.com/casshook/casshook/pkg/kube"
)

// placeholderPoint is no name of any object, so that a RestoreAction that was not
// edited fails at once.
const placeholderPoint = "RESTORE-POINT"

// ownObjects leaves the Lease and the ConfigMap out that casshook keeps beside a
// ring: restored, they would speak of another one.
func ownObjects() blueprint.FilterEntry { return blueprint.FilterEntry{MatchLabels: kube.OwnLabels()} }

func (o *Options) binding() object {
	name := o.name(ResourceBound)
	return object{blueprint.NewBinding(name, o.inKasten(name), o.Datacenter, o.Namespaces), nil}
}

const aboutBinding = "Binds the hooks to CassandraDatacenters, instead of Kasten's built-in Blueprint for K8ssandra. Of several bindings\n" +
	"that match, the one created first wins: look for others with kubectl get blueprintbindings -n %s -o yaml"

func (o *Options) retention() map[string]int {
	if o.Frequency == blueprint.OnDemand || len(o.Retention) > 0 {
		return o.Retention
	}
	return map[string]int{"daily": 7, "weekly": 4, "monthly": 12}
}

// policy of a strategy. Hooks of a policy run whatever the backup holds, and the
// volumes are found without StatefulSets, which nobody restores. A bound Blueprint
// is found from them: left out, its hooks do not run and the backup still succeeds.
func (o *Options) policy(s Strategy) object {
	hook := func(h Hook) *blueprint.Hook { return &blueprint.Hook{Blueprint: o.name(s), ActionName: h.Action} }
	parameters := &blueprint.BackupParameters{Profile: o.inKasten(o.Profile)}
	const path = "spec.actions.0.backupParameters."
	notes := comments{}
	if s == PolicyHooks {
		parameters.Filters.ExcludeResources = []blueprint.FilterEntry{blueprint.StatefulSets(), ownObjects()}
		parameters.Hooks = blueprint.Hooks{PreHook: hook(o.Hooks.BeforeBackup), OnSuccess: hook(o.Hooks.AfterBackup), OnFailure: hook(o.Hooks.OnFailure)}
		notes[path+"filters.excludeResources.0"] = "cass-operator makes them anew, and Kasten's own Blueprint for K8ssandra is found through them."
		notes[path+"filters.excludeResources.1"] = "What casshook keeps beside a ring is no part of it."
	} else {
		parameters.Filters.ExcludeResources = []blueprint.FilterEntry{ownObjects()}
		parameters.Hooks = blueprint.Hooks{OnFailure: hook(o.Hooks.OnFailure)}
		notes[path+"profile"] = "A location profile: without one restorePosthook does not run."
		notes[path+"filters"] = "Not the StatefulSets: Kasten finds the bound datacenters through them. Without them no hook runs, and the\n" +
			"backup is called complete nevertheless."
	}
	return object{&blueprint.Policy{
		Head: blueprint.Head{APIVersion: blueprint.ConfigVersion, Kind: blueprint.PolicyKind, Metadata: o.metadata(o.name(s))},
		Spec: blueprint.PolicySpec{
			Comment: "Cassandra with casshook, " + string(s), Frequency: o.Frequency, Retention: o.retention(),
			Selector: blueprint.Namespaces(o.Namespaces),
			Actions:  []blueprint.PolicyAction{{Action: "backup", BackupParameters: parameters}},
		},
	}, notes}
}

func (o *Options) runAction(s Strategy) object {
	return object{&blueprint.RunAction{
		Head: blueprint.Head{APIVersion: blueprint.ActionsVersion, Kind: blueprint.RunActionKind,
			Metadata: blueprint.Metadata{GenerateName: o.Prefix + runSuffix, Namespace: o.KastenNamespace}},
		Spec: blueprint.RunSpec{Subject: blueprint.Subject{Kind: blueprint.PolicyKind, Name: o.name(s), Namespace: o.KastenNamespace}},
	}, nil}
}

const aboutRun = "Runs the policy now: kubectl create -f, since its name is generated."

// restoreAction restores a namespace in place. With a bound Blueprint the hook
// runs by itself.
func (o *Options) restoreAction(s Strategy, namespace string) object {
	point := o.RestorePoint
	if point == "" {
		point = placeholderPoint
	}
	spec := blueprint.RestoreSpec{
		Subject:         blueprint.Subject{APIVersion: blueprint.AppsVersion, Kind: blueprint.RestorePointKind, Name: point, Namespace: namespace},
		TargetNamespace: namespace,
		Filters:         blueprint.Filters{ExcludeResources: []blueprint.FilterEntry{blueprint.StatefulSets(), ownObjects()}},
	}
	if s == PolicyHooks {
		spec.Hooks.OnSuccess = &blueprint.Hook{Blueprint: o.name(s), ActionName: o.Hooks.AfterRestore.Action}
	}
	return object{&blueprint.RestoreAction{
		Head: blueprint.Head{APIVersion: blueprint.ActionsVersion, Kind: blueprint.RestoreActionKind,
			Metadata: blueprint.Metadata{GenerateName: o.Prefix + "-restore-", Namespace: namespace}},
		Spec: spec,
	}, comments{
		"spec.subject.name":               "kubectl get restorepoints -n " + namespace,
		"spec.filters.excludeResources.0": "Restored pods are none of cass-operator's: Cassandra would not start in them, and the restore would wait for it.",
	}}
}

const aboutRestore = "Restores a namespace, once its CassandraDatacenters are deleted and their pods and volume claims are gone: kubectl create -f,\n" +
	"since its name is generated. Kasten 8 may ask for spec.profile, too."

// createStopped makes a restored datacenter start nothing.
func (o *Options) createStopped() object {
	return object{&blueprint.TransformSet{
		Head: blueprint.Head{APIVersion: blueprint.ConfigVersion, Kind: blueprint.TransformSetKind, Metadata: o.metadata(o.Prefix + stoppedSuffix)},
		Spec: blueprint.TransformSetSpec{
			Comment: "CassandraDatacenters are restored stopped",
			Transforms: []blueprint.Transform{{
				Subject: blueprint.Resource{Group: blueprint.CassandraGroup, Resource: blueprint.CassandraDatacenters, Name: o.Datacenter},
				Name:    "createStopped",
				JSON:    []blueprint.Operation{{Op: "add", Path: "/spec/stopped", Value: true}},
			}},
		},
	}, comments{"spec.transforms.0.json": "add, not replace: the field is usually absent, and an operation that fails ends the restore."}}
}

const aboutStopped = "For a RestoreAction whose datacenters shall come back without starting Cassandra:\n" +
	"  transforms: [{json: [], transformSetRef: {name: %s, namespace: %s}}]\n" +
	"No generated RestoreAction uses it: after-restore needs a running Cassandra. Set spec.stopped to false to start it."
