//go:build kube

package e2e

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	kastenstandin "github.com/casshook/casshook/test/lab/kasten-standin"
	"github.com/casshook/casshook/test/lab/site"
)

// shopTables is so many that a restore of the damaged ones takes some seconds, in which things happen.
const shopTables = 12

// part is a part of TestOneNode.
type part struct {
	name string
	do   func(*testing.T, site.Datacenter)
}

// TestOneNode is all that one datacenter of one node can show, in an order: each part leaves the ring as the next wants it. Its
// names differ wherever they can: the resource's from Cassandra's, and both Cassandra names from what Kubernetes allows.
func TestOneNode(t *testing.T) {
	t.Parallel()
	w := open(t, "one")
	w.refused(t, 3, run{args: []string{"before-backup"}}, "no CassandraDatacenter in namespace "+w.namespace)

	d := w.create(t, site.Datacenter{Name: "first", Cluster: "Prod Ring_1", Size: 1, Spec: map[string]any{"datacenterName": "DC One"}})
	want := w.shop(t, d, shopTables)
	parts := []part{
		{"in place", w.inPlace},
		{"after-restore by mistake", w.byMistake},
		{"killed with the lock", w.killedWithLock},
		{"hook pod lost", w.hookPodLost},
	}
	for _, part := range append(w.trouble(), parts...) {
		require.True(t, t.Run(part.name, func(t *testing.T) {
			part.do(t, d)
			w.same(t, d, want)
			require.Empty(t, w.leftovers(t, d))
		}), "what comes after %q wants it to be done", part.name)
	}
	t.Run("stopped", func(t *testing.T) { w.stopped(t, d) })
}

// inPlace is the whole cycle on the volumes of the backup, in a container whose root file system is read-only, which is the
// default of 4.1 and later.
func (w *world) inPlace(t *testing.T, d site.Datacenter) {
	pods, err := w.Pods(t.Context(), d)
	require.NoError(t, err)
	_, err = w.Exec(t.Context(), d.Namespace, pods[0], "cassandra", "touch", "/casshook")
	require.ErrorContains(t, err, "Read-only file system")

	w.must(t, "before-backup")
	require.NotEmpty(t, w.leftovers(t, d), "what is looked for later to be gone")
	w.damage(t, d, shopTables)
	w.must(t, "after-restore", "--in-place")
	out, err := w.Exec(t.Context(), d.Namespace, pods[0], "cassandra", "sh", "-c", `for f in /tmp/casshook-agent*; do [ ! -d "$f" ] || echo "$f"; done`)
	require.NoError(t, err)
	require.Empty(t, out, "no agent stays")
}

// byMistake runs after-restore where nothing was restored: right after a backup, whose volumes hold all that a restore needs.
func (w *world) byMistake(t *testing.T, d site.Datacenter) {
	w.must(t, "before-backup")
	session, stop := w.session(t, d)
	defer stop()
	execute(t, session, "INSERT INTO shop.t0 (id, name) VALUES (77, 'since the backup')")
	since := digest(t, session)
	w.refused(t, 3, run{args: []string{"after-restore"}}, "no restore point was restored", "--in-place")
	w.same(t, d, since)
	w.must(t, "after-restore", "--in-place") // takes the row away again
	require.Equal(t, 10, count(t, session, "shop.t0"))
}

// hookPodLost is a restore by Kasten whose hook's pod is deleted without grace in the middle of the work: the next attempt of
// Kasten goes on. Its backup shows on the way that hooks connect to nothing but the API server.
func (w *world) hookPodLost(t *testing.T, d site.Datacenter) {
	k := w.protect(t, policyHooks, online(t))
	w.denyPodToPod(t, d)
	connected := w.watchHooks(t, d)
	point := backup(t, k)
	connected(t)
	w.damage(t, d, shopTables)
	require.NoError(t, w.Delete(t.Context(), d, removeLimit))
	_, err := restore(t, k, point, withoutHooks)
	require.NoError(t, err)
	w.ready(t, d)

	w.damage(t, d, shopTables) // so that the hook has work for some seconds
	struck := w.strike(t, "removing leftovers of an earlier run")
	result, err := restore(t, k, point, hooksOnly)
	struck(t)
	require.NoError(t, err)
	require.Equal(t, kastenstandin.Complete, result.State)
	require.Contains(t, names(result.Events), "attempt 2")
}

// stopped datacenters cannot be backed up.
func (w *world) stopped(t *testing.T, d site.Datacenter) {
	dc, err := w.Read(t.Context(), d)
	require.NoError(t, err)
	require.NoError(t, w.Patch(t.Context(), dc, `{"spec": {"stopped": true}}`))
	soon(t, "the end of the pods", func(ctx context.Context) error {
		pods, err := w.Pods(ctx, d)
		if err == nil && len(pods) > 0 {
			err = errors.New("there is " + pods[0])
		}
		return err
	})
	w.refused(t, 3, run{args: []string{"before-backup", "--ready-timeout=1s"}}, "datacenter "+w.namespace+"/first is stopped", "spec.stopped")
}
