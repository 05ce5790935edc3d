package operator

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/kube/datacenter"
	"github.com/casshook/casshook/pkg/kube/internal/kubetest"
	"github.com/casshook/casshook/pkg/kube/objects"
)

// specOf is spec.stopped of a datacenter.
func specOf(t *testing.T, w *kubetest.World, name string) any {
	t.Helper()
	o := map[string]any{}
	require.True(t, w.Read(kubetest.CassandraGroup, "cassandradatacenters", name, &o))
	return kubetest.In(o, "spec")["stopped"]
}

func TestStart(t *testing.T) {
	t.Parallel()
	w := kubetest.NewWorld(t)
	for _, name := range []string{"dc1", "dc2"} {
		w.PutDatacenter("prod", name, 2, func(o map[string]any) {
			kubetest.In(o, "spec")["stopped"] = true
			kubetest.In(o, "status")["conditions"] = []any{map[string]any{"type": "Stopped", "status": "True"}}
		})
		w.Remove("", "pods", "set-"+name+"-0")
		w.Remove("", "pods", "set-"+name+"-1")
	}
	target := operatorOf(w, Limits{})
	target.ring.Demand = datacenter.Running // of a status, say: it is started for more
	up := func(name string) {
		w.Edit(kubetest.CassandraGroup, "cassandradatacenters", name, func(o map[string]any) {
			kubetest.In(o, "status")["conditions"] = []any{map[string]any{"type": "Ready", "status": "True"}}
		})
	}
	kubetest.OnWait(w, map[int]func(){
		1: func() {
			require.Equal(t, false, specOf(t, w, "dc1"))
			require.Equal(t, false, specOf(t, w, "dc2"), "both are started at the same time")
			up("dc1")
			w.Put("", "pods", kubetest.Pod("prod", "dc1", 0))
			p := kubetest.Pod("prod", "dc1", 1)
			p.Labels[objects.NodeStateLabel] = "Starting"
			w.Put("", "pods", p)
		},
		2: func() { w.Put("", "pods", kubetest.Pod("prod", "dc1", 1)) },
		3: func() {
			up("dc2")
			w.Put("", "pods", kubetest.Pod("prod", "dc2", 0))
			w.Put("", "pods", kubetest.Pod("prod", "dc2", 1))
		},
	})
	var told []string
	require.NoError(t, target.Start(t.Context(), func(m string) { told = append(told, m) }))
	require.Len(t, told, 3)
	const still, missing = "datacenter db/dc2 is stopped, but about to start: wait, or check that cass-operator is running",
		"datacenter db/dc2 has 0 of its 2 nodes; missing pods: set-dc2-0, set-dc2-1: wait until all pods exist, or check the events of its StatefulSets"
	require.Contains(t, told[0], "0 of 4 nodes are up; waiting: datacenter db/dc1 is stopped, but about to start")
	require.Equal(t, "1 of 4 nodes are up; waiting: "+still+`; pod set-dc1-1 is in state "Starting": wait until the operator has started its Cassandra; `+missing, told[1])
	require.Equal(t, "2 of 4 nodes are up; waiting: "+still+"; "+missing, told[2])
}

func TestStartEnds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ given, want time.Duration }{{10 * time.Second, 10 * time.Second}, {0, 16 * time.Minute}} {
		w := kubetest.NewWorld(t)
		w.PutStoppedDatacenter("prod", "dc1", 2, []string{"r1"})
		target := operatorOf(w, Limits{Start: c.given})
		kubetest.ClockOf(w.Client).OnWait = func() { kubetest.ClockOf(w.Client).Pass(c.want/4 - datacenter.Poll) }
		err := target.Start(t.Context(), func(string) {})
		require.ErrorContains(t, err, "waited "+c.want.String()+" for the ring to be ready: datacenter db/dc1 is stopped, but about to start")
		require.Equal(t, flow.HalfWay, flow.CodeOf(err))
	}
}

