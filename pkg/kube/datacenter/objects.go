package datacenter

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/casshook/casshook/pkg/kube/api"
	"github.com/casshook/casshook/pkg/kube/objects"
)

// Objects are those of a ring in its namespace.
type Objects struct {
	Sets   []appsv1.StatefulSet
	Pods   []corev1.Pod
	Claims map[string]corev1.PersistentVolumeClaim
}

// Objects lists by the labels of the cluster; claims by none, since those that
// came back with a restore point get theirs only from the operator.
func (r *Ring) Objects(ctx context.Context) (*Objects, error) {
	c, o := r.client, &Objects{Claims: map[string]corev1.PersistentVolumeClaim{}}
	labelled := metav1.ListOptions{LabelSelector: metav1.FormatLabelSelector(&metav1.LabelSelector{MatchLabels: Labels(r.cluster)})}
	err := c.Do(ctx, api.NewRequest("list", "statefulsets", r.namespace, ""), func(ctx context.Context) error {
		list, err := c.Typed.AppsV1().StatefulSets(r.namespace).List(ctx, labelled)
		if err == nil {
			o.Sets = list.Items
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if o.Pods, err = c.Pods(ctx, r.namespace, labelled); err != nil {
		return nil, err
	}
	claims, err := c.Claims(ctx, r.namespace)
	for _, claim := range claims {
		o.Claims[claim.Name] = claim
	}
	return o, err
}

// Labels are on the StatefulSets and pods of a ring.
func Labels(cluster string) map[string]string {
	return map[string]string{objects.ClusterLabel: objects.CleanLabel(cluster), objects.ManagedByLabel: objects.OperatorName}
}

// SetsOf are the StatefulSets of a datacenter.
func (o *Objects) SetsOf(d *Datacenter) []*appsv1.StatefulSet {
	var owned []*appsv1.StatefulSet
	for i := range o.Sets {
		if ref := metav1.GetControllerOf(&o.Sets[i]); ref != nil && string(ref.UID) == d.UID {
			owned = append(owned, &o.Sets[i])
		}
	}
	return owned
}

// SetOf is the StatefulSet that a claim is of, by its name; nil where it is of none.
func (o *Objects) SetOf(claim string) *appsv1.StatefulSet {
	for i := range o.Sets {
		if _, ok := OrdinalOf(&o.Sets[i], claim); ok {
			return &o.Sets[i]
		}
	}
	return nil
}

// OrdinalOf is the ordinal of the pod that a StatefulSet makes a claim for.
func OrdinalOf(set *appsv1.StatefulSet, claim string) (int, bool) {
	for _, template := range set.Spec.VolumeClaimTemplates {
		rest, ok := strings.CutPrefix(claim, template.Name+"-"+set.Name+"-")
		ordinal, err := strconv.Atoi(rest)
		if ok && err == nil && ordinal >= 0 && strconv.Itoa(ordinal) == rest {
			return ordinal, true
		}
	}
	return 0, false
}

// VolumeClaims are the claims of the ring's StatefulSets, and all with its label, by name.
func (r *Ring) VolumeClaims(ctx context.Context) ([]corev1.PersistentVolumeClaim, error) {
	o, err := r.Objects(ctx)
	if err != nil {
		return nil, err
	}
	var found []corev1.PersistentVolumeClaim
	for _, name := range slices.Sorted(maps.Keys(o.Claims)) {
		claim := o.Claims[name]
		if claim.Labels[objects.ClusterLabel] == objects.CleanLabel(r.cluster) || o.SetOf(name) != nil {
			found = append(found, claim)
		}
	}
	return found, nil
}

// ClaimsByName makes a map of a list.
func ClaimsByName(list []corev1.PersistentVolumeClaim) map[string]corev1.PersistentVolumeClaim {
	return maps.Collect(func(yield func(string, corev1.PersistentVolumeClaim) bool) {
		for _, claim := range list {
			if !yield(claim.Name, claim) {
				return
			}
		}
	})
}

// ClaimNames are the ring's claims: those with its labels, and those that its pods
// were seen with.
func (r *Ring) ClaimNames(ctx context.Context) ([]string, error) {
	claims, err := r.client.Claims(ctx, r.namespace)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, claim := range claims {
		if claim.Labels[objects.ClusterLabel] == objects.CleanLabel(r.cluster) {
			names = append(names, claim.Name)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, pod := range r.pods {
		for _, c := range pod.claims {
			names = append(names, c.Name)
		}
	}
	return names, nil
}
