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
		{Rule{"authorization.k8s.io", "localsubjectaccessreviews", []string{"create"}, "ask what the service account of the hooks may do"}, InNamespace},
		{Rule{"config.kio.kasten.io", "policies", []string{"list"}, "see what policies of the namespace do"}, InNamespace},
		{Rule{"config.kio.kasten.io", "blueprintbindings", []string{"list"}, "see which Blueprint runs about a datacenter"}, InKasten},
		{Rule{"config.kio.kasten.io", "policies", []string{"list"}, "see what policies do"}, InKasten},
		{Rule{"config.kio.kasten.io", "profiles", []string{"list"}, "see whether a location profile is one"}, InKasten},
		{Rule{"cr.kanister.io", "blueprints", []string{"list"}, "see what hooks run"}, InKasten},
		{Rule{"", "configmaps", []string{"get"}, "see how long Kasten lets a hook run (k10-config)"}, InKasten},
		{Rule{"", "serviceaccounts", []string{"get"}, "see whether the account of the hook pods is there"}, InKasten},
		{Rule{"", "secrets", []string{"get"}, "see whether pull secrets are there"}, InKasten},
		{Rule{"cassandra.datastax.com", "cassandradatacenters", []string{"list"}, "find datacenters of the same ring in other namespaces"}, InCluster},
		{Rule{"apps", "deployments", []string{"list"}, "find cass-operator"}, InCluster},
		{Rule{"", "nodes", []string{"list"}, "see the machines' architectures, and whether they have the image"}, InCluster},
		{Rule{"", "persistentvolumes", []string{"get"}, "find the driver of volumes without a storage class"}, InCluster},
		{Rule{"storage.k8s.io", "storageclasses", []string{"list"}, "find the drivers of volumes"}, InCluster},
		{Rule{"snapshot.storage.k8s.io", "volumesnapshotclasses", []string{"list"}, "see whether the drivers' volumes can be snapshotted"}, InCluster},
	}
}
