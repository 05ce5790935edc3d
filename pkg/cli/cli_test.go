package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/casshook/casshook/pkg/ledger"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"github.com/casshook/casshook/pkg/backup"
	"github.com/casshook/casshook/pkg/document"
	"github.com/casshook/casshook/pkg/flow"
	"github.com/casshook/casshook/pkg/report"
	"github.com/casshook/casshook/pkg/restore"
)

func testApp() *app { return &app{stdout: io.Discard, stderr: io.Discard} }

func everyCommand(cmd *cobra.Command) []*cobra.Command {
	all := []*cobra.Command{cmd}
	for _, child := range cmd.Commands() {
		all = append(all, everyCommand(child)...)
	}
	return all
}

// flagsOf are the command's own flags.
func flagsOf(cmd *cobra.Command) []*pflag.Flag {
	var flags []*pflag.Flag
	cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
		if f.Name != "help" {
			flags = append(flags, f)
		}
	})
	return flags
}

// run runs a command line, and returns the last line of stderr.
func run(t *testing.T, args ...string) (code int, stdout, reason string) {
	t.Helper()
	return runContext(t.Context(), args...)
}

func runContext(ctx context.Context, args ...string) (code int, stdout, reason string) {
	var out, errs bytes.Buffer
	code = Run(ctx, args, &out, &errs)
	lines := strings.Split(strings.TrimRight(errs.String(), "\n"), "\n")
	return code, out.String(), lines[len(lines)-1]
}

// needTarget are the commands that open a ring.
func needTarget() []string {
	return []string{"before-backup", "after-backup", "on-failure", "after-restore", "restore", "plan", "verify", "status", "list"}
}

func TestWrongUsage(t *testing.T) {
	t.Parallel()
	broken := filepath.Join(t.TempDir(), "inventory.yaml")
	require.NoError(t, os.WriteFile(broken, []byte("apiVersion: casshook.io/v1\nkind: List\nnodes: []\n"), 0o600))
	cases := []struct {
		name   string
		args   []string
		reason string
	}{
		{"unknown command", []string{"backup"}, `casshook: unknown command "backup" for "casshook"`},
		{"unknown shell", []string{"completion", "csh"}, `casshook: unknown command "csh" for "casshook completion"`},
		{"unknown flag", []string{"list", "--all"}, "casshook: unknown flag: --all"},
		{"unknown flag of the root", []string{"--all"}, "casshook: unknown flag: --all"},
		{"flag without its value", []string{"list", "--inventory"}, "casshook: flag needs an argument: --inventory"},
		{"bad value", []string{"plan", "--workers", "many"}, `casshook: invalid argument "many" for "--workers" flag`},
		{"argument", []string{"list", "ring"}, `casshook: unknown command "ring" for "casshook list"`},
		{"unknown format", []string{"list", "-o", "xml"}, `casshook: unknown output format "xml": use table, json, yaml or kanister`},
		{"several problems on one line", []string{"list", "--inventory", broken}, "must be casshook.io/v1 and Inventory; no nodes"},
	}
	for _, name := range needTarget() {
		cases = append(cases, struct {
			name   string
			args   []string
			reason string
		}{name + " without inventory", []string{name}, "casshook: no ring selected: use --namespace NAMESPACE for Kubernetes, or --inventory FILE for hosts"}, struct {
			name   string
			args   []string
			reason string
		}{name + " with an inventory that is not there", []string{name, "--inventory", "/no/such/file"}, "casshook: inventory: open /no/such/file: no such file or directory"})
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			code, stdout, reason := run(t, c.args...)
			require.Equal(t, int(flow.Usage), code, reason)
			require.Contains(t, reason, c.reason)
			require.True(t, strings.HasPrefix(reason, "casshook: "), reason)
			require.Empty(t, stdout)
		})
	}
}

