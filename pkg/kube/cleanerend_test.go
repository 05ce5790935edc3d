package kube

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/ring"
)

// cleanerIn is a run of the cleaner at the volume of the first node; dry where nothing may
// be changed. It tells its progress.
func cleanerIn(w *world, dry bool, told *progress) *cleanerRun {
	job := CleanerJob{Namespace: "db", Claim: firstClaim, Image: "r/casshook:1", Mounts: []Claim{{Name: firstClaim, Mount: "/var/lib/cassandra"}}, Once: true, DryRun: dry}
	return &cleanerRun{
		client: w.client, startLimit: 3 * time.Second, object: job.Object(), run: "run-1",
		task: ring.CleanTask{Node: ring.StoppedNode{Name: firstNode, Volume: firstClaim}, DryRun: dry},
		tell: func(line string) { told.tell(firstNode, line) },
	}
}

// cleanOne cleans the volume of the first node.
func cleanOne(t *testing.T, w *world, dry bool) (ring.CleanOutcome, []string) {
	t.Helper()
	var told progress
	var o ring.CleanOutcome
	o.Result, o.Err = cleanerIn(w, dry, &told).do(t.Context())
	require.Empty(t, w.list("batch", "jobs"))
	require.Empty(t, w.list("", "pods"))
	return o, told.of(firstNode)
}

// cleanerWorld has a fake of what runs Jobs.
func cleanerWorld(t *testing.T) (*world, *fakeJobs) {
	t.Helper()
	w := newWorld(t)
	return w, runJobs(w)
}

func both(edits ...func(*corev1.Pod)) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		for _, e := range edits {
			e(p)
		}
	}
}

func failed(reason, message string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.Status.Phase, p.Status.Reason, p.Status.Message = corev1.PodFailed, reason, message
	}
}