func TestStop(t *testing.T) {
	t.Parallel()
	w := kubetest.NewWorld(t)
	w.PutStoppedDatacenter("prod", "dc1", 1, []string{"r1"})
	w.PutStoppedDatacenter("prod", "dc2", 1, []string{"r1"})
	for _, name := range []string{"dc1", "dc2"} {
		w.Edit(kubetest.CassandraGroup, "cassandradatacenters", name, func(o map[string]any) { kubetest.In(o, "spec")["stopped"] = false })
		w.Put("", "pods", kubetest.Pod("prod", name, 0))
	}
	kubetest.OnWait(w, map[int]func(){
		1: func() { w.Remove("", "pods", "set-dc1-0") },
		2: func() { w.Remove("", "pods", "set-dc2-0") },
	})
	var told []string
	target := operatorOf(w, Limits{Stop: 10 * time.Second})
	require.NoError(t, target.Stop(t.Context(), func(m string) { told = append(told, m) }))
	w.Put("", "pods", kubetest.Pod("prod", "dc2", 0))
	require.Equal(t, flow.HalfWay, flow.CodeOf(target.Stop(t.Context(), func(string) {})))
	require.Equal(t, []string{
		"waiting for the ring to be stopped: pod set-dc1-0 is still there; pod set-dc2-0 is still there",
		"waiting for the ring to be stopped: pod set-dc2-0 is still there",
	}, told)
	require.Equal(t, true, specOf(t, w, "dc1"))
	require.Equal(t, true, specOf(t, w, "dc2"))
}

func TestSetStoppedRefuses(t *testing.T) {
	t.Parallel()
	w := kubetest.NewWorld(t)
	w.PutStoppedDatacenter("prod", "dc1", 1, []string{"r1"})
	target := operatorOf(w, Limits{})
	w.Refuse = kubetest.Forbid("patch cassandra.datastax.com/cassandradatacenters")
	err := target.Start(t.Context(), func(string) {})
	require.ErrorContains(t, err, "set spec.stopped of datacenter db/dc1 to false: the service account may not patch cassandradatacenters in namespace db")
	w.Refuse = nil
	w.After = func(a kubetest.Asked) {
		if a.Verb == "patch" {
			kubetest.EditDatacenter(w, func(o map[string]any) { kubetest.In(o, "spec")["stopped"] = true })
		}
	}
	err = target.Start(t.Context(), func(string) {})
	require.ErrorContains(t, err, "waited 2m0s for spec.stopped to be false: spec.stopped of datacenter db/dc1 was changed back: something else writes its spec")
	kubetest.EditDatacenter(w, func(o map[string]any) { kubetest.In(o, "metadata")["deletionTimestamp"] = "2026-11-21T10:00:00Z" })
	err = target.Start(t.Context(), func(string) {})
	require.ErrorContains(t, err, "datacenter db/dc1 is being deleted")
	require.Equal(t, flow.Precondition, flow.CodeOf(err))
}

// k8ssandra makes a K8ssandraCluster ops/kc of members, and has it own dc1.
func k8ssandra(w *kubetest.World, members ...map[string]any) {
	var list []any
	for _, m := range members {
		list = append(list, m)
	}
	w.Put("k8ssandra.io", "k8ssandraclusters", kubetest.Object("k8ssandra.io/v1alpha1", "K8ssandraCluster", "ops", "kc", map[string]any{
		"spec": map[string]any{"cassandra": map[string]any{"datacenters": list}}}))
	kubetest.EditDatacenter(w, func(o map[string]any) {
		kubetest.In(o, "metadata")["labels"] = map[string]any{"k8ssandra.io/cluster-name": "kc", "k8ssandra.io/cluster-namespace": "ops"}
	})
}

func memberOf(name, namespace string, stopped bool) map[string]any {
	meta := map[string]any{"name": name}
	if namespace != "" {
		meta["namespace"] = namespace
	}
	return map[string]any{"metadata": meta, "stopped": stopped}
}

// memberStopped is what the K8ssandraCluster says of a member.
func memberStopped(w *kubetest.World, i int) any {
	return kubetest.In(w.List("k8ssandra.io", "k8ssandraclusters")[0], "spec", "cassandra")["datacenters"].([]any)[i].(map[string]any)["stopped"]
}

