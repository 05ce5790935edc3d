//go:build kube

package e2e

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	gocql "github.com/apache/cassandra-gocql-driver/v2"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	kastenstandin "github.com/casshook/casshook/test/lab/kasten-standin"
	"github.com/casshook/casshook/test/lab/site"
	"github.com/casshook/casshook/test/lab/zoo"
)

// online makes restores go through the running Cassandra.
func online(t *testing.T) string {
	t.Helper()
	return "--config=" + file(t, "apiVersion: casshook.io/v1\nkind: GenerateConfig\nrestore: {offline: false}\n")
}

// tableIDs are those of all tables and views that clients made.
func tableIDs(t *testing.T, session *gocql.Session) map[string]string {
	t.Helper()
	ids := map[string]string{}
	for _, table := range []string{"tables", "views"} {
		name := map[string]string{"tables": "table_name", "views": "view_name"}[table]
		var keyspace, found string
		var id gocql.UUID
		rows := session.Query("SELECT keyspace_name, " + name + ", id FROM system_schema." + table).IterContext(t.Context())
		for rows.Scan(&keyspace, &found, &id) {
			if !strings.HasPrefix(keyspace, "system") {
				ids[keyspace+"."+found] = id.String()
			}
		}
		require.NoError(t, rows.Close())
	}
	require.NotEmpty(t, ids)
	return ids
}

// noJobs wants all of the cleaner's Jobs to be gone, and their pods soon after: the garbage collector removes those.
func (w *world) noJobs(t *testing.T) {
	t.Helper()
	own := metav1.ListOptions{LabelSelector: "app.kubernetes.io/managed-by=casshook"}
	jobs, err := w.Core.BatchV1().Jobs(w.namespace).List(t.Context(), own)
	require.NoError(t, err)
	require.Empty(t, jobs.Items)
	soon(t, "the end of the cleaner's pods", func(ctx context.Context) error {
		pods, err := w.Core.CoreV1().Pods(w.namespace).List(ctx, own)
		if err == nil && len(pods.Items) > 0 {
			err = fmt.Errorf("there is %s", pods.Items[0].Name)
		}
		return err
	})
}

// wreck replaces live files by broken ones, as they are after a bad day: torn commit log, truncated tables of the system, half
// a transaction log; and puts a file there that is nobody's. The snapshot's own files are other names of the same inodes, and
// stay what they are.
const wreck = `set -e; cd /var/lib/cassandra
for f in data/system_schema/*-*/*-Data.db data/system/local-*/*-Data.db; do head -c 64 "$f" > "$f.half"; mv -f "$f.half" "$f"; done
for f in commitlog/*.log; do { head -c 4096 "$f"; head -c 4096 /dev/urandom; tail -c +8193 "$f"; } > "$f.half"; mv -f "$f.half" "$f"; done
for d in data/zoo/*-*; do printf 'REMOVE:[' > "$d/nb_txn_compaction_5f9a5f20-c6f2-11f0-8b2a-1d2e3f4a5b6c.log"; echo mine > "$d/notes.txt"; done
sync`

// without leaves out of a restore what it would do by the generated files but restoring.
func without(spec *kastenstandin.RestoreSpec) {
	spec.Hooks, spec.Transforms = kastenstandin.Hooks{}, nil
}

// TestOfflineDamaged restores what cannot start: the volumes come back with live files that are broken. A person stops the
// datacenter that fails and runs after-restore, which is killed at its worst moment, and run again.
func TestOfflineDamaged(t *testing.T) {
	t.Parallel()
	w := open(t, "damaged")
	d := w.create(t, site.Datacenter{Name: "dc1", Cluster: "damaged", Size: 1})
	session, stop := w.session(t, d)
	_, err := zoo.Create(t.Context(), w.zooOptions(t, d, session))
	require.NoError(t, err)
	want := digest(t, session)
	k := w.protect(t, policyHooks)
	onlyPolicy(t, k).Spec.Actions[0].BackupParameters.Hooks = kastenstandin.Hooks{} // by hand, since something happens in between
	w.must(t, "before-backup")
	_, err = zoo.Damage(t.Context(), w.zooOptions(t, d, session))
	require.NoError(t, err)
	stop()
	pods, err := w.Pods(t.Context(), d)
	require.NoError(t, err)
	_, err = w.Exec(t.Context(), w.namespace, pods[0], "cassandra", "sh", "-c", wreck)
	require.NoError(t, err)
	point := backup(t, k)
	require.NoError(t, w.Delete(t.Context(), d, removeLimit))

	_, err = restore(t, k, point, without)
	require.NoError(t, err)
	w.failsToStart(t, d)
	image := "--image=" + image()
	w.refused(t, 3, run{args: []string{"after-restore", image, "--ready-timeout=1s"}}, "waited 1s for the ring to be ready")
	w.refused(t, 2, run{args: []string{"before-restore", "--stop"}}, "pass --yes")
	w.must(t, "before-restore", "--stop", "--yes")

	planned := w.must(t, "after-restore", "--dry-run", image)
	require.Contains(t, planned.stdout, "nothing was changed")
	w.refused(t, 2, run{args: []string{"after-restore", "--image="}}, "is not the name of an image")
	w.killedWhileCleaning(t, "after-restore", image)
	w.must(t, "after-restore", image)
	w.ready(t, d)
	w.same(t, d, want)
	require.Empty(t, w.leftovers(t, d))
	w.noJobs(t)
	kept, err := w.Exec(t.Context(), w.namespace, pods[0], "cassandra", "sh", "-c", "cat /var/lib/cassandra/data/zoo/*/notes.txt")
	require.NoError(t, err)
	require.Contains(t, kept, "mine")

	w.refused(t, 3, run{args: []string{"after-restore", image}}, "nothing was done")
	w.same(t, d, want)
}

