package facts

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"path"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/casshook/casshook/pkg/doctor"
	"github.com/casshook/casshook/pkg/kube/api"
	"github.com/casshook/casshook/pkg/kube/datacenter"
	"github.com/casshook/casshook/pkg/kube/objects"
)

func datacenterKind() kind {
	r := objects.DatacenterResource()
	return kind{r.Group, r.Version, r.Resource}
}

// cassandra reads the namespace and its datacenters, with their secrets.
func (r *reader) cassandra(ctx context.Context) {
	f := r.facts
	object, text, missing := r.get(ctx, kind{"", "v1", "namespaces"}, everyNamespace, f.Namespace)
	f.Labels = doctor.Answer[map[string]string]{Unread: text, Absent: missing, Items: []map[string]string{stringMap(object.Object("metadata", "labels"))}}
	items, text, missing := r.list(ctx, datacenterKind(), f.Namespace)
	f.Datacenters.Unread, f.Datacenters.Absent = text, missing
	for n := range items {
		f.Datacenters.Items = append(f.Datacenters.Items, r.datacenter(ctx, &items[n]))
	}
}

func stringMap(o map[string]any) map[string]string {
	found := map[string]string{}
	for key, value := range o {
		if s, ok := value.(string); ok {
			found[key] = s
		}
	}
	return found
}

func (r *reader) datacenter(ctx context.Context, u *unstructured.Unstructured) doctor.Datacenter {
	d, err := datacenter.Read(u)
	f := objects.Fields(u.Object)
	found := doctor.Datacenter{
		Namespace: d.Namespace, Name: d.Name, Cluster: d.ClusterName, Labels: u.GetLabels(), Annotations: d.Annotations, Size: d.Size, Owner: d.Owner,
		ServerType: f.Text("spec", "serverType"), Version: f.Text("spec", "serverVersion"), SuperuserSecret: d.SuperuserSecret,
	}
	if err != nil {
		found.Unreadable = strings.ReplaceAll(strings.TrimPrefix(err.Error(), d.String()+": "), "\n", "; ")
		return found
	}
	found.OwnerReference = slices.ContainsFunc(u.GetOwnerReferences(), func(r metav1.OwnerReference) bool { return r.Kind == objects.K8ssandraKind })
	found.NeverStarted, found.Unseen = d.NeverStarted(), d.Unseen()
	for _, p := range d.Problems(datacenter.Ready) {
		found.Problems = append(found.Problems, strings.TrimPrefix(p, d.String()+" "))
	}
	r.datacenters = append(r.datacenters, d)
	found.Superuser = r.superuser(ctx, d)
	yaml := f.Object("spec", "config", "cassandra-yaml")
	if d.ConfigSecret != "" {
		yaml, found.YAML.Unread = r.configured(ctx, d)
	}
	if found.YAML.Unread == "" {
		found.YAML.Items = []map[string]any{yaml}
	}
	return found
}

// superuser are the keys of the secret that have a value; the values are dropped here.
func (r *reader) superuser(ctx context.Context, d *datacenter.Datacenter) doctor.Answer[string] {
	data, err := r.client.Secret(ctx, d.Namespace, d.SuperuserSecret)
	k := kind{"", "v1", "secrets"}
	text, missing := r.unread(k, api.NewRequest("get", k.resource, d.Namespace, d.SuperuserSecret), err)
	a := doctor.Answer[string]{Unread: text, Absent: missing}
	for _, key := range slices.Sorted(maps.Keys(data)) {
		if len(data[key]) > 0 {
			a.Items = append(a.Items, key)
		}
	}
	return a
}

// configured is the cassandra-yaml of a datacenter that keeps it in a secret.
func (r *reader) configured(ctx context.Context, d *datacenter.Datacenter) (yaml map[string]any, unread string) {
	data, err := r.client.Secret(ctx, d.Namespace, d.ConfigSecret)
	k := kind{"", "v1", "secrets"}
	text, missing := r.unread(k, api.NewRequest("get", k.resource, d.Namespace, d.ConfigSecret), err)
	var config map[string]any
	switch {
	case missing:
		return nil, "the secret " + d.ConfigSecret + " of spec.configSecret does not exist"
	case text != "":
		return nil, text
	case json.Unmarshal(data[objects.ConfigKey], &config) != nil: // its text may quote a value
		return nil, "the secret " + d.ConfigSecret + " of spec.configSecret has no JSON object at the key " + objects.ConfigKey
	}
	d.Config = datacenter.ReadConfig(config)
	return objects.Fields(config).Object("cassandra-yaml"), ""
}

