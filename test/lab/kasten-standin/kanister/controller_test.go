package kanister

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"github.com/casshook/casshook/test/lab/kasten-standin/kanister/param"
)

const world = `
apiVersion: v1
kind: Namespace
metadata: {name: app}
---
apiVersion: cassandra.datastax.com/v1beta1
kind: CassandraDatacenter
metadata: {name: dc1, namespace: app}
spec: {size: 3}
status: {cassandraOperatorProgress: Ready}
---
apiVersion: v1
kind: Secret
metadata: {name: creds, namespace: app}
data: {user: dQ==}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: web, namespace: app, uid: sts}
---
apiVersion: v1
kind: Pod
metadata: {name: web-0, namespace: app, ownerReferences: [{apiVersion: apps/v1, kind: StatefulSet, name: web, uid: sts}]}
spec:
  volumes: [{name: data, persistentVolumeClaim: {claimName: data-web-0}}]
  containers: [{name: main, volumeMounts: [{name: data, mountPath: /data}]}]
status: {phase: Running, containerStatuses: [{name: main}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web-1, namespace: app, ownerReferences: [{apiVersion: apps/v1, kind: StatefulSet, name: web, uid: sts}]}
status: {phase: Pending}
`

const head = "apiVersion: cr.kanister.io/v1alpha1\nkind: Blueprint\nmetadata: {name: bp, namespace: kasten-io}\nactions:\n"

// task is one phase as YAML.
func yamlTask(name, more string) string {
	return "    - func: KubeTask\n      name: " + name + "\n      args: {image: i, command: [" + name + "]" + more + "}\n"
}

func subjectDC() ObjectReference {
	return ObjectReference{Group: "cassandra.datastax.com", APIVersion: "v1beta1", Resource: "cassandradatacenters", Name: "dc1", Namespace: "app"}
}

func subjectNamespace() ObjectReference {
	return ObjectReference{Kind: "Namespace", Name: "app", Namespace: "app"}
}

func TestRun(t *testing.T) {
	t.Parallel()
	out := OutputMarker + ` {"key":"id","value":"42"}` + "\n"
	for name, c := range map[string]struct {
		actions   string
		logs      map[string]string
		phase     map[string]string
		commands  []string
		artifacts map[string]Artifact
		err       string
	}{
		"outputs to the next phase and the artifacts": {
			actions: "  a:\n    outputArtifacts: {meta: {keyValue: {id: '{{ .Phases.one.Output.id }}'}}}\n    phases:\n" + yamlTask("one", "") +
				"    - {func: KubeTask, name: two, args: {image: i, command: ['{{ .Phases.one.Output.id }}']}}\n",
			logs: map[string]string{"one": "hello\n" + out}, commands: []string{"one", "42"},
			artifacts: map[string]Artifact{"meta": {KeyValue: map[string]string{"id": "42"}}},
		},
		"no phases": {actions: "  a: {}\n", artifacts: map[string]Artifact{}},
		"defer after success": {actions: "  a:\n    deferPhase: {func: KubeTask, name: last, args: {image: i, command: ['{{ .Phases.one.Output.id }}']}}\n    phases:\n" + yamlTask("one", ""),
			logs: map[string]string{"one": out}, commands: []string{"one", "42"}, artifacts: map[string]Artifact{}},
		"defer after failure": {actions: "  a:\n    outputArtifacts: {meta: {keyValue: {id: x}}}\n    deferPhase: {func: KubeTask, name: last, args: {image: i, command: [last]}}\n    phases:\n" + yamlTask("one", "") + yamlTask("two", ""),
			phase: map[string]string{"one": "Failed"}, commands: []string{"one", "last"}, err: "Pod failed or did not transition into complete state"},
		"defer fails": {actions: "  a:\n    outputArtifacts: {meta: {keyValue: {id: x}}}\n    deferPhase: {func: KubeTask, name: last, args: {image: i, command: [last]}}\n    phases:\n" + yamlTask("one", ""),
			phase: map[string]string{"last": "Failed"}, commands: []string{"one", "last"}, err: "defer phase last"},
		"bad output": {actions: "  a:\n    phases:\n" + yamlTask("one", ""), logs: map[string]string{"one": OutputMarker + `{"key":"id","value":42}` + "\n"},
			commands: []string{"one"}, err: "Failed to unmarshal key-value pair"},
		"bad artifact":       {actions: "  a:\n    outputArtifacts: {meta: {keyValue: {id: '{{ .Phases.one.Output.nope }}'}}}\n    phases:\n" + yamlTask("one", ""), commands: []string{"one"}, err: `"nope" not found`},
		"unknown action":     {actions: "  b: {}\n", err: "Action a for object kind  not found in blueprint bp"},
		"unknown function":   {actions: "  a:\n    phases:\n" + yamlTask("one", "") + "    - {func: KubeTsk, name: two}\n", err: "Requested function {KubeTsk} has not been registered"},
		"unsupported arg":    {actions: "  a:\n    phases:\n" + yamlTask("one", ", imge: x"), err: "argument imge is not supported"},
		"missing arg":        {actions: "  a:\n    phases:\n    - {func: KubeTask, name: one, args: {image: i}}\n", err: "Required arg missing: command"},
		"null":               {actions: "  a:\n    phases:\n" + yamlTask("one", ", podLabels: {a: null}"), err: "panics"},
		"namespace of a CR":  {actions: "  a:\n    phases:\n" + yamlTask("one", ", namespace: '{{ .Namespace.Name }}'"), err: "nil pointer evaluating *param.NamespaceParams.Name"},
		"args come late":     {actions: "  a:\n    phases:\n" + yamlTask("one", "") + yamlTask("two", ", namespace: '{{ .Nope }}'"), commands: []string{"one"}, err: "phase two"},
		"objects come first": {actions: "  a:\n    phases:\n" + yamlTask("one", "") + yamlTask("two", "") + "      objects: {s: {kind: Secret, name: '{{ .Phases.one.Output.id }}', namespace: app}}\n", err: "could not render object reference {s}"},
		"object is missing":  {actions: "  a:\n    phases:\n" + yamlTask("one", "") + yamlTask("two", "") + "      objects: {s: {kind: Secret, name: nope, namespace: app}}\n", commands: []string{"one"}, err: "fetch secret app/nope"},
		"objects of other kinds are ignored": {actions: "  a:\n    phases:\n" + yamlTask("one", "") + "      objects: {s: {kind: Pod, name: nope, namespace: app}}\n",
			commands: []string{"one"}, artifacts: map[string]Artifact{}},
		"secret": {actions: "  a:\n    phases:\n    - func: KubeTask\n      name: one\n      objects: {s: {kind: secret, name: creds, namespace: '{{ .Object.metadata.namespace }}'}}\n" +
			"      args: {image: i, command: ['{{ index .Phases.one.Secrets.s.Data \"user\" | toString }}']}\n", commands: []string{"u"}, artifacts: map[string]Artifact{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bp := parse(t, head+c.actions)
			k := newCluster(t, world)
			k.logs, k.phase = c.logs, c.phase
			result, err := k.Run(t.Context(), bp, Action{Name: "a", Object: subjectDC()})
			require.Equal(t, c.commands, k.commands())
			require.Len(t, k.graces, len(c.commands), "every pod is deleted")
			for _, grace := range k.graces {
				require.Zero(t, grace)
			}
			if c.err != "" {
				require.ErrorContains(t, err, c.err)
				if result != nil {
					require.Nil(t, result.Artifacts)
				}
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.artifacts, result.Artifacts)
		})
	}
}