// killedWhileCleaning runs casshook as a process of its own and kills it when the Job is there that changes the volume. The Job may
// go on.
func (w *world) killedWhileCleaning(t *testing.T, args ...string) {
	t.Helper()
	cmd := exec.Command(filepath.Join(binaries, "casshook"), w.arguments(run{args: args})...)
	require.NoError(t, cmd.Start())
	err := site.Wait(t.Context(), startLimit, "a Job that cleans", func(ctx context.Context) error {
		jobs, err := w.Core.BatchV1().Jobs(w.namespace).List(ctx, metav1.ListOptions{})
		if err != nil {
			return err
		}
		for _, job := range jobs.Items {
			if !slices.Contains(job.Spec.Template.Spec.Containers[0].Command, "--dry-run") {
				return nil
			}
		}
		return errors.New("there is none")
	})
	_ = cmd.Process.Kill()
	require.Error(t, cmd.Wait())
	require.NoError(t, err)
	require.Equal(t, -1, cmd.ProcessState.ExitCode(), "it ended before it was killed")
}

// failsToStart waits until a node's Cassandra has ended by itself for what it found.
func (w *world) failsToStart(t *testing.T, d site.Datacenter) {
	t.Helper()
	require.NoError(t, site.Wait(t.Context(), startLimit, "Cassandra to fail", func(ctx context.Context) error {
		pods, err := w.Pods(ctx, d)
		if err != nil || len(pods) == 0 {
			return errors.Join(err, errors.New("there is no pod yet"))
		}
		log, err := w.Exec(ctx, w.namespace, pods[0], "cassandra", "cat", "/var/log/cassandra/system.log")
		if err != nil {
			return err
		}
		for _, reason := range []string{"Exception encountered during startup", "Exiting due to error while processing commit log", "Exiting forcefully", "JVM state determined to be unstable"} {
			if strings.Contains(log, reason) {
				t.Logf("Cassandra fails to start: %s", reason)
				return nil
			}
		}
		return errors.New("its log has none of the reasons")
	}))
	dc, err := w.Read(t.Context(), d)
	require.NoError(t, err)
	require.NotEqual(t, "True", site.Condition(dc, "Ready"))
}

// TestVolumesFirst deletes a datacenter by before-restore, brings its volumes back from the undo, cleans them by hand while there is
// no datacenter, and creates it then.
func TestVolumesFirst(t *testing.T) {
	t.Parallel()
	w := open(t, "first")
	d := w.create(t, site.Datacenter{Name: "dc1", Cluster: "first", Size: 1})
	want := w.shop(t, d, 3)
	claims, err := w.Claims(t.Context(), d)
	require.NoError(t, err)
	w.must(t, "before-backup")
	w.damage(t, d, 3)
	image := "--image=" + image()
	w.refused(t, 3, run{args: append([]string{"clean", image}, claims...)}, "is not stopped")
	w.must(t, "before-restore", "--delete", "--yes")
	gone, err := w.Claims(t.Context(), d)
	require.NoError(t, err)
	require.Empty(t, gone)
	undo, err := w.Dynamic.Resource(volumeSnapshots()).Namespace(w.namespace).List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	require.Len(t, undo.Items, len(claims))
	require.Contains(t, w.must(t, "before-restore", "--stop", "--yes").stderr, "no CassandraDatacenter")

	for i, claim := range claims {
		require.NoError(t, w.Apply(t.Context(), fmt.Sprintf(`apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: %s, namespace: %s}
spec:
  storageClassName: %s
  accessModes: [ReadWriteOnce]
  resources: {requests: {storage: 2Gi}}
  dataSource: {apiGroup: snapshot.storage.k8s.io, kind: VolumeSnapshot, name: %s}
`, claim, w.namespace, w.StorageClass, undo.Items[i].GetName())))
	}
	require.Contains(t, w.must(t, "clean", "--dry-run", image).stdout, "nothing was changed")
	w.cleanByHand(t, claims)
	w.noJobs(t)
	w.create(t, d)
	w.must(t, "after-restore", image)
	w.same(t, d, want)
	require.Empty(t, w.leftovers(t, d))
}

// cleanByHand is the story of examples/cleaner: generated Jobs that a person applies, by the commands of its README.
func (w *world) cleanByHand(t *testing.T, claims []string) {
	t.Helper()
	dir := t.TempDir()
	w.generate(t, "all", "--claim="+strings.Join(claims, ","), "--out="+dir)
	s := w.shell(t, dir)
	steps := blocks(t, filepath.Join(dir, "examples", "cleaner", "README.md"), "Run them", "console")
	require.Len(t, steps, 5)
	require.Contains(t, s.run(t, commands(steps[0])[0]...).stderr, "no CassandraDatacenter")
	said := ""
	for _, words := range append(commands(steps[1]), commands(steps[2])...) {
		said += s.must(t, words...)
	}
	require.Equal(t, len(claims), strings.Count(said, `"state":"cleaned"`), said)
}
