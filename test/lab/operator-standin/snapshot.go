package operatorstandin

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// Snapshot are the objects of a datacenter's namespace as they were at the beginning of a round.
type Snapshot struct {
	// Siblings are all other datacenters of the namespace.
	Siblings []*Datacenter
	// Pods are all of the namespace; cluster and datacenter narrow them.
	Pods []*corev1.Pod
	// By name.
	StatefulSets map[string]*appsv1.StatefulSet
	Claims       map[string]*corev1.PersistentVolumeClaim
	Services     map[string]*corev1.Service
	Budgets      map[string]*policyv1.PodDisruptionBudget
	// Secrets are those that the datacenter names, as far as they exist.
	Secrets map[string]*corev1.Secret
}

// look reads a snapshot. Pods come before claims, so that a pod without a claim in it really has none.
func look(ctx context.Context, core kubernetes.Interface, dc *Datacenter) (*Snapshot, error) {
	s := &Snapshot{
		StatefulSets: map[string]*appsv1.StatefulSet{},
		Claims:       map[string]*corev1.PersistentVolumeClaim{},
		Services:     map[string]*corev1.Service{},
		Budgets:      map[string]*policyv1.PodDisruptionBudget{},
		Secrets:      map[string]*corev1.Secret{},
	}
	for _, read := range []func(context.Context, kubernetes.Interface, *Datacenter) error{s.workloads, s.claims, s.others, s.secrets} {
		if err := read(ctx, core, dc); err != nil {
			return nil, fmt.Errorf("look at namespace %s: %w", dc.Namespace, err)
		}
	}
	return s, nil
}

func (s *Snapshot) workloads(ctx context.Context, core kubernetes.Interface, dc *Datacenter) error {
	sets, err := core.AppsV1().StatefulSets(dc.Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Errorf("list stateful sets: %w", err)
	}
	for i := range sets.Items {
		s.StatefulSets[sets.Items[i].Name] = &sets.Items[i]
	}
	pods, err := core.CoreV1().Pods(dc.Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Errorf("list pods: %w", err)
	}
	for i := range pods.Items {
		s.Pods = append(s.Pods, &pods.Items[i])
	}
	slices.SortFunc(s.Pods, func(a, b *corev1.Pod) int { return strings.Compare(a.Name, b.Name) })
	return nil
}

func (s *Snapshot) claims(ctx context.Context, core kubernetes.Interface, dc *Datacenter) error {
	claims, err := core.CoreV1().PersistentVolumeClaims(dc.Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Errorf("list claims: %w", err)
	}
	for i := range claims.Items {
		s.Claims[claims.Items[i].Name] = &claims.Items[i]
	}
	return nil
}

func (s *Snapshot) others(ctx context.Context, core kubernetes.Interface, dc *Datacenter) error {
	services, err := core.CoreV1().Services(dc.Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Errorf("list services: %w", err)
	}
	for i := range services.Items {
		s.Services[services.Items[i].Name] = &services.Items[i]
	}
	budgets, err := core.PolicyV1().PodDisruptionBudgets(dc.Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Errorf("list disruption budgets: %w", err)
	}
	for i := range budgets.Items {
		s.Budgets[budgets.Items[i].Name] = &budgets.Items[i]
	}
	return nil
}

func (s *Snapshot) secrets(ctx context.Context, core kubernetes.Interface, dc *Datacenter) error {
	for _, name := range dc.secretNames() {
		secret, err := core.CoreV1().Secrets(dc.Namespace).Get(ctx, name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			return fmt.Errorf("read secret %s: %w", name, err)
		}
		s.Secrets[name] = secret
	}
	return nil
}

func (d *Datacenter) secretNames() []string {
	var names []string
	for _, user := range d.users() {
		names = append(names, user.SecretName)
	}
	if manual := d.manual(); manual != nil {
		names = append(names, manual.ClientSecretName, manual.ServerSecretName)
	}
	return names
}

// labelled are the pods that carry labels.
func (s *Snapshot) labelled(labels map[string]string) []*corev1.Pod {
	var pods []*corev1.Pod
	for _, pod := range s.Pods {
		if includes(pod.Labels, labels) {
			pods = append(pods, pod)
		}
	}
	return pods
}

func (s *Snapshot) cluster(dc *Datacenter) []*corev1.Pod    { return s.labelled(dc.clusterLabels()) }
func (s *Snapshot) datacenter(dc *Datacenter) []*corev1.Pod { return s.labelled(dc.datacenterLabels()) }

// pod is nil when there is none of that name in the datacenter.
func (s *Snapshot) pod(dc *Datacenter, name string) *corev1.Pod {
	for _, pod := range s.datacenter(dc) {
		if pod.Name == name {
			return pod
		}
	}
	return nil
}

// owned are the claims that deleting the datacenter deletes: by labels, whoever made them.
func (s *Snapshot) owned(dc *Datacenter) []*corev1.PersistentVolumeClaim {
	var claims []*corev1.PersistentVolumeClaim
	for _, name := range slices.Sorted(maps.Keys(s.Claims)) {
		if includes(s.Claims[name].Labels, dc.datacenterLabels()) {
			claims = append(claims, s.Claims[name])
		}
	}
	return claims
}

// fingerprint changes with everything that would make a watch of the real operator fire, but for the status that the operator
// writes itself. It holds no secret: only sums of them.
func (s *Snapshot) fingerprint(dc *Datacenter) string {
	sum := sha256.New()
	add := func(parts ...any) {
		text, _ := json.Marshal(parts) // strings, numbers and maps of strings: cannot fail
		sum.Write(text)
	}
	add(dc.UID, dc.Generation, dc.Labels, dc.Annotations)
	for _, rack := range dc.racks() {
		if set := s.StatefulSets[dc.StatefulSetName(rack.Name)]; set != nil {
			add(set.UID, set.Generation, set.Labels, set.Annotations)
		}
	}
	for _, pod := range s.cluster(dc) {
		add(pod.UID, pod.Name, pod.Labels, pod.Status.PodIP, ready(pod), pod.DeletionTimestamp)
	}
	for _, claim := range s.owned(dc) {
		add(claim.UID, claim.Labels)
	}
	for _, name := range slices.Sorted(maps.Keys(s.Services)) {
		add(name, s.Services[name].UID, s.Services[name].Labels)
	}
	for _, name := range slices.Sorted(maps.Keys(s.Budgets)) {
		add(name, s.Budgets[name].UID, s.Budgets[name].Labels)
	}
	for _, name := range slices.Sorted(maps.Keys(s.Secrets)) {
		add(name, secretSum(s.Secrets[name]))
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// secretSum leaves out the marks that the operator itself puts on a secret.
func secretSum(secret *corev1.Secret) string {
	annotations, labels := maps.Clone(secret.Annotations), maps.Clone(secret.Labels)
	delete(annotations, watchedByAnnotation)
	delete(labels, watchedLabel)
	text, _ := json.Marshal([]any{secret.UID, secret.Data, len(annotations), len(labels)})
	sum := sha256.New()
	sum.Write(text)
	for _, part := range []map[string]string{annotations, labels} {
		for _, key := range slices.Sorted(maps.Keys(part)) {
			fmt.Fprintf(sum, "%q=%q", key, part[key])
		}
	}
	return hex.EncodeToString(sum.Sum(nil))
}
