package agent

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/agent/apitest"
	"github.com/casshook/casshook/pkg/agent/wire"
)

// commitLog is a commit log of some segments, by their ids.
func (v *volume) commitLog(ids ...int64) string {
	dir := filepath.Join(v.root, "commitlog")
	require.NoError(v.t, os.RemoveAll(dir))
	require.NoError(v.t, os.MkdirAll(dir, 0o755))
	for _, id := range ids {
		v.write(filepath.Join(dir, fmt.Sprintf("CommitLog-7-%d.log", id)), "")
	}
	v.write(filepath.Join(dir, "lost+found"), "")
	return dir
}

// TestAFlushThatFailedEarlier: segments of the commit log that a flush leaves hold rows that
// are in no SSTable.
func TestAFlushThatFailedEarlier(t *testing.T) {
	t.Parallel()
	const left = "the commit log in LOG still has 1 segments from before the flush: a flush failed, and its rows are in no SSTable and not in the backup"
	for name, tt := range map[string]struct {
		forgets bool
		// goes are the segments that each flush makes go, in its turn.
		goes             [][]int64
		warning, refusal string
		flushes          int
	}{
		"all goes":                   {true, [][]int64{{1, 2, 3}}, "", "", 1},
		"a segment was being synced": {true, [][]int64{{1, 2}, {3}}, "", "", 2},
		"one stays":                  {true, [][]int64{{1, 3}}, "", left, 3},
		"one stays, but disk failures stop Cassandra": {false, [][]int64{{2, 3}}, left, "", 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := backedUp(t)
			log := v.commitLog(1, 2, 3, 4, 5)
			f := newFakeAPI(t, v)
			flushes := 0
			f.Answer(apitest.Flush, func(http.ResponseWriter, *http.Request) {
				if flushes < len(tt.goes) {
					for _, id := range tt.goes[flushes] {
						require.NoError(t, os.Remove(filepath.Join(log, fmt.Sprintf("CommitLog-7-%d.log", id))))
					}
				}
				v.write(filepath.Join(log, fmt.Sprintf("CommitLog-7-%d.log", 10+flushes)), "") // clients go on
				flushes++
			})
			c := hold(t, v.node(f.URL))
			_, err := ask[none](c, wire.OpFlush, wire.FlushArgs{Keyspaces: []string{"ks"}, CommitLog: log, Settle: time.Millisecond, Forgets: tt.forgets})
			require.NoError(t, err)
			r, err := describe(c, testID, bothTables()...)
			require.Equal(t, tt.flushes, flushes)
			want := func(text string) string { return strings.ReplaceAll(text, "LOG", log) }
			if tt.refusal != "" {
				requireKind(t, err, wire.KindRefused, want(tt.refusal))
				return
			}
			require.NoError(t, err)
			if tt.warning == "" {
				require.Empty(t, r.Warnings)
				return
			}
			require.Len(t, r.Warnings, 1)
			require.Contains(t, r.Warnings[0], want(tt.warning))
		})
	}
}

// TestAFlushOfOursThatFailed: Cassandra forgets it, the volume does not, until a restart has
// replayed the commit log.
func TestAFlushOfOursThatFailed(t *testing.T) {
	t.Parallel()
	for name, fails := range map[string]string{"flush": apitest.Flush, "snapshot": apitest.Snapshots} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := backedUp(t)
			f := newFakeAPI(t, v)
			c := hold(t, v.node(f.URL))
			args := wire.FlushArgs{Keyspaces: []string{"ks"}, CommitLog: v.commitLog(1, 2), Settle: time.Millisecond, Forgets: true}
			run := func() error {
				if _, err := ask[none](c, wire.OpFlush, args); err != nil {
					return err
				}
				id := c.send(wire.OpSnapshot, snapshotArgs(time.Second))
				c.event(wire.EventReady)
				c.line(`{"op":"go"}`)
				c.event(wire.EventStarted)
				_, err := wait[wire.SnapshotResult](c, id)
				return err
			}
			f.Answer(fails, apitest.Answer(http.StatusInternalServerError, "No space left on device"))
			require.ErrorContains(t, run(), "No space left")
			marker := filepath.Join(v.root, "casshook", flushFailedFile)
			require.FileExists(t, marker)
			f.Answer(fails, nil)
			_, err := ask[none](c, wire.OpFlush, args)
			require.NoError(t, err)
			_, err = describe(c, testID, bothTables()...)
			requireKind(t, err, wire.KindRefused, "and Cassandra goes on as if nothing had happened (disk_failure_policy)")
			require.FileExists(t, marker)
			started := time.Now().UnixMilli() + 1
			v.commitLog(started, started+1)
			_, err = ask[none](c, wire.OpFlush, args)
			require.NoError(t, err)
			_, err = describe(c, testID, bothTables()...)
			require.NoError(t, err)
			require.NoFileExists(t, marker)
		})
	}
}

// TestAFlushOfOursThatStopsCassandra is not remembered: Cassandra does that itself.
func TestAFlushOfOursThatStopsCassandra(t *testing.T) {
	t.Parallel()
	v := backedUp(t)
	f := newFakeAPI(t, v)
	c := hold(t, v.node(f.URL))
	f.Answer(apitest.Flush, apitest.Answer(http.StatusInternalServerError, "no"))
	_, err := ask[none](c, wire.OpFlush, wire.FlushArgs{Keyspaces: []string{"ks"}, CommitLog: v.commitLog(1)})
	require.ErrorContains(t, err, "no")
	require.NoFileExists(t, filepath.Join(v.root, "casshook", flushFailedFile))
}

func TestACommitLogThatCannotBeSeen(t *testing.T) {
	t.Parallel()
	for dir, why := range map[string]string{"": `its directory is ""`, "commitlog": `"commitlog"`, "/in/a/container": "/in/a/container"} {
		v := backedUp(t)
		f := newFakeAPI(t, v)
		c := hold(t, v.node(f.URL))
		_, err := ask[none](c, wire.OpFlush, wire.FlushArgs{Keyspaces: []string{"ks"}, CommitLog: dir, Forgets: true})
		require.NoError(t, err)
		r, err := describe(c, testID, bothTables()...)
		require.NoError(t, err)
		require.Len(t, r.Warnings, 1)
		require.Contains(t, r.Warnings[0], "the commit log was not looked at for flushes that failed: ")
		require.Contains(t, r.Warnings[0], why)
	}
}
