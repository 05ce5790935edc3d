package doctor

import (
	"fmt"
	"slices"
	"strings"

	"github.com/casshook/casshook/pkg/schema"
)

func (e *exam) kasten() {
	if e.Bindings.Absent || e.Policies.Absent || e.Blueprints.Absent {
		e.warn("Namespace "+e.KastenNamespace, "Kasten's or Kanister's resource definitions are missing in this cluster; their configuration was not checked",
			"install Kasten, or run the hooks by hand, which does not need Kasten")
		return
	}
	unread := slices.DeleteFunc([]string{e.Bindings.Unread, e.Policies.Unread, e.Blueprints.Unread}, func(s string) bool { return s == "" })
	if len(unread) > 0 {
		e.unknown("Namespace "+e.KastenNamespace, strings.Join(unread, "; "), askForPermission)
	}
}

func (e *exam) datacenter() {
	switch {
	case e.Datacenters.Unread != "":
		e.unknown(e.inNamespace(), e.Datacenters.Unread, askForPermission)
	case e.Datacenters.Absent:
		e.fail(e.inNamespace(), "the CassandraDatacenter resource definition is missing in this cluster", "install cass-operator")
	case len(e.Datacenters.Items) == 0:
		e.fail(e.inNamespace(), "no CassandraDatacenter found", "pass the namespace of the datacenters with --namespace")
	case len(e.chosen) == 0:
		e.fail(e.inNamespace(), "CassandraDatacenter "+e.Datacenter+" not found", "the namespace has "+e.names(e.Datacenters.Items))
	}
	for _, d := range e.Datacenters.Items {
		if d.Unreadable != "" {
			e.fail(d.about(), d.Unreadable, "correct the object; hooks fail in this namespace until then")
		}
	}
}

func (e *exam) names(ds []Datacenter) string {
	var names []string
	for _, d := range ds {
		names = append(names, d.Name)
	}
	return strings.Join(names, ", ")
}

// ready looks at the objects, and at the pods where they could be read.
func (e *exam) ready() {
	for _, d := range e.chosen {
		for _, p := range d.Problems {
			what, remedy := split(p)
			if d.begins() { // waiting, or a restore, is what it needs
				e.warn(d.about(), what, remedy)
				continue
			}
			e.fail(d.about(), what, remedy)
		}
	}
	for _, unread := range []string{e.Nodes.Unread, e.Workloads.Unread} {
		if unread != "" {
			e.unknown(e.inNamespace(), "cannot check whether all pods are up: "+unread, askForPermission)
			return
		}
	}
}

// releases of Cassandra that casshook is tested with.
func releases() []string { return []string{"4.0", "4.1", "5.0"} }

// release is major.minor of a version.
func release(version string) string {
	parts := strings.SplitN(version, ".", 3)
	if len(parts) < 2 {
		return version
	}
	return parts[0] + "." + parts[1]
}

func (e *exam) version() {
	for _, d := range e.chosen {
		switch {
		case d.Unreadable != "":
		case d.ServerType != "cassandra" && d.ServerType != "":
			e.fail(d.about(), fmt.Sprintf("its serverType is %q", d.ServerType), "casshook is for Apache Cassandra only")
		case d.Version == "":
			e.unknown(d.about(), "spec.serverVersion is missing", "check that it is one of "+strings.Join(releases(), ", "))
		case !slices.Contains(releases(), release(d.Version)):
			e.fail(d.about(), "its Cassandra is "+d.Version, "upgrade to one of "+strings.Join(releases(), ", "))
		}
	}
}

func (e *exam) operator() {
	if len(e.Operators.Items) == 0 {
		e.warn(e.inNamespace(), "no Deployment runs an image of cass-operator", "check that it runs; nothing starts after a restore without it")
		return
	}
	for _, o := range e.Operators.Items {
		at := about("Deployment", o.Namespace, o.Name)
		if o.Available == 0 {
			e.fail(at, "cass-operator is not running: nothing starts after a restore", "check the events of its pods")
			continue
		}
		e.ok(at, "cass-operator is running: "+o.Image)
	}
}

func (e *exam) owner() {
	for _, d := range e.chosen {
		if d.Owner == "" {
			continue
		}
		what := "it is managed by K8ssandraCluster " + d.Owner + ": the next change of the cluster reverts changes of the datacenter, " +
			"and a deleted datacenter is recreated immediately with empty volumes"
		remedy := "change spec.stopped and other fields in the K8ssandraCluster; make sure a restore creates the volumes first"
		if d.OwnerReference {
			what += "; Kasten may look for a Blueprint bound to the cluster, which owns the datacenter"
			remedy += "; check after the first backup that the hook ran"
		}
		e.warn(d.about(), what, remedy)
	}
}