func TestCleanEnds(t *testing.T) {
	t.Parallel()
	const again = "; it may have begun: do not start Cassandra, run it again"
	bare := func(p *corev1.Pod) { p.Status.ContainerStatuses = nil }
	for _, c := range []struct {
		name string
		pod  func(*corev1.Pod)
		log  string
		// code and dry are the exit codes of a run that changes, and of a dry one.
		code, dry flow.Code
		want      string
	}{
		{"failed", ends(1, "Error", ""), "reading\ncasshook-agent: no such file\n", flow.Failed, flow.Failed, "no such file"},
		{"wrong usage", ends(2, "Error", ""), "casshook-agent: what?\n", flow.Usage, flow.Usage, "what?"},
		{"refused", ends(3, "Error", ""), "casshook-agent: runs\n", flow.Precondition, flow.Precondition, "runs"},
		{"corrupt", ends(4, "Error", ""), "casshook-agent: torn\n", flow.Corrupt, flow.Corrupt, "torn"},
		{"half-way", ends(5, "Error", ""), "casshook-agent: stopped half-way\n", flow.HalfWay, flow.HalfWay, "stopped half-way"},
		{"locked", ends(7, "Error", ""), "casshook-agent: an agent works on it\n", flow.Locked, flow.Locked, "an agent works on it"},
		{"interrupted", ends(130, "Error", ""), "casshook-agent: nothing was changed\n", flow.Interrupted, flow.Interrupted, "nothing was changed"},
		{"words that are only in the status", ends(3, "Error", "reading\ncasshook-agent: runs\n"), "", flow.Precondition, flow.Precondition, "runs"},
		{"no words", ends(3, "Error", ""), "", flow.Precondition, flow.Precondition, "exit code 3"},
		{"result of a failure", ends(5, "Error", ""), resultLine("x") + "late\n", flow.HalfWay, flow.HalfWay, "late"},
		{"no result", ends(0, "Completed", ""), "all is well\n", flow.HalfWay, flow.Failed, "the cleaner ended well, but its result is not in its log: is the image of another release?"},
		{"out of memory", ends(137, "OOMKilled", ""), "verifying\n", flow.HalfWay, flow.Failed, "it ran out of memory and was killed (OOMKilled); it said last: verifying"},
		{"killed", ends(137, "Error", ""), "", flow.HalfWay, flow.Failed, "it was killed (Error, exit code 137)"},
		{"unknown", ends(0, "ContainerStatusUnknown", ""), "", flow.HalfWay, flow.Failed, "it was killed (ContainerStatusUnknown, exit code 0)"},
		{"another code", ends(126, "Error", ""), "", flow.HalfWay, flow.Failed, "it was killed (Error, exit code 126)"},
		{"no such program", ends(128, "StartError", "exec: no such file"), "", flow.Precondition, flow.Precondition,
			"its program cannot be started: see that --image is casshook's; it said last: exec: no such file"},
		{"evicted", both(ends(137, "Error", ""), failed("Evicted", "The node was low on memory")), "placing\n", flow.HalfWay, flow.Failed,
			"its pod was evicted on the machine m1: The node was low on memory; it said last: placing"},
		{"told to end by an eviction", both(ends(5, "Error", ""), failed("Evicted", "disk")), "placing\n", flow.HalfWay, flow.HalfWay,
			"its pod was evicted on the machine m1: disk; it said last: placing"},
		{"evicted before it began", both(bare, failed("Evicted", "disk")), "", flow.Failed, flow.Failed, "the pod " + firstPod + " failed before it began: Evicted: disk"},
		{"refused by the machine", both(waits("", ""), failed("OutOfcpu", "")), "", flow.Failed, flow.Failed, "the pod " + firstPod + " failed before it began: OutOfcpu"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for _, dry := range []bool{false, true} {
				w, f := cleanerWorld(t)
				f.pod = c.pod
				f.log = func(string, int) podLog { return podLog{text: c.log} }
				o, _ := cleanOne(t, w, dry)
				want, code := c.want, c.dry
				if !dry {
					if code = c.code; c.code == flow.HalfWay && c.dry == flow.Failed {
						want += again
					}
				}
				require.Nil(t, o.Result)
				require.EqualError(t, o.Err, "volume "+firstClaim+" of node "+firstNode+": "+want)
				require.Equal(t, code, flow.CodeOf(o.Err))
			}
		})
	}
}

// follows gives each reading of the log what comes next; the last stays.
func follows(logs ...podLog) func(string, int) podLog {
	return func(_ string, n int) podLog { return logs[min(n, len(logs))-1] }
}

func TestCleanLog(t *testing.T) {
	t.Parallel()
	w, f := cleanerWorld(t)
	f.pod = runs
	result := resultLine("n")
	f.log = follows(
		podLog{refuse: status(http.StatusBadRequest, metav1.StatusReasonBadRequest, "container is waiting to start")},
		podLog{text: "a\nb", cut: true},
		podLog{refuse: status(http.StatusInternalServerError, metav1.StatusReasonInternalError, "no route to host")},
		podLog{text: "a\nb\nc\n"},                       // ended, as a lost connection may
		podLog{text: "a\nb\nc\nd\n" + result[:5]},       // the kubelet is behind
		podLog{text: "a\nb\nc\nd\n" + result + "\n{}x"}, // without an end
	)
	onWait(w, map[int]func(){5: func() { f.change(firstPod, ends(0, "Completed", "")) }})
	o, told := cleanOne(t, w, false)
	require.NoError(t, o.Err)
	require.Equal(t, "n", o.Result.Node)
	require.Equal(t, []string{"a", "b", "c", "d", "{}x"}, told, "no line twice, none left out")
}

