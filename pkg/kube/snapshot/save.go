package snapshot

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/kube/api"
	"github.com/casshook/casshook/pkg/kube/objects"
)

// undoPrefix begins the names of volume snapshots of what a restore replaces; their time
// and the claim's name follow.
const (
	undoPrefix = objects.OwnPrefix + "undo-"
	undoTime   = "20060102t150405z"
)

// errorStays is how long an error of a volume snapshot must stay until it is believed:
// the snapshot controller tries again, and says so of mere conflicts of its own writes.
const errorStays = 20 * time.Second

// SnapshotVolumes makes a volume snapshot of each of the ring's claims and waits until
// all of them are ready to use. It returns the names of those that were made, also with
// an error. Claims that are not bound have nothing to save.
func (v *Volumes) SnapshotVolumes(ctx context.Context, limit time.Duration, progress func(string)) ([]string, error) {
	claims, err := v.ring.VolumeClaims(ctx)
	if err != nil {
		return nil, flow.Fail(flow.Precondition, err)
	}
	var made []string
	at := v.client.Clock.Now().UTC().Format(undoTime)
	for i := range claims {
		if claims[i].Spec.VolumeName == "" {
			progress("the volume claim " + claims[i].Name + " is not bound: nothing to snapshot")
			continue
		}
		o := v.object(&claims[i], at)
		if err := createSnapshot(ctx, v.client, o); err != nil {
			return made, fmt.Errorf("save the volume claim %s: %w", claims[i].Name, err)
		}
		made = append(made, o.GetName())
	}
	return made, v.awaitSnapshots(ctx, made, limit, progress)
}

// object is a VolumeSnapshot (snapshot.storage.k8s.io/v1). The claim's labels are
// annotations of it, so that nobody takes it for a part of the ring.
func (v *Volumes) object(claim *corev1.PersistentVolumeClaim, at string) *unstructured.Unstructured {
	spec := map[string]any{"source": map[string]any{"persistentVolumeClaimName": claim.Name}}
	if class := v.class; class != "" {
		spec["volumeSnapshotClassName"] = class
	}
	o := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "snapshot.storage.k8s.io/v1", "kind": "VolumeSnapshot", "spec": spec}}
	o.SetNamespace(claim.Namespace)
	o.SetName(objects.ShortName(undoPrefix+at+"-", claim.Name))
	o.SetLabels(objects.OwnLabels())
	notes := map[string]string{}
	for _, label := range []string{objects.ClusterLabel, objects.DatacenterLabel, objects.RackLabel} {
		if value := claim.Labels[label]; value != "" {
			notes[label] = value
		}
	}
	o.SetAnnotations(notes)
	return o
}

func createSnapshot(ctx context.Context, c *api.Client, o *unstructured.Unstructured) error {
	err := c.Do(ctx, api.NewRequest("create", "volumesnapshots", o.GetNamespace(), o.GetName()), func(ctx context.Context) error {
		_, err := c.Dynamic.Resource(objects.SnapshotResource()).Namespace(o.GetNamespace()).Create(ctx, o, metav1.CreateOptions{})
		return err
	})
	switch {
	case apierrors.IsAlreadyExists(err): // made, though its answer was lost
		return nil
	case api.Absent(err):
		return flow.Failf(flow.Precondition, "VolumeSnapshots are not available in this cluster: save the volumes by other means and use --stop: %w", err)
	}
	return err
}

func (v *Volumes) awaitSnapshots(ctx context.Context, names []string, limit time.Duration, progress func(string)) error {
	failing := map[string]time.Time{}
	wait := flow.Waiting{Limit: limit, Every: snapshotPoll, For: "the volume snapshots to be ready to use", Progress: progress}
	return v.client.Wait(ctx, wait, func(ctx context.Context) (waiting []string, err error) {
		list, err := v.snapshots(ctx)
		if err != nil {
			return nil, err
		}
		var problems []error
		for _, name := range names {
			i := slices.IndexFunc(list, func(o unstructured.Unstructured) bool { return o.GetName() == name })
			if i < 0 {
				problems = append(problems, fmt.Errorf("the volume snapshot %s was deleted", name))
				continue
			}
			f := objects.Fields(list[i].Object)
			if f.Flag("status", "readyToUse") {
				continue
			}
			message := strings.TrimSpace(f.Text("status", "error", "message"))
			waiting = append(waiting, strings.TrimSpace(name+" "+message))
			if len(f.Object("status", "error")) == 0 {
				delete(failing, name)
			} else if since, ok := failing[name]; !ok {
				failing[name] = v.client.Clock.Now()
			} else if v.client.Clock.Now().Sub(since) >= errorStays {
				problems = append(problems, fmt.Errorf("the volume snapshot %s failed: %s", name, message))
			}
		}
		return waiting, errors.Join(problems...)
	})
}

// snapshots lists the VolumeSnapshots of the namespace; none where Kubernetes does not
// know them.
func (v *Volumes) snapshots(ctx context.Context) ([]unstructured.Unstructured, error) {
	var list *unstructured.UnstructuredList
	err := v.client.Do(ctx, api.NewRequest("list", "volumesnapshots", v.ring.Namespace(), ""), func(ctx context.Context) (err error) {
		list, err = v.client.Dynamic.Resource(objects.SnapshotResource()).Namespace(v.ring.Namespace()).List(ctx, metav1.ListOptions{})
		return err
	})
	if api.Absent(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return list.Items, nil
}
