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
		{"cassandra.datastax.com", "cassandradatacenters", []string{"delete", "list", "patch"}, "find the rings and their state; stop, start and delete them"},
		{"k8ssandra.io", "k8ssandraclusters", []string{"get", "patch"}, "stop and start datacenters managed by a K8ssandraCluster"},
		{"apps", "statefulsets", []string{"list"}, "identify the operator's pods, and those of a stopped ring"},
		{"batch", "jobs", []string{"create", "delete", "get"}, "run the cleaner on the volumes of a stopped ring"},
		{"", "pods", []string{"get", "list"}, "find the nodes and their state"},
		{"", "pods/log", []string{"get"}, "read the cleaner's result"},
		// WebSockets are opened with GET, SPDY with POST; from Kubernetes 1.35 on
		// the former asks for create too (feature AuthorizePodWebsocketUpgradeCreatePermission).
		{"", "pods/exec", []string{"create", "get"}, "run the agent in Cassandra's container"},
		{"", "pods/portforward", []string{"create", "get"}, "connect to Cassandra with CQL"},
		{"", "persistentvolumeclaims", []string{"list"}, "distinguish restored volumes from original ones"},
		{"", "secrets", []string{"get", "patch"}, "log in as the superuser; read TLS and configuration from secrets; make the operator reset passwords"},
		{"", "configmaps", []string{"create", "get", "update"}, "show how an operation goes; tell this Kubernetes from another (kube-root-ca.crt)"},
		{"", "events", []string{"create"}, "record operations on the datacenters"},
		{"coordination.k8s.io", "leases", []string{"create", "delete", "get", "update"}, "lock the ring"},
		{"snapshot.storage.k8s.io", "volumesnapshots", []string{"create", "list"}, "wait until volume snapshots are taken; snapshot volumes that a restore replaces"},
	}
}
