package datacenter

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/kube/internal/kubetest"
)

// read reads the datacenter of an object that was edited.
func read(t *testing.T, edit func(o map[string]any)) (*Datacenter, error) {
	t.Helper()
	o := kubetest.Datacenter("My Cluster", "dc1", 3)
	o["metadata"].(map[string]any)["generation"] = int64(2)
	edit(o)
	return Read(&unstructured.Unstructured{Object: o})
}

func TestReadDatacenter(t *testing.T) {
	t.Parallel()
	d, err := read(t, func(o map[string]any) {
		kubetest.In(o, "metadata")["annotations"] = map[string]any{"a": "b"}
		kubetest.In(o, "metadata")["labels"] = map[string]any{"k8ssandra.io/cluster-name": "kc", "k8ssandra.io/cluster-namespace": "ops"}
		spec := kubetest.In(o, "spec")
		spec["datacenterName"] = "Amsterdam"
		spec["racks"] = []any{map[string]any{"name": "r1"}, map[string]any{"name": "r2"}}
		spec["managementApiAuth"] = map[string]any{"manual": map[string]any{"clientSecretName": "c"}}
	})
	require.NoError(t, err)
	require.Equal(t, &Datacenter{
		Namespace: "db", Name: "dc1", UID: "uid-dc1", Generation: 2, Annotations: map[string]string{"a": "b"}, Owner: "ops/kc",
		ClusterName: "My Cluster", CassandraName: "Amsterdam", Size: 3, Racks: []string{"r1", "r2"}, SuperuserSecret: "mycluster-superuser",
		ManualAuth: true, Config: Config{CQLPort: 9042}, Progress: "Ready", ObservedGeneration: 2,
		Conditions: map[string]Condition{"Ready": {Status: "True"}, "Stopped": {Status: "False"}},
	}, d)
}

func TestReadDatacenterTolerates(t *testing.T) {
	t.Parallel()
	d, err := read(t, func(o map[string]any) {
		delete(o, "status")
		spec := kubetest.In(o, "spec")
		spec["racks"], spec["config"], spec["stopped"], spec["managementApiAuth"] = "r1", []any{"x"}, "yes", map[string]any{"insecure": map[string]any{}}
	})
	require.NoError(t, err)
	require.Equal(t, []string{"default"}, d.Racks)
	require.Equal(t, "dc1", d.CassandraName)
	require.False(t, d.Stopped)
	require.False(t, d.ManualAuth)
	require.Equal(t, 9042, d.Config.CQLPort)
	require.Contains(t, d.Problems(Ready)[0], "is new, and the operator has not processed it yet (generation 2, observed 0)")
}

func TestReadDatacenterRefuses(t *testing.T) {
	t.Parallel()
	_, err := read(t, func(o map[string]any) {
		delete(kubetest.In(o, "metadata"), "uid")
		kubetest.In(o, "spec")["clusterName"], kubetest.In(o, "spec")["size"] = 7, "three"
	})
	for _, want := range []string{"datacenter db/dc1: ", "metadata lacks name, namespace or uid", "spec.clusterName is missing or not a string", "spec.size is missing"} {
		require.ErrorContains(t, err, want)
	}
}

func TestOwnerByReference(t *testing.T) {
	t.Parallel()
	d, err := read(t, func(o map[string]any) {
		kubetest.In(o, "metadata")["ownerReferences"] = []any{map[string]any{"kind": "K8ssandraCluster", "name": "kc"}}
		kubetest.In(o, "spec")["stopped"] = true
	})
	require.NoError(t, err)
	require.Equal(t, "db/kc", d.Owner)
	require.Contains(t, d.Problems(Ready)[0], "set spec.stopped to false in the K8ssandraCluster db/kc")
	d.Stopped, d.Conditions["Valid"] = false, Condition{Status: "False", Message: "no secret"}
	require.Contains(t, d.Problems(Ready)[0], "is not valid: no secret: correct its spec in the K8ssandraCluster db/kc")
}

