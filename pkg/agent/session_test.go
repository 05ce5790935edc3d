package agent

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/casshook/casshook/pkg/ledger"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/agent/apitest"
	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/document"
)

func TestHelloRefusals(t *testing.T) {
	t.Parallel()
	v := newVolume(t, 1)
	v.write(v.root+"/file", "")
	tests := []struct {
		name     string
		protocol int
		change   func(*wire.Node)
		want     string
	}{
		{"another protocol", wire.Protocol + 1, func(*wire.Node) {}, "protocol mismatch: executor 4, agent 3"},
		{"no data directories", wire.Protocol, func(n *wire.Node) { n.DataDirs = nil }, "no data directories"},
		{"relative path", wire.Protocol, func(n *wire.Node) { n.Volume = "data" }, `"data" is not an absolute path`},
		{"missing directory", wire.Protocol, func(n *wire.Node) { n.DataDirs = []string{v.root + "/gone"} }, "no such file"},
		{"file for a directory", wire.Protocol, func(n *wire.Node) { n.DataDirs = []string{v.root + "/file"} }, "not a directory"},
		{"other scheme", wire.Protocol, func(n *wire.Node) { n.API = "ftp://x" }, "use unix:///path or http://host:port"},
		{"nothing to talk to", wire.Protocol, func(n *wire.Node) { n.API = "" }, "no Management API address and no nodetool command"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			n := v.node("")
			tt.change(&n)
			c := start(t, patience)
			_, err := ask[wire.HelloResult](c, wire.OpHello, wire.Hello{Protocol: tt.protocol, Node: n})
			require.ErrorContains(t, err, tt.want)
			_, err = ask[ledger.Volume](c, wire.OpInspect, none{})
			require.ErrorContains(t, err, `operation "inspect" before "hello"`)
		})
	}
}

func TestRequestsThatAreRefused(t *testing.T) {
	t.Parallel()
	c := open(t, newVolume(t, 1).node(""))
	_, err := ask[none](c, "reboot", none{})
	require.ErrorContains(t, err, `unknown operation "reboot"`)
	_, err = ask[none](c, wire.OpLock, map[string]string{"holdre": "me"})
	require.ErrorContains(t, err, `unknown field "holdre"`)
	_, err = ask[none](c, wire.OpLock, "acquire")
	require.ErrorContains(t, err, "arguments of lock")
	_, err = ask[none](c, wire.OpLock, wire.LockArgs{Action: "steal"})
	require.ErrorContains(t, err, `unknown lock action "steal"`)
	_, err = ask[wire.HelloResult](c, wire.OpHello, wire.Hello{Protocol: wire.Protocol, Node: newVolume(t, 1).node("")})
	require.ErrorContains(t, err, "this agent already serves node n1")
}

func TestChangesNeedTheLock(t *testing.T) {
	t.Parallel()
	v := newVolume(t, 1)
	c := open(t, v.node(""))
	changing := []string{
		wire.OpBegin, wire.OpSnapshot, wire.OpWrite, wire.OpComplete, wire.OpClear, wire.OpStage, wire.OpLeftovers,
		wire.OpAutoBefore, wire.OpAutoAfter, wire.OpLoad, wire.OpJournal, wire.OpMarkLoaded, wire.OpFinish,
	}
	refused := func() {
		t.Helper()
		for _, op := range changing {
			_, err := ask[none](c, op, none{})
			require.ErrorContains(t, err, "needs the lock", op)
		}
	}
	refused()
	require.NoError(t, c.lock(wire.LockRelease, "me"))
	refused()
	require.NoError(t, c.lock(wire.LockAcquire, "me"))
	_, err := ask[none](c, wire.OpBegin, wire.BeginArgs{BackupID: testID})
	require.NoError(t, err)
	require.NoError(t, c.lock(wire.LockRelease, "me"))
	refused()
}

