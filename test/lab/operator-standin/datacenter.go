package operatorstandin

import (
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

//go:embed cassandradatacenters.yaml
var files embed.FS

// Definition is the CustomResourceDefinition of CassandraDatacenter as YAML. Its source stands at its head.
func Definition() []byte {
	text, err := files.ReadFile("cassandradatacenters.yaml")
	if err != nil {
		panic(err) // the file is in the program
	}
	return text
}

// Resource is that of CassandraDatacenter.
func Resource() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: group, Version: "v1beta1", Resource: "cassandradatacenters"}
}

// kind of the resource.
func kind() schema.GroupVersionKind {
	return schema.GroupVersionKind{Group: group, Version: "v1beta1", Kind: "CassandraDatacenter"}
}

// Datacenter is the part of a CassandraDatacenter that the stand-in obeys.
type Datacenter struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   Spec   `json:"spec"`
	Status Status `json:"status,omitempty"`
}

// Spec has the fields of the real one by the same names; what is missing here is not obeyed, and said in the log.
type Spec struct {
	ClusterName    string `json:"clusterName"`
	DatacenterName string `json:"datacenterName,omitempty"`
	ServerType     string `json:"serverType"`
	ServerVersion  string `json:"serverVersion"`
	ServerImage    string `json:"serverImage,omitempty"`
	Size           int32  `json:"size"`
	Stopped        bool   `json:"stopped,omitempty"`

	Racks              []Rack            `json:"racks,omitempty"`
	NodeAffinityLabels map[string]string `json:"nodeAffinityLabels,omitempty"`
	StorageConfig      Storage           `json:"storageConfig"`
	Config             json.RawMessage   `json:"config,omitempty"`
	AdditionalSeeds    []string          `json:"additionalSeeds,omitempty"`
	Networking         *Networking       `json:"networking,omitempty"`

	SuperuserSecretName string                   `json:"superuserSecretName,omitempty"`
	Users               []User                   `json:"users,omitempty"`
	ManagementAPIAuth   *ManagementAuthorization `json:"managementApiAuth,omitempty"`

	PodTemplateSpec             *corev1.PodTemplateSpec     `json:"podTemplateSpec,omitempty"`
	Resources                   corev1.ResourceRequirements `json:"resources,omitempty"`
	ConfigBuilderResources      corev1.ResourceRequirements `json:"configBuilderResources,omitempty"`
	SystemLoggerResources       corev1.ResourceRequirements `json:"systemLoggerResources,omitempty"`
	SystemLoggerImage           string                      `json:"systemLoggerImage,omitempty"`
	DisableSystemLoggerSidecar  bool                        `json:"disableSystemLoggerSidecar,omitempty"`
	AllowMultipleNodesPerWorker bool                        `json:"allowMultipleNodesPerWorker,omitempty"`
	ReadOnlyRootFilesystem      *bool                       `json:"readOnlyRootFilesystem,omitempty"`
	ServiceAccountName          string                      `json:"serviceAccountName,omitempty"`
	ServiceAccount              string                      `json:"serviceAccount,omitempty"`
	NodeSelector                map[string]string           `json:"nodeSelector,omitempty"`
	Tolerations                 []corev1.Toleration         `json:"tolerations,omitempty"`
	AdditionalLabels            map[string]string           `json:"additionalLabels,omitempty"`
	AdditionalAnnotations       map[string]string           `json:"additionalAnnotations,omitempty"`
	MinReadySeconds             *int32                      `json:"minReadySeconds,omitempty"`
}

// Rack is a rack of a datacenter.
type Rack struct {
	Name               string            `json:"name"`
	Zone               string            `json:"zone,omitempty"`
	NodeAffinityLabels map[string]string `json:"nodeAffinityLabels,omitempty"`
	Affinity           *corev1.Affinity  `json:"affinity,omitempty"`
}

// Storage says what volumes a node has.
type Storage struct {
	CassandraDataVolumeClaimSpec *corev1.PersistentVolumeClaimSpec `json:"cassandraDataVolumeClaimSpec,omitempty"`
	AdditionalVolumes            []AdditionalVolume                `json:"additionalVolumes,omitempty"`
}

// AdditionalVolume is a further volume: a claim for each node, or any other source.
type AdditionalVolume struct {
	Name         string                            `json:"name"`
	MountPath    string                            `json:"mountPath"`
	PVCSpec      *corev1.PersistentVolumeClaimSpec `json:"pvcSpec,omitempty"`
	VolumeSource *corev1.VolumeSource              `json:"volumeSource,omitempty"`
}