func TestProblems(t *testing.T) {
	t.Parallel()
	condition := func(kind, status string) func(map[string]any) {
		return func(o map[string]any) {
			s := kubetest.In(o, "status")
			s["conditions"] = append(s["conditions"].([]any), map[string]any{"type": kind, "status": status, "message": "the message"})
		}
	}
	ready := func(o map[string]any) map[string]any { return kubetest.First(kubetest.In(o, "status")["conditions"]) }
	for _, c := range []struct {
		name string
		edit func(o map[string]any)
		want []string
	}{
		{"ready", func(map[string]any) {}, nil},
		{"needs an update", condition("RequiresUpdate", "True"), nil},
		{"conditions that are false", condition("ScalingUp", "False"), nil},
		{"deleted", func(o map[string]any) { kubetest.In(o, "metadata")["deletionTimestamp"] = "2026-11-21T10:00:00Z" }, []string{"is being deleted"}},
		{"to be stopped", func(o map[string]any) { kubetest.In(o, "spec")["stopped"] = true }, []string{"is stopped: if its volumes were restored, run after-restore with --image, which restores and starts it; to start it on its volumes as they are, set spec.stopped to false"}},
		{"stopped", condition("Stopped", "True"), []string{"is stopped"}},
		// A datacenter created stopped says Ready as its progress at once, and has no condition Ready.
		{"created stopped", func(o map[string]any) {
			kubetest.In(o, "spec")["stopped"] = true
			ready(o)["type"] = "Initialized"
		}, []string{"is stopped and was never started: if its volumes were restored"}},
		{"invalid", condition("Valid", "False"), []string{"is not valid: the message: correct its spec"}},
		{"scaling up", condition("ScalingUp", "True"), []string{"is being scaled up"}},
		{"scaling down", condition("ScalingDown", "True"), []string{"is being scaled down"}},
		{"replacing", condition("ReplacingNodes", "True"), []string{"nodes are being replaced"}},
		{"resuming", condition("Resuming", "True"), []string{"is starting again"}},
		{"restarting", condition("RollingRestart", "True"), []string{"a rolling restart"}},
		{"decommissioning", condition("Decommission", "True"), []string{"is being decommissioned"}},
		{"updating", condition("Updating", "True"), []string{"is being updated"}},
		{"resizing", condition("ResizingVolumes", "True"), []string{"volumes are being resized"}},
		{"two at once", func(o map[string]any) { condition("ScalingUp", "True")(o); condition("Updating", "True")(o) }, []string{"scaled up", "being updated"}},
		{"not ready", func(o map[string]any) { ready(o)["status"], ready(o)["message"] = "False", "2 of 3" }, []string{"is not Ready (2 of 3)"}},
		{"unknown", func(o map[string]any) { ready(o)["status"] = "Unknown" }, []string{"is not Ready:"}},
		{"never ready", func(o map[string]any) { delete(kubetest.In(o, "status"), "conditions") }, []string{"was never Ready"}},
		{"progress", func(o map[string]any) { kubetest.In(o, "status")["cassandraOperatorProgress"] = "Updating" }, []string{`progress "Updating"`}},
		{"not seen by the operator", func(o map[string]any) { kubetest.In(o, "status")["observedGeneration"] = 1 }, []string{"has changes that the operator has not processed yet (generation 2, observed 1): wait"}},
		{"not seen at all", func(o map[string]any) {
			delete(kubetest.In(o, "status"), "observedGeneration")
			ready(o)["status"] = "False"
		}, []string{"is new, and the operator has not processed it yet (generation 2, observed 0), which takes minutes at a first start: wait"}},
		{"stale conditions", func(o map[string]any) {
			condition("ScalingUp", "True")(o)
			kubetest.In(o, "status")["observedGeneration"] = 1
		}, []string{"not processed yet"}},
		{"stopped, and not seen", func(o map[string]any) {
			kubetest.In(o, "spec")["stopped"] = true
			delete(kubetest.In(o, "status"), "observedGeneration")
		}, []string{"is stopped"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d, err := read(t, c.edit)
			require.NoError(t, err)
			problems := d.Problems(Ready)
			require.Len(t, problems, len(c.want), "%v", problems)
			for i, want := range c.want {
				require.Contains(t, problems[i], "datacenter db/dc1 ")
				require.Contains(t, problems[i], want)
			}
			require.Empty(t, d.Problems(Running))
		})
	}
}

func TestRings(t *testing.T) {
	t.Parallel()
	three := func(w *kubetest.World) {
		w.PutDatacenter("prod", "dc1", 1)
		w.PutDatacenter("prod", "dc2", 1)
		w.PutDatacenter("a test", "dc3", 1)
	}
	for _, c := range []struct {
		name    string
		fill    func(*kubetest.World)
		sel     Selection
		want    []string
		refusal string
	}{
		{"all", three, Selection{}, []string{"a test", "prod"}, ""},
		{"by cluster", three, Selection{Cluster: "prod"}, []string{"prod"}, ""},
		{"by datacenter", three, Selection{Datacenter: "dc3"}, []string{"a test"}, ""},
		{"a datacenter of a ring of two", three, Selection{Datacenter: "dc1"}, nil, `datacenter db/dc1 belongs to ring "prod" together with dc2: a ring is backed up and restored as a whole`},
		{"no such datacenter", three, Selection{Datacenter: "dc4"}, nil, "no CassandraDatacenter dc4 in namespace db (it has dc1, dc2, dc3"},
		{"no such cluster", three, Selection{Cluster: "x"}, nil, `no CassandraDatacenter of the cluster "x" in namespace db (it has`},
		{"not of that cluster", three, Selection{Cluster: "prod", Datacenter: "dc3"}, nil, "no CassandraDatacenter dc3 of the cluster"},
		{"an empty namespace", func(w *kubetest.World) {
			w.Put("", "namespaces", corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "empty"}})
		}, Selection{Namespace: "empty"}, nil, "no CassandraDatacenter in namespace empty (does the namespace exist? --namespace)"},
		{"no namespace", three, Selection{Namespace: "no"}, nil, "namespace no does not exist"},
		{"no operator", func(w *kubetest.World) { w.Absent["cassandradatacenters"] = true }, Selection{}, nil, "cass-operator is not installed"},
		{"odd one", func(w *kubetest.World) {
			three(w)
			w.Edit(kubetest.CassandraGroup, "cassandradatacenters", "dc1", func(o map[string]any) { delete(kubetest.In(o, "spec"), "size") })
		}, Selection{}, nil, "datacenter db/dc1: spec.size is missing"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := kubetest.NewWorld(t)
			c.fill(w)
			targets, err := Find(t.Context(), w.Client, c.sel)
			if c.refusal != "" {
				require.ErrorContains(t, err, c.refusal)
				require.Equal(t, flow.Precondition, flow.CodeOf(err))
				require.Equal(t, c.name == "an empty namespace", errors.Is(err, ErrNoDatacenter))
				return
			}
			require.NoError(t, err)
			var got []string
			for _, target := range targets {
				got = append(got, target.ClusterName())
			}
			require.Equal(t, c.want, got)
		})
	}
}