func TestOneLine(t *testing.T) {
	t.Parallel()
	err := errors.Join(errors.New("a\n  b\n"), errors.New("\n\nc"))
	require.Equal(t, "a; b; c", oneLine(err))
}

func TestExitCode(t *testing.T) {
	t.Parallel()
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, c := range []struct {
		name string
		ctx  context.Context
		err  error
		want flow.Code
	}{
		{"done", t.Context(), nil, flow.Done},
		{"done before the signal", cancelled, nil, flow.Done},
		{"no code", t.Context(), errors.New("x"), flow.Failed},
		{"code", t.Context(), flow.Failf(flow.Locked, "x"), flow.Locked},
		{"interrupted", cancelled, errors.New("x"), flow.Interrupted},
		{"interrupted in a check", cancelled, flow.Failf(flow.Precondition, "x"), flow.Interrupted},
		{"interrupted half-way", cancelled, flow.Failf(flow.HalfWay, "x"), flow.HalfWay},
		{"interrupted with differences", cancelled, flow.Failf(flow.Differences, "x"), flow.Differences},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.want, exitCode(c.ctx, c.err))
		})
	}
}

// ringOfOne is an inventory of a node whose agent is a script.
func ringOfOne(t *testing.T, agent string) string {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "agent")
	require.NoError(t, os.WriteFile(path, []byte("#!/bin/sh\n"+agent), 0o700))
	inventory := filepath.Join(dir, "inventory.yaml")
	content := "apiVersion: casshook.io/v1\nkind: Inventory\ncluster: c\nnodes:\n" +
		"- {name: n1, address: 127.0.0.1, volume: /v, dataDirectories: [/v/data], nodetool: [nodetool], agent: " + path + "}\n"
	require.NoError(t, os.WriteFile(inventory, []byte(content), 0o600))
	return inventory
}

// fakeAgent answers hello, then inspect with a volume.
func fakeAgent(t *testing.T, volume ledger.Volume) string {
	t.Helper()
	answer, err := json.Marshal(volume)
	require.NoError(t, err)
	return "read -r hello\necho '{\"id\":1,\"result\":{}}'\nread -r inspect\necho '{\"id\":2,\"result\":" + string(answer) + "}'\ncat >/dev/null\n"
}

func TestAgentThatCannotRun(t *testing.T) {
	t.Parallel()
	code, stdout, reason := run(t, "list", "--inventory", ringOfOne(t, "echo 'no memory' >&2; exit 9"))
	require.Equal(t, int(flow.Precondition), code)
	require.Contains(t, reason, "node n1")
	require.Contains(t, reason, "no memory")
	require.Empty(t, stdout)
}

func TestInterrupted(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	code, _, reason := runContext(ctx, "list", "--inventory", ringOfOne(t, "cat >/dev/null"))
	require.Equal(t, int(flow.Interrupted), code, reason)
}

func aVolume() ledger.Volume {
	return ledger.Volume{Identity: "v1", Free: 1 << 30, Total: 1 << 31, Backups: []ledger.Backup{
		{ID: "casshook-20261121T101530Z-4f2a", Complete: true, Volume: "v1"}}}
}

func TestFormats(t *testing.T) {
	t.Parallel()
	want := []backup.Listed{{ID: "casshook-20261121T101530Z-4f2a", Complete: true, Nodes: []string{"n1"}, Volumes: "own"}}
	for format, decode := range map[string]func([]byte, any) error{
		"json": json.Unmarshal, "yaml": func(b []byte, v any) error { return yaml.UnmarshalStrict(b, v) },
	} {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			code, stdout, reason := run(t, "list", "-o", format, "--inventory", ringOfOne(t, fakeAgent(t, aVolume())))
			require.Zero(t, code, reason)
			var got []backup.Listed
			require.NoError(t, decode([]byte(stdout), &got), stdout)
			require.Equal(t, want, got)
		})
	}
	t.Run("table", func(t *testing.T) {
		t.Parallel()
		code, stdout, _ := run(t, "list", "--inventory", ringOfOne(t, fakeAgent(t, aVolume())))
		require.Zero(t, code)
		require.Equal(t, "BACKUP                          COMPLETE  NODES  VOLUMES  WINDOW   PROBLEMS\ncasshook-20261121T101530Z-4f2a  true      1      own      unknown\n", stdout)
	})
}