func TestCleanLogCannotBeRead(t *testing.T) {
	t.Parallel()
	gone := podLog{refuse: status(http.StatusInternalServerError, metav1.StatusReasonInternalError, "no route to host")}
	w, f := cleanerWorld(t)
	f.pod, f.log = ends(3, "Error", "casshook-agent: runs"), follows(gone)
	o, _ := cleanOne(t, w, false)
	require.EqualError(t, o.Err, "volume "+firstClaim+" of node "+firstNode+": runs", "its end is known all the same")
	f.pod = ends(0, "Completed", "")
	o, _ = cleanOne(t, w, false)
	require.ErrorContains(t, o.Err, "its result is not in its log")
	require.ErrorContains(t, o.Err, "no route to host")
	require.Equal(t, flow.HalfWay, flow.CodeOf(o.Err))
	f.log = func(pod string, n int) podLog {
		if n%7 != 0 {
			return gone
		}
		return podLog{text: resultLine(pod)}
	}
	f.reads[firstPod] = 1
	o, _ = cleanOne(t, w, false)
	require.NoError(t, o.Err, "it is asked for again")

	w.refuse = forbid("get /pods/log")
	f.pod = runs
	o, _ = cleanOne(t, w, true)
	require.ErrorContains(t, o.Err, "the service account may not get pods/log in namespace db: add it to the Role")
}

// An API server that is gone for long leaves open what the cleaner did.
func TestCleanLosesTheServer(t *testing.T) {
	t.Parallel()
	for _, verb := range []string{"create", "get", "list"} {
		for _, dry := range []bool{false, true} {
			t.Run(fmt.Sprint(verb, dry), func(t *testing.T) {
				t.Parallel()
				w, f := cleanerWorld(t)
				f.pod = runs
				f.log = func(string, int) podLog { return podLog{text: "placing"} }
				made, gone := false, 0
				w.refuse = func(a asked) *metav1.Status {
					made = made || a.verb == "create"
					if made && a.verb == verb && a.resource != "pods/log" && gone < 30 {
						gone++
						return status(http.StatusServiceUnavailable, metav1.StatusReasonServiceUnavailable, "gone")
					}
					return nil
				}
				_, err := cleanerIn(w, dry, &progress{}).do(t.Context())
				require.ErrorContains(t, err, "tried for 1m")
				require.Equal(t, !dry, flow.CodeOf(err) == flow.HalfWay, err.Error())
			})
		}
	}
}

// A machine that is lost says nothing, and its pods do not end.
func TestCleanLosesTheMachine(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		pod  func(*corev1.Pod)
		log  podLog
		want string
	}{
		{"silent", runs, podLog{refuse: status(http.StatusInternalServerError, metav1.StatusReasonInternalError, "no route to host")}, "its pod " + firstPod + " on the machine m1 neither says anything nor ends: is the machine lost?"},
		{"to be deleted", both(runs, func(p *corev1.Pod) { now := metav1.Now(); p.DeletionTimestamp = &now }), podLog{}, "neither says anything nor ends"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w, f := cleanerWorld(t)
			f.pod = c.pod
			f.log = func(string, int) podLog {
				clockOf(w.client).pass(time.Minute)
				return c.log
			}
			started := w.client.Now()
			o, _ := cleanOne(t, w, false)
			require.ErrorContains(t, o.Err, c.want)
			require.Equal(t, flow.HalfWay, flow.CodeOf(o.Err))
			require.InDelta(t, 6, w.client.Now().Sub(started).Minutes(), 1.5)
		})
	}
}

// What ended may have lost the statuses of its containers.
func TestCleanEndsWithoutStatus(t *testing.T) {
	t.Parallel()
	w, f := cleanerWorld(t)
	f.pod = runs
	f.log = func(string, int) podLog {
		f.change(firstPod, failed("NodeShutdown", "Pod was terminated"))
		return podLog{text: "placing\n"}
	}
	o, _ := cleanOne(t, w, false)
	require.ErrorContains(t, o.Err, "its pod failed on the machine m1: NodeShutdown: Pod was terminated; it said last: placing")
	require.Equal(t, flow.HalfWay, flow.CodeOf(o.Err))
}

