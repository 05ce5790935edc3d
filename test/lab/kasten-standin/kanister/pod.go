package kanister

import (
	"encoding/json"
	"fmt"
	"maps"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/rand"
	"k8s.io/apimachinery/pkg/util/strategicpatch"

	"github.com/casshook/casshook/test/lab/kasten-standin/kanister/param"
)

// Names in the pods of KubeTask.
// Source: kanisterio/kanister, pkg/function/kube_task.go, pkg/consts.
const (
	TaskPrefix     = "kanister-job-"
	TaskContainer  = "container"
	CreatedByLabel = "createdBy"
	CreatedBy      = "kanister"
)

// taskPod makes the pod of a KubeTask: Kanister's defaults, then the podOverride of
// the phase, then that of the ActionSet, which wins. Labels and annotations are the
// other way round: those of the phase win.
func (c *Controller) taskPod(in call) (*corev1.Pod, error) {
	image, err := text(in.args, "image")
	if err != nil {
		return nil, err
	}
	command, err := list(in.args, "command")
	if err != nil {
		return nil, err
	}
	namespace, err := text(in.args, "namespace")
	if err != nil {
		return nil, err
	}
	spec := corev1.PodSpec{
		RestartPolicy: corev1.RestartPolicyNever,
		Containers:    []corev1.Container{{Name: TaskContainer, Image: image, Command: command, ImagePullPolicy: corev1.PullIfNotPresent}},
	}
	if namespace == "" || namespace == c.Namespace {
		namespace, spec.ServiceAccountName = c.Namespace, c.ServiceAccount
	}
	override, err := object(in.args, "podOverride")
	if err != nil {
		return nil, err
	}
	for _, patch := range []map[string]any{override, in.tp.PodOverride} {
		if spec, err = overrideSpec(spec, patch); err != nil {
			return nil, fmt.Errorf("pod override: %w", err)
		}
	}
	meta, err := taskMeta(in)
	if err != nil {
		return nil, err
	}
	meta.Namespace = namespace
	return &corev1.Pod{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"}, ObjectMeta: meta, Spec: spec}, nil
}

func taskMeta(in call) (metav1.ObjectMeta, error) {
	labels, err := stringMap(in.args, "podLabels")
	if err != nil {
		return metav1.ObjectMeta{}, err
	}
	annotations, err := stringMap(in.args, "podAnnotations")
	if err != nil {
		return metav1.ObjectMeta{}, err
	}
	meta := metav1.ObjectMeta{
		// The name is made here, since not every fake of the API server does.
		GenerateName: TaskPrefix, Name: TaskPrefix + rand.String(5),
		Labels: merged(in.tp.PodLabels, labels), Annotations: merged(in.tp.PodAnnotations, annotations),
	}
	meta.Labels[CreatedByLabel] = CreatedBy
	return meta, nil
}

// merged is both maps; the second wins.
func merged(a, b map[string]string) map[string]string {
	out := map[string]string{}
	maps.Copy(out, a)
	maps.Copy(out, b)
	return out
}

// overrideSpec applies a strategic merge patch.
func overrideSpec(spec corev1.PodSpec, override map[string]any) (corev1.PodSpec, error) {
	if len(override) == 0 {
		return spec, nil
	}
	original, err := json.Marshal(spec)
	if err != nil {
		return spec, err
	}
	patch, err := json.Marshal(override)
	if err != nil {
		return spec, err
	}
	content, err := strategicpatch.StrategicMergePatch(original, patch, corev1.PodSpec{})
	if err != nil {
		return spec, err
	}
	var out corev1.PodSpec
	if err := json.Unmarshal(content, &out); err != nil {
		return spec, err
	}
	return out, nil
}

// podStatus is the status as JSON, for errors.
func podStatus(pod *corev1.Pod) string {
	content, err := json.Marshal(pod.Status)
	if err != nil {
		return err.Error()
	}
	return string(content)
}

// podFailed is the error of a pod that did not succeed.
func podFailed(pod *corev1.Pod, out *outputs) error {
	return param.Errorf("Pod failed or did not transition into complete state: pod %s/%s; last lines of its log:\n%s\nstatus: %s",
		pod.Namespace, pod.Name, lastLines(out.tail), podStatus(pod))
}
