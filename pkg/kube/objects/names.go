// Package objects has what needs no API server: names, labels and annotations of
// Kubernetes, cass-operator, k8ssandra-operator and casshook, the permissions that
// casshook needs, and the Job of the cleaner. Who generates files needs only this.
package objects

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
	ClusterLabel    = "cassandra.datastax.com/cluster"
	DatacenterLabel = "cassandra.datastax.com/datacenter"
	RackLabel       = "cassandra.datastax.com/rack"
	// NodeStateLabel is on pods only; its value is startedState once Cassandra is up.
	NodeStateLabel = "cassandra.datastax.com/node-state"
	StartedState   = "Started"

	ManagedByLabel = "app.kubernetes.io/managed-by"
	OperatorName   = "cass-operator"
)

// SkipUsersAnnotation is set by k8ssandra-operator on every datacenter of a
// cluster but the first, which alone creates the superuser
// (controllers/k8ssandra/datacenters.go of github.com/k8ssandra/k8ssandra-operator).
const SkipUsersAnnotation = "cassandra.datastax.com/skip-user-creation"

// Labels of k8ssandra-operator on a CassandraDatacenter that a K8ssandraCluster
// owns, which may live in another namespace, so that there is no ownerReference
// (apis/k8ssandra/v1alpha1/constants.go).
const (
	K8ssandraNameLabel      = "k8ssandra.io/cluster-name"
	K8ssandraNamespaceLabel = "k8ssandra.io/cluster-namespace"
	K8ssandraKind           = "K8ssandraCluster"
)

// What is in a pod of cass-operator (pkg/reconciliation/construct_podtemplatespec.go).
const (
	CassandraContainer = "cassandra"
	// DataVolume is the volume with Cassandra's files, whose claim is
	// server-data-<StatefulSet>-<ordinal>.
	DataVolume = "server-data"
	// DefaultDataDir is below the mount of dataVolume where the configuration
	// names none: /opt/cassandra/data of the image is a link to the mount.
	DefaultDataDir = "data"
	// ManagementSocket is where the Management API listens in the container,
	// without credentials whatever managementApiAuth says
	// (cassandra/scripts/docker-entrypoint.sh of management-api-for-apache-cassandra).
	ManagementSocket = "unix:///tmp/oss-mgmt.sock"
	// NodetoolCommand is in the PATH of the images.
	NodetoolCommand = "nodetool"
	// DefaultCQLPort is Cassandra's native_transport_port.
	DefaultCQLPort = 9042
)

// Secrets: the superuser's (pkg/reconciliation/secrets.go of cass-operator), that
// of spec.configSecret, and kubernetes.io/tls ones.
const (
	SuperuserSuffix = "-superuser"
	UsernameKey     = "username"
	PasswordKey     = "password"
	ConfigKey       = "config"
	CAKey           = "ca.crt"
	CertificateKey  = "tls.crt"
	PrivateKey      = "tls.key"
)

// What casshook puts on its own objects. The generated filters of Kasten leave
// objects with this label out of restore points; Acquire and Record read the rest.
const (
	OwnName = "casshook"
	// OwnPrefix begins the names of the Lease and the ConfigMap of a ring.
	OwnPrefix = "casshook-"

	OperationAnnotation   = "casshook.io/operation"
	BackupAnnotation      = "casshook.io/backup-id"
	ParkedAnnotation      = "casshook.io/parked"
	DatacentersAnnotation = "casshook.io/datacenter-uids"
	// RunAnnotation tells the Jobs of one run from those of another.
	RunAnnotation = "casshook.io/run"
)

// OwnLabels are on every object that casshook makes; what backs up a namespace
// should leave out objects that have them.
func OwnLabels() map[string]string { return map[string]string{ManagedByLabel: OwnName} }

// AgentPlace is the variable that names the agent's directory in the container to the
// agent, which removes it (cmd/casshook-agent).
const AgentPlace = "CASSHOOK_AGENT_PLACE"

// AgentPrefix begins the agent's directory in the container: /tmp is writable even
// under a read-only root file system (an emptyDir of cass-operator's pods). The
// first 16 hex digits of its SHA-256 follow, and what makes it a new one.
const AgentPrefix = "/tmp/casshook-agent-"

// DatacenterResource is that of CassandraDatacenters.
func DatacenterResource() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: "cassandra.datastax.com", Version: "v1beta1", Resource: "cassandradatacenters"}
}

// SnapshotResource is that of VolumeSnapshots.
func SnapshotResource() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: "snapshot.storage.k8s.io", Version: "v1", Resource: "volumesnapshots"}
}

// ClusterResource is that of K8ssandraClusters.
func ClusterResource() schema.GroupVersionResource {
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

// CleanLabel is the label value that cass-operator makes of a name
// (CleanLabelValue of cass-operator).
func CleanLabel(name string) string {
	if len(validation.IsValidLabelValue(name)) == 0 {
		return name
	}
	return strings.Join(labelPart.FindAllString(strings.ReplaceAll(name, " ", ""), -1), "")
}

// RingObject is the name of the Lease and the ConfigMap of a ring. Names that are
// not the cluster's own, or too long, end in a digest of it: "Prod 1" and "Prod1"
// are two rings.
func RingObject(cluster string) string {
	return digested(OwnPrefix, CleanupForKubernetes(cluster), cluster)
}

// ShortName is a prefix and the name of an object, as a DNS label: dots become '-',
// and names that had some, or are too long, end in a digest.
func ShortName(prefix, name string) string {
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

// JobLabel is on the pods of a Job (the Job's controller; the name without a prefix is
// that of all releases).
const JobLabel = "job-name"