func TestStopThroughK8ssandra(t *testing.T) {
	t.Parallel()
	w := kubetest.NewWorld(t)
	w.PutStoppedDatacenter("prod", "dc1", 1, []string{"r1"})
	kubetest.EditDatacenter(w, func(o map[string]any) { kubetest.In(o, "spec")["stopped"] = false })
	k8ssandra(w, memberOf("dc1", "elsewhere", false), memberOf("dc1", "", false), memberOf("dc1", "db", false))
	kubetest.OnWait(w, map[int]func(){2: func() {
		kubetest.EditDatacenter(w, func(o map[string]any) { kubetest.In(o, "spec")["stopped"] = true })
	}})
	target := operatorOf(w, Limits{})
	var told []string
	require.NoError(t, target.Stop(t.Context(), func(m string) { told = append(told, m) }))
	require.Equal(t, []string{"waiting for spec.stopped to be true: k8ssandra-operator has not updated datacenter db/dc1 from K8ssandraCluster ops/kc: check that it is running"}, told)
	require.Equal(t, []any{false, false, true}, []any{memberStopped(w, 0), memberStopped(w, 1), memberStopped(w, 2)})
	require.Equal(t, []string{"k8ssandraclusters/kc"}, w.AskedOf("patch"), "the datacenter's spec is the operator's")

	// The cluster said so before, and somebody wrote the datacenter itself: the operator
	// sees no change.
	kubetest.EditDatacenter(w, func(o map[string]any) { kubetest.In(o, "spec")["stopped"] = false })
	w.Forget()
	require.NoError(t, target.Stop(t.Context(), func(string) {}))
	require.Equal(t, []string{"cassandradatacenters/dc1"}, w.AskedOf("patch"))
	require.Equal(t, true, specOf(t, w, "dc1"))
}

func TestStopThroughK8ssandraEnds(t *testing.T) {
	t.Parallel()
	w := kubetest.NewWorld(t)
	w.PutStoppedDatacenter("prod", "dc1", 1, []string{"r1"})
	kubetest.EditDatacenter(w, func(o map[string]any) { kubetest.In(o, "spec")["stopped"] = false })
	k8ssandra(w, memberOf("dc1", "db", false))
	target := operatorOf(w, Limits{})
	started := w.Client.Now()
	err := target.Stop(t.Context(), func(string) {})
	require.ErrorContains(t, err, "waited 2m0s for spec.stopped to be true: k8ssandra-operator has not updated")
	require.Equal(t, flow.HalfWay, flow.CodeOf(err))
	require.Equal(t, 2*time.Minute, w.Client.Now().Sub(started))

	k8ssandra(w, memberOf("dc2", "db", false))
	err = target.Stop(t.Context(), func(string) {})
	require.ErrorContains(t, err, "datacenter db/dc1 is not a datacenter of K8ssandraCluster ops/kc, although its labels say so")

	w.Refuse = kubetest.Forbid("get k8ssandra.io/k8ssandraclusters")
	err = target.Stop(t.Context(), func(string) {})
	require.ErrorContains(t, err, "the service account may not get k8ssandraclusters in namespace ops")
}

// A member without a namespace is in that of its cluster.
func TestStopThroughK8ssandraBesideIt(t *testing.T) {
	t.Parallel()
	w := kubetest.NewWorld(t)
	w.PutStoppedDatacenter("prod", "dc1", 1, []string{"r1"})
	w.Put("k8ssandra.io", "k8ssandraclusters", kubetest.Object("k8ssandra.io/v1alpha1", "K8ssandraCluster", "db", "kc", map[string]any{
		"spec": map[string]any{"cassandra": map[string]any{"datacenters": kubetest.List(memberOf("dc1", "", false))}}}))
	kubetest.EditDatacenter(w, func(o map[string]any) {
		kubetest.In(o, "metadata")["ownerReferences"] = kubetest.List(map[string]any{"kind": "K8ssandraCluster", "name": "kc"})
	})
	require.NoError(t, operatorOf(w, Limits{}).Stop(t.Context(), func(string) {}))
	require.Equal(t, true, memberStopped(w, 0))
}

// A label of a cluster that is not there, or of a Kubernetes without k8ssandra-operator.
func TestStopWithoutOwner(t *testing.T) {
	t.Parallel()
	w := kubetest.NewWorld(t)
	w.PutStoppedDatacenter("prod", "dc1", 1, []string{"r1"})
	k8ssandra(w, memberOf("dc1", "db", false))
	w.Absent["k8ssandraclusters"] = true
	kubetest.EditDatacenter(w, func(o map[string]any) { kubetest.In(o, "spec")["stopped"] = false })
	require.NoError(t, operatorOf(w, Limits{}).Stop(t.Context(), func(string) {}))
	require.Equal(t, true, specOf(t, w, "dc1"))
}

