package kube

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
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

// readDatacenter needs what identifies a datacenter and its nodes, and tolerates
// whatever else is missing or odd.
func readDatacenter(u *unstructured.Unstructured) (*Datacenter, error) {
	f := fields{u.Object}
	d := &Datacenter{
		Namespace: u.GetNamespace(), Name: u.GetName(), UID: string(u.GetUID()), Generation: u.GetGeneration(),
		Annotations: u.GetAnnotations(), Owner: owner(u), Deleted: u.GetDeletionTimestamp() != nil,
		ClusterName: f.text("spec", "clusterName"), CassandraName: f.text("spec", "datacenterName"),
		Stopped: f.flag("spec", "stopped"), SuperuserSecret: f.text("spec", "superuserSecretName"),
		ConfigSecret: f.text("spec", "configSecret"), Progress: f.text("status", "cassandraOperatorProgress"),
		ObservedGeneration: f.number("status", "observedGeneration"), Size: f.number("spec", "size"),
	}
	d.ManualAuth = len(f.object("spec", "managementApiAuth", "manual")) > 0
	d.Config = readConfig(f.object("spec", "config"))
	d.Racks, d.Conditions = f.racks(), f.conditions()
	d.UsersUpserted = f.time("status", "usersUpserted")
	if deprecated := f.time("status", "superUserUpserted"); deprecated.After(d.UsersUpserted) {
		d.UsersUpserted = deprecated
	}
	for _, user := range f.objects("spec", "users") {
		d.Users = append(d.Users, user.text("secretName"))
	}
	if d.CassandraName == "" {
		d.CassandraName = d.Name
	}
	if d.SuperuserSecret == "" {
		d.SuperuserSecret = CleanupForKubernetes(d.ClusterName) + superuserSuffix
	}
	return d, d.check()
}

func (d *Datacenter) check() error {
	var problems []error
	if d.Name == "" || d.Namespace == "" || d.UID == "" {
		problems = append(problems, errors.New("metadata lacks name, namespace or uid"))
	}
	if d.ClusterName == "" {
		problems = append(problems, errors.New("spec.clusterName is missing or no string"))
	}
	if d.Size < 1 {
		problems = append(problems, errors.New("spec.size is missing, no number, or less than 1"))
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
	if name := labels[k8ssandraNameLabel]; name != "" {
		namespace := labels[k8ssandraNamespaceLabel]
		if namespace == "" {
			namespace = u.GetNamespace()
		}
		return namespace + "/" + name
	}
	for _, ref := range u.GetOwnerReferences() {
		if ref.Kind == k8ssandraKind {
			return u.GetNamespace() + "/" + ref.Name
		}
	}
	return ""
}

// fields reads an object whose fields may be missing or of another type.
type fields struct {
	raw map[string]any
}

func (f fields) text(path ...string) string {
	s, _, _ := unstructured.NestedString(f.raw, path...)
	return s
}

func (f fields) flag(path ...string) bool {
	b, _, _ := unstructured.NestedBool(f.raw, path...)
	return b
}

// number takes what JSON and YAML decoders make of a number.
func (f fields) number(path ...string) int64 {
	v, _, _ := unstructured.NestedFieldNoCopy(f.raw, path...)
	switch n := v.(type) {
	case int64:
		return n
	case int:
		return int64(n)
	case float64:
		return int64(n)
	}
	return 0
}

// time is zero where there is none.
func (f fields) time(path ...string) time.Time {
	at, err := time.Parse(time.RFC3339, f.text(path...))
	if err != nil {
		return time.Time{}
	}
	return at
}

func (f fields) object(path ...string) map[string]any {
	v, _, _ := unstructured.NestedFieldNoCopy(f.raw, path...)
	o, _ := v.(map[string]any)
	return o
}

// objects are the elements of a list that are objects.
func (f fields) objects(path ...string) []fields {
	v, _, _ := unstructured.NestedFieldNoCopy(f.raw, path...)
	list, _ := v.([]any)
	var found []fields
	for _, e := range list {
		if o, ok := e.(map[string]any); ok {
			found = append(found, fields{o})
		}
	}
	return found
}

func (f fields) racks() []string {
	var racks []string
	for _, r := range f.objects("spec", "racks") {
		if name := r.text("name"); name != "" {
			racks = append(racks, name)
		}
	}
	if len(racks) == 0 {
		return []string{"default"}
	}
	return racks
}

func (f fields) conditions() map[string]Condition {
	found := map[string]Condition{}
	for _, c := range f.objects("status", "conditions") {
		found[c.text("type")] = Condition{Status: c.text("status"), Reason: c.text("reason"), Message: strings.TrimSpace(c.text("message"))}
	}
	return found
}
