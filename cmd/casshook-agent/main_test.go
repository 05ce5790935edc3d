package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/casshook/casshook/pkg/agent"
	"github.com/casshook/casshook/pkg/agent/wire"
	"github.com/casshook/casshook/pkg/cleaner"
)

func TestParseClean(t *testing.T) {
	t.Parallel()
	opts, output, err := parseClean([]string{
		"--volume", "/v", "--data", "/v/a", "--data", "/v/b", "--commitlog", "/c", "--hints", "/h", "--saved-caches", "/s", "--cdc", "/r",
		"--backup", "casshook-20261121T101530Z-4f2a", "--peers", "forget", "--volume-id", "pvc", "--node-host-id", "h1",
		"--in-place", "--again", "--assume-stopped", "--dry-run", "--full", "-o", "json",
	}, nil)
	require.NoError(t, err)
	require.Equal(t, "json", output)
	require.Equal(t, cleaner.Options{
		Volume: "/v", Data: []string{"/v/a", "/v/b"}, CommitLog: "/c", Hints: "/h", SavedCaches: "/s", CDC: "/r",
		Backup: "casshook-20261121T101530Z-4f2a", ForgetPeers: true, VolumeID: "pvc", HostID: "h1",
		InPlace: true, Again: true, AssumeStopped: true, DryRun: true, Full: true,
	}, opts)
	opts, output, err = parseClean([]string{"--volume", "/v"}, nil)
	require.NoError(t, err)
	require.Equal(t, "text", output)
	require.Equal(t, cleaner.Options{Volume: "/v"}, opts)
}

func TestRun(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		args           []string
		code           int
		stdout, stderr string
	}{
		"nothing":             {nil, 2, "", "Usage:"},
		"unknown":             {[]string{"wipe"}, 2, "", "Usage:"},
		"version":             {[]string{"version"}, 0, agent.Release, ""},
		"help":                {[]string{"--help"}, 0, "Usage:", ""},
		"help of serve":       {[]string{"serve", "--help"}, 0, "Usage:", ""},
		"help of version":     {[]string{"version", "-h"}, 0, "Usage:", ""},
		"dashes of clean":     {[]string{"clean", "--help"}, 0, "", "\n  --volume string\n"},
		"value without dash":  {[]string{"clean", "--in-place=maybe"}, 2, "", `invalid boolean value "maybe" for --in-place`},
		"serve":               {[]string{"serve"}, 0, "", ""},
		"serve and more":      {[]string{"serve", "x"}, 2, "", "Usage:"},
		"clean, help":         {[]string{"clean", "--help"}, 0, "", "130  interrupted"},
		"clean, no volume":    {[]string{"clean"}, 2, "", "casshook-agent: no volume: use --volume DIR"},
		"clean, an argument":  {[]string{"clean", "--volume", "/v", "x"}, 2, "", `casshook-agent: unexpected argument "x"`},
		"clean, other flag":   {[]string{"clean", "--wipe"}, 2, "", "casshook-agent: flag provided but not defined: --wipe"},
		"clean, other output": {[]string{"clean", "--volume", "/v", "-o", "yaml"}, 2, "", `casshook-agent: unknown output format "yaml": use text or json`},
		"clean, other peers":  {[]string{"clean", "--volume", "/v", "--peers", "some"}, 2, "", `casshook-agent: peers "some": use keep or forget`},
		"clean, nowhere":      {[]string{"clean", "--volume", "/nowhere"}, 3, "", "casshook-agent: directory /nowhere:"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var stdout, stderr bytes.Buffer
			code := run(t.Context(), tt.args, strings.NewReader(""), &stdout, &stderr)
			require.Equal(t, tt.code, code, stderr.String())
			require.Contains(t, stdout.String(), tt.stdout)
			require.Contains(t, stderr.String(), tt.stderr)
		})
	}
}

func TestPrintClean(t *testing.T) {
	t.Parallel()
	r := &wire.CleanResult{State: wire.StateCleaned, BackupID: "b", Node: "n1", Linked: 3, Foreign: []string{"/x"}}
	var out bytes.Buffer
	require.NoError(t, printClean(&out, "json", r))
	require.Equal(t, 1, strings.Count(out.String(), "\n"), "one line")
	require.JSONEq(t, `{"state":"cleaned","backupId":"b","node":"n1","hostId":"","volume":"","peersForgotten":false,"tables":0,"files":0,"bytes":0,
		"removed":0,"linked":3,"bytesLinked":0,"copied":0,"bytesCopied":0,"tablesEmptied":null,"directoriesEmptied":null,"foreign":["/x"],"ledger":{"identity":"","free":0,"total":0,"backups":null,"restores":null},
		"started":"0001-01-01T00:00:00Z","seconds":0}`, out.String())
	out.Reset()
	require.NoError(t, printClean(&out, "text", r))
	require.Contains(t, out.String(), "backup b restored in 0.00 s")
	require.Contains(t, out.String(), "foreign, kept   /x")
	r.Foreign = []string{"/x\x1b[2J\nbackup c restored\u009b"} // names that somebody chose
	out.Reset()
	require.NoError(t, printClean(&out, "text", r))
	require.Contains(t, out.String(), `foreign, kept   /x\x1b[2J\nbackup c restored\u009b`)
	out.Reset()
	require.NoError(t, printClean(&out, "json", r))
	require.Contains(t, out.String(), `"/x\u001b[2J\nbackup c restored\u009b"`)
}