// Networking asks for ports of the node or the node's network.
type Networking struct {
	NodePort    *NodePort `json:"nodePort,omitempty"`
	HostNetwork bool      `json:"hostNetwork,omitempty"`
}

// NodePort are the ports of the node-port service; 0 is the default.
type NodePort struct {
	Native       int32 `json:"native,omitempty"`
	NativeSSL    int32 `json:"nativeSSL,omitempty"`
	Internode    int32 `json:"internode,omitempty"`
	InternodeSSL int32 `json:"internodeSSL,omitempty"`
}

// User is a role that the operator upserts.
type User struct {
	SecretName string `json:"secretName"`
	Superuser  bool   `json:"superuser"`
}

// ManagementAuthorization is how the Management API knows its callers; neither field means insecure.
type ManagementAuthorization struct {
	Insecure *struct{}            `json:"insecure,omitempty"`
	Manual   *ManualAuthorization `json:"manual,omitempty"`
}

// ManualAuthorization names the secrets of the client and of the server, of type kubernetes.io/tls with ca.crt.
type ManualAuthorization struct {
	ClientSecretName     string `json:"clientSecretName"`
	ServerSecretName     string `json:"serverSecretName"`
	SkipSecretValidation bool   `json:"skipSecretValidation,omitempty"`
}

// decode returns the datacenter and the fields of its spec that the stand-in does not obey.
func decode(object *unstructured.Unstructured) (*Datacenter, []string, error) {
	dc := &Datacenter{}
	err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(object.Object, dc, true)
	var unknown []string
	if strict, ok := runtime.AsStrictDecodingError(err); ok {
		for _, problem := range strict.Errors() {
			unknown = append(unknown, problem.Error())
		}
		err = nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("decode datacenter %s/%s: %w", object.GetNamespace(), object.GetName(), err)
	}
	return dc, unknown, nil
}

// racks are those of the spec, or one of name default.
func (d *Datacenter) racks() []Rack {
	if len(d.Spec.Racks) == 0 {
		return []Rack{{Name: "default"}}
	}
	return d.Spec.Racks
}

// split shares out count over racks, the first ones get one more.
func split(count int32, racks int) []int32 {
	shares := make([]int32, racks)
	for i := range shares {
		shares[i] = count / int32(racks)
		if int32(i) < count%int32(racks) {
			shares[i]++
		}
	}
	return shares
}

// replicas are the wanted pods of each rack: none when stopped.
func (d *Datacenter) replicas() []int32 {
	if d.Spec.Stopped {
		return make([]int32, len(d.racks()))
	}
	return split(d.Spec.Size, len(d.racks()))
}

// seeds are the wanted seeds of each rack: three in a datacenter, or one a rack.
func (d *Datacenter) seeds() []int32 {
	return split(max(min(3, d.Spec.Size), int32(len(d.racks()))), len(d.racks()))
}

func (d *Datacenter) manual() *ManualAuthorization {
	if d.Spec.ManagementAPIAuth == nil {
		return nil
	}
	return d.Spec.ManagementAPIAuth.Manual
}

// readOnly is the default of a read-only root file system: from Cassandra 4.1 on, unless the image is the user's.
func (d *Datacenter) readOnly() bool {
	if d.Spec.ReadOnlyRootFilesystem != nil {
		return *d.Spec.ReadOnlyRootFilesystem
	}
	return d.Spec.ServerImage == "" && d.Spec.ServerType == "cassandra" && atLeast(d.Spec.ServerVersion, 4, 1)
}

func atLeast(version string, major, minor int) bool {
	parts := strings.SplitN(version, ".", 3)
	if len(parts) < 2 {
		return false
	}
	first, err := strconv.Atoi(parts[0])
	second, err2 := strconv.Atoi(parts[1])
	return errors.Join(err, err2) == nil && (first > major || first == major && second >= minor)
}

// claimTemplates are the volumes that every node has a claim for.
func (d *Datacenter) claimTemplates() []AdditionalVolume {
	volumes := []AdditionalVolume{{Name: dataVolume, PVCSpec: d.Spec.StorageConfig.CassandraDataVolumeClaimSpec}}
	for _, volume := range d.Spec.StorageConfig.AdditionalVolumes {
		if volume.PVCSpec != nil {
			volumes = append(volumes, volume)
		}
	}
	return volumes
}

// users are those of the spec and the superuser.
func (d *Datacenter) users() []User {
	return append(slices.Clone(d.Spec.Users), User{SecretName: d.SuperuserSecretName(), Superuser: true})
}
