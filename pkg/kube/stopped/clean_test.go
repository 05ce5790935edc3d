package stopped

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/kube/internal/kubetest"
	"github.com/casshook/casshook/pkg/kube/objects"
	"github.com/casshook/casshook/pkg/ring"
)

// jobWorld is a stopped ring with a fake of what runs Jobs.
func jobWorld(t *testing.T, opts Options, size int, edit ...func(*appsv1.StatefulSet)) (*kubetest.World, *kubetest.Jobs, *Ring) {
	t.Helper()
	if opts.Image == "" {
		opts.Image = "r/casshook:1"
	}
	w := kubetest.NewWorld(t)
	w.PutStoppedDatacenter("prod", "dc1", size, []string{"r1"}, edit...)
	return w, kubetest.RunJobs(w), stoppedOf(w, opts)
}

func tasksOf(t *testing.T, target ring.Cleaner, edit ...func(*ring.CleanTask)) []ring.CleanTask {
	t.Helper()
	nodes, err := target.StoppedNodes(t.Context())
	require.NoError(t, err)
	var tasks []ring.CleanTask
	for _, n := range nodes {
		task := ring.CleanTask{Node: n}
		for _, e := range edit {
			e(&task)
		}
		tasks = append(tasks, task)
	}
	return tasks
}

func TestClean(t *testing.T) {
	t.Parallel()
	w, f, target := jobWorld(t, Options{PullSecrets: []string{"ours"}}, 3)
	tasks := tasksOf(t, target, func(c *ring.CleanTask) { c.Backup, c.HostID, c.Again = "casshook-1", "host of "+c.Node.Name, true })
	f.Log = func(pod string, _ int) kubetest.PodLog {
		if strings.HasSuffix(pod, "-1-x") {
			return kubetest.PodLog{Text: "casshook-agent: no space"}
		}
		return kubetest.PodLog{Text: "looking\n{\"state\":\"cleaned\",\"foo\":1}\nplacing\n" + kubetest.ResultLine(pod)}
	}
	f.Pod = func(p *corev1.Pod) {
		if strings.HasSuffix(p.Name, "-1-x") {
			kubetest.Ends(5, "Error", "")(p)
		}
	}
	w.Forget()
	var told kubetest.Told
	outcomes, err := target.Clean(t.Context(), tasks, told.Tell)
	require.NoError(t, err)
	require.Len(t, outcomes, 3)
	for _, i := range []int{0, 2} {
		require.NoError(t, outcomes[i].Err)
		require.Equal(t, &wire.CleanResult{State: "cleaned", Node: "casshook-clean-" + tasks[i].Node.Volume + "-x"}, outcomes[i].Result)
	}
	require.Nil(t, outcomes[1].Result)
	require.EqualError(t, outcomes[1].Err, "volume server-data-dc1-r1-sts-1 of node dc1-r1-sts-1: no space")
	require.Equal(t, flow.HalfWay, flow.CodeOf(outcomes[1].Err))
	require.Equal(t, []string{"looking", `{"state":"cleaned","foo":1}`, "placing"}, told.Of(kubetest.FirstNode), "what is no result is progress")
	require.Equal(t, []string{"no space"}, told.Of("dc1-r1-sts-1"))
	require.Empty(t, w.List("batch", "jobs"), "on failure too")
	require.Empty(t, w.List("", "pods"))
	require.Len(t, f.Made, 3)
	for _, job := range f.Made {
		claim := job.Spec.Template.Spec.Volumes[0].PersistentVolumeClaim.ClaimName
		node := strings.TrimPrefix(claim, "server-data-")
		want := objects.CleanerJob{
			Namespace: "db", Claim: claim, Image: "r/casshook:1", PullSecrets: []string{"ours"}, Once: true,
			Mounts: []objects.Claim{{Name: claim, Mount: "/var/lib/cassandra"}}, DataDirs: []string{"/var/lib/cassandra/data"},
			VolumeID: "pvc/uid-" + claim + "/pv-" + claim, HostID: "host of " + node, Backup: "casshook-1", Again: true,
			SecurityContext: kubetest.StoppedSet("prod", "dc1", "r1").Spec.Template.Spec.SecurityContext,
		}
		policy := corev1.FSGroupChangeOnRootMismatch
		want.SecurityContext.FSGroupChangePolicy = &policy
		require.Equal(t, want.Object().Spec, job.Spec)
		require.Equal(t, want.Object().Labels, job.Labels)
		require.Equal(t, f.Made[0].Annotations, job.Annotations)
	}
}