// ring is what one namespace says of it.
func (e *exam) ring() {
	for _, d := range e.chosen {
		var others []Datacenter
		for _, o := range e.Datacenters.Items {
			if o.Cluster == d.Cluster && o.Name != d.Name {
				others = append(others, o)
			}
		}
		if d.Unreadable != "" || len(others) == 0 {
			continue
		}
		if e.Datacenter != "" {
			e.fail(d.about(), fmt.Sprintf("it belongs to ring %q together with %s: a backup of one datacenter is refused", d.Cluster, e.names(others)),
				"back up the namespace with policy hooks, which work on whole rings")
		} else if e.bound(&d).blueprint.runs(preHookAction, beforeBackup) {
			e.fail(d.about(), fmt.Sprintf("a hook is bound to it, but it belongs to ring %q together with %s: hooks for one datacenter are refused", d.Cluster, e.names(others)),
				"use policy hooks (casshook generate --strategy policy-hooks) and remove the binding")
		}
	}
}

func (e *exam) elsewhere() {
	for _, d := range e.chosen {
		for _, m := range e.Everywhere.Items {
			if m.Namespace == d.Namespace || m.Cluster != d.Cluster || d.Unreadable != "" {
				continue
			}
			other := about("CassandraDatacenter", m.Namespace, m.Name)
			if d.Owner != "" && d.Owner == m.Owner {
				e.fail(d.about(), fmt.Sprintf("it forms one ring with %s (K8ssandraCluster %s): a ring across namespaces is refused", other, d.Owner),
					"move the datacenters into one namespace")
				continue
			}
			e.warn(d.about(), fmt.Sprintf("%s has the same clusterName, %q", other, d.Cluster),
				"if they form one ring, move them into one namespace, since its backup is refused; if not, make sure they cannot reach each other")
		}
	}
}

func (e *exam) superuser() {
	for _, d := range e.chosen {
		at := about("Secret", d.Namespace, d.SuperuserSecret)
		var missing []string
		for _, key := range []string{"username", "password"} {
			if !slices.Contains(d.Superuser.Items, key) {
				missing = append(missing, key)
			}
		}
		switch {
		case d.Unreadable != "":
		case d.Superuser.Unread != "":
			e.unknown(at, d.Superuser.Unread, askForPermission)
		case d.Superuser.Absent && d.begins():
			e.ok(at, "the superuser's secret of "+d.Name+" is not there yet: cass-operator creates it when it starts the datacenter, unless spec.superuserSecretName is set")
		case d.Superuser.Absent:
			e.fail(at, "the superuser's secret of "+d.Name+" is missing: hooks cannot log in", "cass-operator creates it unless spec.superuserSecretName is set: create that secret")
		case len(missing) > 0:
			e.fail(at, "it lacks "+strings.Join(missing, " and ")+": hooks cannot log in", "add username and password")
		}
	}
}

// feature is off unless a setting of cassandra-yaml says otherwise, since 4.0.
type feature struct {
	name schema.Feature
	// setting is that of 4.1 and later, former that of 4.0.
	setting, former string
	// since is the first release that has it.
	since string
}

func features() []feature {
	return []feature{
		{schema.FeatureViews, "materialized_views_enabled", "enable_materialized_views", "4.0"},
		{schema.FeatureFunctions, "user_defined_functions_enabled", "enable_user_defined_functions", "4.0"},
		{schema.FeatureSASI, "sasi_indexes_enabled", "enable_sasi_indexes", "4.0"},
		{schema.FeatureTransient, "transient_replication_enabled", "enable_transient_replication", "4.0"},
		{schema.FeatureMasking, "dynamic_data_masking_enabled", "", "5.0"},
	}
}

// features cannot be an error: whether the schema uses one would need CQL.
func (e *exam) features() {
	for _, d := range e.chosen {
		if d.YAML.Unread != "" {
			e.unknown(d.about(), "cannot read its configuration: "+d.YAML.Unread, askForPermission)
			continue
		}
		if d.Unreadable != "" || len(d.YAML.Items) == 0 {
			continue
		}
		var off, settings []string
		for _, f := range features() {
			if release(d.Version) < f.since || on(d.YAML.Items[0], f.setting) || on(d.YAML.Items[0], f.former) {
				continue
			}
			setting := f.setting
			if release(d.Version) == "4.0" {
				setting = f.former
			}
			off, settings = append(off, string(f.name)), append(settings, setting)
		}
		if len(off) > 0 {
			e.unknown(d.about(), "its configuration does not enable "+strings.Join(off, ", ")+"; the schema was not checked for them",
				"if the schema uses them, set in cassandra-yaml before a restore: "+strings.Join(settings, ", "))
		}
	}
}

// diskFailure is silent where nothing is configured: cassandra.yaml as it is shipped says
// stop.
func (e *exam) diskFailure() {
	for _, d := range e.chosen {
		if d.Unreadable != "" || len(d.YAML.Items) == 0 {
			continue
		}
		policy := fmt.Sprint(d.YAML.Items[0]["disk_failure_policy"])
		if policy == "ignore" || policy == "best_effort" {
			e.warn(d.about(), "its disk_failure_policy is "+policy+": Cassandra goes on after a flush that failed, and backups then lack rows that reads show",
				"set disk_failure_policy to stop in cassandra-yaml")
		}
	}
}

func on(yaml map[string]any, setting string) bool {
	return setting != "" && strings.EqualFold(fmt.Sprint(yaml[setting]), "true")
}