func TestSubjects(t *testing.T) {
	t.Parallel()
	k := newCluster(t, world)
	tp, err := k.params(t.Context(), Action{Object: subjectNamespace()})
	require.NoError(t, err)
	require.Equal(t, &param.NamespaceParams{Name: "app", Namespace: "app"}, tp.Namespace)
	require.Equal(t, "Namespace", tp.Object["kind"])
	tp, err = k.params(t.Context(), Action{Object: ObjectReference{Kind: "StatefulSet", Name: "web", Namespace: "app"}})
	require.NoError(t, err)
	require.Nil(t, tp.Namespace)
	require.Equal(t, &param.StatefulSetParams{Name: "web", Namespace: "app", Pods: []string{"web-0"}, Containers: [][]string{{"main"}},
		PersistentVolumeClaims: map[string]map[string]string{"web-0": {"data-web-0": "/data"}}}, tp.StatefulSet)
	missing := subjectDC()
	missing.Name = "dc2"
	_, err = k.params(t.Context(), Action{Object: missing})
	require.ErrorContains(t, err, "could not fetch object name: dc2, namespace: app, group: cassandra.datastax.com, version: v1beta1, resource: cassandradatacenters")
	_, err = k.params(t.Context(), Action{Object: ObjectReference{Kind: "CassandraDatacenter", Name: "dc1", Namespace: "app"}})
	require.ErrorIs(t, err, ErrNeverStatus)
}

