package kanister

import (
	"context"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/casshook/casshook/test/lab/kasten-standin/kanister/param"
)

// params reads the subject and makes what templates see. The subject is read live
// once, at the start.
func (c *Controller) params(ctx context.Context, action Action) (*param.TemplateParams, error) {
	tp := &param.TemplateParams{
		ArtifactsIn: action.Artifacts, Options: action.Options, Time: time.Now().UTC().Format(time.RFC3339Nano),
		ConfigMaps: map[string]corev1.ConfigMap{}, Secrets: map[string]corev1.Secret{},
		PodOverride: action.PodOverride, PodLabels: action.PodLabels, PodAnnotations: action.PodAnnotations,
	}
	ref := action.Object
	gvr, namespace := schema.GroupVersionResource{Group: ref.Group, Version: ref.APIVersion, Resource: ref.Resource}, ref.Namespace
	kind := strings.ToLower(ref.Kind)
	switch kind {
	case "statefulset", "deployment":
		gvr = schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: kind + "s"}
	case "pvc":
		tp.PVC = &param.PVCParams{Name: ref.Name, Namespace: ref.Namespace}
		gvr = schema.GroupVersionResource{Version: "v1", Resource: "persistentvolumeclaims"}
	case "namespace":
		tp.Namespace = &param.NamespaceParams{Name: ref.Namespace, Namespace: ref.Namespace}
		gvr, namespace = schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}, ""
	default:
		if gvr.Version == "" || gvr.Resource == "" {
			return nil, fmt.Errorf("subject %s/%s of kind %q needs apiVersion and resource: %w", ref.Namespace, ref.Name, ref.Kind, ErrNeverStatus)
		}
	}
	u, err := c.Dynamic.Resource(gvr).Namespace(namespace).Get(ctx, ref.Name, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("could not fetch object name: %s, namespace: %s, group: %s, version: %s, resource: %s: %w",
			ref.Name, namespace, gvr.Group, gvr.Version, gvr.Resource, err)
	}
	tp.Object = u.Object
	return tp, c.workloadParams(ctx, kind, u, tp)
}

// workloadParams fills what only StatefulSets and Deployments have.
func (c *Controller) workloadParams(ctx context.Context, kind string, u *unstructured.Unstructured, tp *param.TemplateParams) error {
	if kind != "statefulset" && kind != "deployment" {
		return nil
	}
	owner := u.GetUID()
	if kind == "deployment" {
		var err error
		if owner, err = c.currentReplicaSet(ctx, u); err != nil {
			return err
		}
	}
	pods, err := c.runningPods(ctx, u.GetNamespace(), owner)
	if err != nil {
		return err
	}
	w := param.StatefulSetParams{Name: u.GetName(), Namespace: u.GetNamespace(), Pods: []string{}, Containers: [][]string{},
		PersistentVolumeClaims: map[string]map[string]string{}}
	for _, pod := range pods {
		w.Pods = append(w.Pods, pod.Name)
		w.Containers = append(w.Containers, containerNames(&pod))
		if mounts := claimMounts(&pod); len(mounts) > 0 {
			w.PersistentVolumeClaims[pod.Name] = mounts
		}
	}
	if kind == "statefulset" {
		tp.StatefulSet = &w
	} else {
		d := param.DeploymentParams(w)
		tp.Deployment = &d
	}
	return nil
}

func (c *Controller) currentReplicaSet(ctx context.Context, deployment *unstructured.Unstructured) (types.UID, error) {
	const revision = "deployment.kubernetes.io/revision"
	sets, err := c.Dynamic.Resource(schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "replicasets"}).
		Namespace(deployment.GetNamespace()).List(ctx, metav1.ListOptions{})
	if err != nil {
		return "", fmt.Errorf("list replica sets of deployment %s: %w", deployment.GetName(), err)
	}
	for _, set := range sets.Items {
		if ownedBy(&set, deployment.GetUID()) && set.GetAnnotations()[revision] == deployment.GetAnnotations()[revision] {
			return set.GetUID(), nil
		}
	}
	return "", fmt.Errorf("deployment %s/%s has no replica set of its revision", deployment.GetNamespace(), deployment.GetName())
}

func (c *Controller) runningPods(ctx context.Context, namespace string, owner types.UID) ([]corev1.Pod, error) {
	items, err := c.Dynamic.Resource(podResource()).Namespace(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list pods of %s: %w", namespace, err)
	}
	var pods []corev1.Pod
	for _, item := range items.Items {
		var pod corev1.Pod
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(item.Object, &pod); err != nil {
			return nil, fmt.Errorf("pod %s: %w", item.GetName(), err)
		}
		if ownedBy(&item, owner) && pod.Status.Phase == corev1.PodRunning {
			pods = append(pods, pod)
		}
	}
	return pods, nil
}

func ownedBy(o metav1.Object, uid types.UID) bool {
	for _, ref := range o.GetOwnerReferences() {
		if ref.UID == uid {
			return true
		}
	}
	return false
}

func containerNames(pod *corev1.Pod) []string {
	names := []string{}
	for _, status := range pod.Status.ContainerStatuses {
		names = append(names, status.Name)
	}
	return names
}

// claimMounts is claim -> mount path.
func claimMounts(pod *corev1.Pod) map[string]string {
	claims := map[string]string{}
	for _, volume := range pod.Spec.Volumes {
		if volume.PersistentVolumeClaim != nil {
			claims[volume.Name] = volume.PersistentVolumeClaim.ClaimName
		}
	}
	mounts := map[string]string{}
	for _, container := range pod.Spec.Containers {
		for _, mount := range container.VolumeMounts {
			if claim, ok := claims[mount.Name]; ok {
				mounts[claim] = mount.MountPath
			}
		}
	}
	return mounts
}

// fetchObjects reads the Secrets and ConfigMaps that a phase refers to, right
// before the phase. Other kinds are ignored without a word.
func (c *Controller) fetchObjects(ctx context.Context, refs map[string]ObjectReference) (*param.Phase, error) {
	p := &param.Phase{Secrets: map[string]corev1.Secret{}, ConfigMaps: map[string]corev1.ConfigMap{}}
	for _, name := range sortedKeys(refs) {
		ref := refs[name]
		switch strings.ToLower(ref.Kind) {
		case "secret":
			var secret corev1.Secret
			if err := c.fetch(ctx, "secrets", ref, &secret); err != nil {
				return nil, err
			}
			p.Secrets[name] = secret
		case "configmap":
			var configMap corev1.ConfigMap
			if err := c.fetch(ctx, "configmaps", ref, &configMap); err != nil {
				return nil, err
			}
			p.ConfigMaps[name] = configMap
		}
	}
	return p, nil
}

func (c *Controller) fetch(ctx context.Context, resource string, ref ObjectReference, into any) error {
	u, err := c.Dynamic.Resource(schema.GroupVersionResource{Version: "v1", Resource: resource}).Namespace(ref.Namespace).Get(ctx, ref.Name, metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("fetch %s %s/%s: %w", strings.TrimSuffix(resource, "s"), ref.Namespace, ref.Name, err)
	}
	return runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, into)
}

func podResource() schema.GroupVersionResource {
	return schema.GroupVersionResource{Version: "v1", Resource: "pods"}
}