// What of the pod template says where, and as whom, Cassandra runs is the Job's, too.
func TestCleanAsCassandra(t *testing.T) {
	t.Parallel()
	affinity := &corev1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{
		{MatchExpressions: []corev1.NodeSelectorRequirement{{Key: "zone", Operator: corev1.NodeSelectorOpIn, Values: []string{"a"}}}}}}}
	w, f, target := jobWorld(t, Options{PullSecrets: []string{"ours", "shared"}}, 1, func(s *appsv1.StatefulSet) {
		s.Spec.VolumeClaimTemplates = append([]corev1.PersistentVolumeClaim{{ObjectMeta: metav1.ObjectMeta{Name: "logs"}}}, s.Spec.VolumeClaimTemplates...)
		spec := &s.Spec.Template.Spec
		spec.Volumes = append(spec.Volumes, corev1.Volume{Name: "logs", VolumeSource: corev1.VolumeSource{ // the template's wins
			PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "another"}}})
		cassandra := &spec.Containers[1]
		cassandra.VolumeMounts = append([]corev1.VolumeMount{{Name: "logs", MountPath: "/commit"}}, cassandra.VolumeMounts...)
		spec.ServiceAccountName, spec.NodeSelector, spec.Tolerations = "cassandra", map[string]string{"disk": "ssd"}, []corev1.Toleration{{Key: "db"}}
		spec.ImagePullSecrets = []corev1.LocalObjectReference{{Name: "theirs"}, {Name: "shared"}}
		spec.Affinity = &corev1.Affinity{NodeAffinity: affinity, PodAntiAffinity: &corev1.PodAntiAffinity{}, PodAffinity: &corev1.PodAffinity{}}
		user, no := int64(7), false
		cassandra.SecurityContext = &corev1.SecurityContext{RunAsUser: &user, RunAsNonRoot: &no}
	})
	kubetest.EditDatacenter(w, func(o map[string]any) {
		yaml := kubetest.In(o, "spec", "config", "cassandra-yaml")
		yaml["data_file_directories"], yaml["commitlog_directory"] = []any{"/var/lib/cassandra/a", "/var/lib/cassandra/b"}, "/commit/log"
		yaml["hints_directory"], yaml["saved_caches_directory"] = "/var/lib/cassandra/h", "/tmp/caches"
		yaml["cdc_raw_directory"], yaml["cdc_enabled"] = "/commit/cdc", true
	})
	_, err := target.Clean(t.Context(), tasksOf(t, target, func(c *ring.CleanTask) { c.ForgetPeers, c.InPlace, c.Full = true, true, true }), (&kubetest.Told{}).Tell)
	require.NoError(t, err)
	user, group, no, policy := int64(7), int64(1000), false, corev1.FSGroupChangeOnRootMismatch
	want := objects.CleanerJob{
		Namespace: "db", Claim: kubetest.FirstClaim, Image: "r/casshook:1", PullSecrets: []string{"ours", "shared", "theirs"}, ServiceAccount: "cassandra",
		Mounts:   []objects.Claim{{Name: kubetest.FirstClaim, Mount: "/var/lib/cassandra"}, {Name: "logs-dc1-r1-sts-0", Mount: "/commit"}},
		DataDirs: []string{"/var/lib/cassandra/a", "/var/lib/cassandra/b"}, CommitLog: "/commit/log", Hints: "/var/lib/cassandra/h", CDC: "/commit/cdc",
		VolumeID: "pvc/uid-" + kubetest.FirstClaim + "/pv-" + kubetest.FirstClaim, ForgetPeers: true, InPlace: true, Full: true, Once: true,
		SecurityContext: &corev1.PodSecurityContext{RunAsUser: &user, RunAsGroup: &group, FSGroup: &group, RunAsNonRoot: &no, FSGroupChangePolicy: &policy},
		NodeSelector:    map[string]string{"disk": "ssd"}, Tolerations: []corev1.Toleration{{Key: "db"}}, NodeAffinity: affinity,
	}
	require.Equal(t, want.Object().Spec, f.Made[0].Spec)
}

