package objects

// Rule is what the service account must be allowed in the namespace of the
// datacenters, with its reason.
type Rule struct {
	APIGroup string
	// Resource, with its subresource after a slash.
	Resource string
	Verbs    []string
	Why      string
}

// Rules is all that this package asks of an API server, and the only place of it:
// the RBAC that casshook generates is made of it. A Role is enough: nothing here is
// cluster-scoped.
func Rules() []Rule {
	return []Rule{
		{"cassandra.datastax.com", "cassandradatacenters", []string{"delete", "list", "patch"}, "find the rings, and whether the operator is done with them; stop, start and delete them"},
		{"k8ssandra.io", "k8ssandraclusters", []string{"get", "patch"}, "stop and start datacenters where a K8ssandraCluster writes them"},
		{"apps", "statefulsets", []string{"list"}, "tell the operator's pods from others with the same labels; know those of a stopped ring"},
		{"batch", "jobs", []string{"create", "delete", "get"}, "run the cleaner at the volumes of a stopped ring"},
		{"", "pods", []string{"get", "list"}, "find the nodes, and say what became of one"},
		{"", "pods/log", []string{"get"}, "read what the cleaner did"},
		// WebSockets are opened with GET, SPDY with POST; from Kubernetes 1.35 on
		// the former asks for create too (feature AuthorizePodWebsocketUpgradeCreatePermission).
		{"", "pods/exec", []string{"create", "get"}, "run the agent in Cassandra's container"},
		{"", "pods/portforward", []string{"create", "get"}, "speak CQL with Cassandra"},
		{"", "persistentvolumeclaims", []string{"list"}, "tell a restored volume from the original"},
		{"", "secrets", []string{"get", "patch"}, "log in as the superuser; TLS and configuration where secrets hold them; have the operator set passwords again"},
		{"", "configmaps", []string{"create", "get", "update"}, "show how an operation goes; tell this Kubernetes from another (kube-root-ca.crt)"},
		{"", "events", []string{"create"}, "tell the story on the datacenters"},
		{"coordination.k8s.io", "leases", []string{"create", "delete", "get", "update"}, "lock the ring"},
		{"snapshot.storage.k8s.io", "volumesnapshots", []string{"create", "list"}, "wait until volume snapshots are cut; save what a restore replaces"},
	}
}
