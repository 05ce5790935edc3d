package cleaner

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
	"github.com/casshook/casshook/pkg/kube/internal/kubetest"
	"github.com/casshook/casshook/pkg/kube/objects"
	"github.com/casshook/casshook/pkg/ring"
)

// cleanerIn is a run of the cleaner at the volume of the first node; dry where nothing may
// be changed. It tells its progress.
func cleanerIn(w *kubetest.World, dry bool, told *kubetest.Told) *Run {
	job := objects.CleanerJob{Namespace: "db", Claim: kubetest.FirstClaim, Image: "r/casshook:1", Mounts: []objects.Claim{{Name: kubetest.FirstClaim, Mount: "/var/lib/cassandra"}}, Once: true, DryRun: dry}
	return &Run{
		Client: w.Client, StartLimit: 3 * time.Second, Object: job.Object(), Run: "run-1",
		Task: ring.CleanTask{Node: ring.StoppedNode{Name: kubetest.FirstNode, Volume: kubetest.FirstClaim}, DryRun: dry},
		Tell: func(line string) { told.Tell(kubetest.FirstNode, line) },
	}
}

// cleanOne cleans the volume of the first node.
func cleanOne(t *testing.T, w *kubetest.World, dry bool) (ring.CleanOutcome, []string) {
	t.Helper()
	var told kubetest.Told
	var o ring.CleanOutcome
	o.Result, o.Err = cleanerIn(w, dry, &told).Do(t.Context())
	require.Empty(t, w.List("batch", "jobs"))
	require.Empty(t, w.List("", "pods"))
	return o, told.Of(kubetest.FirstNode)
}

// cleanerWorld has a fake of what runs Jobs.
func cleanerWorld(t *testing.T) (*kubetest.World, *kubetest.Jobs) {
	t.Helper()
	w := kubetest.NewWorld(t)
	return w, kubetest.RunJobs(w)
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
	const again = "; it may have started: do not start Cassandra, run the cleaner again"
	bare := func(p *corev1.Pod) { p.Status.ContainerStatuses = nil }
	for _, c := range []struct {
		name string
		pod  func(*corev1.Pod)
		log  string
		// code and dry are the exit codes of a run that changes, and of a dry one.
		code, dry flow.Code
		want      string
	}{
		{"failed", kubetest.Ends(1, "Error", ""), "reading\ncasshook-agent: no such file\n", flow.Failed, flow.Failed, "no such file"},
		{"wrong usage", kubetest.Ends(2, "Error", ""), "casshook-agent: what?\n", flow.Usage, flow.Usage, "what?"},
		{"refused", kubetest.Ends(3, "Error", ""), "casshook-agent: runs\n", flow.Precondition, flow.Precondition, "runs"},
		{"corrupt", kubetest.Ends(4, "Error", ""), "casshook-agent: torn\n", flow.Corrupt, flow.Corrupt, "torn"},
		{"half-way", kubetest.Ends(5, "Error", ""), "casshook-agent: stopped half-way\n", flow.HalfWay, flow.HalfWay, "stopped half-way"},
		{"locked", kubetest.Ends(7, "Error", ""), "casshook-agent: an agent works on it\n", flow.Locked, flow.Locked, "an agent works on it"},
		{"interrupted", kubetest.Ends(130, "Error", ""), "casshook-agent: nothing was changed\n", flow.Interrupted, flow.Interrupted, "nothing was changed"},
		{"words that are only in the status", kubetest.Ends(3, "Error", "reading\ncasshook-agent: runs\n"), "", flow.Precondition, flow.Precondition, "runs"},
		{"no words", kubetest.Ends(3, "Error", ""), "", flow.Precondition, flow.Precondition, "exit code 3"},
		{"result of a failure", kubetest.Ends(5, "Error", ""), kubetest.ResultLine("x") + "late\n", flow.HalfWay, flow.HalfWay, "late"},
		{"no result", kubetest.Ends(0, "Completed", ""), "all is well\n", flow.HalfWay, flow.Failed, "the cleaner succeeded, but its log has no result: is the image of a different release?"},
		{"out of memory", kubetest.Ends(137, "OOMKilled", ""), "verifying\n", flow.HalfWay, flow.Failed, "it ran out of memory and was killed (OOMKilled); it said last: verifying"},
		{"killed", kubetest.Ends(137, "Error", ""), "", flow.HalfWay, flow.Failed, "it was killed (Error, exit code 137)"},
		{"unknown", kubetest.Ends(0, "ContainerStatusUnknown", ""), "", flow.HalfWay, flow.Failed, "it was killed (ContainerStatusUnknown, exit code 0)"},
		{"another code", kubetest.Ends(126, "Error", ""), "", flow.HalfWay, flow.Failed, "it was killed (Error, exit code 126)"},
		{"no such program", kubetest.Ends(128, "StartError", "exec: no such file"), "", flow.Precondition, flow.Precondition,
			"its program cannot be started: check that --image is a casshook image; it said last: exec: no such file"},
		{"evicted", both(kubetest.Ends(137, "Error", ""), failed("Evicted", "The node was low on memory")), "placing\n", flow.HalfWay, flow.Failed,
			"its pod was evicted on the machine m1: The node was low on memory; it said last: placing"},
		{"told to end by an eviction", both(kubetest.Ends(5, "Error", ""), failed("Evicted", "disk")), "placing\n", flow.HalfWay, flow.HalfWay,
			"its pod was evicted on the machine m1: disk; it said last: placing"},
		{"evicted before it began", both(bare, failed("Evicted", "disk")), "", flow.Failed, flow.Failed, "the pod " + kubetest.FirstPod + " failed before it began: Evicted: disk"},
		{"refused by the machine", both(kubetest.Waits("", ""), failed("OutOfcpu", "")), "", flow.Failed, flow.Failed, "the pod " + kubetest.FirstPod + " failed before it began: OutOfcpu"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for _, dry := range []bool{false, true} {
				w, f := cleanerWorld(t)
				f.Pod = c.pod
				f.Log = func(string, int) kubetest.PodLog { return kubetest.PodLog{Text: c.log} }
				o, _ := cleanOne(t, w, dry)
				want, code := c.want, c.dry
				if !dry {
					if code = c.code; c.code == flow.HalfWay && c.dry == flow.Failed {
						want += again
					}
				}
				require.Nil(t, o.Result)
				require.EqualError(t, o.Err, "volume "+kubetest.FirstClaim+" of node "+kubetest.FirstNode+": "+want)
				require.Equal(t, code, flow.CodeOf(o.Err))
			}
		})
	}
}

