package doctor

import "time"

// Asked is what the person who runs the checks said.
type Asked struct {
	// Namespace of the datacenters.
	Namespace string
	// Datacenter is the only one in question; all of the namespace when empty.
	Datacenter string
	// KastenNamespace is where Kasten, its objects and the hook pods are.
	KastenNamespace string
	// ServiceAccount of the hook pods, in Kasten's namespace.
	ServiceAccount string
	// Image of casshook; that of the Blueprints when empty.
	Image string
	// HookTimeout is how long Kasten lets a hook run; what Kasten's configuration
	// says when zero, and defaultTimeout without that.
	HookTimeout time.Duration
}

// Answer is what was read of one kind of objects, or why it was not.
type Answer[T any] struct {
	Items []T
	// Unread says why they could not all be read: the permission that is missing,
	// as "may not list policies.config.kio.kasten.io in namespace kasten-io".
	Unread string
	// Absent says that the cluster knows no such kind, or has no such object.
	Absent bool
}

// Facts is all that the checks know.
type Facts struct {
	Asked
	// Labels of the namespace; one item.
	Labels Answer[map[string]string]
	// Datacenters of the namespace.
	Datacenters Answer[Datacenter]
	// Everywhere are those of all namespaces.
	Everywhere Answer[Member]
	// Operators are the Deployments of cass-operator.
	Operators Answer[Operator]
	// Workloads are the StatefulSets of the datacenters.
	Workloads Answer[Workload]
	// Nodes are Cassandra's pods.
	Nodes Answer[Node]
	// Claims are the volume claims of the datacenters.
	Claims          Answer[Claim]
	StorageClasses  Answer[StorageClass]
	SnapshotClasses Answer[SnapshotClass]

	Bindings   Answer[Binding]
	Blueprints Answer[Blueprint]
	Policies   Answer[Policy]
	Profiles   Answer[Profile]
	// Timeouts is what Kasten is configured to let a hook run; at most one item.
	Timeouts Answer[time.Duration]

	// Account is the service account of the hook pods; at most one item.
	Account Answer[Account]
	// Access is what the service account may do of what hooks do.
	Access Answer[Access]
	// PullSecrets by name, each with at most one item: its type.
	PullSecrets map[string]Answer[string]
	// Machines are the nodes of Kubernetes.
	Machines Answer[Machine]
}

// Datacenter is a CassandraDatacenter.
type Datacenter struct {
	Namespace, Name, Cluster string
	Labels, Annotations      map[string]string
	Size                     int64
	// Owner is the K8ssandraCluster that writes it, as namespace/name; OwnerReference
	// says that an ownerReference leads there, so that Kasten finds it.
	Owner          string
	OwnerReference bool
	// ServerType and Version are the spec's.
	ServerType, Version string
	// Problems are why it cannot be backed up now, each as "what: remedy".
	Problems []string
	// NeverStarted says that it was created stopped, as for a restore; Unseen that the operator has not
	// processed it yet. What it lacks then is no fault.
	NeverStarted, Unseen bool
	// Unreadable says that the object itself is odd; all else is missing then.
	Unreadable string
	// SuperuserSecret is the name, Superuser the keys that have a value.
	SuperuserSecret string
	Superuser       Answer[string]
	// YAML is the configured cassandra-yaml; one item.
	YAML Answer[map[string]any]
}

// begins tells whether the datacenter is yet to come about.
func (d *Datacenter) begins() bool { return d.NeverStarted || d.Unseen }

func (d *Datacenter) about() string { return about("CassandraDatacenter", d.Namespace, d.Name) }

// Member is a datacenter of any namespace.
type Member struct {
	Namespace, Name, Cluster, Owner string
}

// Operator is a Deployment that runs cass-operator.
type Operator struct {
	Namespace, Name, Image string
	Available              int
}

// Workload is a StatefulSet of a datacenter.
type Workload struct {
	Name, Datacenter string
	Labels           map[string]string
}

// Node is a pod of Cassandra.
type Node struct {
	Name, Datacenter string
	// Machine is the node of Kubernetes that it runs on.
	Machine string
	// VolumeProblem is why its volumes cannot be used, as "what: remedy".
	VolumeProblem string
}

// Claim is a PersistentVolumeClaim of a datacenter.
type Claim struct {
	Name  string
	Phase string
	// Class is the storage class; Driver is that of the volume, where there is no
	// class to ask and the volume can be read.
	Class, Driver string
	// DriverUnread says why Driver is not known.
	DriverUnread string
}

// StorageClass of the cluster.
type StorageClass struct {
	Name, Provisioner string
	// SnapshotClass is the VolumeSnapshotClass that an annotation for Kasten names.
	SnapshotClass string
}

// SnapshotClass is a VolumeSnapshotClass; ForKasten says that it is annotated so.
type SnapshotClass struct {
	Name, Driver string
	ForKasten    bool
}

// Account is a service account.
type Account struct {
	PullSecrets []string
}

// Access is one rule of what hooks do. Denied are the verbs that the service
// account lacks.
type Access struct {
	// Resource as resource.group.
	Resource string
	Denied   []string
	Why      string
}

// Machine is a node of Kubernetes.
type Machine struct {
	Name, Architecture, System string
	Labels                     map[string]string
	// Closed says that pods without tolerations are not scheduled there.
	Closed bool
	// Images are the names of images that it has.
	Images []string
}

// source is a kind of facts: why it could not be read, and whether there is nothing
// to look at.
type source func(*exam) (unread string, nothing bool)

func state[T any](a Answer[T]) (string, bool) { return a.Unread, a.Absent }

func datacenters(e *exam) (string, bool) {
	return e.Datacenters.Unread, e.Datacenters.Unread == "" && len(e.chosen) == 0
}

func everywhere(e *exam) (string, bool)     { return state(e.Everywhere) }
func operators(e *exam) (string, bool)      { return state(e.Operators) }
func workloads(e *exam) (string, bool)      { return state(e.Workloads) }
func nodes(e *exam) (string, bool)          { return state(e.Nodes) }
func claims(e *exam) (string, bool)         { return state(e.Claims) }
func storageClasses(e *exam) (string, bool) { return state(e.StorageClasses) }
func bindings(e *exam) (string, bool)       { return state(e.Bindings) }
func blueprints(e *exam) (string, bool)     { return state(e.Blueprints) }
func policies(e *exam) (string, bool)       { return state(e.Policies) }
func profiles(e *exam) (string, bool)       { return state(e.Profiles) }
func access(e *exam) (string, bool)         { return state(e.Access) }
func machines(e *exam) (string, bool)       { return state(e.Machines) }

// account that is not there is a finding, and no lack of facts.
func account(e *exam) (string, bool) { return e.Account.Unread, false }

// installed is Kasten: without it no hook pods are made.
func installed(e *exam) (string, bool) {
	return "", e.Bindings.Absent || e.Policies.Absent || e.Blueprints.Absent
}

// named is the image, by a flag where there is no Kasten.
func named(e *exam) (string, bool) {
	_, without := installed(e)
	return "", without && e.Image == ""
}