func TestStatus(t *testing.T) {
	t.Parallel()
	since := time.Date(2026, 11, 21, 10, 15, 30, 0, time.UTC)
	v := aVolume()
	v.Lock = &ledger.Lock{Holder: "h-1", Operation: "before-backup", Since: since, Parked: true}
	v.Backups = append(v.Backups, ledger.Backup{ID: "b2", Volume: "v0", Problem: "torn"})
	v.Restores = []ledger.Restore{
		{ID: "r5", BackupID: "b2", Volume: "v1", Stage: ledger.Loaded, Offline: true, Cleaned: &ledger.Cleaned{Time: since}, Steps: []ledger.Entry{{Step: "x"}}},
		{ID: "r6", BackupID: "b2", Volume: "v1", Stage: ledger.Truncated, Offline: true, Steps: []ledger.Entry{{Step: "x"}}},
		{ID: "r1", BackupID: "b2"}, {ID: "r2", BackupID: "b2", Stage: ledger.Loading, Steps: []ledger.Entry{{Step: "staging"}, {Step: "loading"}}},
		{ID: "r3", BackupID: "b2", Stage: ledger.Views}, {ID: "r4", BackupID: "b2", Scope: ledger.All(), Stage: ledger.Done},
		{ID: "r7", BackupID: "b2", Volume: "v1", Stage: ledger.Done, Scope: ledger.Scope{Tables: []document.TableName{{Keyspace: "ks", Name: "t"}}}},
	}
	v.Restores = append(v.Restores, ledger.Restore{ID: "r8", BackupID: "b2", Volume: "v1", Stage: ledger.Done})
	v.Archived = []ledger.Restore{{ID: "r9", BackupID: "b2", Volume: "v1", Stage: ledger.Done, Scope: ledger.All(), Finished: since}}
	var out strings.Builder
	writeStatus(&out, []backup.NodeStatus{{Name: "n1", Volume: v}})
	for _, want := range []string{
		"v1                              1.0 GiB of 2.0 GiB free", "parked by h-1 since 2026-11-21T10:15:30Z", "4f2a  complete\n",
		"not complete, of another volume, torn", "begun, of another volume (backup b2)", "stopped at: loading, of another volume (backup b2)", "loaded, not verified, of", "done, of another volume", "done, a part: ks.t (backup b2)",
		"put in place by the cleaner at 2026-11-21T10:15:30Z (backup b2)", "partly cleaned: do not start the node, run clean again (backup b2)",
		"done, of everything or of a part (not recorded) (backup b2)", "done at 2026-11-21T10:15:30Z (backup b2), done again since",
	} {
		require.Contains(t, out.String(), want)
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errors.New("no space left") }

// A result that is lost must not look like success, nor hide why the run failed.
func TestLostResult(t *testing.T) {
	t.Parallel()
	var errs bytes.Buffer
	code := Run(t.Context(), []string{"list", "--inventory", ringOfOne(t, fakeAgent(t, aVolume()))}, brokenWriter{}, &errs)
	require.Equal(t, int(flow.Failed), code)
	require.Equal(t, "casshook: no space left\n", errs.String())

	a := &app{output: report.FormatTable, stdout: brokenWriter{}}
	err := a.printWith(flow.Failf(flow.Differences, "ks.t differs"), nil, func(w io.Writer) { _, _ = io.WriteString(w, "x") })
	require.Equal(t, flow.Differences, flow.CodeOf(err))
	require.Equal(t, "ks.t differs; no space left", oneLine(err))
}

// The code of an error that came after a change must not say that nothing was changed.
func TestLostResultOfAChange(t *testing.T) {
	t.Parallel()
	a := &app{output: report.FormatTable, stdout: brokenWriter{}}
	write := func(w io.Writer) { _, _ = io.WriteString(w, "x") }
	for _, c := range []struct {
		name string
		err  error
		want flow.Code
	}{
		{"only the result is lost", nil, flow.HalfWay},
		{"the run failed, too", flow.Failf(flow.Differences, "x"), flow.Differences},
		{"the run failed before it changed anything", flow.Failf(flow.Precondition, "x"), flow.Precondition},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.want, flow.CodeOf(a.printChange(c.err, nil, write)))
		})
	}
	require.NoError(t, (&app{stdout: io.Discard, output: report.FormatTable}).printChange(nil, nil, write))
	for code, want := range map[flow.Code]flow.Code{flow.Failed: flow.HalfWay, flow.Precondition: flow.HalfWay, flow.Locked: flow.HalfWay,
		flow.Differences: flow.Differences, flow.Interrupted: flow.Interrupted} {
		require.Equal(t, want, flow.CodeOf(afterChange(flow.Failf(code, "x"))), code)
	}
	require.NoError(t, afterChange(nil))
}

