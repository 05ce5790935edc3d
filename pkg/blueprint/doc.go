// Package blueprint holds the objects of Kanister and Kasten that casshook writes:
// the few fields of them that it uses, in the order in which they are read by
// people, and what their templates see. It knows nothing of casshook's commands.
//
// Sources: pkg/apis/cr/v1alpha1 and pkg/param of github.com/kanisterio/kanister;
// the API reference, "Kanister Execution Hooks" and "Blueprint Bindings" of
// docs.kasten.io. The definitions of Kasten's objects are not public.
package blueprint

// API versions and kinds.
const (
	KanisterVersion = "cr.kanister.io/v1alpha1"
	ConfigVersion   = "config.kio.kasten.io/v1alpha1"
	ActionsVersion  = "actions.kio.kasten.io/v1alpha1"
	AppsVersion     = "apps.kio.kasten.io/v1alpha1"

	BlueprintKind     = "Blueprint"
	BindingKind       = "BlueprintBinding"
	PolicyKind        = "Policy"
	TransformSetKind  = "TransformSet"
	RestoreActionKind = "RestoreAction"
	RestorePointKind  = "RestorePoint"
	RunActionKind     = "RunAction"
)

// Names of cass-operator's resource. The plural is what bindings, filters and
// transforms match; a singular matches nothing, in silence.
const (
	CassandraGroup       = "cassandra.datastax.com"
	CassandraDatacenters = "cassandradatacenters"
)

// Names of k8ssandra-operator's resource, which its datacenters are made from.
const (
	K8ssandraGroup    = "k8ssandra.io"
	K8ssandraClusters = "k8ssandraclusters"
)

// AppNamespaceKey is the key by which a Policy selects namespaces.
const AppNamespaceKey = "k10.kasten.io/appNamespace"

// Head begins every object.
type Head struct {
	APIVersion string   `json:"apiVersion"`
	Kind       string   `json:"kind"`
	Metadata   Metadata `json:"metadata"`
}

// Metadata is what casshook sets of an object's metadata.
type Metadata struct {
	Name         string            `json:"name,omitempty"`
	GenerateName string            `json:"generateName,omitempty"`
	Namespace    string            `json:"namespace,omitempty"`
	Labels       map[string]string `json:"labels,omitempty"`
}

// Ref names an object of Kasten's.
type Ref struct {
	Name      string `json:"name"`
	Namespace string `json:"namespace"`
}