// elsewhere reads the datacenters of all namespaces.
func (r *reader) elsewhere(ctx context.Context) {
	items, text, missing := r.list(ctx, datacenterKind(), everyNamespace)
	r.facts.Everywhere = doctor.Answer[doctor.Member]{Unread: text, Absent: missing}
	for n := range items {
		d, _ := datacenter.Read(&items[n]) // one that is odd is none of ours
		r.facts.Everywhere.Items = append(r.facts.Everywhere.Items, doctor.Member{Namespace: d.Namespace, Name: d.Name, Cluster: d.ClusterName, Owner: d.Owner})
	}
}

// workloads reads StatefulSets and pods as hooks do, and says what they would.
func (r *reader) workloads(ctx context.Context) {
	f := r.facts
	sets := listed[appsv1.StatefulSet](ctx, r, kind{"apps", "v1", "statefulsets"}, f.Namespace)
	pods := listed[corev1.Pod](ctx, r, kind{"", "v1", "pods"}, f.Namespace)
	claims := listed[corev1.PersistentVolumeClaim](ctx, r, kind{"", "v1", "persistentvolumeclaims"}, f.Namespace)
	f.Workloads.Unread = sets.Unread
	if f.Nodes.Unread = cmp.Or(sets.Unread, pods.Unread, claims.Unread); f.Nodes.Unread != "" {
		pods.Items = nil // who owns them is not known
	}
	rings := datacenter.ByCluster(r.datacenters)
	for _, cluster := range slices.Sorted(maps.Keys(rings)) {
		o := &datacenter.Objects{Claims: map[string]corev1.PersistentVolumeClaim{}}
		o.Sets = labelled(sets.Items, datacenter.Labels(cluster), func(s *appsv1.StatefulSet) map[string]string { return s.Labels })
		o.Pods = labelled(pods.Items, datacenter.Labels(cluster), func(p *corev1.Pod) map[string]string { return p.Labels })
		for _, claim := range claims.Items {
			o.Claims[claim.Name] = claim
		}
		r.ring(rings[cluster], o)
	}
}

func labelled[T any](all []T, want map[string]string, of func(*T) map[string]string) []T {
	var found []T
	for n := range all {
		if labels.SelectorFromSet(want).Matches(labels.Set(of(&all[n]))) {
			found = append(found, all[n])
		}
	}
	return found
}

// ring adds what a survey of the ring would find. What is said of the datacenter
// already explains why its pods are not up.
func (r *reader) ring(ds []*datacenter.Datacenter, o *datacenter.Objects) {
	f, stray := r.facts, &datacenter.Survey{}
	members := o.Assign(ds, stray)
	for _, d := range ds {
		for _, set := range o.Sets {
			if ref := metav1.GetControllerOf(&set); ref != nil && string(ref.UID) == d.UID {
				f.Workloads.Items = append(f.Workloads.Items, doctor.Workload{Name: set.Name, Datacenter: d.Name, Labels: set.Labels})
			}
		}
		s := &datacenter.Survey{Waiting: stray.Waiting}
		stray.Waiting = nil
		if f.Nodes.Unread == "" {
			o.Count(d, members[d], s)
		}
		for _, pod := range members[d] {
			if problem := datacenter.PodProblem(pod, datacenter.Ready); problem != "" {
				s.Wait("pod %s %s", pod.Name, problem)
			}
			f.Nodes.Items = append(f.Nodes.Items, node(d, pod, o.Claims))
		}
		for n := range f.Datacenters.Items {
			if have := &f.Datacenters.Items[n]; have.Name == d.Name && len(have.Problems) == 0 {
				for _, text := range s.Waiting {
					have.Problems = append(have.Problems, strings.TrimPrefix(text, d.String()+" "))
				}
			}
		}
	}
}

func node(d *datacenter.Datacenter, pod *corev1.Pod, claims map[string]corev1.PersistentVolumeClaim) doctor.Node {
	n := doctor.Node{Name: pod.Name, Datacenter: d.Name, Machine: pod.Spec.NodeName}
	if _, err := datacenter.VolumesOf(d, pod, claims); err != nil {
		n.VolumeProblem = strings.TrimPrefix(err.Error(), "pod "+pod.Name+": ")
	}
	return n
}

// operators are Deployments with an image that is called so.
func (r *reader) operators(ctx context.Context) {
	items, text, missing := r.list(ctx, kind{"apps", "v1", "deployments"}, everyNamespace)
	r.facts.Operators = doctor.Answer[doctor.Operator]{Unread: text, Absent: missing}
	for _, item := range items {
		f := objects.Fields(item.Object)
		for _, c := range f.Objects("spec", "template", "spec", "containers") {
			if image := c.Text("image"); strings.HasPrefix(path.Base(image), objects.OperatorName) {
				r.facts.Operators.Items = append(r.facts.Operators.Items, doctor.Operator{
					Namespace: item.GetNamespace(), Name: item.GetName(), Image: image, Available: int(f.Number("status", "availableReplicas")),
				})
			}
		}
	}
}
