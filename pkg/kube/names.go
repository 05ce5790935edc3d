package kube

import (
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation"
)

// Labels of cass-operator, read on StatefulSets, pods and volume claims
// (apis/cassandra/v1beta1/cassandradatacenter_types.go and pkg/oplabels of
// github.com/k8ssandra/cass-operator).
const (
	clusterLabel    = "cassandra.datastax.com/cluster"
	datacenterLabel = "cassandra.datastax.com/datacenter"
	rackLabel       = "cassandra.datastax.com/rack"
	// nodeStateLabel is on pods only; its value is startedState once Cassandra is up.
	nodeStateLabel = "cassandra.datastax.com/node-state"
	startedState   = "Started"

	managedByLabel = "app.kubernetes.io/managed-by"
	operatorName   = "cass-operator"
)

// skipUsersAnnotation is set by k8ssandra-operator on every datacenter of a
// cluster but the first, which alone creates the superuser
// (controllers/k8ssandra/datacenters.go of github.com/k8ssandra/k8ssandra-operator).
const skipUsersAnnotation = "cassandra.datastax.com/skip-user-creation"

// Labels of k8ssandra-operator on a CassandraDatacenter that a K8ssandraCluster
// owns, which may live in another namespace, so that there is no ownerReference
// (apis/k8ssandra/v1alpha1/constants.go).
const (
	k8ssandraNameLabel      = "k8ssandra.io/cluster-name"
	k8ssandraNamespaceLabel = "k8ssandra.io/cluster-namespace"
	k8ssandraKind           = "K8ssandraCluster"
)

// What is in a pod of cass-operator (pkg/reconciliation/construct_podtemplatespec.go).
const (
	cassandraContainer = "cassandra"
	// dataVolume is the volume with Cassandra's files, whose claim is
	// server-data-<StatefulSet>-<ordinal>.
	dataVolume = "server-data"
	// defaultDataDir is below the mount of dataVolume where the configuration
	// names none: /opt/cassandra/data of the image is a link to the mount.
	defaultDataDir = "data"
	// managementSocket is where the Management API listens in the container,
	// without credentials whatever managementApiAuth says
	// (cassandra/scripts/docker-entrypoint.sh of management-api-for-apache-cassandra).
	managementSocket = "unix:///tmp/oss-mgmt.sock"
	// nodetoolCommand is in the PATH of the images.
	nodetoolCommand = "nodetool"
	// defaultCQLPort is Cassandra's native_transport_port.
	defaultCQLPort = 9042
)

// Secrets: the superuser's (pkg/reconciliation/secrets.go of cass-operator), that
// of spec.configSecret, and kubernetes.io/tls ones.
const (
	superuserSuffix = "-superuser"
	usernameKey     = "username"
	passwordKey     = "password"
	configKey       = "config"
	caKey           = "ca.crt"
	certificateKey  = "tls.crt"
	privateKey      = "tls.key"
)

// What casshook puts on its own objects. The generated filters of Kasten leave
// objects with this label out of restore points; Acquire and Record read the rest.
const (
	ownName = "casshook"
	// ownPrefix begins the names of the Lease and the ConfigMap of a ring.
	ownPrefix = "casshook-"

	operationAnnotation   = "casshook.io/operation"
	backupAnnotation      = "casshook.io/backup-id"
	parkedAnnotation      = "casshook.io/parked"
	datacentersAnnotation = "casshook.io/datacenter-uids"
	// runAnnotation tells the Jobs of one run from those of another.
	runAnnotation = "casshook.io/run"
)

// OwnLabels are on every object that casshook makes; what backs up a namespace
// should leave out objects that have them.
func OwnLabels() map[string]string { return map[string]string{managedByLabel: ownName} }

// agentPrefix begins the agent's path in the container: /tmp is writable even
// under a read-only root file system (an emptyDir of cass-operator's pods). The
// first 16 hex digits of its SHA-256 follow.
const agentPrefix = "/tmp/casshook-agent-"

func datacenterResource() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: "cassandra.datastax.com", Version: "v1beta1", Resource: "cassandradatacenters"}
}

func snapshotResource() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: "snapshot.storage.k8s.io", Version: "v1", Resource: "volumesnapshots"}
}

func clusterResource() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: "k8ssandra.io", Version: "v1alpha1", Resource: "k8ssandraclusters"}
}

var (
	dnsPart   = regexp.MustCompile(`[a-z]([-a-z0-9]*[a-z0-9])?`)
	labelPart = regexp.MustCompile(`[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?`)
)

// CleanupForKubernetes is the name that cass-operator makes of a cluster's: a
// valid DNS-1035 label stays; else it becomes lower case, '_' becomes '-', and
// what does not fit vanishes (CleanupForKubernetes of cass-operator).
func CleanupForKubernetes(name string) string {
	if len(validation.IsDNS1035Label(name)) == 0 {
		return name
	}
	lower := strings.ReplaceAll(strings.ToLower(name), "_", "-")
	return strings.Join(dnsPart.FindAllString(lower, -1), "")
}

// cleanLabel is the label value that cass-operator makes of a name
// (CleanLabelValue of cass-operator).
func cleanLabel(name string) string {
	if len(validation.IsValidLabelValue(name)) == 0 {
		return name
	}
	return strings.Join(labelPart.FindAllString(strings.ReplaceAll(name, " ", ""), -1), "")
}

// ownObject is the name of the Lease and the ConfigMap of a ring. Names that are
// not the cluster's own, or too long, end in a digest of it: "Prod 1" and "Prod1"
// are two rings.
func ownObject(cluster string) string {
	return digested(ownPrefix, CleanupForKubernetes(cluster), cluster)
}

// shortName is a prefix and the name of an object, as a DNS label: dots become '-',
// and names that had some, or are too long, end in a digest.
func shortName(prefix, name string) string {
	return digested(prefix, strings.ReplaceAll(name, ".", "-"), name)
}

// digested is what was made of a name after a prefix, with a digest of the name where
// that is not the name itself, or is too long for a DNS label.
func digested(prefix, clean, name string) string {
	whole := prefix + clean
	if clean == name && len(whole) <= validation.DNS1123LabelMaxLength {
		return whole
	}
	sum := sha256.Sum256([]byte(name))
	suffix := "-" + hex.EncodeToString(sum[:4])
	return strings.TrimSuffix(whole[:min(len(whole), validation.DNS1123LabelMaxLength-len(suffix))], "-") + suffix
}
