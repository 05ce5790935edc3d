package kubetest

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"

	"github.com/stretchr/testify/require"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/casshook/casshook/pkg/agent/wire"
)

// Jobs is the Jobs' controller and the kubelet: each Job has a pod that has ended,
// and whose log ends with a result, unless the test says otherwise.
type Jobs struct {
	w *World
	// Pod edits the pod of a Job before it is there.
	Pod func(*corev1.Pod)
	// Log answers who reads a log, the n-th time of a pod.
	Log func(pod string, n int) PodLog

	mu sync.Mutex
	// Made are the Jobs as they were made, in their order.
	Made  []batchv1.Job
	Reads map[string]int
}

// RunJobs has the Jobs of a world run.
func RunJobs(w *World) *Jobs {
	f := &Jobs{w: w, Reads: map[string]int{}, Pod: func(*corev1.Pod) {}}
	f.Log = func(pod string, _ int) PodLog { return PodLog{Text: "verifying\n" + ResultLine(pod)} }
	w.After, w.logs = f.after, f.answer
	return f
}

// ResultLine is what the cleaner in a pod prints in the end.
func ResultLine(pod string) string {
	data, err := json.Marshal(wire.CleanResult{State: wire.StateCleaned, Node: pod})
	if err != nil {
		panic(err)
	}
	return string(data) + "\n"
}

func (f *Jobs) answer(pod string, _ bool) PodLog {
	f.mu.Lock()
	f.Reads[pod]++
	n := f.Reads[pod]
	f.mu.Unlock()
	return f.Log(pod, n)
}

func (f *Jobs) after(a Asked) {
	switch {
	case a.Resource == "jobs" && a.Verb == "create":
		var job batchv1.Job
		require.True(f.w.T, f.w.Read("batch", "jobs", a.Name, &job))
		f.mu.Lock()
		f.Made = append(f.Made, job)
		f.mu.Unlock()
		p := PodOfJob(&job)
		if f.Pod(p); p.Name != "" {
			f.w.Put("", "pods", p)
		}
	case a.Resource == "jobs" && a.Verb == "delete":
		f.w.Remove("", "pods", a.Name+"-x")
	}
}

// PodOfJob is the pod of a Job, which has ended well.
func PodOfJob(job *batchv1.Job) *corev1.Pod {
	yes := true
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: job.Namespace, Name: job.Name + "-x", UID: types.UID("uid-of-" + job.Name), Labels: map[string]string{"job-name": job.Name}}}
	for name, value := range job.Spec.Template.Labels {
		p.Labels[name] = value
	}
	p.OwnerReferences = []metav1.OwnerReference{{Kind: "Job", Name: job.Name, UID: job.UID, Controller: &yes}}
	p.Spec = job.Spec.Template.Spec
	p.Spec.NodeName = "m1"
	p.Status.Phase = corev1.PodSucceeded
	Ends(0, "Completed", "")(p)
	return p
}

// Ends lets the cleaner's container have ended.
func Ends(code int32, reason, message string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "istio"}, {Name: "cleaner", State: corev1.ContainerState{
			Terminated: &corev1.ContainerStateTerminated{ExitCode: code, Reason: reason, Message: message}}}}
		if code != 0 {
			p.Status.Phase = corev1.PodFailed
		}
	}
}

// EndsFor lets the cleaner's container of one pod have ended with a code.
func EndsFor(pod string, code int32) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		if p.Name == pod {
			Ends(code, "Error", "")(p)
		}
	}
}

// Runs lets the cleaner's container run.
func Runs(p *corev1.Pod) {
	p.Status.Phase = corev1.PodRunning
	p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "cleaner", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}}
}

// Waits lets the cleaner's container wait.
func Waits(reason, message string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.Status.Phase = corev1.PodPending
		p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "cleaner", State: corev1.ContainerState{
			Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}}}}
	}
}

// Change edits a pod that is there.
func (f *Jobs) Change(name string, edit func(*corev1.Pod)) {
	var p corev1.Pod
	require.True(f.w.T, f.w.Read("", "pods", name, &p))
	edit(&p)
	f.w.Put("", "pods", &p)
}

// Told notes what is told, as "node: message".
type Told struct {
	mu   sync.Mutex
	told []string
}

// Tell notes a message.
func (p *Told) Tell(node, message string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.told = append(p.told, fmt.Sprintf("%s: %s", node, message))
}

// Of are the messages of a node.
func (p *Told) Of(node string) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var found []string
	for _, line := range p.told {
		if text, ok := strings.CutPrefix(line, node+": "); ok {
			found = append(found, text)
		}
	}
	return found
}