// follows gives each reading of the log what comes next; the last stays.
func follows(logs ...kubetest.PodLog) func(string, int) kubetest.PodLog {
	return func(_ string, n int) kubetest.PodLog { return logs[min(n, len(logs))-1] }
}

func TestCleanLog(t *testing.T) {
	t.Parallel()
	w, f := cleanerWorld(t)
	f.Pod = kubetest.Runs
	result := kubetest.ResultLine("n")
	f.Log = follows(
		kubetest.PodLog{Refuse: kubetest.Status(http.StatusBadRequest, metav1.StatusReasonBadRequest, "container is waiting to start")},
		kubetest.PodLog{Text: "a\nb", Cut: true},
		kubetest.PodLog{Refuse: kubetest.Status(http.StatusInternalServerError, metav1.StatusReasonInternalError, "no route to host")},
		kubetest.PodLog{Text: "a\nb\nc\n"},                       // ended, as a lost connection may
		kubetest.PodLog{Text: "a\nb\nc\nd\n" + result[:5]},       // the kubelet is behind
		kubetest.PodLog{Text: "a\nb\nc\nd\n" + result + "\n{}x"}, // without an end
	)
	kubetest.OnWait(w, map[int]func(){5: func() { f.Change(kubetest.FirstPod, kubetest.Ends(0, "Completed", "")) }})
	o, told := cleanOne(t, w, false)
	require.NoError(t, o.Err)
	require.Equal(t, "n", o.Result.Node)
	require.Equal(t, []string{"a", "b", "c", "d", "{}x"}, told, "no line twice, none left out")
}