func TestCleanPodVanishes(t *testing.T) {
	t.Parallel()
	for _, replaced := range []bool{false, true} {
		w, f := cleanerWorld(t)
		f.pod = runs
		f.log = func(string, int) podLog {
			if w.remove("", "pods", firstPod); replaced {
				p := userOf("other", corev1.PodRunning, nil)
				p.Name = firstPod
				w.put("", "pods", p)
			}
			return podLog{text: "placing\n"}
		}
		o, _ := cleanOne(t, w, false)
		require.ErrorContains(t, o.Err, "its pod "+firstPod+" was deleted; it said last: placing")
		require.Equal(t, flow.HalfWay, flow.CodeOf(o.Err))
		f.log = func(pod string, _ int) podLog {
			w.remove("", "pods", firstPod)
			return podLog{text: resultLine(pod)}
		}
		o, _ = cleanOne(t, w, false)
		require.NoError(t, o.Err, "it said that all is done")
	}
}

func TestCleanDoesNotStart(t *testing.T) {
	t.Parallel()
	unplaced := func(p *corev1.Pod) {
		p.Status = corev1.PodStatus{Phase: corev1.PodPending, Conditions: []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: "Unschedulable", Message: "0/3 nodes"}}}
	}
	for _, c := range []struct {
		name string
		pod  func(*corev1.Pod)
		want string
	}{
		{"not placed", unplaced, "pod " + firstPod + " cannot be placed (Unschedulable): 0/3 nodes"},
		{"no image", waits("ImagePullBackOff", "not found"), "pod " + firstPod + " waits on the machine m1: ImagePullBackOff: not found"},
		{"being made", waits("ContainerCreating", ""), "pod " + firstPod + " waits on the machine m1: ContainerCreating"},
		{"just there", func(p *corev1.Pod) { p.Status = corev1.PodStatus{Phase: corev1.PodPending} }, "pod " + firstPod + " is Pending"},
		{"no pod", func(p *corev1.Pod) { p.Name = "" }, "the Job " + firstJob + " has no pod yet: see its events"},
		{"another Job's pod", func(p *corev1.Pod) { p.OwnerReferences[0].UID = "old" }, "the Job " + firstJob + " has no pod yet: see its events"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w, f := cleanerWorld(t)
			f.pod = c.pod
			o, told := cleanOne(t, w, false)
			require.EqualError(t, o.Err, "volume "+firstClaim+" of node "+firstNode+": waited 3s until the cleaner runs: "+c.want)
			require.Equal(t, flow.Precondition, flow.CodeOf(o.Err), "nothing was touched")
			require.Equal(t, []string{"waiting until the cleaner runs: " + c.want}, told)
		})
	}
}

func TestCleanJobFailsWithoutPod(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		do   func(w *world)
		code flow.Code
		want string
	}{
		{"failed", func(w *world) {
			w.edit("batch", "jobs", firstJob, func(o map[string]any) {
				in(o, "status")["conditions"] = []any{map[string]any{"type": "Suspended", "status": "True", "message": "another"}, map[string]any{"type": "Failed", "status": "True", "message": "quota"}}
			})
		}, flow.Failed, "the Job " + firstJob + " failed before it had a pod: quota"},
		{"deleted", func(w *world) { w.remove("batch", "jobs", firstJob) }, flow.HalfWay, "somebody deleted the Job " + firstJob},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w, f := cleanerWorld(t)
			f.pod = func(p *corev1.Pod) { p.Name = "" }
			onWait(w, map[int]func(){2: func() { c.do(w) }})
			o, _ := cleanOne(t, w, false)
			require.ErrorContains(t, o.Err, c.want)
			require.Equal(t, c.code, flow.CodeOf(o.Err))
		})
	}
}

func TestResultIn(t *testing.T) {
	t.Parallel()
	good := strings.TrimSpace(resultLine("n"))
	require.Equal(t, "n", resultIn(good).Node)
	for _, line := range []string{"", "{}", "verifying", `{"state":"cleaned","more":1}`, good + good, good[:len(good)-1], `{"state":7}`, `"state"`} {
		require.Nil(t, resultIn(line), line)
	}
}
