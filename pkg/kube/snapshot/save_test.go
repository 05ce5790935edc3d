package snapshot

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/kube/internal/kubetest"
	"github.com/casshook/casshook/pkg/kube/objects"
)

// putSaved sets the status of all volume snapshots whose name ends so.
func putSaved(w *kubetest.World, suffix string, status map[string]any) {
	for _, o := range w.List(snapshotGroup, "volumesnapshots") {
		name := kubetest.In(o, "metadata")["name"].(string)
		if strings.HasSuffix(name, suffix) {
			w.Edit(snapshotGroup, "volumesnapshots", name, func(o map[string]any) { o["status"] = status })
		}
	}
}

func saveWorld(t *testing.T) *kubetest.World {
	t.Helper()
	w := kubetest.NewWorld(t)
	w.PutStoppedDatacenter("prod", "d", 2, []string{"r"})
	w.PutClaim("more", func(c *corev1.PersistentVolumeClaim) {
		c.Labels = map[string]string{objects.ClusterLabel: "prod", objects.DatacenterLabel: "d", objects.RackLabel: "r", "team": "x"}
	})
	w.PutClaim("foreign")
	w.PutClaim("server-data-other-sts-0")
	return w
}

func TestSnapshotVolumes(t *testing.T) {
	t.Parallel()
	for _, class := range []string{"", "fast"} {
		w := saveWorld(t)
		w.PutClaim("server-data-d-r-sts-1", kubetest.Unbound)
		kubetest.OnWait(w, map[int]func(){
			1: func() {
				putSaved(w, "more", map[string]any{"readyToUse": false, "error": map[string]any{"message": "the object has been modified"}})
			},
			2: func() { putSaved(w, "more", map[string]any{"readyToUse": true}) },
			3: func() {
				putSaved(w, "-0", map[string]any{"readyToUse": true, "error": map[string]any{"message": "old"}})
			},
		})
		var told []string
		made, err := snapshotsOf(w, class).SnapshotVolumes(t.Context(), time.Minute, func(m string) { told = append(told, m) })
		require.NoError(t, err)
		more, data := "casshook-undo-20261121t100000z-more", "casshook-undo-20261121t100000z-server-data-d-r-sts-0"
		require.Equal(t, []string{more, data}, made)
		require.Equal(t, []string{
			"the volume claim server-data-d-r-sts-1 is not bound: nothing to snapshot",
			"waiting for the volume snapshots to be ready to use: " + more + "; " + data,
			"waiting for the volume snapshots to be ready to use: " + more + " the object has been modified; " + data,
			"waiting for the volume snapshots to be ready to use: " + data,
		}, told)
		all := w.List(snapshotGroup, "volumesnapshots")
		require.Len(t, all, 2)
		first := all[0]
		spec := map[string]any{"source": map[string]any{"persistentVolumeClaimName": "more"}}
		if class != "" {
			spec["volumeSnapshotClassName"] = class
		}
		require.Equal(t, spec, first["spec"])
		require.Equal(t, "VolumeSnapshot", first["kind"])
		require.Equal(t, map[string]any{"app.kubernetes.io/managed-by": "casshook"}, kubetest.In(first, "metadata")["labels"])
		require.Equal(t, map[string]any{objects.ClusterLabel: "prod", objects.DatacenterLabel: "d", objects.RackLabel: "r"}, kubetest.In(first, "metadata")["annotations"], "what is no label does not belong to the ring")
	}
}

func TestSnapshotVolumesFails(t *testing.T) {
	t.Parallel()
	const one, two = "casshook-undo-20261121t100000z-more", "casshook-undo-20261121t100000z-server-data-d-r-sts-0"
	for _, c := range []struct {
		name string
		edit func(w *kubetest.World)
		made int
		code flow.Code
		want string
	}{
		{"never ready", func(*kubetest.World) {}, 3, flow.Precondition, "waited 30s for the volume snapshots to be ready to use: " + one + "; " + two},
		{"an error that stays", func(w *kubetest.World) {
			kubetest.OnWait(w, map[int]func(){1: func() { putSaved(w, "more", map[string]any{"error": map[string]any{"message": "no space"}}) }})
		}, 3, flow.Failed, "the volume snapshot " + one + " failed: no space"},
		{"errors that go", func(w *kubetest.World) {
			kubetest.ClockOf(w.Client).OnWait = func() {
				if w.Client.Now().Second()%10 == 0 {
					putSaved(w, "more", map[string]any{})
				} else {
					putSaved(w, "more", map[string]any{"error": map[string]any{"message": "no space"}})
				}
			}
		}, 3, flow.Precondition, "waited 30s"},
		{"deleted", func(w *kubetest.World) {
			kubetest.OnWait(w, map[int]func(){1: func() { w.Remove(snapshotGroup, "volumesnapshots", one) }})
		}, 3, flow.Failed, "the volume snapshot " + one + " was deleted"},
		{"forbidden", func(w *kubetest.World) { w.Refuse = kubetest.Forbid("create snapshot.storage.k8s.io/volumesnapshots") }, 0, flow.Failed, "save the volume claim more: the service account may not create volumesnapshots"},
		{"unknown", func(w *kubetest.World) { w.Absent["volumesnapshots"] = true }, 0, flow.Precondition, "VolumeSnapshots are not available in this cluster"},
		{"half of them", func(w *kubetest.World) {
			creates := 0
			w.Refuse = func(a kubetest.Asked) *metav1.Status {
				if a.Verb == "create" {
					if creates++; creates == 2 {
						return kubetest.Forbid(a.Rule())(a)
					}
				}
				return nil
			}
		}, 1, flow.Failed, "save the volume claim server-data-d-r-sts-0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := saveWorld(t)
			target := snapshotsOf(w, "")
			c.edit(w)
			made, err := target.SnapshotVolumes(t.Context(), 30*time.Second, func(string) {})
			require.ErrorContains(t, err, c.want)
			require.Equal(t, c.code, flow.CodeOf(err))
			require.Len(t, made, c.made)
		})
	}
}

func TestSnapshotVolumesThatAreThere(t *testing.T) {
	t.Parallel()
	w := saveWorld(t)
	w.After = func(a kubetest.Asked) {
		if a.Verb == "create" {
			putSaved(w, a.Name, map[string]any{"readyToUse": true})
		}
	}
	target := snapshotsOf(w, "")
	for range 2 { // as if the answers were lost
		made, err := target.SnapshotVolumes(t.Context(), 0, func(string) {})
		require.NoError(t, err)
		require.Len(t, made, 3)
	}
}

func TestSavedName(t *testing.T) {
	t.Parallel()
	target := New(kubetest.NewWorld(t).Client, nil, "")
	seen := map[string]bool{}
	for i := range 3 {
		claim := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("server-data-a-long-cluster-of-datacenters.rack-sts-%d", i)}}
		name := target.object(claim, "20261121t100000z").GetName()
		require.Empty(t, validation.IsDNS1123Label(name), name)
		require.False(t, seen[name])
		seen[name] = true
	}
}