func TestTaskPod(t *testing.T) {
	t.Parallel()
	c := &Controller{Namespace: "kasten-io", ServiceAccount: "kanister-svc"}
	root := map[string]any{"securityContext": map[string]any{"runAsUser": int64(0), "runAsNonRoot": false}}
	for name, in := range map[string]struct {
		args, override map[string]any
		check          func(*testing.T, *corev1.Pod)
	}{
		"defaults": {nil, nil, func(t *testing.T, pod *corev1.Pod) {
			require.Equal(t, "kasten-io", pod.Namespace)
			require.Equal(t, "kanister-svc", pod.Spec.ServiceAccountName)
			require.Equal(t, corev1.PodSpec{RestartPolicy: "Never", ServiceAccountName: "kanister-svc",
				Containers: []corev1.Container{{Name: "container", Image: "i", Command: []string{"c"}, ImagePullPolicy: "IfNotPresent"}}}, pod.Spec)
			require.True(t, strings.HasPrefix(pod.Name, "kanister-job-"))
			require.Equal(t, "kanister-job-", pod.GenerateName)
			require.Equal(t, map[string]string{"createdBy": "kanister", "kanister.io/JobID": "j", "both": "actionset"}, pod.Labels)
		}},
		"the controller's namespace by name": {map[string]any{"namespace": "kasten-io"}, nil, func(t *testing.T, pod *corev1.Pod) {
			require.Equal(t, "kanister-svc", pod.Spec.ServiceAccountName)
		}},
		"another namespace": {map[string]any{"namespace": "app"}, nil, func(t *testing.T, pod *corev1.Pod) {
			require.Equal(t, "app", pod.Namespace)
			require.Empty(t, pod.Spec.ServiceAccountName)
		}},
		"blueprint over defaults": {map[string]any{"podOverride": map[string]any{"serviceAccountName": "mine", "securityContext": map[string]any{"runAsUser": 999.0},
			"containers": []any{map[string]any{"name": "container", "env": []any{map[string]any{"name": "A", "value": "1"}}}}}}, nil, func(t *testing.T, pod *corev1.Pod) {
			require.Equal(t, "mine", pod.Spec.ServiceAccountName)
			require.Len(t, pod.Spec.Containers, 1, "merged by name")
			require.Equal(t, "i", pod.Spec.Containers[0].Image)
			require.Equal(t, []corev1.EnvVar{{Name: "A", Value: "1"}}, pod.Spec.Containers[0].Env)
			require.EqualValues(t, 999, *pod.Spec.SecurityContext.RunAsUser)
		}},
		"action set over blueprint": {map[string]any{"podOverride": map[string]any{"serviceAccountName": "mine", "securityContext": map[string]any{"runAsUser": 999.0, "fsGroup": 5.0}}}, root, func(t *testing.T, pod *corev1.Pod) {
			require.Equal(t, "mine", pod.Spec.ServiceAccountName)
			require.EqualValues(t, 0, *pod.Spec.SecurityContext.RunAsUser)
			require.EqualValues(t, 5, *pod.Spec.SecurityContext.FSGroup)
			require.False(t, *pod.Spec.SecurityContext.RunAsNonRoot)
		}},
		"labels of the phase win": {map[string]any{"podLabels": map[string]any{"both": "phase"}, "podAnnotations": map[string]any{"a": "phase"}}, nil, func(t *testing.T, pod *corev1.Pod) {
			require.Equal(t, "phase", pod.Labels["both"])
			require.Equal(t, "j", pod.Labels["kanister.io/JobID"])
			require.Equal(t, map[string]string{"a": "phase"}, pod.Annotations)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pod, err := c.taskPod(call{args: task(map[string]any(in.args)), tp: &param.TemplateParams{PodOverride: in.override,
				PodLabels: map[string]string{"kanister.io/JobID": "j", "both": "actionset"}, PodAnnotations: map[string]string{"a": "actionset"}}})
			if in.args == nil {
				require.NoError(t, err)
			}
			in.check(t, pod)
		})
	}
}

func TestFailedTaskShowsTheLastLines(t *testing.T) {
	t.Parallel()
	k := newCluster(t, world)
	k.phase["one"] = "Failed"
	k.logs["one"] = "line 1\nline 2\n" + strings.Repeat("more\n", 8) + "why\n"
	_, err := k.Run(t.Context(), parse(t, head+"  a:\n    phases:\n"+yamlTask("one", "")), Action{Name: "a", Object: subjectNamespace()})
	require.ErrorContains(t, err, "why")
	require.ErrorContains(t, err, `"phase":"Failed"`)
	require.NotContains(t, err.Error(), "line 1")
	require.NotContains(t, err.Error(), "line 2\n"+"more\nmore\nmore\nmore\nmore\nmore\nmore\nmore\nmore")
}

func TestCancelDeletesThePodAndFailsTheDeferPhase(t *testing.T) {
	t.Parallel()
	k := newCluster(t, world)
	k.phase["one"] = "Running"
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	bp := parse(t, head+"  a:\n    deferPhase: {func: KubeTask, name: last, args: {image: i, command: [last]}}\n    phases:\n"+yamlTask("one", ""))
	_, err := k.Run(ctx, bp, Action{Name: "a", Object: subjectNamespace()})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorContains(t, err, "defer phase last")
	require.Equal(t, []string{"one"}, k.commands(), "no pod after the cancel")
	require.Equal(t, []int64{0}, k.graces)
}

func TestPendingHasItsOwnLimit(t *testing.T) {
	t.Parallel()
	k := newCluster(t, world)
	k.phase["one"] = "Pending"
	k.PodReady = 20 * time.Millisecond
	_, err := k.Run(t.Context(), parse(t, head+"  a:\n    phases:\n"+yamlTask("one", "")), Action{Name: "a", Object: subjectNamespace()})
	require.ErrorContains(t, err, "to leave Pending")
	require.Equal(t, []int64{0}, k.graces)
}