func TestNamesAreNoPaths(t *testing.T) {
	t.Parallel()
	v := newVolume(t, 1)
	v.write(v.root+"/outside/node.json", "keep")
	before := tree(t, v.root)
	c := hold(t, v.node(""))
	bad := ledger.Load{TableName: document.TableName{Keyspace: "..", Name: "t"}, LiveID: tableOne}
	tests := []struct {
		name, op string
		args     any
	}{
		{"begin", wire.OpBegin, wire.BeginArgs{BackupID: "../outside"}},
		{"a foreign tag", wire.OpSnapshot, wire.SnapshotArgs{Tag: "mine"}},
		{"snapshot of no table", wire.OpSnapshot, wire.SnapshotArgs{Tag: testID, Tables: []document.TableRef{{TableName: document.TableName{Keyspace: "k", Name: "../t"}, ID: tableOne}}}},
		{"write", wire.OpWrite, wire.WriteArgs{BackupID: "../outside"}},
		{"complete", wire.OpComplete, wire.CompleteArgs{BackupID: "../outside"}},
		{"clear", wire.OpClear, wire.ClearArgs{BackupIDs: []string{testID, "casshook-foo"}}},
		{"open", wire.OpOpen, wire.OpenArgs{BackupID: ""}},
		{"verify", wire.OpVerify, wire.VerifyArgs{BackupID: "mine"}},
		{"stage", wire.OpStage, wire.StageArgs{BackupID: "mine", RestoreID: restoreNo}},
		{"load of a backup", wire.OpLoad, wire.LoadArgs{BackupID: "mine"}},
		{"load", wire.OpLoad, wire.LoadArgs{BackupID: testID, Tables: []ledger.Load{bad}}},
		{"leftovers", wire.OpLeftovers, wire.LeftoverArgs{Tables: []ledger.Load{bad}}},
		{"an id that is none", wire.OpLeftovers, wire.LeftoverArgs{Tables: []ledger.Load{{TableName: document.TableName{Keyspace: "k", Name: "t"}, LiveID: "../x"}}}},
		{"sweep", wire.OpLeftovers, wire.LeftoverArgs{Sweep: []string{".."}}},
		{"journal", wire.OpJournal, wire.JournalArgs{RestoreID: "../outside", BackupID: testID}},
		{"journal of a backup", wire.OpJournal, wire.JournalArgs{RestoreID: restoreNo, BackupID: "x"}},
		{"mark loaded", wire.OpMarkLoaded, wire.MarkLoadedArgs{RestoreID: "..", BackupID: testID}},
		{"mark loaded of a backup", wire.OpMarkLoaded, wire.MarkLoadedArgs{RestoreID: restoreNo}},
		{"finish", wire.OpFinish, wire.FinishArgs{RestoreID: restoreNo, BackupID: "mine"}},
		{"finish of a restore", wire.OpFinish, wire.FinishArgs{RestoreID: "x", BackupID: testID}},
		{"auto snapshots before", wire.OpAutoBefore, wire.AutoArgs{RestoreID: "../../outside"}},
		{"auto snapshots after", wire.OpAutoAfter, wire.AutoArgs{RestoreID: ""}},
	}
	for _, tt := range tests {
		_, err := ask[none](c, tt.op, tt.args)
		require.ErrorContains(t, err, "is not a ", tt.name)
	}
	require.NoError(t, c.lock(wire.LockRelease, "me"))
	require.ElementsMatch(t, append(before, "casshook", "casshook/volume-id"), tree(t, v.root))
}

func TestPingsKeepTheAgentAndSilenceEndsIt(t *testing.T) {
	t.Parallel()
	c := start(t, 600*time.Millisecond)
	for range 8 {
		time.Sleep(150 * time.Millisecond)
		c.line(`{"op":"ping"}`)
	}
	_, err := ask[none](c, wire.OpInspect, none{})
	require.ErrorContains(t, err, "before")
	require.ErrorContains(t, c.end(), "no message from the executor for 600ms")
}

// TestALineMayTakeLong: it has the documents of a whole ring, and the way may be slow.
func TestALineMayTakeLong(t *testing.T) {
	t.Parallel()
	c := start(t, 600*time.Millisecond)
	for range 8 {
		time.Sleep(150 * time.Millisecond)
		_, err := io.WriteString(c.in, " ")
		require.NoError(t, err)
	}
	_, err := ask[none](c, wire.OpInspect, none{})
	require.ErrorContains(t, err, "before")
}

