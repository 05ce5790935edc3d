package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/document"
	"github.com/casshook/casshook/pkg/ledger"
	"github.com/casshook/casshook/pkg/sstable"
)

// fakeNodetoolVar makes this test binary a nodetool; its value is a directory
// with the log and, by verb, what is printed (<verb>.out), fails (<verb>.err) or
// hangs (<verb>.hangs).
const fakeNodetoolVar = "CASSHOOK_TEST_NODETOOL"

func appendLine(path string, line []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(append(line, '\n'))
	return errors.Join(err, f.Close())
}

func fakeNodetool(dir string, args []string) int {
	line, err := json.Marshal(args)
	if err == nil {
		err = appendLine(filepath.Join(dir, "log"), line)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 3
	}
	verb := args[0]
	if out, err := os.ReadFile(filepath.Join(dir, verb+".out")); err == nil {
		_, _ = os.Stdout.Write(out)
	}
	if text, err := os.ReadFile(filepath.Join(dir, verb+".err")); err == nil {
		_, _ = os.Stderr.Write(text)
		return 2
	}
	if _, err := os.Stat(filepath.Join(dir, verb+".hangs")); err == nil {
		time.Sleep(time.Hour)
	}
	if verb == "import" {
		return fakeImport(args[7:], filepath.Join(dir, "leave"))
	}
	return 0
}

// fakeImport takes the SSTables out of directories as Cassandra does; where the
// file leave is there, those with sequence 1 stay.
func fakeImport(dirs []string, leave string) int {
	_, err := os.Stat(leave)
	for _, dir := range dirs {
		entries, _ := os.ReadDir(dir)
		for _, e := range entries {
			if name, ok := sstable.ParseName(e.Name()); ok && (err != nil || name.ID != "1") {
				_ = os.Remove(filepath.Join(dir, e.Name()))
			}
		}
	}
	return 0
}

type nodetoolDir struct {
	t   *testing.T
	dir string
}

// newNodetool gives the command line of a fake nodetool, and where it logs.
func newNodetool(t *testing.T) (nodetoolDir, []string) {
	t.Helper()
	d := nodetoolDir{t, t.TempDir()}
	self, err := os.Executable()
	require.NoError(t, err)
	return d, []string{"/usr/bin/env", fakeNodetoolVar + "=" + d.dir, self}
}

func (d nodetoolDir) put(name, content string) {
	d.t.Helper()
	require.NoError(d.t, os.WriteFile(filepath.Join(d.dir, name), []byte(content), 0o600))
}

func (d nodetoolDir) log() [][]string {
	d.t.Helper()
	f, err := os.Open(filepath.Join(d.dir, "log"))
	require.NoError(d.t, err)
	defer f.Close()
	var log [][]string
	dec := json.NewDecoder(f)
	for {
		var argv []string
		if err := dec.Decode(&argv); err == io.EOF {
			return log
		}
		log = append(log, argv)
	}
}

const (
	hostA = "ed19c671-f413-4108-b9f2-1bb62ce8975c"
	hostB = "292a6c7f-2063-484c-b54d-9015216f1750"
	hostC = "102b6ecd-2081-4073-8172-bf818c35e27b"
)

func TestParseStatus(t *testing.T) {
	t.Parallel()
	head := "=======================\nStatus=Up/Down\n|/ State=Normal/Leaving/Joining/Moving\n"
	vnodes := "--  Address    Load       Tokens  Owns (effective)  Host ID                               Rack \n"
	single := "--  Address    Load       Owns (effective)  Host ID                               Token                 Rack \n"
	tests := []struct {
		name, text string
		want       []wire.Endpoint
	}{
		{"two datacenters", "Datacenter: dc1\n" + head + vnodes +
			"UN  127.0.0.1  394.97 MiB  16  100.0%  " + hostA + "  rack1\n" +
			"DN  127.0.0.2  151.07 KiB  16  33.4%   " + hostB + "  rack 2 \n\n" +
			"Datacenter: west one\n" + head + vnodes +
			"UJ  ::1        ?           16  ?       " + hostC + "  r\n\n",
			[]wire.Endpoint{
				{Address: "127.0.0.1", HostID: hostA, Datacenter: "dc1", Rack: "rack1", Up: true, Normal: true},
				{Address: "127.0.0.2", HostID: hostB, Datacenter: "dc1", Rack: "rack 2", Normal: true},
				{Address: "::1", HostID: hostC, Datacenter: "west one", Rack: "r", Up: true},
			}},
		{"one token a node", "Datacenter: dc1\n" + head + single +
			"UN  127.0.0.1  4.9 KiB  100.0%  " + hostA + "  -9223372036854775808  rack 1\n" +
			"UL  127.0.0.2  4.9 KiB  100.0%  " + hostB + "  0                     3\n" +
			"Datacenter: dc2\n" + head + vnodes + "?M  127.0.0.3  4.9 KiB  16  100.0%  " + hostC + "  12 a\n",
			[]wire.Endpoint{
				{Address: "127.0.0.1", HostID: hostA, Datacenter: "dc1", Rack: "rack 1", Up: true, Normal: true},
				{Address: "127.0.0.2", HostID: hostB, Datacenter: "dc1", Rack: "3", Up: true},
				{Address: "127.0.0.3", HostID: hostC, Datacenter: "dc2", Rack: "12 a"},
			}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := parseStatus(tt.text)
			require.NoError(t, err)
			require.Equal(t, tt.want, got)
		})
	}
	_, err := parseStatus("nothing here")
	require.EqualError(t, err, "nodetool status: no node in its output: nothing here")
}