func TestCleanLogCannotBeRead(t *testing.T) {
	t.Parallel()
	gone := kubetest.PodLog{Refuse: kubetest.Status(http.StatusInternalServerError, metav1.StatusReasonInternalError, "no route to host")}
	w, f := cleanerWorld(t)
	f.Pod, f.Log = kubetest.Ends(3, "Error", "casshook-agent: runs"), follows(gone)
	o, _ := cleanOne(t, w, false)
	require.EqualError(t, o.Err, "volume "+kubetest.FirstClaim+" of node "+kubetest.FirstNode+": runs", "its end is known all the same")
	f.Pod = kubetest.Ends(0, "Completed", "")
	o, _ = cleanOne(t, w, false)
	require.ErrorContains(t, o.Err, "its log has no result")
	require.ErrorContains(t, o.Err, "no route to host")
	require.Equal(t, flow.HalfWay, flow.CodeOf(o.Err))
	f.Log = func(pod string, n int) kubetest.PodLog {
		if n%7 != 0 {
			return gone
		}
		return kubetest.PodLog{Text: kubetest.ResultLine(pod)}
	}
	f.Reads[kubetest.FirstPod] = 1
	o, _ = cleanOne(t, w, false)
	require.NoError(t, o.Err, "it is asked for again")

	w.Refuse = kubetest.Forbid("get /pods/log")
	f.Pod = kubetest.Runs
	o, _ = cleanOne(t, w, true)
	require.ErrorContains(t, o.Err, "the service account may not get pods/log in namespace db: add this permission to the Role")
}