func TestVersion(t *testing.T) {
	t.Parallel()
	code, stdout, _ := run(t, "version")
	require.Zero(t, code)
	require.Equal(t, Release+"\n", stdout)
}

func TestHelp(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{nil, {"--help"}, {"help"}} {
		code, stdout, _ := run(t, args...)
		require.Zero(t, code)
		require.Contains(t, stdout, flow.Codes)
		for _, name := range needTarget() {
			require.Contains(t, stdout, name)
		}
	}
	code, stdout, _ := run(t, "help", "plan")
	require.Zero(t, code)
	require.Contains(t, stdout, "--include")
	code, stdout, _ = run(t, "completion", "bash")
	require.Zero(t, code)
	require.Contains(t, stdout, "complete")
}

func TestHelpNamesVariablesAndExitCodes(t *testing.T) {
	t.Parallel()
	for _, cmd := range everyCommand(testApp().root()) {
		if cmd.HasParent() && cmd.Parent().Name() == "completion" || cmd.Name() == "help" {
			continue
		}
		args := append(strings.Fields(cmd.CommandPath())[1:], "--help")
		code, help, _ := run(t, args...)
		require.Zero(t, code)
		require.Contains(t, help, flow.Codes, cmd.CommandPath())
		for _, f := range flagsOf(cmd) {
			variable := `\[\$` + environmentName(f.Name) + `\]`
			if destroys(f.Name) {
				variable = `\[flag only\]`
			}
			require.Regexp(t, `--`+f.Name+`\b.*`+variable, help)
		}
		require.Contains(t, help, "[$CASSHOOK_INVENTORY]")
	}
}

func TestAgentFlag(t *testing.T) {
	t.Parallel()
	inventory := ringOfOne(t, "")
	content, err := os.ReadFile(inventory)
	require.NoError(t, err)
	local := filepath.Join(t.TempDir(), "local-agent")
	require.NoError(t, os.WriteFile(local, []byte("#!/bin/sh\n"+fakeAgent(t, aVolume())), 0o700))
	before, _, _ := strings.Cut(string(content), ", agent:")
	require.NoError(t, os.WriteFile(inventory, []byte(before+"}\n"), 0o600))
	code, stdout, reason := run(t, "list", "--inventory", inventory, "--agent", local)
	require.Zero(t, code, reason)
	require.Contains(t, stdout, "own")
}

