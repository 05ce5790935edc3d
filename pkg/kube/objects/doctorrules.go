package objects

// Scope is where a permission is needed.
type Scope string

// Scopes.
const (
	// InNamespace is the namespace of the datacenters, InKasten that of Kasten.
	InNamespace Scope = "namespace"
	InKasten    Scope = "kasten"
	// InCluster needs a ClusterRole.
	InCluster Scope = "cluster"
)

// DoctorRule is a permission, and where.
type DoctorRule struct {
	Rule
	Scope Scope
}

// DoctorRules is all that doctor asks beside Rules, and the only place of it. It
// is for the person who runs doctor, not for the hooks; what is missing of it makes
// findings unknown, and nothing else.
func DoctorRules() []DoctorRule {
	return []DoctorRule{
		{Rule{"", "namespaces", []string{"get"}, "compare the labels with the selectors of policies"}, InNamespace},
		{Rule{"authorization.k8s.io", "localsubjectaccessreviews", []string{"create"}, "check the permissions of the hooks' service account"}, InNamespace},
		{Rule{"config.kio.kasten.io", "policies", []string{"list"}, "read the policies of the namespace"}, InNamespace},
		{Rule{"config.kio.kasten.io", "blueprintbindings", []string{"list"}, "find the Blueprint that is bound to a datacenter"}, InKasten},
		{Rule{"config.kio.kasten.io", "policies", []string{"list"}, "read the policies"}, InKasten},
		{Rule{"config.kio.kasten.io", "profiles", []string{"list"}, "check the location profiles"}, InKasten},
		{Rule{"cr.kanister.io", "blueprints", []string{"list"}, "read the hooks"}, InKasten},
		{Rule{"", "configmaps", []string{"get"}, "read Kasten's time limit for hooks (k10-config)"}, InKasten},
		{Rule{"", "serviceaccounts", []string{"get"}, "check that the service account of the hook pods exists"}, InKasten},
		{Rule{"", "secrets", []string{"get"}, "check that pull secrets exist"}, InKasten},
		{Rule{"cassandra.datastax.com", "cassandradatacenters", []string{"list"}, "find datacenters of the same ring in other namespaces"}, InCluster},
		{Rule{"apps", "deployments", []string{"list"}, "find cass-operator"}, InCluster},
		{Rule{"", "nodes", []string{"list"}, "read the machines' architectures and images"}, InCluster},
		{Rule{"", "persistentvolumes", []string{"get"}, "find the driver of volumes without a storage class"}, InCluster},
		{Rule{"storage.k8s.io", "storageclasses", []string{"list"}, "find the drivers of volumes"}, InCluster},
		{Rule{"snapshot.storage.k8s.io", "volumesnapshotclasses", []string{"list"}, "check that the drivers' volumes can be snapshotted"}, InCluster},
	}
}