// An API server that is gone for long leaves open what the cleaner did.
func TestCleanLosesTheServer(t *testing.T) {
	t.Parallel()
	for _, verb := range []string{"create", "get", "list"} {
		for _, dry := range []bool{false, true} {
			t.Run(fmt.Sprint(verb, dry), func(t *testing.T) {
				t.Parallel()
				w, f := cleanerWorld(t)
				f.Pod = kubetest.Runs
				f.Log = func(string, int) kubetest.PodLog { return kubetest.PodLog{Text: "placing"} }
				made, gone := false, 0
				w.Refuse = func(a kubetest.Asked) *metav1.Status {
					made = made || a.Verb == "create"
					if made && a.Verb == verb && a.Resource != "pods/log" && gone < 30 {
						gone++
						return kubetest.Status(http.StatusServiceUnavailable, metav1.StatusReasonServiceUnavailable, "gone")
					}
					return nil
				}
				_, err := cleanerIn(w, dry, &kubetest.Told{}).Do(t.Context())
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
		log  kubetest.PodLog
		want string
	}{
		{"silent", kubetest.Runs, kubetest.PodLog{Refuse: kubetest.Status(http.StatusInternalServerError, metav1.StatusReasonInternalError, "no route to host")}, "its pod " + kubetest.FirstPod + " on the machine m1 neither logs anything nor ends: is the machine lost?"},
		{"to be deleted", both(kubetest.Runs, func(p *corev1.Pod) { now := metav1.Now(); p.DeletionTimestamp = &now }), kubetest.PodLog{}, "neither logs anything nor ends"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w, f := cleanerWorld(t)
			f.Pod = c.pod
			f.Log = func(string, int) kubetest.PodLog {
				kubetest.ClockOf(w.Client).Pass(time.Minute)
				return c.log
			}
			started := w.Client.Now()
			o, _ := cleanOne(t, w, false)
			require.ErrorContains(t, o.Err, c.want)
			require.Equal(t, flow.HalfWay, flow.CodeOf(o.Err))
			require.InDelta(t, 6, w.Client.Now().Sub(started).Minutes(), 1.5)
		})
	}
}

// What ended may have lost the statuses of its containers.
func TestCleanEndsWithoutStatus(t *testing.T) {
	t.Parallel()
	w, f := cleanerWorld(t)
	f.Pod = kubetest.Runs
	f.Log = func(string, int) kubetest.PodLog {
		f.Change(kubetest.FirstPod, failed("NodeShutdown", "Pod was terminated"))
		return kubetest.PodLog{Text: "placing\n"}
	}
	o, _ := cleanOne(t, w, false)
	require.ErrorContains(t, o.Err, "its pod failed on the machine m1: NodeShutdown: Pod was terminated; it said last: placing")
	require.Equal(t, flow.HalfWay, flow.CodeOf(o.Err))
}

func TestCleanPodVanishes(t *testing.T) {
	t.Parallel()
	for _, replaced := range []bool{false, true} {
		w, f := cleanerWorld(t)
		f.Pod = kubetest.Runs
		f.Log = func(string, int) kubetest.PodLog {
			if w.Remove("", "pods", kubetest.FirstPod); replaced {
				p := kubetest.UserOf("other", corev1.PodRunning, nil)
				p.Name = kubetest.FirstPod
				w.Put("", "pods", p)
			}
			return kubetest.PodLog{Text: "placing\n"}
		}
		o, _ := cleanOne(t, w, false)
		require.ErrorContains(t, o.Err, "its pod "+kubetest.FirstPod+" was deleted; it said last: placing")
		require.Equal(t, flow.HalfWay, flow.CodeOf(o.Err))
		f.Log = func(pod string, _ int) kubetest.PodLog {
			w.Remove("", "pods", kubetest.FirstPod)
			return kubetest.PodLog{Text: kubetest.ResultLine(pod)}
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
		{"not placed", unplaced, "pod " + kubetest.FirstPod + " cannot be placed (Unschedulable): 0/3 nodes"},
		{"no image", kubetest.Waits("ImagePullBackOff", "not found"), "pod " + kubetest.FirstPod + " waits on the machine m1: ImagePullBackOff: not found"},
		{"being made", kubetest.Waits("ContainerCreating", ""), "pod " + kubetest.FirstPod + " waits on the machine m1: ContainerCreating"},
		{"just there", func(p *corev1.Pod) { p.Status = corev1.PodStatus{Phase: corev1.PodPending} }, "pod " + kubetest.FirstPod + " is Pending"},
		{"no pod", func(p *corev1.Pod) { p.Name = "" }, "the Job " + kubetest.FirstJob + " has no pod yet: check its events"},
		{"another Job's pod", func(p *corev1.Pod) { p.OwnerReferences[0].UID = "old" }, "the Job " + kubetest.FirstJob + " has no pod yet: check its events"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w, f := cleanerWorld(t)
			f.Pod = c.pod
			o, told := cleanOne(t, w, false)
			require.EqualError(t, o.Err, "volume "+kubetest.FirstClaim+" of node "+kubetest.FirstNode+": waited 3s for the cleaner to run: "+c.want)
			require.Equal(t, flow.Precondition, flow.CodeOf(o.Err), "nothing was touched")
			require.Equal(t, []string{"waiting for the cleaner to run: " + c.want}, told)
		})
	}
}

func TestCleanJobFailsWithoutPod(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		do   func(w *kubetest.World)
		code flow.Code
		want string
	}{
		{"failed", func(w *kubetest.World) {
			w.Edit("batch", "jobs", kubetest.FirstJob, func(o map[string]any) {
				kubetest.In(o, "status")["conditions"] = []any{map[string]any{"type": "Suspended", "status": "True", "message": "another"}, map[string]any{"type": "Failed", "status": "True", "message": "quota"}}
			})
		}, flow.Failed, "the Job " + kubetest.FirstJob + " failed before it had a pod: quota"},
		{"deleted", func(w *kubetest.World) { w.Remove("batch", "jobs", kubetest.FirstJob) }, flow.HalfWay, "somebody deleted the Job " + kubetest.FirstJob},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w, f := cleanerWorld(t)
			f.Pod = func(p *corev1.Pod) { p.Name = "" }
			kubetest.OnWait(w, map[int]func(){2: func() { c.do(w) }})
			o, _ := cleanOne(t, w, false)
			require.ErrorContains(t, o.Err, c.want)
			require.Equal(t, c.code, flow.CodeOf(o.Err))
		})
	}
}

func TestResultIn(t *testing.T) {
	t.Parallel()
	good := strings.TrimSpace(kubetest.ResultLine("n"))
	require.Equal(t, "n", resultIn(good).Node)
	for _, line := range []string{"", "{}", "verifying", `{"state":"cleaned","more":1}`, good + good, good[:len(good)-1], `{"state":7}`, `"state"`} {
		require.Nil(t, resultIn(line), line)
	}
}