func TestSecurityContext(t *testing.T) {
	t.Parallel()
	number := func(n int64) *int64 { return &n }
	policy := corev1.FSGroupChangeOnRootMismatch
	for _, c := range []struct {
		name  string
		given *corev1.PodSecurityContext
		runAs int64
		want  *corev1.PodSecurityContext
	}{
		{"none", nil, 0, nil},
		{"empty, as for OpenShift", &corev1.PodSecurityContext{}, 0, &corev1.PodSecurityContext{}},
		{"no user", &corev1.PodSecurityContext{FSGroup: number(5)}, 0,
			&corev1.PodSecurityContext{RunAsUser: number(999), RunAsGroup: number(999), FSGroup: number(5), FSGroupChangePolicy: &policy}},
		{"a user", &corev1.PodSecurityContext{RunAsUser: number(5), RunAsGroup: number(6)}, 0, &corev1.PodSecurityContext{RunAsUser: number(5), RunAsGroup: number(6)}},
		{"only the container's", nil, 0, &corev1.PodSecurityContext{RunAsUser: number(8), RunAsGroup: number(999)}},
		{"overruled", &corev1.PodSecurityContext{RunAsUser: number(5)}, 77, objects.SecurityContextOf(77)},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := kubetest.Pod("prod", "dc1", 0)
			p.Spec.SecurityContext = c.given
			if c.name == "only the container's" {
				objects.Container(p).SecurityContext = &corev1.SecurityContext{RunAsUser: number(8)}
			}
			require.Equal(t, c.want, securityContext(p, c.runAs))
		})
	}
}

// Somebody says that the volumes were restored: the cleaner is told, beside what is known.
func TestCleanSaysThatVolumesWereRestored(t *testing.T) {
	t.Parallel()
	_, f, target := jobWorld(t, Options{}, 1)
	_, err := target.Clean(t.Context(), tasksOf(t, target, func(c *ring.CleanTask) { c.Restored = true }), (&kubetest.Told{}).Tell)
	require.NoError(t, err)
	command := f.Made[0].Spec.Template.Spec.Containers[0].Command
	require.Contains(t, command, "--restored")
	require.Contains(t, command, "--volume-id=pvc/uid-"+kubetest.FirstClaim+"/pv-"+kubetest.FirstClaim)
}

// A dry run binds a claim whose identity nobody knows before.
func TestCleanUnbound(t *testing.T) {
	t.Parallel()
	w, f, target := jobWorld(t, Options{}, 1)
	w.PutClaim(kubetest.FirstClaim, kubetest.Unbound)
	tasks := tasksOf(t, target)
	_, err := target.Clean(t.Context(), tasks, (&kubetest.Told{}).Tell)
	require.ErrorContains(t, err, "node dc1-r1-sts-0: the volume claim server-data-dc1-r1-sts-0 was not bound when it was inspected")
	require.Equal(t, flow.Precondition, flow.CodeOf(err))
	require.Empty(t, f.Made)
	tasks[0].DryRun = true
	for _, bind := range []bool{false, true} {
		if bind {
			w.PutClaim(kubetest.FirstClaim)
		}
		outcomes, err := target.Clean(t.Context(), tasks, (&kubetest.Told{}).Tell)
		require.NoError(t, err)
		require.NoError(t, outcomes[0].Err)
		command := f.Made[len(f.Made)-1].Spec.Template.Spec.Containers[0].Command
		identity := "--volume-id=pvc/uid-" + kubetest.FirstClaim + "/pv-" + kubetest.FirstClaim
		require.Contains(t, command, "--dry-run")
		require.Equal(t, bind, strings.Contains(strings.Join(command, " "), identity))
		require.Equal(t, !bind, strings.Contains(strings.Join(command, " "), "--restored"))
	}
	tasks[0].DryRun = false
	_, err = target.Clean(t.Context(), tasks, (&kubetest.Told{}).Tell)
	require.ErrorContains(t, err, "was not bound when it was inspected")
}

func TestCleanRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		edit func(w *kubetest.World, tasks *[]ring.CleanTask)
		want string
	}{
		{"started again", func(w *kubetest.World, _ *[]ring.CleanTask) { w.Put("", "pods", kubetest.Pod("prod", "dc1", 0)) }, "the ring is no longer stopped: pod set-dc1-0 is still there"},
		{"to be started", func(w *kubetest.World, _ *[]ring.CleanTask) {
			kubetest.EditDatacenter(w, func(o map[string]any) { kubetest.In(o, "spec")["stopped"] = false })
		}, "the ring is no longer stopped: datacenter db/dc1 is not stopped"},
		{"another volume", func(w *kubetest.World, _ *[]ring.CleanTask) {
			w.PutClaim(kubetest.FirstClaim, func(c *corev1.PersistentVolumeClaim) { c.UID = "new" })
		}, "the volume claim server-data-dc1-r1-sts-0 was replaced (pvc/uid-server-data-dc1-r1-sts-0/pv-server-data-dc1-r1-sts-0, now pvc/new/pv-server-data-dc1-r1-sts-0)"},
		{"in use", func(w *kubetest.World, _ *[]ring.CleanTask) {
			w.Put("", "pods", kubetest.UserOf(kubetest.FirstClaim, corev1.PodRunning, nil))
		}, "is in use by the pod"},
		{"smaller", func(w *kubetest.World, _ *[]ring.CleanTask) {
			kubetest.EditDatacenter(w, func(o map[string]any) { kubetest.In(o, "spec")["size"] = 1 })
		}, "node dc1-r1-sts-1 no longer exists"},
		{"twice", func(_ *kubetest.World, tasks *[]ring.CleanTask) { *tasks = append(*tasks, (*tasks)[0]) }, "node dc1-r1-sts-0 has two tasks"},
		{"forbidden", func(w *kubetest.World, _ *[]ring.CleanTask) {
			w.Refuse = kubetest.Forbid("list /persistentvolumeclaims")
		}, "may not list persistentvolumeclaims"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w, f, target := jobWorld(t, Options{}, 2)
			tasks := tasksOf(t, target)
			c.edit(w, &tasks)
			outcomes, err := target.Clean(t.Context(), tasks, (&kubetest.Told{}).Tell)
			require.Nil(t, outcomes)
			require.ErrorContains(t, err, c.want)
			require.Equal(t, flow.Precondition, flow.CodeOf(err))
			require.Empty(t, f.Made)
		})
	}
}

func TestCleanNeedsAnImage(t *testing.T) {
	t.Parallel()
	w := kubetest.NewWorld(t)
	w.PutStoppedDatacenter("prod", "dc1", 1, []string{"r1"})
	_, err := stoppedOf(w, Options{}).Clean(t.Context(), nil, (&kubetest.Told{}).Tell)
	require.EqualError(t, err, "pass --image: the casshook image for the cleaner Jobs")
	require.Equal(t, flow.Usage, flow.CodeOf(err))
}

