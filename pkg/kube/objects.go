package kube

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// objects are those of a ring in its namespace.
type objects struct {
	sets   []appsv1.StatefulSet
	pods   []corev1.Pod
	claims map[string]corev1.PersistentVolumeClaim
}

// objects lists by the labels of the cluster; claims by none, since those that
// came back with a restore point get theirs only from the operator.
func (r *dcRing) objects(ctx context.Context) (*objects, error) {
	c, o := r.client, &objects{claims: map[string]corev1.PersistentVolumeClaim{}}
	labelled := metav1.ListOptions{LabelSelector: metav1.FormatLabelSelector(&metav1.LabelSelector{MatchLabels: ringLabels(r.cluster)})}
	err := c.do(ctx, newRequest("list", "statefulsets", r.namespace, ""), func(ctx context.Context) error {
		list, err := c.typed.AppsV1().StatefulSets(r.namespace).List(ctx, labelled)
		if err == nil {
			o.sets = list.Items
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if o.pods, err = c.pods(ctx, r.namespace, labelled); err != nil {
		return nil, err
	}
	claims, err := c.claims(ctx, r.namespace)
	for _, claim := range claims {
		o.claims[claim.Name] = claim
	}
	return o, err
}

// ringLabels are on the StatefulSets and pods of a ring.
func ringLabels(cluster string) map[string]string {
	return map[string]string{clusterLabel: cleanLabel(cluster), managedByLabel: operatorName}
}

// setsOf are the StatefulSets of a datacenter.
func (o *objects) setsOf(d *Datacenter) []*appsv1.StatefulSet {
	var owned []*appsv1.StatefulSet
	for i := range o.sets {
		if ref := metav1.GetControllerOf(&o.sets[i]); ref != nil && string(ref.UID) == d.UID {
			owned = append(owned, &o.sets[i])
		}
	}
	return owned
}

// setOf is the StatefulSet that a claim is of, by its name; nil where it is of none.
func (o *objects) setOf(claim string) *appsv1.StatefulSet {
	for i := range o.sets {
		if _, ok := ordinalOf(&o.sets[i], claim); ok {
			return &o.sets[i]
		}
	}
	return nil
}

// ordinalOf is the ordinal of the pod that a StatefulSet makes a claim for.
func ordinalOf(set *appsv1.StatefulSet, claim string) (int, bool) {
	for _, template := range set.Spec.VolumeClaimTemplates {
		rest, ok := strings.CutPrefix(claim, template.Name+"-"+set.Name+"-")
		ordinal, err := strconv.Atoi(rest)
		if ok && err == nil && ordinal >= 0 && strconv.Itoa(ordinal) == rest {
			return ordinal, true
		}
	}
	return 0, false
}

// volumeClaims are the claims of the ring's StatefulSets, and all with its label, by name.
func (r *dcRing) volumeClaims(ctx context.Context) ([]corev1.PersistentVolumeClaim, error) {
	o, err := r.objects(ctx)
	if err != nil {
		return nil, err
	}
	var found []corev1.PersistentVolumeClaim
	for _, name := range slices.Sorted(maps.Keys(o.claims)) {
		claim := o.claims[name]
		if claim.Labels[clusterLabel] == cleanLabel(r.cluster) || o.setOf(name) != nil {
			found = append(found, claim)
		}
	}
	return found, nil
}

// claimsByName makes a map of a list.
func claimsByName(list []corev1.PersistentVolumeClaim) map[string]corev1.PersistentVolumeClaim {
	return maps.Collect(func(yield func(string, corev1.PersistentVolumeClaim) bool) {
		for _, claim := range list {
			if !yield(claim.Name, claim) {
				return
			}
		}
	})
}

// claimNames are the ring's claims: those with its labels, and those that its pods
// were seen with.
func (r *dcRing) claimNames(ctx context.Context) ([]string, error) {
	claims, err := r.client.claims(ctx, r.namespace)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, claim := range claims {
		if claim.Labels[clusterLabel] == cleanLabel(r.cluster) {
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