func TestHeartbeats(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stdin, in := io.Pipe()
		out, stdout := io.Pipe()
		ended := make(chan error, 1)
		go func() { ended <- Serve(t.Context(), stdin, stdout) }()
		began, answers := time.Now(), json.NewDecoder(out)
		for i := range 6 {
			var r wire.Response
			require.NoError(t, answers.Decode(&r))
			require.Equal(t, wire.Response{Event: &wire.Event{Kind: wire.EventBeat}}, r)
			require.Equal(t, time.Duration(i+1)*wire.Heartbeat, time.Since(began))
		}
		// nobody reads any more: the agent ends with the executor's silence
		require.EqualError(t, <-ended, "no message from the executor for 45s")
		require.Equal(t, wire.Silence, time.Since(began))
		in.Close()
		out.Close()
	})
}

func TestGarbageEndsTheAgent(t *testing.T) {
	t.Parallel()
	c := start(t, patience)
	c.line("Defaulted container cassandra")
	require.ErrorContains(t, c.end(), "read request")
}

func TestContextEndsTheAgent(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	stdin, in := io.Pipe()
	defer in.Close()
	ended := make(chan error, 1)
	go func() { ended <- Serve(ctx, stdin, io.Discard) }()
	cancel(errors.New("signal"))
	require.EqualError(t, <-ended, "signal")
}

func TestTooManyRequests(t *testing.T) {
	t.Parallel()
	c, _ := slowFlush(t)
	c.line(strings.Repeat(`{"op":"facts"}`+"\n", maxQueued+1))
	require.ErrorContains(t, c.end(), "too many requests at once")
}

// slowFlush has an agent amid a flush that lasts until it is cancelled.
func slowFlush(t *testing.T) (*client, <-chan struct{}) {
	t.Helper()
	v := newVolume(t, 1)
	f := newFakeAPI(t, v)
	begun, gone := make(chan struct{}), make(chan struct{})
	f.Answer(apitest.Flush, func(_ http.ResponseWriter, r *http.Request) {
		close(begun)
		<-r.Context().Done()
		close(gone)
	})
	c := open(t, v.node(f.URL))
	c.send(wire.OpFlush, wire.FlushArgs{Keyspaces: []string{"ks"}})
	<-begun
	return c, gone
}

func TestStdinThatClosesCancelsWhatRuns(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		queued string
	}{{"while one runs", ""}, {"while others wait too", `{"id":9,"op":"facts"}`}}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c, gone := slowFlush(t)
			if tt.queued != "" {
				c.line(tt.queued)
			}
			require.NoError(t, c.in.Close())
			require.NoError(t, c.end())
			<-gone
		})
	}
}

func TestStdoutThatBlocksKeepsNoAgentAlive(t *testing.T) {
	t.Parallel()
	c := start(t, 300*time.Millisecond)
	c.send(wire.OpInspect, none{}) // whose answer nobody reads
	require.ErrorContains(t, c.end(), "no message from the executor")
}

func TestPingsAreHeardWhileRequestsWait(t *testing.T) {
	t.Parallel()
	v := newVolume(t, 1)
	f := newFakeAPI(t, v)
	f.Answer(apitest.Flush, func(w http.ResponseWriter, _ *http.Request) { time.Sleep(1500 * time.Millisecond) })
	c := start(t, 700*time.Millisecond)
	_, err := ask[wire.HelloResult](c, wire.OpHello, wire.Hello{Protocol: wire.Protocol, Node: v.node(f.URL)})
	require.NoError(t, err)
	first := c.send(wire.OpFlush, wire.FlushArgs{Keyspaces: []string{"ks"}})
	second := c.send(wire.OpInspect, none{})
	for range 10 {
		time.Sleep(150 * time.Millisecond)
		c.line(`{"op":"ping"}`)
	}
	_, err = wait[none](c, first)
	require.NoError(t, err)
	_, err = wait[ledger.Volume](c, second)
	require.NoError(t, err)
}
