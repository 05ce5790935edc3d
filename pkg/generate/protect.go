package generate

import (
	"fmt"

	"github.com/casshook/casshook/pkg/blueprint"
	"github.com/casshook/casshook/pkg/kube/objects"
)

// placeholderPoint is no name of any object, so that a RestoreAction that was not
// edited fails at once.
const placeholderPoint = "RESTORE-POINT"

// ownObjects leaves the Lease and the ConfigMap out that casshook keeps beside a
// ring: restored, they would speak of another one.
func ownObjects() blueprint.FilterEntry {
	return blueprint.FilterEntry{MatchLabels: objects.OwnLabels()}
}

func (o *Options) binding() object {
	name := o.name(ResourceBound)
	return object{blueprint.NewBinding(name, o.inKasten(name), o.Datacenter, o.Namespaces), nil}
}

const aboutBinding = "Binds the hooks to CassandraDatacenters, instead of Kasten's built-in Blueprint for K8ssandra. If several bindings\n" +
	"match, the oldest one wins: check for others with kubectl get blueprintbindings -n %s -o yaml"

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
		notes[path+"filters.excludeResources.0"] = "cass-operator recreates them. Kasten's own Blueprint for K8ssandra would be bound to them."
		notes[path+"filters.excludeResources.1"] = "casshook's own records are not part of a backup."
	} else {
		parameters.Filters.ExcludeResources = []blueprint.FilterEntry{ownObjects()}
		parameters.Hooks = blueprint.Hooks{OnFailure: hook(o.Hooks.OnFailure)}
		notes[path+"profile"] = "A location profile: restorePosthook does not run without one."
		notes[path+"filters"] = "Do not exclude StatefulSets: Kasten finds the bound datacenters through them. Without them no hook runs, but\n" +
			"the backup is reported as complete."
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

const aboutRun = "Runs the policy now. Use kubectl create -f, since its name is generated."

// restoreSpec restores a namespace into another or the same.
func (o *Options) restoreSpec(source, target string) blueprint.RestoreSpec {
	point := o.RestorePoint
	if point == "" {
		point = placeholderPoint
	}
	return blueprint.RestoreSpec{
		Subject:         blueprint.Subject{APIVersion: blueprint.AppsVersion, Kind: blueprint.RestorePointKind, Name: point, Namespace: source},
		TargetNamespace: target,
		Filters:         blueprint.Filters{ExcludeResources: []blueprint.FilterEntry{blueprint.StatefulSets(), ownObjects()}},
	}
}

func (o *Options) comeStopped() []blueprint.TransformRef {
	return []blueprint.TransformRef{{JSON: []blueprint.Operation{}, TransformSetRef: o.inKasten(o.Prefix + stoppedSuffix)}}
}

func (o *Options) restoreObject(spec blueprint.RestoreSpec) object {
	return object{&blueprint.RestoreAction{
		Head: blueprint.Head{APIVersion: blueprint.ActionsVersion, Kind: blueprint.RestoreActionKind,
			Metadata: blueprint.Metadata{GenerateName: o.Prefix + "-restore-", Namespace: spec.TargetNamespace}},
		Spec: spec,
	}, comments{
		"spec.subject.name":               "kubectl get restorepoints -n " + spec.Subject.Namespace,
		"spec.filters.excludeResources.0": "cass-operator does not manage restored pods: Cassandra would not start in them, and the restore would wait for it.",
		"spec.transforms":                 "Restores the datacenters stopped: after-restore restores them offline, then starts them.",
	}}
}

// restoreAction restores a namespace in place. With a bound Blueprint the hook
// after it runs by itself.
func (o *Options) restoreAction(s Strategy, namespace string) object {
	spec := o.restoreSpec(namespace, namespace)
	if o.Restore.Offline {
		spec.Transforms = o.comeStopped()
	}
	if o.Restore.StopFirst {
		spec.Hooks.PreHook = &blueprint.Hook{Blueprint: o.name(s), ActionName: o.Hooks.BeforeRestore.Action}
	}
	if s == PolicyHooks {
		spec.Hooks.OnSuccess = &blueprint.Hook{Blueprint: o.name(s), ActionName: o.Hooks.AfterRestore.Action}
	}
	return o.restoreObject(spec)
}

// cloneAction restores a namespace beside itself, always stopped: started at once, the
// copy would join the original's ring. Kasten wants the action in the target namespace.
func (o *Options) cloneAction(s Strategy, source, target string) object {
	spec := o.restoreSpec(source, target)
	spec.Transforms = o.comeStopped()
	spec.Hooks.OnSuccess = &blueprint.Hook{Blueprint: o.name(s), ActionName: o.Hooks.AfterRestore.Action}
	return o.restoreObject(spec)
}

const (
	aboutRestore = "Restores a namespace%s. Use kubectl create -f,\nsince its name is generated. Kasten 8 may also require spec.profile."
	aboutGone    = " after its CassandraDatacenters are deleted and their pods and volume claims are gone"
	aboutThere   = "; before-restore first %s"
)

func (o *Options) aboutRestore() string {
	if !o.Restore.StopFirst {
		return fmt.Sprintf(aboutRestore, aboutGone)
	}
	return fmt.Sprintf(aboutRestore, fmt.Sprintf(aboutThere, o.clears()))
}

// createStopped makes a restored datacenter start nothing, and the K8ssandraCluster
// agree, from which the datacenter would be made anew.
func (o *Options) createStopped() object {
	stop := func(path string) blueprint.Operation { return blueprint.Operation{Op: "add", Path: path, Value: true} }
	cluster := []blueprint.Operation{stop("/spec/cassandra/datacenters/*/stopped")}
	notes := comments{"spec.transforms.0.json": "add, not replace: the field is usually absent, and a failed operation ends the restore."}
	if o.Datacenter != "" {
		// A test that does not hold leaves the object as it is.
		only := blueprint.Operation{Op: "test", Path: "/spec/cassandra/datacenters/0/metadata/name", Value: o.Datacenter}
		cluster = []blueprint.Operation{only, stop("/spec/cassandra/datacenters/0/stopped")}
		notes["spec.transforms.1.json.0"] = "Only the K8ssandraCluster of this datacenter."
	}
	return object{&blueprint.TransformSet{
		Head: blueprint.Head{APIVersion: blueprint.ConfigVersion, Kind: blueprint.TransformSetKind, Metadata: o.metadata(o.Prefix + stoppedSuffix)},
		Spec: blueprint.TransformSetSpec{
			Comment: "CassandraDatacenters are restored stopped",
			Transforms: []blueprint.Transform{{
				Subject: blueprint.Resource{Group: blueprint.CassandraGroup, Resource: blueprint.CassandraDatacenters, Name: o.Datacenter},
				Name:    "createStopped", JSON: []blueprint.Operation{stop("/spec/stopped")},
			}, {
				Subject: blueprint.Resource{Group: blueprint.K8ssandraGroup, Resource: blueprint.K8ssandraClusters},
				Name:    "createClusterStopped", JSON: cluster,
			}},
		},
	}, notes}
}

const aboutStopped = "For a RestoreAction that restores datacenters without starting Cassandra:\n" +
	"  transforms: [{json: [], transformSetRef: {name: %s, namespace: %s}}]\n" +
	"after-restore then restores them offline and starts them. A K8ssandraCluster with several datacenters cannot be created\n" +
	"stopped: restore it without this transform (restore.offline: false in the generator's config file)."