func TestCleanAtOnce(t *testing.T) {
	t.Parallel()
	w, f, target := jobWorld(t, Options{}, 18)
	tasks := tasksOf(t, target)
	var now, most atomic.Int32
	f.Pod = func(*corev1.Pod) {
		n := now.Add(1)
		for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
		}
	}
	after := w.After
	w.After = func(a kubetest.Asked) {
		if a.Resource == "jobs" && a.Verb == "delete" {
			now.Add(-1)
		}
		after(a)
	}
	f.Log = func(pod string, _ int) kubetest.PodLog {
		for i := 0; now.Load() < cleanersAtOnce && most.Load() < cleanersAtOnce && i < 5000; i++ {
			time.Sleep(time.Millisecond)
		}
		return kubetest.PodLog{Text: kubetest.ResultLine(pod)}
	}
	outcomes, err := target.Clean(t.Context(), tasks, (&kubetest.Told{}).Tell)
	require.NoError(t, err)
	for i, o := range outcomes {
		require.NoError(t, o.Err)
		require.Equal(t, "casshook-clean-"+tasks[i].Node.Volume+"-x", o.Result.Node, "in the order of the tasks")
	}
	require.Equal(t, int32(16), most.Load())
}

func TestCleanRemovesEarlierJobs(t *testing.T) {
	t.Parallel()
	w, f, target := jobWorld(t, Options{}, 1)
	tasks := tasksOf(t, target)
	old := objects.CleanerJob{Namespace: "db", Claim: kubetest.FirstClaim}.Object()
	w.Put("batch", "jobs", old)
	w.Put("", "pods", kubetest.PodOfJob(old))
	after := w.After
	w.After = func(a kubetest.Asked) { // the pods of the first take their time
		if len(f.Made) > 0 || a.Verb != "delete" {
			after(a)
		}
	}
	kubetest.OnWait(w, map[int]func(){3: func() { w.Remove("", "pods", kubetest.FirstPod) }})
	var told kubetest.Told
	outcomes, err := target.Clean(t.Context(), tasks, told.Tell)
	require.NoError(t, err)
	require.NoError(t, outcomes[0].Err)
	require.Equal(t, []string{
		"waiting for the Job " + kubetest.FirstJob + " to be gone: it is being deleted; pod " + kubetest.FirstPod + " is still there on the machine m1",
		"waiting for the Job " + kubetest.FirstJob + " to be gone: pod " + kubetest.FirstPod + " is still there on the machine m1",
		"verifying",
	}, told.Of(kubetest.FirstNode))
	require.Len(t, f.Made, 1)
}

func TestCleanLeavesOthersJobs(t *testing.T) {
	t.Parallel()
	w, f, target := jobWorld(t, Options{}, 1)
	tasks := tasksOf(t, target)
	foreign := objects.CleanerJob{Namespace: "db", Claim: kubetest.FirstClaim}.Object()
	foreign.Labels = nil
	w.Put("batch", "jobs", foreign)
	outcomes, err := target.Clean(t.Context(), tasks, (&kubetest.Told{}).Tell)
	require.NoError(t, err)
	require.ErrorContains(t, outcomes[0].Err, "the Job db/"+kubetest.FirstJob+" is not casshook's")
	require.Equal(t, flow.Precondition, flow.CodeOf(outcomes[0].Err), "nothing was touched")
	require.Len(t, w.List("batch", "jobs"), 1)
	require.Empty(t, f.Made)

	// Another run makes one between the look and ours.
	w.Remove("batch", "jobs", kubetest.FirstJob)
	other := objects.CleanerJob{Namespace: "db", Claim: kubetest.FirstClaim}.Object()
	other.Annotations = map[string]string{objects.RunAnnotation: "another"}
	w.Refuse = func(a kubetest.Asked) *metav1.Status {
		if a.Verb == "create" && a.Resource == "jobs" {
			w.Put("batch", "jobs", other)
		}
		return nil
	}
	outcomes, err = target.Clean(t.Context(), tasks, (&kubetest.Told{}).Tell)
	require.NoError(t, err)
	require.ErrorContains(t, outcomes[0].Err, "another run has created the Job "+kubetest.FirstJob)
	require.Equal(t, flow.Locked, flow.CodeOf(outcomes[0].Err))
	require.Len(t, w.List("batch", "jobs"), 1, "it is not ours to remove")
}