func TestNodetoolFacts(t *testing.T) {
	t.Parallel()
	d, argv := newNodetool(t)
	v := newVolume(t, 1)
	n := v.node("")
	n.API, n.Nodetool = "", append(argv, "-p", "7199")
	// The options that come first are a verb to the fake.
	d.put("-p.out", "ID                     : "+hostA+"\nReleaseVersion: 5.0.9\nDatacenter: dc1\nUN  127.0.0.1  1 KiB  16  100.0%  "+hostA+"  r1\n")
	got, err := ask[wire.Facts](open(t, n), wire.OpFacts, none{})
	require.NoError(t, err)
	require.Equal(t, wire.Facts{Via: "nodetool", HostID: hostA, Release: "5.0.9", Endpoints: []wire.Endpoint{
		{Address: "127.0.0.1", HostID: hostA, Datacenter: "dc1", Rack: "r1", Up: true, Normal: true},
	}}, got)
	require.Equal(t, [][]string{{"-p", "7199", "info"}, {"-p", "7199", "version"}, {"-p", "7199", "status"}}, d.log())
	d.put("-p.out", "no ID")
	_, err = ask[wire.Facts](open(t, n), wire.OpFacts, none{})
	require.ErrorContains(t, err, "no host ID in its output")
}

func TestNodetoolArguments(t *testing.T) {
	t.Parallel()
	d, argv := newNodetool(t)
	tool := &nodetool{argv: argv}
	evil := "t; touch $(id) `id` \"'\n* "
	require.NoError(t, tool.flush(t.Context(), []string{"ks"}))
	require.NoError(t, tool.open(t.Context()))
	require.NoError(t, tool.snapshot(t.Context(), testID))
	require.NoError(t, tool.importDir(t.Context(), loadJob{Load: ledger.Load{TableName: document.TableName{Keyspace: "--help", Name: evil}}}, []string{"/a b", "/c"}))
	require.NoError(t, tool.loader().adopt(t.Context(), evil, "-h"))
	require.Equal(t, [][]string{
		{"flush"}, {"snapshot", "-t", testID},
		{"import", "--no-verify", "--no-tokens", "--keep-repaired", "--", "--help", evil, "/a b", "/c"},
		{"refresh", "--", evil, "-h"},
	}, d.log())
}

// TestNodetoolThatHangs: no call waits for ever, and each says what it waited for.
func TestNodetoolThatHangs(t *testing.T) {
	t.Parallel()
	d, argv := newNodetool(t)
	tool := &nodetool{argv: argv, limit: 100 * time.Millisecond}
	for _, verb := range []string{"info", "snapshot", "refresh", "import", "flush"} {
		d.put(verb+".hangs", "")
	}
	_, facts := tool.facts(t.Context())
	for want, err := range map[string]error{
		"nodetool info":                  facts,
		"nodetool snapshot -t " + testID: tool.snapshot(t.Context(), testID),
		"nodetool import --no-verify":    tool.importDir(t.Context(), loadJob{wait: time.Millisecond}, []string{"/a"}),
	} {
		require.ErrorIs(t, err, errUnknown)
		require.ErrorContains(t, err, want)
		require.ErrorContains(t, err, "timed out; Cassandra may still be working on it: waited 100ms")
	}
	require.NoError(t, tool.flush(t.Context(), nil), "the snapshot flushes what is left")
	gone := errors.New("the executor is gone")
	ctx, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(100*time.Millisecond, func() { cancel(gone) })
	err := tool.loader().adopt(ctx, "ks", "a")
	require.ErrorIs(t, err, gone)
	require.NotErrorIs(t, err, errUnknown)
}

// TestNodetoolEndsWithItsJVM: nodetool is a script.
func TestNodetoolEndsWithItsJVM(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "pid")
	tool := &nodetool{argv: []string{"/bin/sh", "-c", "sleep 1000 & echo $! >" + file + ".new; mv " + file + ".new " + file + "; wait"}}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { _, err := tool.run(ctx, "status"); ended <- err }()
	var pid []byte
	require.Eventually(t, func() bool { pid, _ = os.ReadFile(file); return len(pid) > 0 }, patience, time.Millisecond)
	cancel()
	require.ErrorIs(t, <-ended, context.Canceled)
	require.Eventually(t, func() bool {
		stat, err := os.ReadFile("/proc/" + strings.TrimSpace(string(pid)) + "/stat")
		return err != nil || strings.Contains(string(stat), ") Z ")
	}, patience, time.Millisecond)
}

func TestNodetoolErrors(t *testing.T) {
	t.Parallel()
	d, argv := newNodetool(t)
	tool := &nodetool{argv: argv}
	d.put("snapshot.err", "WARN something\nerror: Snapshot x already exists.\n-- StackTrace --\njava.io.IOException: x\n")
	require.EqualError(t, tool.snapshot(t.Context(), "x"), "nodetool snapshot -t x: exit status 2: Snapshot x already exists.")
	d.put("flush.err", strings.Repeat("long ", 1000)+"nodetool: Failed to connect to '127.0.0.1:7199'\n")
	err := tool.flush(t.Context(), nil)
	require.ErrorContains(t, err, "Failed to connect")
	require.Less(t, len(err.Error()), tailBytes+100)
	_, err = (&nodetool{argv: []string{"/no/such/nodetool"}}).facts(t.Context())
	require.ErrorContains(t, err, "nodetool info: fork/exec /no/such/nodetool")
}
