package kube

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

// fakeJobs is the Jobs' controller and the kubelet: each Job has a pod that has ended,
// and whose log ends with a result, unless the test says otherwise.
type fakeJobs struct {
	w *world
	// pod edits the pod of a Job before it is there.
	pod func(*corev1.Pod)
	// log answers who reads a log, the n-th time of a pod.
	log func(pod string, n int) podLog

	mu sync.Mutex
	// made are the Jobs as they were made, in their order.
	made  []batchv1.Job
	reads map[string]int
}

func runJobs(w *world) *fakeJobs {
	f := &fakeJobs{w: w, reads: map[string]int{}, pod: func(*corev1.Pod) {}}
	f.log = func(pod string, _ int) podLog { return podLog{text: "verifying\n" + resultLine(pod)} }
	w.after, w.logs = f.after, f.answer
	return f
}

// resultLine is what the cleaner in a pod prints in the end.
func resultLine(pod string) string {
	data, err := json.Marshal(wire.CleanResult{State: wire.StateCleaned, Node: pod})
	if err != nil {
		panic(err)
	}
	return string(data) + "\n"
}

func (f *fakeJobs) answer(pod string, _ bool) podLog {
	f.mu.Lock()
	f.reads[pod]++
	n := f.reads[pod]
	f.mu.Unlock()
	return f.log(pod, n)
}

func (f *fakeJobs) after(a asked) {
	switch {
	case a.resource == "jobs" && a.verb == "create":
		var job batchv1.Job
		require.True(f.w.t, f.w.read("batch", "jobs", a.name, &job))
		f.mu.Lock()
		f.made = append(f.made, job)
		f.mu.Unlock()
		p := podOfFake(&job)
		if f.pod(p); p.Name != "" {
			f.w.put("", "pods", p)
		}
	case a.resource == "jobs" && a.verb == "delete":
		f.w.remove("", "pods", a.name+"-x")
	}
}

func podOfFake(job *batchv1.Job) *corev1.Pod {
	yes := true
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: job.Namespace, Name: job.Name + "-x", UID: types.UID("uid-of-" + job.Name), Labels: map[string]string{"job-name": job.Name}}}
	for name, value := range job.Spec.Template.Labels {
		p.Labels[name] = value
	}
	p.OwnerReferences = []metav1.OwnerReference{{Kind: "Job", Name: job.Name, UID: job.UID, Controller: &yes}}
	p.Spec = job.Spec.Template.Spec
	p.Spec.NodeName = "m1"
	p.Status.Phase = corev1.PodSucceeded
	ends(0, "Completed", "")(p)
	return p
}

// ends lets the cleaner's container have ended.
func ends(code int32, reason, message string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "istio"}, {Name: "cleaner", State: corev1.ContainerState{
			Terminated: &corev1.ContainerStateTerminated{ExitCode: code, Reason: reason, Message: message}}}}
		if code != 0 {
			p.Status.Phase = corev1.PodFailed
		}
	}
}

func runs(p *corev1.Pod) {
	p.Status.Phase = corev1.PodRunning
	p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "cleaner", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}}
}

func waits(reason, message string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.Status.Phase = corev1.PodPending
		p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "cleaner", State: corev1.ContainerState{
			Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}}}}
	}
}

// change edits a pod that is there.
func (f *fakeJobs) change(name string, edit func(*corev1.Pod)) {
	var p corev1.Pod
	require.True(f.w.t, f.w.read("", "pods", name, &p))
	edit(&p)
	f.w.put("", "pods", &p)
}

// progress notes what is told, as "node: message".
type progress struct {
	mu   sync.Mutex
	told []string
}

func (p *progress) tell(node, message string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.told = append(p.told, fmt.Sprintf("%s: %s", node, message))
}

func (p *progress) of(node string) []string {
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
