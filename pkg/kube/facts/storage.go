package facts

import (
	"context"
	"slices"

	"github.com/casshook/casshook/pkg/doctor"
	"github.com/casshook/casshook/pkg/kube/datacenter"
	"github.com/casshook/casshook/pkg/kube/objects"
)

// claims are those with the label of a cluster: its value is sure, whereas old
// versions of cass-operator wrote Cassandra's name of a datacenter.
func (r *reader) claims(ctx context.Context) {
	f := r.facts
	items, text, missing := r.list(ctx, kind{"", "v1", "persistentvolumeclaims"}, f.Namespace)
	f.Claims = doctor.Answer[doctor.Claim]{Unread: text, Absent: missing}
	for _, item := range items {
		labels := item.GetLabels()
		if !slices.ContainsFunc(r.datacenters, func(d *datacenter.Datacenter) bool {
			return labels[objects.ClusterLabel] == objects.CleanLabel(d.ClusterName)
		}) {
			continue
		}
		o := objects.Fields(item.Object)
		c := doctor.Claim{Name: item.GetName(), Phase: o.Text("status", "phase"), Class: o.Text("spec", "storageClassName")}
		if volume := o.Text("spec", "volumeName"); c.Class == "" && volume != "" {
			c.Driver, c.DriverUnread = r.driver(ctx, volume)
		}
		f.Claims.Items = append(f.Claims.Items, c)
	}
}

func (r *reader) driver(ctx context.Context, volume string) (driver, unread string) {
	v, text, _ := r.get(ctx, kind{"", "v1", "persistentvolumes"}, everyNamespace, volume)
	return v.Text("spec", "csi", "driver"), text
}

// storage reads the classes of volumes and snapshots.
func (r *reader) storage(ctx context.Context) {
	f := r.facts
	chosen, named := doctor.Annotations()
	items, text, missing := r.list(ctx, kind{"storage.k8s.io", "v1", "storageclasses"}, everyNamespace)
	f.StorageClasses = doctor.Answer[doctor.StorageClass]{Unread: text, Absent: missing}
	for _, item := range items {
		f.StorageClasses.Items = append(f.StorageClasses.Items, doctor.StorageClass{
			Name: item.GetName(), Provisioner: objects.Fields(item.Object).Text("provisioner"), SnapshotClass: item.GetAnnotations()[named],
		})
	}
	items, text, missing = r.list(ctx, kind{"snapshot.storage.k8s.io", "v1", "volumesnapshotclasses"}, everyNamespace)
	f.SnapshotClasses = doctor.Answer[doctor.SnapshotClass]{Unread: text, Absent: missing}
	for _, item := range items {
		f.SnapshotClasses.Items = append(f.SnapshotClasses.Items, doctor.SnapshotClass{
			Name: item.GetName(), Driver: objects.Fields(item.Object).Text("driver"), ForKasten: item.GetAnnotations()[chosen] == "true",
		})
	}
}

// machines are the nodes of Kubernetes.
func (r *reader) machines(ctx context.Context) {
	items, text, missing := r.list(ctx, kind{"", "v1", "nodes"}, everyNamespace)
	r.facts.Machines = doctor.Answer[doctor.Machine]{Unread: text, Absent: missing}
	for _, item := range items {
		f := objects.Fields(item.Object)
		m := doctor.Machine{
			Name: item.GetName(), Labels: item.GetLabels(), Closed: f.Flag("spec", "unschedulable"),
			Architecture: f.Text("status", "nodeInfo", "architecture"), System: f.Text("status", "nodeInfo", "operatingSystem"),
		}
		for _, taint := range f.Objects("spec", "taints") {
			m.Closed = m.Closed || taint.Text("effect") != "PreferNoSchedule"
		}
		for _, image := range f.Objects("status", "images") {
			names, _ := image["names"].([]any)
			for _, name := range names {
				if s, ok := name.(string); ok {
					m.Images = append(m.Images, s)
				}
			}
		}
		r.facts.Machines.Items = append(r.facts.Machines.Items, m)
	}
}
