// Package datacenter reads CassandraDatacenters and what belongs to them: the rings that
// they form, their StatefulSets, pods and volume claims, and why a node cannot be used.
// It changes nothing.
package datacenter

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/casshook/casshook/pkg/kube/objects"
)

// Datacenter is what is used of a CassandraDatacenter
// (cassandra.datastax.com/v1beta1). It is read from unstructured objects, so that
// versions of cass-operator before and after ours do.
type Datacenter struct {
	Namespace, Name, UID string
	Generation           int64
	Annotations          map[string]string
	// Owner is the K8ssandraCluster that writes the datacenter's spec, as
	// "namespace/name"; empty where people do.
	Owner string
	// Deleted says that the object is being deleted.
	Deleted bool

	ClusterName string
	// CassandraName is the datacenter as Cassandra calls it, which may differ
	// from Name.
	CassandraName string
	Size          int64
	// Release of Cassandra (spec.serverVersion); empty for other servers.
	Release string
	// Racks as Cassandra calls them; one of the name "default" where the spec
	// has none.
	Racks   []string
	Stopped bool
	// SuperuserSecret is the name of the secret, given or derived.
	SuperuserSecret string
	// Users are the names of the secrets of spec.users.
	Users []string
	// ManualAuth says that the Management API asks for certificates over TCP.
	ManualAuth bool
	// ConfigSecret holds the configuration instead of the spec.
	ConfigSecret string
	Config       Config

	Progress           string
	ObservedGeneration int64
	Conditions         map[string]Condition
	// UsersUpserted is when the operator wrote the passwords of the superuser and of
	// Users last, by its own clock and to a second; zero when it never did.
	UsersUpserted time.Time
}

// Condition is one of status.conditions.
type Condition struct {
	// Status is True, False or Unknown.
	Status          string
	Reason, Message string
}

// True tells whether a condition is there and true.
func (d *Datacenter) True(condition string) bool { return d.Conditions[condition].Status == "True" }

// String names the datacenter in texts.
func (d *Datacenter) String() string { return "datacenter " + d.Namespace + "/" + d.Name }

// Read needs what identifies a datacenter and its nodes, and tolerates
// whatever else is missing or odd.
func Read(u *unstructured.Unstructured) (*Datacenter, error) {
	f := objects.Fields(u.Object)
	d := &Datacenter{
		Namespace: u.GetNamespace(), Name: u.GetName(), UID: string(u.GetUID()), Generation: u.GetGeneration(),
		Annotations: u.GetAnnotations(), Owner: owner(u), Deleted: u.GetDeletionTimestamp() != nil,
		ClusterName: f.Text("spec", "clusterName"), CassandraName: f.Text("spec", "datacenterName"),
		Stopped: f.Flag("spec", "stopped"), SuperuserSecret: f.Text("spec", "superuserSecretName"),
		ConfigSecret: f.Text("spec", "configSecret"), Progress: f.Text("status", "cassandraOperatorProgress"),
		ObservedGeneration: f.Number("status", "observedGeneration"), Size: f.Number("spec", "size"),
	}
	if kind := f.Text("spec", "serverType"); kind == "" || kind == "cassandra" {
		d.Release = f.Text("spec", "serverVersion")
	}
	d.ManualAuth = len(f.Object("spec", "managementApiAuth", "manual")) > 0
	d.Config = ReadConfig(f.Object("spec", "config"))
	d.Racks, d.Conditions = racks(f), conditions(f)
	d.UsersUpserted = f.Time("status", "usersUpserted")
	if deprecated := f.Time("status", "superUserUpserted"); deprecated.After(d.UsersUpserted) {
		d.UsersUpserted = deprecated
	}
	for _, user := range f.Objects("spec", "users") {
		d.Users = append(d.Users, user.Text("secretName"))
	}
	if d.CassandraName == "" {
		d.CassandraName = d.Name
	}
	if d.SuperuserSecret == "" {
		d.SuperuserSecret = objects.CleanupForKubernetes(d.ClusterName) + objects.SuperuserSuffix
	}
	return d, d.check()
}

func (d *Datacenter) check() error {
	var problems []error
	if d.Name == "" || d.Namespace == "" || d.UID == "" {
		problems = append(problems, errors.New("metadata lacks name, namespace or uid"))
	}
	if d.ClusterName == "" {
		problems = append(problems, errors.New("spec.clusterName is missing or not a string"))
	}
	if d.Size < 1 {
		problems = append(problems, errors.New("spec.size is missing, not a number, or less than 1"))
	}
	if len(problems) > 0 {
		return fmt.Errorf("%s: %w", d, errors.Join(problems...))
	}
	return nil
}

// owner finds a K8ssandraCluster by the labels, which it sets across namespaces,
// or by ownerReference.
func owner(u *unstructured.Unstructured) string {
	labels := u.GetLabels()
	if name := labels[objects.K8ssandraNameLabel]; name != "" {
		namespace := labels[objects.K8ssandraNamespaceLabel]
		if namespace == "" {
			namespace = u.GetNamespace()
		}
		return namespace + "/" + name
	}
	for _, ref := range u.GetOwnerReferences() {
		if ref.Kind == objects.K8ssandraKind {
			return u.GetNamespace() + "/" + ref.Name
		}
	}
	return ""
}

// racks of a datacenter; one called "default" where it names none.
func racks(f objects.Fields) []string {
	var racks []string
	for _, r := range f.Objects("spec", "racks") {
		if name := r.Text("name"); name != "" {
			racks = append(racks, name)
		}
	}
	if len(racks) == 0 {
		return []string{"default"}
	}
	return racks
}

func conditions(f objects.Fields) map[string]Condition {
	found := map[string]Condition{}
	for _, c := range f.Objects("status", "conditions") {
		found[c.Text("type")] = Condition{Status: c.Text("status"), Reason: c.Text("reason"), Message: strings.TrimSpace(c.Text("message"))}
	}
	return found
}

// Shares are the nodes of each rack: the first ones get one more where the size cannot
// be shared out evenly (SplitRacks of cass-operator).
func (d *Datacenter) Shares() []int {
	shares := make([]int, len(d.Racks))
	for i := range shares {
		shares[i] = int(d.Size) / len(shares)
		if i < int(d.Size)%len(shares) {
			shares[i]++
		}
	}
	return shares
}
