package operatorstandin

import (
	"regexp"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
)

// Labels, annotations and other names of cass-operator (apis/cassandra/v1beta1/cassandradatacenter_types.go and
// pkg/oplabels of github.com/k8ssandra/cass-operator). Clients, the tests and casshook read them.
const (
	group = "cassandra.datastax.com"

	clusterLabel    = group + "/cluster"
	datacenterLabel = group + "/datacenter"
	rackLabel       = group + "/rack"
	seedLabel       = group + "/seed-node"
	stateLabel      = group + "/node-state"
	metricsLabel    = group + "/prom-metrics"
	watchedLabel    = group + "/watched"

	managedByLabel = "app.kubernetes.io/managed-by"
	createdByLabel = "app.kubernetes.io/created-by"
	nameLabel      = "app.kubernetes.io/name"
	instanceLabel  = "app.kubernetes.io/instance"
	versionLabel   = "app.kubernetes.io/version"
	operatorName   = "cass-operator"

	watchedByAnnotation     = group + "/watched-by"
	hashAnnotation          = group + "/resource-hash"
	deleteClaimsAnnotation  = group + "/delete-pvc"
	noFinalizerAnnotation   = group + "/no-finalizer"
	skipUsersAnnotation     = group + "/skip-user-creation"
	parallelAnnotation      = group + "/allow-parallel-starts"
	disableBudgetAnnotation = group + "/disable-pdb-creation"

	finalizer = "finalizer.cassandra.datastax.com"
)

// States of a node, values of the label node-state of its pod.
const (
	readyToStart    = "Ready-to-Start"
	starting        = "Starting"
	started         = "Started"
	startedNotReady = "Started-not-Ready"
)

// Containers and volumes of a pod.
const (
	cassandraContainer = "cassandra"
	loggerContainer    = "server-system-logger"
	configContainer    = "server-config-init"

	dataVolume   = "server-data"
	configVolume = "server-config"
	logsVolume   = "server-logs"
	vectorVolume = "vector-lib"
	tmpVolume    = "tmp"
	etcVolume    = "etc-cassandra"
	certsVolume  = "management-api-server-certs-volume"
)

var (
	labelPart     = regexp.MustCompile(`[a-z]([-a-z0-9]*[a-z0-9])?`)
	subdomainPart = regexp.MustCompile(`[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*`)
	valuePart     = regexp.MustCompile(`[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?`)
)

// CleanupForKubernetes makes a name of Cassandra a DNS-1035 label: a valid one stays; else it becomes lower case, '_' becomes
// '-', and what does not fit vanishes.
func CleanupForKubernetes(name string) string {
	if len(validation.IsDNS1035Label(name)) == 0 {
		return name
	}
	return strings.Join(labelPart.FindAllString(lowered(name), -1), "")
}

// CleanupSubdomain does the same for a DNS-1123 subdomain. Racks are named by it.
func CleanupSubdomain(name string) string {
	if len(validation.IsDNS1123Subdomain(name)) == 0 {
		return name
	}
	return strings.Join(subdomainPart.FindAllString(lowered(name), -1), "")
}

// CleanLabelValue keeps the parts of a name that a label's value may have, and its case; spaces go.
func CleanLabelValue(name string) string {
	if len(validation.IsValidLabelValue(name)) == 0 {
		return name
	}
	return strings.Join(valuePart.FindAllString(strings.ReplaceAll(name, " ", ""), -1), "")
}

func lowered(name string) string {
	return strings.ReplaceAll(strings.ToLower(name), "_", "-")
}

// prefix begins the names of most objects of a datacenter. It has metadata.name, not spec.datacenterName.
func (d *Datacenter) prefix() string {
	return CleanupForKubernetes(d.Spec.ClusterName) + "-" + CleanupForKubernetes(d.Name)
}

// StatefulSetName is the name of a rack's StatefulSet; its pods are StatefulSetName-0 and so on.
func (d *Datacenter) StatefulSetName(rack string) string {
	return d.prefix() + "-" + CleanupSubdomain(rack) + "-sts"
}

// ClaimName is the name of a pod's PersistentVolumeClaim for a volume: server-data or one of the additional volumes.
func ClaimName(volume, pod string) string { return volume + "-" + pod }

// SuperuserSecretName is the name of the secret with the superuser's username and password.
func (d *Datacenter) SuperuserSecretName() string {
	if d.Spec.SuperuserSecretName != "" {
		return d.Spec.SuperuserSecretName
	}
	return CleanupForKubernetes(d.Spec.ClusterName) + "-superuser"
}

// SeedServiceName is shared by all datacenters of a cluster.
func (d *Datacenter) SeedServiceName() string {
	return CleanupForKubernetes(d.Spec.ClusterName) + "-seed-service"
}

// AdditionalSeedServiceName stands for the seeds of spec.additionalSeeds.
func (d *Datacenter) AdditionalSeedServiceName() string {
	return d.prefix() + "-additional-seed-service"
}

// AllPodsServiceName covers every pod, ready or not.
func (d *Datacenter) AllPodsServiceName() string { return d.prefix() + "-all-pods-service" }

// ServiceName covers ready pods: the one that clients use.
func (d *Datacenter) ServiceName() string { return d.prefix() + "-service" }

// NodePortServiceName exists only with spec.networking.nodePort.
func (d *Datacenter) NodePortServiceName() string { return d.prefix() + "-node-port-service" }

// BudgetName is the name of the PodDisruptionBudget.
func (d *Datacenter) BudgetName() string { return CleanupForKubernetes(d.Name) + "-pdb" }

// DatacenterName is the name that Cassandra knows the datacenter by.
func (d *Datacenter) DatacenterName() string {
	if d.Spec.DatacenterName != "" {
		return d.Spec.DatacenterName
	}
	return d.Name
}

func podName(set string, ordinal int32) string { return set + "-" + strconv.Itoa(int(ordinal)) }

func (d *Datacenter) clusterLabels() map[string]string {
	return map[string]string{clusterLabel: CleanLabelValue(d.Spec.ClusterName)}
}

func (d *Datacenter) datacenterLabels() map[string]string {
	return merged(d.clusterLabels(), map[string]string{datacenterLabel: CleanLabelValue(d.Name)})
}

func (d *Datacenter) rackLabels(rack string) map[string]string {
	return merged(d.datacenterLabels(), map[string]string{rackLabel: CleanLabelValue(rack)})
}

// operatorLabels stand on everything that the operator makes.
func (d *Datacenter) operatorLabels() map[string]string {
	return merged(map[string]string{
		managedByLabel: operatorName,
		createdByLabel: operatorName,
		nameLabel:      "cassandra",
		instanceLabel:  CleanLabelValue("cassandra-" + d.Spec.ClusterName),
		versionLabel:   d.Spec.ServerVersion,
	}, d.Spec.AdditionalLabels)
}

// merged is a new map; later ones win.
func merged(parts ...map[string]string) map[string]string {
	all := map[string]string{}
	for _, part := range parts {
		for key, value := range part {
			all[key] = value
		}
	}
	return all
}

// includes says whether labels hold all of wanted.
func includes(labels, wanted map[string]string) bool {
	for key, value := range wanted {
		if have, ok := labels[key]; !ok || have != value {
			return false
		}
	}
	return true
}
