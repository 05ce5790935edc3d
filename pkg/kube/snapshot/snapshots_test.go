package snapshot

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/kube/internal/kubetest"
)

const snapshotGroup = "snapshot.storage.k8s.io"

// putSnapshot adds a VolumeSnapshot that is not cut, made so long after the clock began.
func putSnapshot(w *kubetest.World, name, claim string, after time.Duration, status map[string]any) {
	w.Put(snapshotGroup, "volumesnapshots", map[string]any{
		"apiVersion": "snapshot.storage.k8s.io/v1", "kind": "VolumeSnapshot", "status": status,
		"metadata": map[string]any{"namespace": "db", "name": name, "creationTimestamp": kubetest.NewClock().Now().Add(after).Format(time.RFC3339)},
		"spec":     map[string]any{"source": map[string]any{"persistentVolumeClaimName": claim}},
	})
}

func TestWaitVolumeSnapshots(t *testing.T) {
	t.Parallel()
	const claim = "server-data-set-dc1-0"
	cutNow := map[string]any{"creationTime": "2026-11-21T10:00:00Z"}
	for _, c := range []struct {
		name   string
		fill   func(*kubetest.World)
		waited time.Duration
		refuse string
	}{
		{"none", func(*kubetest.World) {}, 0, ""},
		{"not known to Kubernetes", func(w *kubetest.World) { w.Absent["volumesnapshots"] = true }, 0, ""},
		{"cut", func(w *kubetest.World) { putSnapshot(w, "s", claim, time.Second, cutNow) }, 0, ""},
		{"failed", func(w *kubetest.World) {
			putSnapshot(w, "s", claim, time.Second, map[string]any{"error": map[string]any{"message": "no space"}})
		}, 0, ""},
		{"of another volume", func(w *kubetest.World) { putSnapshot(w, "s", "other", time.Second, nil) }, 0, ""},
		{"of before", func(w *kubetest.World) { putSnapshot(w, "s", claim, -time.Second, nil) }, 0, ""},
		{"of the same second", func(w *kubetest.World) { putSnapshot(w, "s", claim, 0, nil) }, time.Minute, "waited 1m0s for volume snapshots to be taken: s: "},
		{"never cut", func(w *kubetest.World) {
			putSnapshot(w, "s2", claim, time.Second, map[string]any{"readyToUse": false})
			putSnapshot(w, "s1", claim, time.Second, nil)
		}, time.Minute, "to be taken: s1; s2: "},
		{"cut in time", func(w *kubetest.World) {
			putSnapshot(w, "s", claim, time.Second, nil)
			kubetest.ClockOf(w.Client).OnWait = func() {
				if w.Client.Now().Second() == 3 {
					w.Edit(snapshotGroup, "volumesnapshots", "s", func(o map[string]any) { o["status"] = cutNow })
				}
			}
		}, 3 * time.Second, ""},
		{"deleted in time", func(w *kubetest.World) {
			putSnapshot(w, "s", claim, time.Second, nil)
			kubetest.ClockOf(w.Client).OnWait = func() { w.Remove(snapshotGroup, "volumesnapshots", "s") }
		}, time.Second, ""},
		{"forbidden", func(w *kubetest.World) { w.Refuse = kubetest.Forbid("list snapshot.storage.k8s.io/volumesnapshots") }, 0, "may not list volumesnapshots in namespace db"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := kubetest.NewWorld(t)
			w.PutDatacenter("prod", "dc1", 1)
			target := snapshotsOf(w, "")
			c.fill(w)
			since := w.Client.Now().Add(500 * time.Millisecond)
			var told []string
			err := target.WaitVolumeSnapshots(t.Context(), since, time.Minute, func(m string) { told = append(told, m) })
			require.Equal(t, c.waited, since.Add(-500*time.Millisecond).Sub(w.Client.Now()).Abs())
			require.Equal(t, c.waited > 0, len(told) == 1, "%v", told)
			if c.refuse == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, c.refuse)
			if c.waited > 0 {
				require.Equal(t, flow.Precondition, flow.CodeOf(err))
			}
		})
	}
}