// The list of datacenters may change between the look and the patch.
func TestPatchOfAnotherMember(t *testing.T) {
	t.Parallel()
	for _, always := range []bool{false, true} {
		w := kubetest.NewWorld(t)
		w.PutStoppedDatacenter("prod", "dc1", 1, []string{"r1"})
		k8ssandra(w, memberOf("dc1", "db", true))
		target := operatorOf(w, Limits{})
		patches := 0
		w.Refuse = func(a kubetest.Asked) *metav1.Status {
			if a.Resource == "k8ssandraclusters" && a.Verb == "patch" {
				if patches++; patches == 1 || always {
					if patches%2 == 1 {
						k8ssandra(w, memberOf("dc0", "db", true), memberOf("dc1", "db", true))
					} else {
						k8ssandra(w, memberOf("dc1", "db", true))
					}
				}
			}
			if a.Resource == "cassandradatacenters" && patches > 1 && !always {
				kubetest.EditDatacenter(w, func(o map[string]any) { kubetest.In(o, "spec")["stopped"] = false })
			}
			return nil
		}
		err := target.setStopped(t.Context(), false, func(string) {})
		if always {
			require.ErrorContains(t, err, "patch k8ssandraclusters kc in namespace ops: ")
			require.Equal(t, patchTries, patches)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, []any{true, false}, []any{memberStopped(w, 0), memberStopped(w, 1)})
	}
}

// A K8ssandraCluster of several datacenters cannot be created stopped.
func TestStoppedOfK8ssandra(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		edit func(w *kubetest.World)
		want string
	}{
		{"alone", func(w *kubetest.World) { k8ssandra(w, memberOf("dc1", "db", true)) }, ""},
		{"alone, just made", func(w *kubetest.World) {
			k8ssandra(w, memberOf("dc1", "db", true))
			kubetest.EditDatacenter(w, func(o map[string]any) { kubetest.In(o, "status")["conditions"] = []any{} })
		}, ""},
		{"both there", func(w *kubetest.World) {
			w.PutStoppedDatacenter("prod", "dc2", 1, []string{"r1"})
			k8ssandra(w, memberOf("dc1", "db", true), memberOf("dc2", "db", true))
		}, ""},
		{"one not made", func(w *kubetest.World) { k8ssandra(w, memberOf("dc1", "db", true), memberOf("dc2", "db", true)) }, "dc2 was never started"},
		{"one not initialized", func(w *kubetest.World) {
			k8ssandra(w, memberOf("dc1", "db", true), memberOf("dc2", "db", true))
			kubetest.EditDatacenter(w, func(o map[string]any) { kubetest.In(o, "status")["conditions"] = []any{} })
		}, "dc1 was never started: such a cluster cannot be created stopped; set stopped to false there, wait until it is Ready, and run after-restore again"},
		{"one elsewhere", func(w *kubetest.World) { k8ssandra(w, memberOf("dc1", "db", true), memberOf("dc2", "", true)) },
			"K8ssandraCluster ops/kc has datacenter dc2 outside of namespace db"},
		{"one in another Kubernetes", func(w *kubetest.World) {
			far := memberOf("dc2", "db", true)
			far["k8sContext"] = "far"
			k8ssandra(w, memberOf("dc1", "db", true), far)
		}, "has datacenter dc2 outside of namespace"},
		{"forbidden", func(w *kubetest.World) {
			k8ssandra(w, memberOf("dc1", "db", true))
			w.Refuse = kubetest.Forbid("get k8ssandra.io/k8ssandraclusters")
		}, "may not get k8ssandraclusters in namespace ops"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := kubetest.NewWorld(t)
			w.PutStoppedDatacenter("prod", "dc1", 1, []string{"r1"})
			c.edit(w)
			stopped, err := operatorOf(w, Limits{}).Stopped(t.Context())
			require.Equal(t, c.want == "", stopped)
			if c.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, c.want)
			require.Equal(t, flow.Precondition, flow.CodeOf(err))
		})
	}
}

func TestStopped(t *testing.T) {
	t.Parallel()
	w := kubetest.NewWorld(t)
	w.PutStoppedDatacenter("prod", "dc1", 1, []string{"r1"})
	w.PutStoppedDatacenter("prod", "dc2", 1, []string{"r1"})
	target := operatorOf(w, Limits{})
	stopped, err := target.Stopped(t.Context())
	require.NoError(t, err)
	require.True(t, stopped)
	set := func(name string, stopped bool) {
		w.Edit(kubetest.CassandraGroup, "cassandradatacenters", name, func(o map[string]any) { kubetest.In(o, "spec")["stopped"] = stopped })
	}
	set("dc1", false)
	_, err = target.Stopped(t.Context())
	require.ErrorContains(t, err, `ring "prod" is only partly stopped (stopped: dc2; running: dc1)`)
	require.Equal(t, flow.Precondition, flow.CodeOf(err))
	set("dc2", false)
	stopped, err = target.Stopped(t.Context())
	require.NoError(t, err)
	require.False(t, stopped)
}