// A report that cannot be written is found out before a node is asked anything: the agent of this ring would leave a trace.
func TestReportThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	trace := filepath.Join(dir, "trace")
	inventory := ringOfOne(t, "echo ran >"+trace)
	code, _, reason := run(t, "after-restore", "--inventory", inventory, "--report", filepath.Join(dir, "missing", "r.html"))
	require.Equal(t, int(flow.Usage), code, reason)
	require.Contains(t, reason, "report: open")
	require.NoFileExists(t, trace)
	code, _, reason = run(t, "after-restore", "--inventory", inventory, "--report", filepath.Join(dir, "r.html"))
	require.NotEqual(t, int(flow.Usage), code, reason)
	require.FileExists(t, trace)
	require.NoFileExists(t, filepath.Join(dir, "r.html"), "a restore that failed early left an empty report")

	require.NoError(t, os.Mkdir(filepath.Join(dir, "r-2.html"), 0o700))
	require.NoError(t, checkPages(filepath.Join(dir, "r.html"), 1))
	require.ErrorContains(t, checkPages(filepath.Join(dir, "r.html"), 2), "r-2.html: is a directory")
	old := filepath.Join(dir, "old.html")
	require.NoError(t, os.WriteFile(old, []byte("old"), 0o600))
	require.NoError(t, checkPages(old, 1))
	content, err := os.ReadFile(old)
	require.NoError(t, err)
	require.Equal(t, "old", string(content))
}

func TestWriteReport(t *testing.T) {
	t.Parallel()
	r := &restore.Report{
		BackupID: "b", Skew: document.Skew{StartMS: 1, TotalMS: 12}, Nodes: []string{"n1", "n2"}, Calls: 5, Statements: 7, Warnings: []string{"look"}, Differences: []string{"ks.u"},
		AgeSeconds: 3600, SmallestGCGrace: 60, RepairAdvised: true,
		Tables: []restore.TableProof{
			{TableName: document.TableName{Keyspace: "ks", Name: "t"}, Verdict: "keep", Expected: []int{1, 2}, Taken: []int{1, 2}},
			{TableName: document.TableName{Keyspace: "ks", Name: "u"}, Verdict: "create", Expected: []int{1, 2}, Taken: []int{1, 0}},
		},
	}
	var out strings.Builder
	writeReport(&out, r)
	require.Equal(t, "   TABLE  VERDICT  SSTABLES  TAKEN\n✓  ks.t   keep     1/2       1/2\n✗  ks.u   create   1/2       1/0\n"+
		"warning: look\nwarning: the backup is 1h0m0s old, more than the smallest gc_grace_seconds (60): run a full repair\ndifference: ks.u\n"+
		"snapshot window 12.00 ms from the first start to the last end\n"+
		"backup b restored, with differences: 2 tables on 2 nodes, 5 calls to agents, 7 statements\n", out.String())
}

func TestWritePlan(t *testing.T) {
	t.Parallel()
	p := &restore.Plan{
		BackupID: "b", Created: time.Unix(0, 0).UTC(), Skew: document.Skew{TotalMS: 4.5}, Resumes: true, Nodes: []string{"n1", "n2"}, Warnings: []string{"look"},
		Objects: []restore.Object{{Kind: "table", Name: `ks."T"`, Verdict: "recreate", Reason: "columns differ"}, {Kind: "index", Name: `ks."T"`, Verdict: "keep"}},
		Tables:  []restore.TablePlan{{TableName: document.TableName{Keyspace: "ks", Name: "T"}, SSTables: []int{3, 0}}},
	}
	var out strings.Builder
	writePlan(&out, p)
	require.Equal(t, "backup b of 1970-01-01T00:00:00Z; snapshot window 4.50 ms from the first start to the last end\nan earlier run loaded all data: it will be verified, not loaded again\n"+
		"VERDICT   KIND   NAME    SSTABLES  REASON\nrecreate  table  ks.\"T\"  3/0       columns differ\nkeep      index  ks.\"T\"\n"+
		"warning: look\nSSTABLES are listed for nodes n1/n2\n", out.String())
}