func TestCleanMayNotMakeJobs(t *testing.T) {
	t.Parallel()
	w, f, target := jobWorld(t, Options{}, 1)
	w.Refuse = kubetest.Forbid("create batch/jobs")
	outcomes, err := target.Clean(t.Context(), tasksOf(t, target), (&kubetest.Told{}).Tell)
	require.NoError(t, err)
	require.ErrorContains(t, outcomes[0].Err, "the service account may not create jobs in namespace db")
	require.Equal(t, flow.Failed, flow.CodeOf(outcomes[0].Err), "nothing began")
	require.Empty(t, f.Made)
}

// The answer to the making of a Job may get lost.
func TestCleanKnowsItsOwnJob(t *testing.T) {
	t.Parallel()
	w, f, target := jobWorld(t, Options{}, 1)
	tasks := tasksOf(t, target)
	lost := false
	after := w.After
	w.After = func(a kubetest.Asked) {
		after(a)
		if a.Verb == "create" && a.Resource == "jobs" && !lost {
			lost = true
			panic(http.ErrAbortHandler)
		}
	}
	outcomes, err := target.Clean(t.Context(), tasks, (&kubetest.Told{}).Tell)
	require.NoError(t, err)
	require.NoError(t, outcomes[0].Err)
	require.Len(t, f.Made, 1)
	require.Empty(t, w.List("batch", "jobs"))
}

func TestCleanIsInterrupted(t *testing.T) {
	t.Parallel()
	for _, dry := range []bool{false, true} {
		for _, when := range []string{"at work", "not yet made"} {
			t.Run(fmt.Sprint(when, dry), func(t *testing.T) {
				t.Parallel()
				w, f, target := jobWorld(t, Options{}, 1)
				tasks := tasksOf(t, target, func(c *ring.CleanTask) { c.DryRun = dry })
				ctx, cancel := context.WithCancelCause(t.Context())
				f.Pod = kubetest.Runs
				if when == "at work" {
					f.Log = func(string, int) kubetest.PodLog {
						cancel(errors.New("enough"))
						return kubetest.PodLog{Text: "placing\n"}
					}
				} else {
					w.Refuse = func(a kubetest.Asked) *metav1.Status {
						if a.Resource == "jobs" {
							cancel(errors.New("enough"))
						}
						return nil
					}
				}
				outcomes, err := target.Clean(ctx, tasks, (&kubetest.Told{}).Tell)
				require.NoError(t, err)
				require.Error(t, outcomes[0].Err)
				half := when == "at work" && !dry
				require.Equal(t, half, flow.CodeOf(outcomes[0].Err) == flow.HalfWay, outcomes[0].Err.Error())
				require.Equal(t, half, strings.Contains(outcomes[0].Err.Error(), "run the cleaner again"))
				require.Empty(t, w.List("batch", "jobs"), "they end with us")
				require.Empty(t, w.List("", "pods"))
			})
		}
	}
}

// What cannot be removed may go on in the background.
func TestCleanCannotRemove(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		pod  func(*corev1.Pod)
		code flow.Code
	}{
		{"done", kubetest.Ends(0, "", ""), flow.Done},
		{"ended", kubetest.Ends(3, "", ""), flow.Precondition},
		{"not started", kubetest.Waits("ImagePullBackOff", ""), flow.HalfWay},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w, f, target := jobWorld(t, Options{JobStart: 2 * time.Second}, 1)
			f.Pod = c.pod
			w.Refuse = kubetest.Forbid("delete batch/jobs")
			outcomes, err := target.Clean(t.Context(), tasksOf(t, target), (&kubetest.Told{}).Tell)
			require.NoError(t, err)
			require.Equal(t, c.code, flow.CodeOf(outcomes[0].Err), "%v", outcomes[0].Err)
			if c.code == flow.Done {
				require.Contains(t, w.Noticed()[0], "cannot delete Job "+kubetest.FirstJob+", delete it by hand: the service account may not delete jobs")
				return
			}
			require.ErrorContains(t, outcomes[0].Err, "the cleaner's Job still exists: the service account may not delete jobs")
		})
	}
}
